using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports;

/// <summary>A transport that can pass descriptors.</summary>
internal interface IHandleTransport
{
    /// <summary>Writes, with handles beside the first of the bytes.</summary>
    WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles);

    /// <summary>Takes what has been received.</summary>
    SafeFileHandle[] TakeReceivedHandles();
}
