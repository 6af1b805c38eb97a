using System.Net.Sockets;
using Toolkit.Backends;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;
using DataProtocol = Toolkit.Protocol;

namespace Toolkit.Transports;

/// <summary>The receiving side.</summary>
internal sealed partial class StreamTransport : IReceiver, IHangUpWatcher
{
    public const int WelcomeSize = 64 * 1024;

    private static readonly Action<object?> s_updateReading = static self => ((StreamTransport)self!).UpdateReading();
    private static readonly Action<object?> s_tellUnread = static self => ((StreamTransport)self!).TellUnread();

    // Loop thread only.
    private ReceiveOperation _receive;
    private HangUpOperation? _hangUp;
    private UnreadInput? _unread; // what the protocol gave back; made with the first of it
    private long _bytesReceived;
    private long _discarded;
    private bool _mayRead; // ConnectionMade has returned
    private bool _readingPaused;
    private bool _inputEnded;

    public override long BytesReceived => _bytesReceived;

    public override bool IsReading => CanReceive && _lifecycle.CanRead && !_readingPaused && _upgrade is null;

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

    public override void Unread(ReadOnlySpan<byte> data)
    {
        VerifyAccess();
        if (data.IsEmpty || _lifecycle.IsClosing)
        {
            return;
        }

        RequireReceiving();
        if (!_lifecycle.CanRead)
        {
            throw new InvalidOperationException("The end of the stream was told; nothing can be given back to come before it.");
        }

        if (_upgrade is { HasBegun: true })
        {
            throw new InvalidOperationException(
                "The TLS handshake has begun without these bytes. Give back what was not used in the callback that starts TLS.");
        }

        _bytesReceived -= data.Length;
        _unread ??= new UnreadInput();
        _unread.Add(data);
        UpdateReading();
    }

    bool IReceiver.ProvidesBuffer => Protocol.Recipient is BufferedProtocol && _lifecycle.CanRead;

    // Data for the protocol, or, while closing, data to throw away.
    private bool WantsInput => _mayRead && !_inputEnded && CanReceive && _lifecycle.Current switch
    {
        // What is thrown away of a pipe or a terminal is nothing that a close would spoil.
        ConnectionLifecycle.State.Closing when !IsSocket => false,
        ConnectionLifecycle.State.Closing => _discarded <= _origin.Options.DiscardLimit,
        _ => IsReading && _unread is not { IsEmpty: false },
    };

    private bool WantsUnread => _mayRead && IsReading && _unread is { IsEmpty: false };

    Memory<byte> IReceiver.GetBuffer()
    {
        StreamProtocol recipient = Protocol.Recipient;
        if (!TryAskForBuffer(out Memory<byte> buffer))
        {
            // Closed before it threw: a LingeringClose has taken the operation over, which must stay armed for it.
            return _receive.Receiver == this ? default : new byte[WelcomeSize];
        }

        if ((WantsInput && recipient == Protocol.Recipient) || _receive.Receiver != this)
        {
            return buffer;
        }

        // Paused or replaced within the call: what arrives is for later, or for another.
        _origin.Loop.UnsafeCallSoon(s_updateReading, this);
        return default;
    }

    bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
    {
        _origin.Loop.Host.Traffic.OnReceived(data.Length);
        if (!_lifecycle.CanRead)
        {
            return Discard(data.Length);
        }

        if (_passing is { HasTooMany: true })
        {
            return FailByHandles();
        }

        TellData(data);
        return AfterInput();
    }

    bool IReceiver.OnBufferFilled(int count)
    {
        _origin.Loop.Host.Traffic.OnReceived(count);
        if (!_lifecycle.CanRead)
        {
            return Discard(count);
        }

        if (_passing is { HasTooMany: true })
        {
            return FailByHandles();
        }

        TellFilled(count);
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

    void IHangUpWatcher.OnHungUp(SocketError error)
    {
        if (_lifecycle.IsOver || error == SocketError.OperationAborted)
        {
            return;
        }

        if (IsReaderGone(error))
        {
            Close(CloseReason.PeerEnd); // nothing is lost with it
        }
        else if (error != SocketError.Success)
        {
            Fail(error);
        }

        // Otherwise both sides have ended in good order, and what is unread waits for a reader who has paused.
    }

    // What the receive operation is answered.
    private bool AfterInput()
    {
        if (_receive.Receiver != this)
        {
            return true; // a LingeringClose has taken the operation over
        }

        bool wanted = WantsInput;
        if (!wanted && !WantsUnread)
        {
            WatchHangUp();
        }

        return wanted;
    }

    private void TellData(ReadOnlySpan<byte> data)
    {
        _bytesReceived += data.Length;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DataProtocol.DataReceived));
            Protocol.TellData(data);
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(DataProtocol.DataReceived));
        }
    }

    private void TellFilled(int count)
    {
        _bytesReceived += count;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(BufferedProtocol.BufferUpdated));
            Protocol.TellFilled(count);
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(BufferedProtocol.BufferUpdated));
        }
    }

    // False when the protocol has failed instead.
    private bool TryAskForBuffer(out Memory<byte> buffer)
    {
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(BufferedProtocol.GetBuffer));
            buffer = Protocol.AskForBuffer(WelcomeSize);
            return !buffer.IsEmpty
                ? true
                : throw new InvalidOperationException("GetBuffer returned an empty buffer, into which nothing can be received.");
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, nameof(BufferedProtocol.GetBuffer));
            buffer = default;
            return false;
        }
    }

    // One callback's worth of what was given back; if there is more, or it is given back again, another post follows.
    private void TellUnread()
    {
        UnreadInput unread = _unread!;
        unread.IsPosted = false;
        if (!WantsUnread)
        {
            return; // closed, or paused again; a resumption posts again
        }

        StreamProtocol recipient = Protocol.Recipient;
        if (recipient is not BufferedProtocol)
        {
            TellData(unread.Lend());
            unread.EndLoan();
        }
        else if (TryAskForBuffer(out Memory<byte> buffer) && WantsUnread && recipient == Protocol.Recipient)
        {
            TellFilled(unread.MoveTo(buffer.Span));
        }

        UpdateReading();
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
        if (!WantsUnread)
        {
            WatchHangUp();
        }
        else if (!_unread!.IsPosted)
        {
            _unread.IsPosted = true;
            _origin.Loop.UnsafeCallSoon(s_tellUnread, this);
        }
    }

    // Nobody reads, so nobody would see a reset.
    private void WatchHangUp()
    {
        if (_lifecycle.IsOver || _upgrade is not null || _handle.HangUp is not null)
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
        else if (!keepOpen || !IsSocket)
        {
            Close(CloseReason.PeerEnd);
        }
        else
        {
            BoundDrain();
            WatchHangUp();
        }
    }
}
