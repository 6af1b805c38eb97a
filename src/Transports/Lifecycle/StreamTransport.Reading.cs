using System.Net.Sockets;
using Toolkit.Backends;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;
using DataProtocol = Toolkit.Protocol;

namespace Toolkit.Transports;

/// <summary>The receiving side.</summary>
internal sealed partial class StreamTransport : IReceiver, IHangUpWatcher
{
    private const int WelcomeSize = 64 * 1024;

    private static readonly Action<object?> s_updateReading = static self => ((StreamTransport)self!).UpdateReading();

    private readonly ReceiveOperation _receive;

    // Loop thread only.
    private HangUpOperation? _hangUp;
    private long _bytesReceived;
    private long _discarded;
    private bool _mayRead; // ConnectionMade has returned
    private bool _readingPaused;
    private bool _inputEnded;

    public override long BytesReceived => _bytesReceived;

    public override bool IsReading => _lifecycle.CanRead && !_readingPaused;

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

    bool IReceiver.ProvidesBuffer => Protocol is BufferedProtocol && _lifecycle.CanRead;

    // Data for the protocol, or, while closing, data to throw away.
    private bool WantsInput => _mayRead && !_inputEnded && _lifecycle.Current switch
    {
        ConnectionLifecycle.State.Closing => _discarded <= _origin.Options.DiscardLimit,
        _ => _lifecycle.CanRead && !_readingPaused,
    };

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

            // Closed before it threw: a LingeringClose has taken the operation over, which must stay armed for it.
            return _receive.Receiver == this ? default : new byte[WelcomeSize];
        }

        // Paused or replaced within the call: what arrives is for later, or for another.
        _origin.Loop.UnsafeCallSoon(s_updateReading, this);
        return default;
    }

    bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
    {
        if (!_lifecycle.CanRead)
        {
            return Discard(data.Length);
        }

        _bytesReceived += data.Length;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DataProtocol.DataReceived));
            ((DataProtocol)Protocol).DataReceived(data);
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
}
