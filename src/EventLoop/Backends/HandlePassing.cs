using Microsoft.Win32.SafeHandles;

namespace Toolkit.Backends;

/// <summary>Who is told of descriptors that were passed over a Unix socket (SCM_RIGHTS of unix(7)).</summary>
public interface IHandleReceiver
{
    /// <summary>
    /// Descriptors have arrived, no later than the first of the bytes that they were sent with, and in the order in which they
    /// were sent. They are the receiver's, close-on-exec, and closed by nobody else. Comes from <see cref="IoBackend.Poll"/>;
    /// runs no user code.
    /// </summary>
    void OnHandlesReceived(ReadOnlySpan<SafeFileHandle> handles);
}
