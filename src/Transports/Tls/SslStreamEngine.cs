using System.Diagnostics;
using System.Net.Security;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Transports;

/// <summary>
/// The engine on .NET's <see cref="SslStream"/>, which believes to be waiting for a network while it waits for the next step.
/// </summary>
/// <remarks>
/// <para>
/// All of its awaits are <c>ConfigureAwait(false)</c>: with the synchronization context cleared they go on inside the call that
/// completes what they wait for, which is <see cref="CipherStream.Resume"/>. So a step is over when the call returns, and what
/// has not completed by then waits for more input. Writes complete at once, and with them all that encrypts.
/// </para>
/// <para>
/// It is read from with an empty buffer, which completes when a record was decrypted, and then with a real one, which completes
/// at once. So nobody's buffer is held while a record is incomplete, and an idle stream holds none of its own.
/// </para>
/// <para>
/// It is fed a record at a time: with more in its hands it takes what stands behind the end of TLS for something wrong.
/// </para>
/// <para>
/// It is never told of an end of the network: what it makes of that (a clean end, unless within a record) is for the layer above
/// to judge.
/// </para>
/// </remarks>
internal sealed class SslStreamEngine : TlsEngine
{
    // A buffer for what is to be encrypted: the stream wants memory, and is given spans. Never in use outside of one call.
    [ThreadStatic]
    private static byte[]? s_plaintext;

    private const int PlaintextSize = 64 * 1024;

    private readonly CipherStream _wire;
    private readonly SslStream _ssl;
    private readonly bool _isServer;
    private Func<SslStream, Task>? _begin;
    private Task? _handshake;
    private ValueTask<int> _waiting; // for a decrypted record; never a task, which would be allocated for each
    private bool _isWaiting;
    private ExceptionDispatchInfo? _failure;
    private bool _isInStep;
    private bool _isDisposed;
    private bool _isClosed;

    /// <summary>Makes an engine.</summary>
    /// <param name="loop">The loop that it is used on.</param>
    /// <param name="begin">Begins the handshake.</param>
    /// <param name="isServer">Which side it is.</param>
    public SslStreamEngine(EventLoop loop, Func<SslStream, Task> begin, bool isServer)
    {
        _wire = new CipherStream(loop, this);
        _ssl = new SslStream(_wire, leaveInnerStreamOpen: true);
        _begin = begin;
        _isServer = isServer;
    }

    public override bool IsAuthenticated => _handshake is { IsCompletedSuccessfully: true };

    public override TlsConnectionInfo Describe() => new()
    {
        IsServer = _isServer,
        Protocol = _ssl.SslProtocol,
        CipherSuite = _ssl.NegotiatedCipherSuite,
        ApplicationProtocol = _ssl.NegotiatedApplicationProtocol,
        ServerName = string.IsNullOrEmpty(_ssl.TargetHostName) ? null : _ssl.TargetHostName,
        PeerCertificate = _ssl.RemoteCertificate is { } certificate
            ? certificate as X509Certificate2 ?? X509CertificateLoader.LoadCertificate(certificate.GetRawCertData())
            : null,
    };

    public override TlsStatus Handshake(ReadOnlyMemory<byte> input, out int consumed)
    {
        BeginStep(input);
        try
        {
            if (_begin is { } begin)
            {
                _begin = null;
                _handshake = begin(_ssl);
            }

            _wire.Resume();
            if (!_handshake!.IsCompleted)
            {
                return TlsStatus.NeedMoreData;
            }

            _handshake.GetAwaiter().GetResult();
            return TlsStatus.Complete;
        }
        finally
        {
            EndStep(input, out consumed);
        }
    }

    public override TlsStatus Decrypt(
        ReadOnlyMemory<byte> input, IPlaintextTaker taker, out int consumed, out int produced)
    {
        produced = 0;
        BeginStep(input);
        try
        {
            _failure?.Throw();
            if (_isClosed)
            {
                _wire.Input = default; // what comes behind the end means nothing
                return TlsStatus.Closed;
            }

            if (!HasDecrypted())
            {
                return TlsStatus.NeedMoreData;
            }

            Memory<byte> buffer = taker.GetPlaintextBuffer();
            if (!buffer.IsEmpty && !_isDisposed)
            {
                produced = Fill(buffer);
            }

            return produced == 0 && _isClosed ? TlsStatus.Closed : TlsStatus.Complete;
        }
        finally
        {
            EndStep(input, out consumed);
        }
    }

    public override void Encrypt(ReadOnlySpan<byte> plaintext)
    {
        byte[] scratch = s_plaintext ??= new byte[PlaintextSize];
        while (!plaintext.IsEmpty)
        {
            int count = Math.Min(plaintext.Length, scratch.Length);
            plaintext[..count].CopyTo(scratch);
            plaintext = plaintext[count..];
            RequireDone(_ssl.WriteAsync(scratch.AsMemory(0, count)));
        }
    }

    public override void Shutdown() => RequireDone(new ValueTask(_ssl.ShutdownAsync()));

    public override void Dispose()
    {
        _isDisposed = true;
        if (!_isInStep)
        {
            Free();
        }
    }

    private static void RequireDone(ValueTask write)
    {
        Debug.Assert(write.IsCompleted, "What is written goes into a buffer, so there is nothing to wait for.");
        write.GetAwaiter().GetResult();
    }

    // Small records are told together. What is wrong with a record is told after what came before it.
    private int Fill(Memory<byte> buffer)
    {
        int produced = 0;
        try
        {
            do
            {
                ValueTask<int> read = _ssl.ReadAsync(buffer[produced..]);
                Debug.Assert(read.IsCompleted, "A record was decrypted, so there is nothing to wait for.");
                int count = read.GetAwaiter().GetResult();
                _isClosed = count == 0;
                produced += count;
            }
            while (!_isClosed && produced < buffer.Length && !_wire.Input.IsEmpty && HasDecrypted());
        }
        catch (Exception exception) when (produced > 0)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }

        return produced;
    }

    private bool HasDecrypted()
    {
        if (!_isWaiting)
        {
#pragma warning disable CA2012 // Kept until it has completed, and consumed once.
            _waiting = _ssl.ReadAsync(Memory<byte>.Empty);
#pragma warning restore CA2012
            _isWaiting = true;
        }
        else
        {
            _wire.Resume();
        }

        if (!_waiting.IsCompleted)
        {
            return false;
        }

        ValueTask<int> done = _waiting;
        _waiting = default;
        _isWaiting = false;
        done.GetAwaiter().GetResult();
        return true;
    }

    private void BeginStep(ReadOnlyMemory<byte> input)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _isInStep = true;
        _wire.Input = input;
    }

    private void EndStep(ReadOnlyMemory<byte> input, out int consumed)
    {
        consumed = input.Length - _wire.Input.Length;
        _wire.Input = default;
        _isInStep = false;
        if (_isDisposed)
        {
            Free();
        }
    }

    private void Free()
    {
        _wire.Break();
        _ = _handshake?.Exception; // nobody else asks any more what came of it
        _ssl.Dispose();
    }
}
