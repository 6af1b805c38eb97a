using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Tests;

/// <summary>What tests ask of a Unix system that .NET does not.</summary>
public static partial class UnixCalls
{
    /// <summary>Makes a FIFO that its owner may use.</summary>
    public static void MakeFifo(string path) => Assert.Equal(0, MakeFifo(path, 0x180));

    /// <summary>Waits for a child, whoever has started it, and takes its status from them.</summary>
    /// <returns>The number of the child.</returns>
    public static int WaitFor(int pid) => WaitFor(pid, 0, 0);

    /// <summary>Another descriptor of the same open file.</summary>
    public static SafeFileHandle Duplicate(SafeHandle handle)
        => new(DuplicateDescriptor((int)handle.DangerousGetHandle()), ownsHandle: true);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int DuplicateDescriptor(int descriptor);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int WaitFor(int pid, nint status, int options);
}
