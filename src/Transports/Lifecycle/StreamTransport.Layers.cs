using System.Net.Sockets;
using Toolkit.Backends;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;

namespace Toolkit.Transports;

/// <summary>What the layers that stand on the transport need of it, and its protocol does not.</summary>
/// <remarks>
/// A layer may hold back what was written. The transport knows how much that is, and its sending side has not drained before all
/// of it has come; so closing, ending one direction and the linger time mean the same with layers and without.
/// To the limits of a server those bytes are not unsent: the peer is not to blame for them.
/// </remarks>
internal sealed partial class StreamTransport
{
    // Loop thread only.
    private long _held;
    private bool _isHandingDown;

    /// <summary>The loop.</summary>
    public EventLoop Loop => _origin.Loop;

    /// <summary>Whether data can come, if nobody has paused.</summary>
    public bool CanRead => CanReceive && _lifecycle.CanRead && _upgrade is null;

    /// <summary>Whether reading is paused.</summary>
    public bool IsReadingPaused => _readingPaused;

    /// <summary>Whether nothing leaves any more.</summary>
    public bool IsBroken => _lifecycle.IsOver || _sendFault != SocketError.Success;

    /// <summary>Whether what is written now is taken: new bytes, or those that a layer has held.</summary>
    public bool TakesWrites => CanSend && _sendFault == SocketError.Success && (_lifecycle.CanWrite || IsReleasing);

    /// <summary>Whether what is written was written before, and held by a layer, so that it comes in time after an end.</summary>
    public bool IsReleasing => _isHandingDown && _lifecycle.AwaitsDrain;

    // Whether pauses and resumptions say anything: to the protocol, or to a layer that still has to write what it holds.
    private bool MayBeWritten => _lifecycle.CanWrite || (_lifecycle.AwaitsDrain && (_isHandingDown || _held > 0));

    /// <summary>A layer holds so many bytes more.</summary>
    public void Hold(long count) => _held += count;

    /// <summary>A layer holds so many bytes less, which are lost.</summary>
    public void DropHeld(long count)
    {
        _held -= count;
        EndDrain();
    }

    /// <summary>A layer is about to write bytes that it has held. What follows until <see cref="EndRelease"/> is these.</summary>
    public void BeginRelease(long count)
    {
        _held -= count;
        _isHandingDown = true;
    }

    /// <summary>They were written.</summary>
    public void EndRelease()
    {
        _isHandingDown = false;
        _linger?.Reschedule(_origin.Options.LingerTime);
        EndDrain();
    }

    /// <summary>Runs a callback that a layer makes on its own account as the transport runs its own.</summary>
    public void RunCallback(StreamLayer layer, Action<StreamLayer> callback, string member)
    {
        try
        {
            using CallbackScope scope = EnterUserCode(member);
            callback(layer);
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, member);
        }
    }

    // What left within the write itself leaves nothing to flush.
    private void EndDrain()
    {
        if (_lifecycle.AwaitsDrain && IsDrained && _sendFault == SocketError.Success)
        {
            Do(_lifecycle.On(ConnectionEvent.Drained));
        }
    }
}
