using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The upgrade to TLS in mid-stream: the same transport goes on over another handle.</summary>
internal sealed partial class StreamTransport : ITlsTransport, ITlsOwner
{
    private static readonly Action<object?> s_beginTls = static self => ((StreamTransport)self!).BeginTls();

    // Told of the upgrade's end comes first whoever waits for it, who goes on from a callback of its own.
    private static readonly Action<object?> s_readAfterUpgrade
        = static self => ((StreamTransport)self!)._origin.Loop.UnsafeCallSoon(s_updateReading, self);

    // Loop thread only.
    private TlsUpgrade? _upgrade;

    TlsConnectionInfo? ITlsTransport.Tls => _tls?.Info;

    private TlsHandle? _tls => _handle as TlsHandle;

    Task ITlsTransport.StartTlsAsync(TlsOptions options, CancellationToken cancellationToken)
    {
        VerifyAccess();
        RequireUpgradable();
        EventLoop loop = _origin.Loop;
        var user = new TlsUserCode(loop, _origin.Context);
        TlsHandle tls = TlsBackend.Of(loop).Wrap(_handle, _receive, _hangUp, options, user, this);
        tls.PlainLeft = _output.Length;
        _upgrade = new TlsUpgrade(this, options.HandshakeTimeout);
        _handle = tls;
        _receive = new ReceiveOperation(tls, this);
        _hangUp = null;
        if (_send is { IsArmed: false })
        {
            _send = null; // it is of the plain handle; one that is armed goes when it has ended
        }

        // The callback that is running may give back what it does not use, which belongs to the handshake.
        loop.UnsafeCallSoon(s_beginTls, this);
        return WaitForUpgradeAsync(_upgrade, cancellationToken);
    }

    void ITlsOwner.OnHandshakeEnded(TlsException? failure)
    {
        if (failure is not null)
        {
            Abort(failure.Reason, failure);
            return;
        }

        _upgrade!.End(null);
        _upgrade = null;
        _origin.Loop.UnsafeCallSoon(s_readAfterUpgrade, this);
    }

    /// <summary>Throws unless the connection can go on with TLS.</summary>
    public void RequireUpgradable()
    {
        if (_upgrade is not null)
        {
            throw new InvalidOperationException("The connection is about to speak TLS: StartTlsAsync was called before.");
        }

        if (_handle is TlsHandle)
        {
            throw new InvalidOperationException("The connection speaks TLS already, and there is no TLS within TLS.");
        }

        if (!IsSocket)
        {
            throw new InvalidOperationException("TLS is for connections of sockets, and this is a pipe or a terminal.");
        }

        if (_lifecycle.IsClosing)
        {
            throw new InvalidOperationException($"The connection is closing ({_closeReason}), and nothing new begins on it.");
        }

        RequireNoFile();
        if (_passing is { UnsentCount: > 0 })
        {
            throw new InvalidOperationException("Handles wait to be sent, and TLS can carry none. Start it when they have left.");
        }

        if (!_lifecycle.CanRead || !_lifecycle.CanWrite)
        {
            throw new InvalidOperationException("A handshake goes both ways, and one direction of the connection has ended.");
        }
    }

    private async Task WaitForUpgradeAsync(TlsUpgrade upgrade, CancellationToken cancellationToken)
    {
        try
        {
            await upgrade.Completion.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Abort(CloseReason.LocalAbort, null);
            throw;
        }
    }

    private void BeginTls()
    {
        if (_lifecycle.IsOver || _upgrade is null)
        {
            return;
        }

        _upgrade.HasBegun = true;
        var backend = (TlsBackend)_handle.Backend;
        if (_unread is { IsEmpty: false })
        {
            backend.Begin(_tls!, _unread.Lend());
            _unread.EndLoan();
        }
        else
        {
            backend.Begin(_tls!, []);
        }
    }

    /// <summary>An upgrade that is under way, and who waits for it.</summary>
    private sealed class TlsUpgrade
    {
        private readonly StreamTransport _transport;
        private readonly TimeSpan _time;
        private readonly TimerHandle _limit;

        public TlsUpgrade(StreamTransport transport, TimeSpan time)
        {
            _transport = transport;
            _time = time;
            EventLoop loop = transport._origin.Loop;
            Completion = new Future(loop);
            _limit = loop.UnsafeCallLater(time, static self => ((TlsUpgrade)self!).OnTimeOver(), this);
        }

        public Future Completion { get; }

        /// <summary>Whether what is given back comes too late for the handshake.</summary>
        public bool HasBegun { get; set; }

        public void End(Exception? failure)
        {
            _limit.Cancel();
            if (Completion.IsCompleted)
            {
                return;
            }

            if (failure is null)
            {
                Completion.SetResult();
            }
            else
            {
                Completion.SetException(failure);
            }
        }

        private void OnTimeOver()
        {
            TlsException failure = TlsFailure.OfTime(_time);
            _transport.Abort(failure.Reason, failure);
        }
    }
}
