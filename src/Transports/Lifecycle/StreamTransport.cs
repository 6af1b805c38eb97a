using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Actions = Toolkit.Transports.ConnectionLifecycle.Actions;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;

namespace Toolkit.Transports;

/// <summary>Told when a connection of its own has ended.</summary>
internal interface IConnectionOwner
{
    /// <summary>ConnectionLost has been called.</summary>
    void OnConnectionLost(StreamTransport transport);
}

/// <summary>Where connections come from, in one object for all that a listener accepts.</summary>
/// <param name="Loop">Their loop.</param>
/// <param name="Options">How they behave.</param>
/// <param name="Context">The execution context in which their protocols are called.</param>
/// <param name="Owner">Who is told of their ends.</param>
internal sealed record ConnectionOrigin(
    EventLoop Loop, TcpOptions Options, ExecutionContext? Context, IConnectionOwner? Owner)
{
    /// <summary>How many descriptors may wait to be taken; zero when none are to be received.</summary>
    public int MaxReceivedHandles { get; init; }

    /// <summary>Whether they serve diagnostics.</summary>
    public bool IsDiagnostics { get; init; }
}

/// <summary>
/// The stream transport, for every backend and every kind of stream: it carries bytes between a handle and a protocol,
/// and keeps the contract that <see cref="Transport"/> and <see cref="StreamProtocol"/> promise.
/// </summary>
/// <remarks>
/// <para>
/// What happens to the connection goes through <see cref="ConnectionLifecycle"/>, which says what is to be done;
/// <see cref="Do"/> does it. User code is always called through a <see cref="CallbackScope"/>, and an exception out of it
/// ends the connection. The receiving and the sending side each have a file of their own.
/// </para>
/// <para>
/// Writes are joined: they are copied into <see cref="OutputBuffer"/>, and the loop flushes once per batch of callbacks. A
/// large write with nothing before it is tried at once, and only the rest is copied. When the operating system takes no
/// more, the rest becomes a send operation, and until that ends nothing else is tried. So "paused for writing" always
/// implies "a send is in flight", and the resumption always comes from the loop.
/// </para>
/// </remarks>
internal sealed partial class StreamTransport : Transport, IDescribedResident<TransportInfo>
{
    private static readonly Action<object?> s_tellLost = static self => ((StreamTransport)self!).TellLost();
    private static readonly Action<object?> s_lingerExpired = static self => ((StreamTransport)self!).OnLingerExpired();

    // Set once.
    private readonly ConnectionOrigin _origin;
    private readonly long _startTicks;

    // Loop thread only.
    private IoHandle _handle; // another one from an upgrade to TLS on
    private ConnectionLifecycle _lifecycle;
    private TimerHandle? _linger;
    private Exception? _exception;
    private CloseReason _closeReason;

    public StreamTransport(ConnectionOrigin origin, IoHandle handle, StreamProtocol protocol)
        : base(protocol)
    {
        _origin = origin;
        _handle = handle;
        _receive = new ReceiveOperation(handle, this);
        _startTicks = origin.Loop.TimeProvider.GetUtcNow().Ticks;
    }

    public override DateTimeOffset StartTime => new(_startTicks, TimeSpan.Zero);

    public override EndPoint? LocalEndPoint => _handle.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _handle.RemoteEndPoint;

    public override PeerCredentials? PeerCredentials => _handle.PeerIdentity is { } peer
        ? new PeerCredentials(peer.ProcessId, peer.UserId, peer.GroupId)
        : null;

    public override bool IsClosing => _lifecycle.IsClosing;

    public override CloseReason CloseReason => _closeReason;

    /// <summary>Where the owner keeps the transport; the owner's own.</summary>
    public int OwnerIndex { get; set; }

    int ILoopResident.ResidentIndex { get; set; }

    /// <summary>Tells the protocol of the connection, and begins to read.</summary>
    /// <returns>What ConnectionMade threw, after which the transport is on its way out; else null.</returns>
    public Exception? Start()
    {
        _origin.Loop.Host.AddResident(this);
        _origin.Loop.Host.Traffic.OnConnectionMade();
        BindProtocol();
        BeginHandles();
        Do(_lifecycle.On(ConnectionEvent.Made));
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(StreamProtocol.ConnectionMade));
            Protocol.ConnectionMade();
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(StreamProtocol.ConnectionMade));
            return exception;
        }

        _mayRead = true;
        UpdateReading();
        return null;
    }

    public override void Close()
    {
        VerifyAccess();
        Close(CloseReason.LocalClose);
    }

    public override void Close(ConnectionException reason)
    {
        RequireReason(reason);
        VerifyAccess();
        Close(reason.Reason, reason);
    }

    public override void Abort()
    {
        VerifyAccess();
        Abort(CloseReason.LocalAbort, null);
    }

    public override void Abort(ConnectionException reason)
    {
        RequireReason(reason);
        VerifyAccess();
        Abort(reason.Reason, reason);
    }

    TransportInfo IDescribedResident<TransportInfo>.Describe()
    {
        TransportInfo info = TransportInfo.Of(_handle, DescribedState());
        return info with
        {
            Id = Id,
            Age = _origin.Loop.TimeProvider.GetUtcNow() - StartTime,
            BytesReceived = _bytesReceived,
            BytesSent = _bytesSent,
            UnsentBytes = UnsentBytes + _held,
            IsReadingPaused = _readingPaused,
            IsWritingPaused = _writingPaused,
            ProcessId = _origin.Owner is ChildTransport child ? child.Pid : info.ProcessId,
            IsDiagnostics = _origin.IsDiagnostics,
        };
    }

    void ILoopResident.OnLoopShutdown()
    {
        if (!_lifecycle.IsClosing)
        {
            OnLoopShutdownExpired();
        }
    }

    void ILoopResident.OnLoopShutdownExpired() => OnLoopShutdownExpired();

    protected override void VerifyAccess() => _origin.Loop.VerifyAccess();

    /// <summary>Throws unless a connection can end with the reason.</summary>
    public static void RequireReason(ConnectionException reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (reason.Reason == CloseReason.None)
        {
            throw new ArgumentException("A connection that ends has a reason, and None is not one.", nameof(reason));
        }
    }

    private TransportState DescribedState() => _lifecycle.Current switch
    {
        ConnectionLifecycle.State.Losing or ConnectionLifecycle.State.Lost => TransportState.Lost,
        _ when _upgrade is not null => TransportState.Handshaking,
        ConnectionLifecycle.State.New or ConnectionLifecycle.State.Open => TransportState.Open,
        ConnectionLifecycle.State.Finishing or ConnectionLifecycle.State.Finished => TransportState.SendingEnded,
        ConnectionLifecycle.State.PeerEnded => TransportState.ReceivingEnded,
        _ => TransportState.Closing,
    };

    private CallbackScope EnterUserCode(string member)
        => _origin.Loop.Host.EnterUserCode(_origin.Context, Protocol.Innermost, member);

    // Calls a method of the protocol's whose exception ends the connection.
    private void Tell(Action<StreamProtocol> call, string member)
    {
        try
        {
            using CallbackScope scope = EnterUserCode(member);
            call(Protocol);
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, member);
        }
    }

    private void Fail(SocketError error)
    {
        if (!IsSocket)
        {
            Abort(ConnectionFault.ReasonOf(error), FaultOfPipe(error));
        }
        else if (error != SocketError.SocketError || _tls?.Fault is not { } fault)
        {
            Abort(ConnectionFault.ReasonOf(error), ConnectionFault.ToException(error));
        }
        else if (fault.Reason == CloseReason.TruncatedTls && _sendFault == SocketError.Success)
        {
            _inputEnded = true;
            Close(fault.Reason, fault); // the peer may be reading still
        }
        else
        {
            Abort(fault.Reason, fault);
        }
    }

    private void FailByProtocol(Exception exception, string member)
    {
        _origin.Loop.ReportError(new TransportError(
            $"{Protocol.Innermost.GetType().Name}.{member} threw; the connection is aborted.",
            exception,
            this,
            Protocol.Innermost));
        Abort(CloseReason.ProtocolError, exception);
    }

    private void OnLoopShutdownExpired()
        => Abort(CloseReason.LoopShutdown, new ConnectionException(CloseReason.LoopShutdown, "The loop was shut down."));

    private void OnLingerExpired()
        => Abort(CloseReason.Timeout, new ConnectionException(
            CloseReason.Timeout, $"No byte has left for {_origin.Options.LingerTime} while closing: the peer does not read."));

    private void Close(CloseReason reason, Exception? exception = null)
    {
        if (_sendFault != SocketError.Success && !_lifecycle.IsOver)
        {
            Fail(_sendFault); // bytes were lost, so this is no end in good order
            return;
        }

        if (!_lifecycle.IsClosing)
        {
            _closeReason = reason;
            _exception = exception;
        }

        Do(_lifecycle.On(ConnectionEvent.Close));
    }

    private void Abort(CloseReason reason, Exception? exception)
    {
        if (!_lifecycle.IsOver)
        {
            _closeReason = reason;
            _exception = exception;
        }

        Do(_lifecycle.On(ConnectionEvent.Abort));
    }

    private void Do(Actions actions)
    {
        if (actions == Actions.None)
        {
            return;
        }

        if (actions.HasFlag(Actions.ShutdownSend))
        {
            _handle.Backend.ShutdownSend(_handle); // fails when the peer is gone, which the read side tells
        }

        if (actions.HasFlag(Actions.Lose))
        {
            Lose(graceful: !actions.HasFlag(Actions.Reset));
            return;
        }

        if (actions.HasFlag(Actions.TellEof))
        {
            TellEof();
            return;
        }

        if (actions.HasFlag(Actions.DiscardInput))
        {
            _readingPaused = false;
            _unread?.Clear();
            UpdateReading();
        }

        if (actions.HasFlag(Actions.Drain))
        {
            AwaitDrain();
        }
    }

    private void AwaitDrain()
    {
        if (IsDrained)
        {
            Do(_lifecycle.On(ConnectionEvent.Drained));
        }
        else
        {
            BoundDrain();
        }
    }

    // Once there is nothing to do but to get rid of what was written, a peer that does not take it is waited for no longer
    // than this.
    private void BoundDrain()
    {
        if (_lifecycle.Current is ConnectionLifecycle.State.Closing or ConnectionLifecycle.State.PeerEndedFinishing)
        {
            _linger ??= _origin.Loop.UnsafeCallLater(_origin.Options.LingerTime, s_lingerExpired, this);
        }
    }

    private void Lose(bool graceful)
    {
        if (_closeReason == CloseReason.None)
        {
            _closeReason = CloseReason.LocalClose; // both sides were ended one after the other
        }

        _linger?.Cancel();
        _linger = null;
        _unread?.Clear();
        _upgrade?.End(_exception ?? new ConnectionException(_closeReason, "The connection has ended within the TLS handshake."));
        _upgrade = null;
        _file?.Wake();
        if (graceful && !_inputEnded && IsSocket)
        {
            if (_hangUp is not null)
            {
                _handle.Backend.Cancel(_hangUp); // or it would keep the protocol alive for as long
            }

            // Nobody decrypts what is thrown away.
            if ((_tls is { } tls ? tls.Surrender() : _receive) is { } rest)
            {
                _ = new LingeringClose(_origin.Loop, rest, _origin.Options);
            }
        }
        else
        {
            // Who has reset the connection needs no reset, which would be a system call for nothing.
            _handle.Backend.Release(_handle, reset: !graceful && IsSocket && _closeReason != CloseReason.Reset);
        }

        if (!IsSending)
        {
            _output.Clear();
        }

        _passing?.DropUnsent();
        _origin.Loop.UnsafeCallSoon(s_tellLost, this);
    }

    private void TellLost()
    {
        Do(_lifecycle.On(ConnectionEvent.LostTold));
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(StreamProtocol.ConnectionLost));
            Protocol.ConnectionLost(_exception);
        }
        catch (Exception exception)
        {
            _origin.Loop.ReportError(new TransportError(
                $"{Protocol.Innermost.GetType().Name}.{nameof(StreamProtocol.ConnectionLost)} threw.",
                exception,
                this,
                Protocol.Innermost));
        }
        finally
        {
            _passing?.End();
            _origin.Loop.Host.RemoveResident(this);
            _origin.Loop.Host.OnConnectionLost(StartTime, _closeReason.ToString());
            _origin.Owner?.OnConnectionLost(this);
            _lost?.Set();
        }
    }
}
