using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// A connection before its protocol knows of it: the handshake, its time, and its end with the loop. It ends once, and leaves no
/// handle behind unless it has succeeded.
/// </summary>
internal sealed class TlsHandshake : ITlsOwner, IDescribedResident<TransportInfo>
{
    private readonly EventLoop _loop;
    private readonly TlsHandle _handle;
    private readonly TimerHandle _limit;
    private readonly Action<TlsHandshake, TlsException?> _ended;
    private bool _isOver;

    /// <summary>Begins a handshake.</summary>
    /// <param name="loop">The loop.</param>
    /// <param name="connection">The connection, which is the handshake's from here.</param>
    /// <param name="options">Which side it is, and how.</param>
    /// <param name="context">The execution context of the user's callbacks.</param>
    /// <param name="ended">Told of the end, once, from the loop.</param>
    public TlsHandshake(
        EventLoop loop,
        IoHandle connection,
        TlsOptions options,
        ExecutionContext? context,
        Action<TlsHandshake, TlsException?> ended)
    {
        _loop = loop;
        _ended = ended;
        loop.Host.AddResident(this);
        _limit = loop.UnsafeCallLater(options.HandshakeTimeout, static self => ((TlsHandshake)self!).OnTimeOver(), this);
        TlsBackend backend = TlsBackend.Of(loop);
        _handle = backend.Wrap(connection, receive: null, hangUp: null, options, new TlsUserCode(loop, context), this);
        backend.Begin(_handle, []);
    }

    int ILoopResident.ResidentIndex { get; set; }

    TransportInfo IDescribedResident<TransportInfo>.Describe() => TransportInfo.Of(_handle, TransportState.Handshaking) with
    {
        Age = _loop.Time - (_limit.When - _handle.Options.HandshakeTimeout),
    };

    /// <summary>The handle; its owner's when the handshake has ended well.</summary>
    public TlsHandle Handle => _handle;

    /// <summary>Where the handshake's owner keeps it; the owner's own.</summary>
    public LinkedListNode<TlsHandshake>? Place { get; set; }

    /// <summary>Gives it up, and tells nobody.</summary>
    public void Abandon()
    {
        if (Leave())
        {
            _handle.Backend.Release(_handle, reset: true);
        }
    }

    void ITlsOwner.OnHandshakeEnded(TlsException? failure) => End(failure);

    void ILoopResident.OnLoopShutdown() => End(new TlsException(CloseReason.LoopShutdown, "The loop was shut down."));

    void ILoopResident.OnLoopShutdownExpired() => End(new TlsException(CloseReason.LoopShutdown, "The loop was shut down."));

    private void OnTimeOver() => End(TlsFailure.OfTime(_handle.Options.HandshakeTimeout));

    private void End(TlsException? failure)
    {
        if (Leave())
        {
            if (failure is not null)
            {
                _handle.Backend.Release(_handle, reset: true);
            }

            _ended(this, failure);
        }
    }

    private bool Leave()
    {
        if (_isOver)
        {
            return false;
        }

        _isOver = true;
        _limit.Cancel();
        _loop.Host.RemoveResident(this);
        return true;
    }
}
