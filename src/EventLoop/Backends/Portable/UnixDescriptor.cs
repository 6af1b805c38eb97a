using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Portable;

/// <summary>What .NET has no call for.</summary>
[UnsupportedOSPlatform("windows")]
internal static partial class UnixDescriptor
{
    private const int LinuxDuplicateCloseOnExec = 1030;
    private const nuint BsdCloseOnExec = 0x20006601;

    /// <summary>Makes another descriptor of the same, close-on-exec.</summary>
    /// <exception cref="SocketException">There is none to spare.</exception>
    public static int Duplicate(int descriptor)
    {
        int duplicate = OperatingSystem.IsLinux() ? Control(descriptor, LinuxDuplicateCloseOnExec, 0) : DuplicateOnly(descriptor);
        if (duplicate < 0)
        {
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        }

        // Where variable arguments are not passed like others, this is the call that takes none.
        if (!OperatingSystem.IsLinux())
        {
            _ = ControlDevice(duplicate, BsdCloseOnExec);
        }

        return duplicate;
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int DuplicateOnly(int descriptor);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int ControlDevice(int descriptor, nuint request);
}
