using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Actions = Toolkit.Transports.ConnectionLifecycle.Actions;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;
using DataProtocol = Toolkit.Protocol;

namespace Toolkit.Transports;

/// <summary>Told when a connection of its own has ended.</summary>
internal interface IConnectionOwner
{
    /// <summary>ConnectionLost has been called.</summary>
    void OnConnectionLost(StreamTransport transport);
}

/// <summary>
/// The stream transport, for every backend and every kind of stream: it carries bytes between a handle and a protocol,
/// and keeps the contract that <see cref="Transport"/> and <see cref="StreamProtocol"/> promise.
/// </summary>
/// <remarks>
/// <para>
/// What happens to the connection goes through <see cref="ConnectionLifecycle"/>, which says what is to be done;
/// <see cref="Do"/> does it. User code is called in five places, each through a <see cref="CallbackScope"/> and each
/// with its own answer to an exception.
/// </para>
/// <para>
/// Writes are joined: they are copied into <see cref="OutputBuffer"/>, and the loop flushes once per batch of callbacks. A
/// large write with nothing before it is tried at once, and only the rest is copied. When the operating system takes no
/// more, the rest becomes a send operation, and until that ends nothing else is tried. So "paused for writing" always
/// implies "a send is in flight", and the resumption always comes from the loop.
/// </para>
/// </remarks>
internal sealed class StreamTransport : Transport, IReceiver, ISender, IHangUpWatcher, IFlushable, ILoopResident
{
    private const int WelcomeSize = 64 * 1024;

    private static readonly Action<object?> s_tellLost = static self => ((StreamTransport)self!).TellLost();
    private static readonly Action<object?> s_tellResumed = static self => ((StreamTransport)self!).ResumeIfLow();
    private static readonly Action<object?> s_updateReading = static self => ((StreamTransport)self!).UpdateReading();
    private static readonly Action<object?> s_lingerExpired = static self => ((StreamTransport)self!).OnLingerExpired();

    // Set once.
    private readonly EventLoop _loop;
    private readonly IoHandle _handle;
    private readonly TcpOptions _options;
    private readonly ExecutionContext? _context;
    private readonly IConnectionOwner? _owner;
    private readonly ReceiveOperation _receive;
    private readonly DateTimeOffset _startTime;

    // Loop thread only.
    private ConnectionLifecycle _lifecycle;
    private OutputBuffer _output;
    private SendOperation? _send;
    private HangUpOperation? _hangUp;
    private TimerHandle? _linger;
    private Exception? _exception;
    private WriteLimits _limits;
    private long _bytesReceived;
    private long _bytesSent;
    private long _discarded;
    private SocketError _sendFault;
    private CloseReason _closeReason;
    private bool _mayRead; // ConnectionMade has returned
    private bool _readingPaused;
    private bool _inputEnded;
    private bool _writingPaused;
    private bool _isDirty; // the loop will flush

    public StreamTransport(
        EventLoop loop,
        IoHandle handle,
        StreamProtocol protocol,
        TcpOptions options,
        ExecutionContext? context,
        IConnectionOwner? owner)
        : base(protocol)
    {
        _loop = loop;
        _handle = handle;
        _options = options;
        _context = context;
        _owner = owner;
        _limits = options.WriteLimits;
        _receive = new ReceiveOperation(handle, this);
        _startTime = loop.TimeProvider.GetUtcNow();
    }

    public override DateTimeOffset StartTime => _startTime;

    public override EndPoint? LocalEndPoint => _handle.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _handle.RemoteEndPoint;

    public override long BytesReceived => _bytesReceived;

    public override long BytesSent => _bytesSent;

    public override long UnsentBytes => _output.Length;

    public override bool IsClosing => _lifecycle.IsClosing;

    public override CloseReason CloseReason => _closeReason;

    public override bool IsReading => _lifecycle.CanRead && !_readingPaused;

    public override bool CanWriteEof => true;

    public override WriteLimits WriteLimits
    {
        get => _limits;
        set
        {
            VerifyAccess();
            _limits = value;
            if (_lifecycle.IsClosing)
            {
                return;
            }

            PauseIfHigh();
            if (_writingPaused && _output.Length <= value.Low)
            {
                _loop.UnsafeCallSoon(s_tellResumed, this);
            }
        }
    }

    /// <summary>Where the owner keeps the transport; the owner's own.</summary>
    public int OwnerIndex { get; set; }

    int ILoopResident.ResidentIndex { get; set; }

    bool IReceiver.ProvidesBuffer => Protocol is BufferedProtocol && _lifecycle.CanRead;

    private bool IsSending => _send is { IsArmed: true };

    // Data for the protocol, or, while closing, data to throw away.
    private bool WantsInput => _mayRead && !_inputEnded && _lifecycle.Current switch
    {
        ConnectionLifecycle.State.Closing => _discarded <= _options.DiscardLimit,
        _ => _lifecycle.CanRead && !_readingPaused,
    };

    /// <summary>Tells the protocol of the connection, and begins to read.</summary>
    /// <returns>What ConnectionMade threw, after which the transport is on its way out; else null.</returns>
    public Exception? Start()
    {
        _loop.Host.AddResident(this);
        BindProtocol();
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

    public override WriteStatus Write(ReadOnlySpan<byte> data)
    {
        if (BeginWrite(data.Length) is { } refused)
        {
            return refused;
        }

        if (data.Length >= OutputBuffer.SmallSegment && _output.IsEmpty)
        {
            data = data[TrySend(data)..];
            if (_sendFault != SocketError.Success)
            {
                return WriteStatus.Closed;
            }
        }

        _output.Append(data);
        return EndWrite();
    }

    public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        long length = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            length += buffer.Length;
        }

        if (BeginWrite(length) is { } refused)
        {
            return refused;
        }

        long sent = 0;
        if (length >= OutputBuffer.SmallSegment && _output.IsEmpty)
        {
            sent = _handle.Backend.TrySend(_handle, buffers, out SocketError error);
            _bytesSent += sent;
            NoteSendFault(error);
            if (_sendFault != SocketError.Success)
            {
                return WriteStatus.Closed;
            }
        }

        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            int skipped = (int)Math.Min(sent, buffer.Length);
            sent -= skipped;
            _output.Append(buffer.Span[skipped..]);
        }

        return EndWrite();
    }

    public override void WriteEof()
    {
        VerifyAccess();
        if (_sendFault == SocketError.Success)
        {
            Do(_lifecycle.On(ConnectionEvent.WriteEof));
        }
    }

    public override void PauseReading()
    {
        VerifyAccess();
        if (!_lifecycle.IsClosing && !_readingPaused)
        {
            _readingPaused = true;
            UpdateReading();
        }
    }

    public override void ResumeReading()
    {
        VerifyAccess();
        if (!_lifecycle.IsClosing && _readingPaused)
        {
            _readingPaused = false;
            UpdateReading();
        }
    }

    public override void Close()
    {
        VerifyAccess();
        Close(CloseReason.LocalClose);
    }

    public override void Abort()
    {
        VerifyAccess();
        Abort(CloseReason.LocalAbort, null);
    }

    void IFlushable.Flush()
    {
        _isDirty = false;
        if (!IsSending && !_lifecycle.IsOver)
        {
            Flush();
        }
    }

    void ILoopResident.OnLoopShutdown()
    {
        if (!_lifecycle.IsClosing)
        {
            OnLoopShutdownExpired();
        }
    }

    void ILoopResident.OnLoopShutdownExpired() => OnLoopShutdownExpired();

    Memory<byte> IReceiver.GetBuffer()
    {
        var protocol = (BufferedProtocol)Protocol;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(BufferedProtocol.GetBuffer));
            Memory<byte> buffer = protocol.GetBuffer(WelcomeSize);
            if (buffer.IsEmpty)
            {
                throw new InvalidOperationException("GetBuffer returned an empty buffer, into which nothing can be received.");
            }

            if ((WantsInput && protocol == Protocol) || _receive.Receiver != this)
            {
                return buffer;
            }
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(BufferedProtocol.GetBuffer));
            return default;
        }

        // Paused or replaced within the call: what arrives is for later, or for another.
        _loop.UnsafeCallSoon(s_updateReading, this);
        return default;
    }

    bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
    {
        if (!_lifecycle.CanRead)
        {
            return Discard(data.Length);
        }

        _bytesReceived += data.Length;
        StreamProtocol protocol = Protocol;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DataProtocol.DataReceived));
            if (protocol is DataProtocol dataProtocol)
            {
                dataProtocol.DataReceived(data);
            }
            else
            {
                FillBuffer((BufferedProtocol)protocol, data);
            }
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(DataProtocol.DataReceived));
        }

        return AfterInput();
    }

    bool IReceiver.OnBufferFilled(int count)
    {
        if (!_lifecycle.CanRead)
        {
            return Discard(count);
        }

        _bytesReceived += count;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(BufferedProtocol.BufferUpdated));
            ((BufferedProtocol)Protocol).BufferUpdated(count);
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(BufferedProtocol.BufferUpdated));
        }

        return AfterInput();
    }

    void IReceiver.OnReceiveEnded(SocketError error)
    {
        if (_lifecycle.IsOver)
        {
            return;
        }

        switch (error)
        {
            case SocketError.OperationAborted:
                UpdateReading(); // paused, and perhaps resumed meanwhile
                break;
            case SocketError.Success when _sendFault == SocketError.Success:
                _inputEnded = true;
                Do(_lifecycle.On(ConnectionEvent.PeerEnd));
                break;
            case SocketError.Success:
                Fail(_sendFault); // the end of file that stands behind a reset which the send has seen
                break;
            default:
                Fail(error);
                break;
        }
    }

    void ISender.OnSent(int count, SocketError error)
    {
        if (_lifecycle.IsOver)
        {
            _output.Clear(); // the buffer was the operation's until now
            return;
        }

        if (error != SocketError.Success)
        {
            NoteSendFault(error);
            return;
        }

        _bytesSent += count;
        _output.Consume(count);
        _linger?.Reschedule(_options.LingerTime);
        Flush();
        ResumeIfLow();
    }

    void IHangUpWatcher.OnHungUp(SocketError error)
    {
        if (_lifecycle.IsOver || error == SocketError.OperationAborted)
        {
            return;
        }

        if (error != SocketError.Success)
        {
            Fail(error);
        }

        // Otherwise both sides have ended in good order, and what is unread waits for a reader who has paused.
    }

    protected override void VerifyAccess() => _loop.VerifyAccess();

    private CallbackScope EnterUserCode(string member)
        => _loop.Host.EnterUserCode(_context, Protocol, member);

    // The bytes were lent, and the protocol wants them in a buffer of its own: it was switched within this very call, or
    // the backend had taken them already when reading was paused.
    private void FillBuffer(BufferedProtocol protocol, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty && _lifecycle.CanRead)
        {
            Memory<byte> buffer = protocol.GetBuffer(data.Length);
            if (buffer.IsEmpty)
            {
                throw new InvalidOperationException("GetBuffer returned an empty buffer, into which nothing can be received.");
            }

            int count = Math.Min(buffer.Length, data.Length);
            data[..count].CopyTo(buffer.Span);
            data = data[count..];
            protocol.BufferUpdated(count);
        }
    }

    // What the receive operation is answered.
    private bool AfterInput()
    {
        if (_receive.Receiver != this)
        {
            return true; // a LingeringClose has taken the operation over
        }

        bool wanted = WantsInput;
        if (!wanted)
        {
            WatchHangUp();
        }

        return wanted;
    }

    private bool Discard(int count)
    {
        _discarded += count;
        return AfterInput();
    }

    private void UpdateReading()
    {
        if (_lifecycle.IsOver)
        {
            return; // the receive operation may be a LingeringClose's by now
        }

        if (WantsInput)
        {
            if (!_receive.IsArmed)
            {
                _handle.Backend.Submit(_receive);
            }

            return;
        }

        _handle.Backend.Cancel(_receive);
        WatchHangUp();
    }

    // Nobody reads, so nobody would see a reset.
    private void WatchHangUp()
    {
        if (_lifecycle.IsOver || _handle.HangUp is not null)
        {
            return;
        }

        if (_sendFault != SocketError.Success)
        {
            Fail(_sendFault); // the read side was to tell of it, and will not
            return;
        }

        _hangUp ??= new HangUpOperation(_handle, this);
        _handle.Backend.Submit(_hangUp);
    }

    // Null when the bytes may be taken.
    private WriteStatus? BeginWrite(long length)
    {
        VerifyAccess();
        if (!_lifecycle.CanWrite)
        {
            return _lifecycle.IsClosing
                ? WriteStatus.Closed
                : throw new InvalidOperationException("Nothing can be written after WriteEof, which ended the sending side.");
        }

        if (_sendFault != SocketError.Success)
        {
            return WriteStatus.Closed;
        }

        if (_output.Length > _limits.HardCap)
        {
            Abort(CloseReason.WriteOverflow, new ConnectionException(
                CloseReason.WriteOverflow,
                $"The protocol went on writing with {_output.Length} bytes unsent, over the hard cap of {_limits.HardCap}. "
                + "Stop writing when PauseWriting is called."));
            return WriteStatus.Closed;
        }

        return length == 0 ? AcceptedStatus() : null;
    }

    private WriteStatus EndWrite()
    {
        PauseIfHigh();
        if (!_isDirty && !IsSending && !_output.IsEmpty)
        {
            _isDirty = true;
            _loop.Host.FlushSoon(this);
        }

        return AcceptedStatus();
    }

    private WriteStatus AcceptedStatus()
    {
        // A Close within PauseWriting still sends what was just taken; an abort drops it.
        if (_lifecycle.IsOver || _sendFault != SocketError.Success)
        {
            return WriteStatus.Closed;
        }

        return _writingPaused ? WriteStatus.AcceptedOverHighWater : WriteStatus.Accepted;
    }

    // The one place that calls user code from a call of the user's.
    private void PauseIfHigh()
    {
        if (_writingPaused || _output.Length <= _limits.High)
        {
            return;
        }

        // The mark is about what the operating system would not take, so it is asked first.
        if (!IsSending)
        {
            Flush();
            if (_output.Length <= _limits.High || !_lifecycle.CanWrite)
            {
                return;
            }
        }

        _writingPaused = true;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(StreamProtocol.PauseWriting));
            Protocol.PauseWriting();
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(StreamProtocol.PauseWriting));
        }
    }

    private void ResumeIfLow()
    {
        if (!_writingPaused || _lifecycle.IsClosing || _sendFault != SocketError.Success || _output.Length > _limits.Low)
        {
            return;
        }

        _writingPaused = false;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(StreamProtocol.ResumeWriting));
            Protocol.ResumeWriting();
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(StreamProtocol.ResumeWriting));
        }
    }

    private int TrySend(ReadOnlySpan<byte> data)
    {
        int sent = _handle.Backend.TrySend(_handle, data, out SocketError error);
        _bytesSent += sent;
        NoteSendFault(error);
        return sent;
    }

    // Sends until all has left or the operating system takes no more. Calls no user code.
    private void Flush()
    {
        Debug.Assert(!IsSending, "Bytes would overtake each other.");
        while (!_output.IsEmpty)
        {
            int sent = _handle.Backend.TrySend(_handle, _output.First.Span, out SocketError error);
            if (sent > 0)
            {
                _bytesSent += sent;
                _output.Consume(sent);
            }

            if (error == SocketError.WouldBlock)
            {
                _send ??= new SendOperation(_handle, this);
                _send.Data = _output.First;
                _handle.Backend.Submit(_send);
                return;
            }

            if (error != SocketError.Success)
            {
                NoteSendFault(error);
                return;
            }
        }

        if (_lifecycle.AwaitsDrain)
        {
            Do(_lifecycle.On(ConnectionEvent.Drained));
        }
    }

    // What the peer sent before it left is still to be read: when a receive is armed, it delivers that and then ends, and
    // the fault is told then.
    private void NoteSendFault(SocketError error)
    {
        if (error is SocketError.Success or SocketError.WouldBlock || _lifecycle.IsOver)
        {
            return;
        }

        _sendFault = error;
        _output.Clear();
        if (!ConnectionFault.MeansPeerIsGone(error) || _receive.State is not (IoOperationState.Armed or IoOperationState.Delivering))
        {
            Fail(error);
        }
    }

    private void Fail(SocketError error) => Abort(ConnectionFault.ReasonOf(error), ConnectionFault.ToException(error));

    private void FailByProtocol(Exception exception, string member)
    {
        _loop.ReportError(new TransportError(
            $"{Protocol.GetType().Name}.{member} threw; the connection is aborted.", exception, this, Protocol));
        Abort(CloseReason.ProtocolError, exception);
    }

    private void OnLoopShutdownExpired()
        => Abort(CloseReason.LoopShutdown, new ConnectionException(CloseReason.LoopShutdown, "The loop was shut down."));

    private void OnLingerExpired()
        => Abort(CloseReason.Timeout, new ConnectionException(
            CloseReason.Timeout, $"No byte has left for {_options.LingerTime} while closing: the peer does not read."));

    private void Close(CloseReason reason)
    {
        if (_sendFault != SocketError.Success && !_lifecycle.IsOver)
        {
            Fail(_sendFault); // bytes were lost, so this is no end in good order
            return;
        }

        if (!_lifecycle.IsClosing)
        {
            _closeReason = reason;
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
            UpdateReading();
        }

        if (actions.HasFlag(Actions.Drain))
        {
            AwaitDrain();
        }
    }

    private void AwaitDrain()
    {
        if (_output.IsEmpty)
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
            _linger ??= _loop.UnsafeCallLater(_options.LingerTime, s_lingerExpired, this);
        }
    }

    private void TellEof()
    {
        bool keepOpen = false;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(StreamProtocol.EofReceived));
            keepOpen = Protocol.EofReceived();
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(StreamProtocol.EofReceived));
        }

        if (_lifecycle.IsClosing)
        {
            return;
        }

        if (_lifecycle.Current == ConnectionLifecycle.State.BothEnded)
        {
            Close(CloseReason.LocalClose);
        }
        else if (!keepOpen)
        {
            Close(CloseReason.PeerEnd);
        }
        else
        {
            BoundDrain();
            WatchHangUp();
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
        if (graceful && !_inputEnded)
        {
            if (_hangUp is not null)
            {
                _handle.Backend.Cancel(_hangUp); // or it would keep the protocol alive for as long
            }

            _ = new LingeringClose(_loop, _receive, _options);
        }
        else
        {
            _handle.Backend.Release(_handle, reset: !graceful);
        }

        if (!IsSending)
        {
            _output.Clear();
        }

        _loop.UnsafeCallSoon(s_tellLost, this);
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
            _loop.ReportError(new TransportError(
                $"{Protocol.GetType().Name}.{nameof(StreamProtocol.ConnectionLost)} threw.", exception, this, Protocol));
        }
        finally
        {
            _loop.Host.RemoveResident(this);
            _owner?.OnConnectionLost(this);
        }
    }
}
