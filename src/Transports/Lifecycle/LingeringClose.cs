using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// A descriptor whose transport has ended in good order, and whose peer has not: it throws away what still arrives, until
/// the peer's end, for a limited time and number of bytes.
/// </summary>
/// <remarks>
/// Closing a descriptor on unread data makes the kernel send a reset, and a reset destroys what the peer has received and
/// not yet read: of 300,000 bytes that a server had written and closed behind, 128,000 arrived. The transport and its
/// protocol are not kept for this; their receive operation is taken over as it stands.
/// </remarks>
internal sealed class LingeringClose : IReceiver, IDescribedResident<TransportInfo>
{
    private readonly EventLoop _loop;
    private readonly ReceiveOperation _receive;
    private readonly TimerHandle _limit;
    private readonly TimeSpan _limitTime;
    private long _bytesLeft;

    public LingeringClose(EventLoop loop, ReceiveOperation receive, TcpOptions options)
    {
        _loop = loop;
        _receive = receive;
        _bytesLeft = options.DiscardLimit;
        _limitTime = options.LingerTime;
        _receive.Receiver = this;
        loop.Host.AddResident(this);
        _limit = loop.UnsafeCallLater(options.LingerTime, static self => ((LingeringClose)self!).End(), this);
        if (!receive.IsArmed)
        {
            receive.Handle.Backend.Submit(receive);
        }
    }

    int ILoopResident.ResidentIndex { get; set; }

    TransportInfo IDescribedResident<TransportInfo>.Describe()
        => TransportInfo.Of(_receive.Handle, TransportState.Lingering) with { Age = _loop.Time - (_limit.When - _limitTime) };

    bool IReceiver.ProvidesBuffer => false;

    Memory<byte> IReceiver.GetBuffer() => default;

    bool IReceiver.OnReceived(ReadOnlySpan<byte> data) => Discard(data.Length);

    // The operation was taken over while its former receiver was being asked for a buffer.
    bool IReceiver.OnBufferFilled(int count) => Discard(count);

    void IReceiver.OnReceiveEnded(SocketError error)
    {
        if (_receive.Handle.IsReleased)
        {
            return;
        }

        if (error == SocketError.OperationAborted)
        {
            _receive.Handle.Backend.Submit(_receive); // the cancellation of a paused reader has come through
        }
        else
        {
            End();
        }
    }

    // Ending now would let loose the reset that this is here to prevent.
    void ILoopResident.OnLoopShutdown()
    {
    }

    void ILoopResident.OnLoopShutdownExpired() => End();

    private bool Discard(int count)
    {
        _bytesLeft -= count;
        if (_bytesLeft < 0)
        {
            End();
        }

        return _bytesLeft >= 0;
    }

    private void End()
    {
        if (!_receive.Handle.IsReleased)
        {
            _limit.Cancel();
            _receive.Handle.Backend.Release(_receive.Handle, reset: false);
            _loop.Host.RemoveResident(this);
        }
    }
}
