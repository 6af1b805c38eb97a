using System.Net.Sockets;

namespace Toolkit.Backends;

/// <summary>What the owner of a <see cref="ReadableOperation"/> is told.</summary>
public interface IReadableWatcher
{
    /// <summary>
    /// The arming has ended: with <see cref="SocketError.Success"/> the handle has become readable,
    /// <see cref="SocketError.OperationAborted"/> answers a cancellation or release, and anything else is an error.
    /// </summary>
    void OnReadable(SocketError error);
}

/// <summary>
/// Waits until there is something to read, and reads nothing: for what is no stream, such as a descriptor that stands for a
/// process and becomes readable when that has ended. It ends with the first time, and holds the read side until then.
/// </summary>
public sealed class ReadableOperation(IoHandle handle, IReadableWatcher watcher) : IoOperation(handle)
{
    internal override void NotifyEnded(SocketError error) => watcher.OnReadable(error);
}
