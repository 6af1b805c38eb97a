using System.Net;
using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// A peer that speaks TLS over another, with an engine of its own: what it sends and receives is plaintext, and what a test does
/// with the peer underneath is what networks do to TLS.
/// </summary>
internal sealed class TlsPeer : Peer, IPlaintextTaker
{
    private readonly Peer _peer;
    private readonly TlsEngine _engine;
    private readonly CipherBuffer _output = new();
    private readonly MemoryStream _early = new(); // sent before there was anybody to encrypt it
    private byte[] _input = new byte[64 * 1024];
    private int _start;
    private int _end;
    private Memory<byte> _wanted;
    private bool _isClosed;
    private bool _hasEnded;
    private bool _endsEarly;
    private bool _isDisposed;

    public TlsPeer(EventLoop loop, Peer peer, TlsOptions options)
    {
        _peer = peer;
        _engine = options.CreateEngine(new TlsUserCode(loop, null));
        _engine.Output = _output;
        Authenticated = AuthenticateAsync();
        _ = Authenticated.ContinueWith(
            static failed => _ = failed.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    /// <summary>Ends with the handshake.</summary>
    public Task Authenticated { get; }

    /// <summary>What was agreed on.</summary>
    public TlsConnectionInfo Info => _engine.Describe();

    /// <summary>The peer underneath.</summary>
    public Peer Wire => _peer;

    public override Task Connected => _peer.Connected;

    public override IPEndPoint LocalEndPoint => _peer.LocalEndPoint;

    public override IPEndPoint RemoteEndPoint => _peer.RemoteEndPoint;

    public override int Available => _peer.Available + _end - _start;

    public override int TrySend(ReadOnlySpan<byte> data)
    {
        if (!_engine.IsAuthenticated)
        {
            _early.Write(data);
            return data.Length;
        }

        byte[] ciphertext = Encrypt(data);
        _peer.SendNow(ciphertext);
        return data.Length;
    }

    public override async Task SendAsync(ReadOnlyMemory<byte> data)
    {
        await Authenticated;
        while (!data.IsEmpty)
        {
            int count = Math.Min(data.Length, 64 * 1024);
            await _peer.SendAsync(Encrypt(data.Span[..count]));
            data = data[count..];
        }
    }

    public override async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        await Authenticated;
        while (true)
        {
            _wanted = buffer;
            switch (Step((input, self) =>
            {
                TlsStatus status = self._engine.Decrypt(input, self, out int consumed, out int produced);
                return (status, consumed, produced);
            }))
            {
                case (TlsStatus.Complete, var produced):
                    return produced;
                case (TlsStatus.Closed, _):
                    _isClosed = true;
                    return 0;
                default:
                    if (!await ReadMoreAsync())
                    {
                        throw new TlsException(CloseReason.TruncatedTls, "TCP ended, and TLS has not.");
                    }

                    break;
            }
        }
    }

    public override void ShutdownSend()
    {
        if (!_engine.IsAuthenticated)
        {
            _endsEarly = true;
            return;
        }

        if (!_hasEnded)
        {
            byte[] end = EncryptEnd();
            int sent = _peer.TrySend(end);
            _ = EndAsync(end.AsMemory(sent));
        }

        // Behind all that was sent, for which there may be no room at the moment.
        async Task EndAsync(ReadOnlyMemory<byte> rest)
        {
            if (!rest.IsEmpty)
            {
                await _peer.SendAsync(rest);
            }

            _peer.ShutdownSend();
        }
    }

    public override void Reset() => _peer.Reset();

    public override void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        if (_engine.IsAuthenticated && !_hasEnded && _start == _end)
        {
            try
            {
                _peer.TrySend(EncryptEnd()); // when there is no room for it, the end is a rude one
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                // It is gone.
            }
        }

        _engine.Dispose();
        _peer.Dispose();
    }

    Memory<byte> IPlaintextTaker.GetPlaintextBuffer() => _wanted;

    /// <summary>Ciphertext of some plaintext, not sent.</summary>
    public byte[] Encrypt(ReadOnlySpan<byte> plaintext)
    {
        _engine.Encrypt(plaintext);
        return TakeOutput();
    }

    /// <summary>The record that ends TLS, not sent.</summary>
    public byte[] EncryptEnd()
    {
        _hasEnded = true;
        _engine.Shutdown();
        return TakeOutput();
    }

    private byte[] TakeOutput()
    {
        byte[] output = _output.Written.ToArray();
        _output.Clear();
        return output;
    }

    private async Task AuthenticateAsync()
    {
        await _peer.Connected;
        while (true)
        {
            TlsStatus status;
            try
            {
                (status, _) = Step((input, self) =>
                {
                    TlsStatus stepped = self._engine.Handshake(input, out int consumed);
                    return (stepped, consumed, 0);
                });
            }
            catch
            {
                await _peer.SendAsync(TakeOutput());
                throw;
            }

            if (status == TlsStatus.Complete)
            {
                break;
            }

            await _peer.SendAsync(TakeOutput());
            if (!await ReadMoreAsync())
            {
                throw new TlsException(CloseReason.TlsFailed, "The connection ended within the handshake.");
            }
        }

        // In the segment in which the handshake ends, as clients do.
        if (_early.Length > 0)
        {
            _engine.Encrypt(_early.ToArray());
        }

        await _peer.SendAsync(TakeOutput());
        if (_endsEarly)
        {
            ShutdownSend();
        }
    }

    // Nothing on the stack while user code runs may have the loop's context, as in the layer under test.
    private (TlsStatus Status, int Produced) Step(
        Func<ReadOnlyMemory<byte>, TlsPeer, (TlsStatus Status, int Consumed, int Produced)> step)
    {
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            (TlsStatus status, int consumed, int produced) = step(_input.AsMemory(_start, _end - _start), this);
            _start += consumed;
            return (status, produced);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private async Task<bool> ReadMoreAsync()
    {
        if (_isClosed)
        {
            return false;
        }

        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _input.Length)
        {
            Array.Resize(ref _input, _input.Length * 2);
        }

        int count = await _peer.ReceiveAsync(_input.AsMemory(_end));
        _end += count;
        return count > 0;
    }
}
