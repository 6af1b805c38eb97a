using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>Where an operation is in its life.</summary>
public enum IoOperationState
{
    /// <summary>Not submitted, or ended. May be submitted.</summary>
    Idle,

    /// <summary>Submitted. Its owner will be told how it ends.</summary>
    Armed,

    /// <summary>Armed, and its owner is being told something at this moment.</summary>
    Delivering,

    /// <summary>Cancelled, or its handle was released. Only its end will still be told.</summary>
    Ending,
}

/// <summary>
/// A piece of I/O that a transport owns, submits, and submits again: nothing is allocated for an operation once its
/// transport exists. What happens is told to the owner by an interface, always from <see cref="IoBackend.Poll"/>.
/// </summary>
[DebuggerDisplay("{GetType().Name,nq}: {State}")]
public abstract class IoOperation
{
    private protected IoOperation(IoHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Handle = handle;
    }

    /// <summary>The handle that the operation works on.</summary>
    public IoHandle Handle { get; }

    /// <summary>Where the operation is in its life. Changed by <see cref="IoBackend"/> alone.</summary>
    public IoOperationState State { get; internal set; }

    /// <summary>Whether the operation has been submitted and has not ended.</summary>
    public bool IsArmed => State != IoOperationState.Idle;

    internal abstract void NotifyEnded(SocketError error);
}

/// <summary>What the owner of a <see cref="ReceiveOperation"/> is told.</summary>
public interface IReceiver
{
    /// <summary>
    /// Whether data is to be received into <see cref="GetBuffer"/>; asked before each receive. While it is true,
    /// <see cref="OnReceived"/> is not called.
    /// </summary>
    bool ProvidesBuffer { get; }

    /// <summary>
    /// The owner's own buffer, asked for just before something is written into it; it may turn out that there was nothing
    /// to write. Empty ends this arming, with no further word: the owner has come to its end, or wants nothing now.
    /// </summary>
    Memory<byte> GetBuffer();

    /// <summary>Bytes have arrived. The span is the backend's and dies when the call returns.</summary>
    /// <returns>Whether to stay armed. False ends this arming, with no further word.</returns>
    bool OnReceived(ReadOnlySpan<byte> data);

    /// <summary>Bytes have arrived in the buffer that <see cref="GetBuffer"/> returned last, at its start.</summary>
    /// <returns>Whether to stay armed. False ends this arming, with no further word.</returns>
    bool OnBufferFilled(int count);

    /// <summary>
    /// The arming has ended: <see cref="SocketError.Success"/> is the peer's end of file,
    /// <see cref="SocketError.OperationAborted"/> the answer to a cancellation or a release, anything else an error.
    /// </summary>
    void OnReceiveEnded(SocketError error);
}

/// <summary>
/// Receives from a stream. It is standing: once submitted it stays armed and tells its owner of all that arrives until
/// the owner returns false, the stream ends, or it is cancelled.
/// </summary>
public sealed class ReceiveOperation(IoHandle handle, IReceiver receiver) : IoOperation(handle)
{
    /// <summary>Who is told. May be replaced at any time; the next word goes to the new one.</summary>
    public IReceiver Receiver { get; set; } = receiver;

    internal override void NotifyEnded(SocketError error) => Receiver.OnReceiveEnded(error);
}

/// <summary>What the owner of a <see cref="SendOperation"/> is told.</summary>
public interface ISender
{
    /// <summary>
    /// The send has ended. With <see cref="SocketError.Success"/>, <paramref name="count"/> bytes have left, at least one
    /// and perhaps fewer than were asked for. Otherwise nothing is known of the bytes.
    /// </summary>
    void OnSent(int count, SocketError error);
}

/// <summary>Sends what <see cref="IoBackend.TrySend(IoHandle, ReadOnlySpan{byte}, out SocketError)"/> could not take.</summary>
public sealed class SendOperation(IoHandle handle, ISender sender) : IoOperation(handle)
{
    /// <summary>What to send. Set before submitting, and left alone until the end.</summary>
    public ReadOnlyMemory<byte> Data { get; set; }

    /// <summary>
    /// Descriptors to go with the first of the bytes; null for none. Only where <see cref="IoBackend.CanPassHandles"/>. Set
    /// before submitting, and left alone and open until the end.
    /// </summary>
    public IReadOnlyList<SafeHandle>? Handles { get; set; }

    internal void NotifySent(int count) => sender.OnSent(count, SocketError.Success);

    internal override void NotifyEnded(SocketError error) => sender.OnSent(0, error);
}

/// <summary>What the owner of an <see cref="AcceptOperation"/> is told.</summary>
public interface IAcceptor
{
    /// <summary>A connection has been accepted. The handle is the owner's from here.</summary>
    /// <returns>Whether to stay armed. False ends this arming, with no further word.</returns>
    bool OnAccepted(IoHandle connection);

    /// <summary>
    /// A newcomer was accepted and closed at once, because its descriptor lay within the reserve
    /// (<see cref="DescriptorReserve"/>).
    /// </summary>
    void OnShed();

    /// <summary>The arming has ended, by cancellation, release or an error such as exhausted memory.</summary>
    void OnAcceptEnded(SocketError error);
}

/// <summary>Accepts connections. It is standing, like <see cref="ReceiveOperation"/>.</summary>
public sealed class AcceptOperation(IoHandle handle, IAcceptor acceptor) : IoOperation(handle)
{
    internal IAcceptor Acceptor { get; } = acceptor;

    internal override void NotifyEnded(SocketError error) => Acceptor.OnAcceptEnded(error);
}

/// <summary>What the owner of a <see cref="ConnectOperation"/> is told.</summary>
public interface IConnector
{
    /// <summary>
    /// The attempt has ended, with <see cref="SocketError.Success"/> when the handle is connected. A Unix socket whose listener
    /// has as many waiting as may ends with <see cref="SocketError.WouldBlock"/>: nothing goes on in the background.
    /// </summary>
    void OnConnectEnded(SocketError error);
}

/// <summary>Connects a handle to a peer.</summary>
public sealed class ConnectOperation(IoHandle handle, EndPoint remoteEndPoint, IConnector connector) : IoOperation(handle)
{
    /// <summary>The address to connect to.</summary>
    public EndPoint RemoteEndPoint { get; } = remoteEndPoint;

    internal override void NotifyEnded(SocketError error) => connector.OnConnectEnded(error);
}

/// <summary>What the owner of a <see cref="HangUpOperation"/> is told.</summary>
public interface IHangUpWatcher
{
    /// <summary>
    /// The connection is gone: reset, timed out, or ended in both directions
    /// (<see cref="SocketError.Success"/>). <see cref="SocketError.OperationAborted"/> answers a cancellation or release.
    /// </summary>
    void OnHungUp(SocketError error);
}

/// <summary>
/// Watches a connection that nobody reads from, because reading is paused or the peer has ended its side: without it a
/// reset would go unnoticed until the next write.
/// </summary>
public sealed class HangUpOperation(IoHandle handle, IHangUpWatcher watcher) : IoOperation(handle)
{
    /// <summary>Who is told. May be replaced at any time; the next word goes to the new one.</summary>
    public IHangUpWatcher Watcher { get; set; } = watcher;

    internal override void NotifyEnded(SocketError error) => Watcher.OnHungUp(error);
}
