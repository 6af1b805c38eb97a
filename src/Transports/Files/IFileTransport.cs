using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports;

/// <summary>A transport that can send a file.</summary>
internal interface IFileTransport
{
    /// <summary>
    /// Begins to send a part of a file, which is there: its first byte follows what was written before the call.
    /// </summary>
    /// <returns>How much of it is being sent, or was, and the end of it.</returns>
    FileSend SendFile(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken);
}
