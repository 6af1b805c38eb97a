using System.Net.Sockets;

namespace Toolkit.Backends;

/// <summary>What the owner of a <see cref="ReadableOperation"/> is told.</summary>
public interface IReadableWatcher
{
    /// <summary>
    /// The arming has ended: with <see cref="SocketError.Success"/> whoever reads would not have to wait, because there is
    /// something, the end, or an error that reading tells; <see cref="SocketError.OperationAborted"/> answers a cancellation or
    /// release; with anything else the handle cannot be waited for, which is <see cref="SocketError.OperationNotSupported"/>
    /// where the backend has no such wait.
    /// </summary>
    void OnReadable(SocketError error);
}

/// <summary>
/// Waits until there is something to read, and reads nothing: for what is no stream, such as a descriptor that stands for a
/// process and becomes readable when that has ended, and for sockets that are read by other means. What the backend has taken
/// and nobody was told yet counts. It ends with the first time, and holds the read side until then.
/// </summary>
/// <remarks>
/// Where another wait on the handle was cancelled before, the time may have passed by when it is told: whoever tries may have to
/// wait again.
/// </remarks>
public sealed class ReadableOperation(IoHandle handle, IReadableWatcher watcher) : IoOperation(handle)
{
    internal override void NotifyEnded(SocketError error) => watcher.OnReadable(error);
}
