using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <summary>A socket with what the kernel has in flight on it, and what it has delivered that nobody wanted yet.</summary>
[DebuggerDisplay("fd {Fd}, in flight {InFlight}")]
[SupportedOSPlatform("linux")]
internal sealed class UringHandle(UringBackend backend, int fd, StrongBox<SocketName> local, SocketName remote)
    : LinuxHandle(backend, fd, local, remote)
{
    /// <summary>What the kernel has been asked for and has not ended.</summary>
    public Work InFlight { get; set; }

    /// <summary>Of that, what it has been asked to end.</summary>
    public Work Cancelled { get; set; }

    /// <summary>Whether the receive that was started last has received anything.</summary>
    public bool HasReceived { get; set; }

    /// <summary>What has come for a reader or acceptor that did not want it at that moment; null when nothing ever has.</summary>
    public Leftovers? Leftovers { get; set; }

    /// <summary>Of a listener: the poll that accepted last.</summary>
    public long AcceptedAt { get; set; }

    /// <summary>The memory that a send in flight reads from.</summary>
    public MemoryHandle SendPin { get; set; }

    public bool HasInFlight(Work work) => (InFlight & work) != Work.None;

    public void Ended(Work work)
    {
        InFlight &= ~work;
        Cancelled &= ~work;
    }
}

/// <summary>What the kernel can be at for a handle: at most one of each kind.</summary>
[Flags]
internal enum Work : byte
{
    None = 0,
    Receive = 1,
    Accept = 2,
    Send = 4,
    WritePoll = 8, // of whoever connects, or waits until the handle is writable
    HangUp = 16,
    ReceiveDatagrams = 32,
    SendDatagram = 64,
}

/// <summary>
/// What the kernel had delivered when its reader or acceptor did not want it. It is told first when somebody wants it again.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class Leftovers
{
    /// <summary>Smaller pieces are copied, so that they do not keep a whole buffer.</summary>
    private const int SmallPiece = 4096;

    private readonly Queue<Bytes> _bytes = new();
    private Bytes? _first; // of which a part was told

    /// <summary>Accepted connections that nobody was told of.</summary>
    public Queue<int> Newcomers { get; } = new();

    /// <summary>How the stream has ended, behind the bytes.</summary>
    public SocketError? End { get; set; }

    /// <summary>Whether the handle waits to be told of at the next poll.</summary>
    public bool IsQueued { get; set; }

    public bool HasBytes => _first is not null || _bytes.Count > 0;

    /// <summary>Keeps received bytes.</summary>
    public void Add(ProvidedBuffers buffers, ProvidedBuffers.Piece piece)
    {
        ReadOnlySpan<byte> bytes = piece.Bytes;
        if (bytes.Length > SmallPiece && !buffers.AreScarce)
        {
            _bytes.Enqueue(new Bytes(piece));
            return;
        }

        byte[] copy = ArrayPool<byte>.Shared.Rent(bytes.Length);
        bytes.CopyTo(copy);
        _bytes.Enqueue(new Bytes(copy, bytes.Length));
        buffers.Return(piece);
    }

    /// <summary>Takes the bytes that came first. They are put back or freed.</summary>
    public Bytes TakeFirst()
    {
        Bytes first = _first ?? _bytes.Dequeue();
        _first = null;
        return first;
    }

    /// <summary>Puts back what was not told of the bytes that came first.</summary>
    public void PutBack(Bytes rest) => _first = rest;

    /// <summary>Nobody will want it any more.</summary>
    public void Discard(ProvidedBuffers buffers)
    {
        while (HasBytes)
        {
            TakeFirst().Free(buffers);
        }

        while (Newcomers.TryDequeue(out int fd))
        {
            LinuxSocket.ResetOnClose(fd); // as the kernel does with those who still stand in a closed listener's queue
            _ = Libc.Close(fd);
        }
    }

    /// <summary>Received bytes in the kernel's buffer, or in a copy.</summary>
    public sealed class Bytes
    {
        private readonly ProvidedBuffers.Piece _piece;
        private readonly byte[]? _copy;
        private readonly int _end;
        private int _start;

        public Bytes(ProvidedBuffers.Piece piece)
        {
            _piece = piece;
            _end = piece.Bytes.Length;
        }

        public Bytes(byte[] copy, int length)
        {
            _copy = copy;
            _end = length;
        }

        public ReadOnlySpan<byte> Span => (_copy ?? _piece.Bytes)[_start.._end];

        public void Skip(int count) => _start += count;

        public void Free(ProvidedBuffers buffers)
        {
            if (_copy is null)
            {
                buffers.Return(_piece);
            }
            else
            {
                ArrayPool<byte>.Shared.Return(_copy);
            }
        }
    }
}
