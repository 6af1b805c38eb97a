using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// A stream of .NET's as a handle: one read and one write at a time are in flight on it, wherever it completes them.
/// </summary>
#pragma warning disable CA1001 // The source has neither a timer nor a wait handle, so that there is nothing to dispose.
internal sealed class StreamHandle : IoHandle
#pragma warning restore CA1001
{
    private const int BufferSize = 16 * 1024;

    private readonly StreamBackend _backend;
    private readonly Stream _stream;
    private readonly CancellationTokenSource _closing = new();

    // In the hands of the read that is in flight, and else of the loop's thread.
    private byte[] _input = [];
    private byte[] _output = [];
    private int _received;
    private int _sent;

    public StreamHandle(StreamBackend backend, Stream stream, IoHandleKind kind)
        : base(backend)
    {
        _backend = backend;
        _stream = stream;
        Kind = kind;
    }

    public override EndPoint? LocalEndPoint => null;

    public override EndPoint? RemoteEndPoint => null;

    public bool IsReading { get; private set; }

    public bool IsWriting { get; private set; }

    /// <summary>Received bytes that nobody was told of.</summary>
    public ReadOnlySpan<byte> Unread => _input.AsSpan(0, IsReading ? 0 : _received)[Told..];

    public int Told { get; set; }

    /// <summary>How the stream has ended, behind what is unread.</summary>
    public SocketError? InputEnd { get; private set; }

    /// <summary>What a write has come to: bytes, or an error; null while there is none.</summary>
    public SocketError? Written { get; set; }

    public int Sent => _sent;

    /// <summary>Whether the other side is gone, as somebody knows who does not look at the stream.</summary>
    public bool HasHungUp { get; set; }

    public async void BeginRead()
    {
        IsReading = true;
        Told = 0;
        _received = 0;
        if (_input.Length == 0)
        {
            _input = new byte[BufferSize];
        }

        SocketError? end = null;
        int received = 0;
        try
        {
            received = await _stream.ReadAsync(_input, _closing.Token).ConfigureAwait(false);
            end = received == 0 ? SocketError.Success : null;
        }
        catch (Exception)
        {
            // Broken, closed meanwhile, or whatever else its kind of stream throws: there is nobody above to hear of it.
            end = SocketError.ConnectionReset;
        }

        _backend.Post(() =>
        {
            IsReading = false;
            _received = received;
            InputEnd = end;
        });
    }

    public async void BeginWrite(ReadOnlyMemory<byte> data)
    {
        IsWriting = true;
        int count = Math.Min(data.Length, BufferSize);
        if (_output.Length == 0)
        {
            _output = new byte[BufferSize];
        }

        data.Span[..count].CopyTo(_output); // a write cannot be called back, while its owner's memory can
        SocketError outcome = SocketError.Success;
        try
        {
            await _stream.WriteAsync(_output.AsMemory(0, count), _closing.Token).ConfigureAwait(false);
            await _stream.FlushAsync(_closing.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            outcome = SocketError.Shutdown;
        }

        _backend.Post(() =>
        {
            IsWriting = false;
            _sent = count;
            Written = outcome;
        });
    }

    public void CloseStream()
    {
        _closing.Cancel(); // a pipe of Windows that was not opened for overlapped I/O would keep its reader, and us, waiting
        try
        {
            _stream.Dispose();
        }
        catch (IOException)
        {
            // What was flushed by it is lost, as with a pipe that has no reader.
        }
    }
}
