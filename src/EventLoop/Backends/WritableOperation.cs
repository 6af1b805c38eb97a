using System.Net.Sockets;

namespace Toolkit.Backends;

/// <summary>What the owner of a <see cref="WritableOperation"/> is told.</summary>
public interface IWritableWatcher
{
    /// <summary>
    /// The arming has ended: with <see cref="SocketError.Success"/> whoever sends would not have to wait, because there is room,
    /// or because it would fail, as it does when the peer has reset the connection or a pipe has no reader any more: the try
    /// tells which. <see cref="SocketError.OperationAborted"/> answers a cancellation or release; with anything else the handle
    /// cannot be waited for, which is <see cref="SocketError.OperationNotSupported"/> where the backend has no such wait.
    /// </summary>
    void OnWritable(SocketError error);
}

/// <summary>
/// Waits until something can be sent, and sends nothing. It ends with the first time, and holds the write side until then. For a
/// connection, a datagram socket, the writing end of a pipe, and whatever else the system can say it of.
/// </summary>
/// <inheritdoc cref="ReadableOperation" path="/remarks"/>
public sealed class WritableOperation(IoHandle handle, IWritableWatcher watcher) : IoOperation(handle)
{
    internal override void NotifyEnded(SocketError error) => watcher.OnWritable(error);
}
