using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>
/// Keeps the last descriptors of the process free, because .NET itself needs some at moments of its own choice.
/// </summary>
/// <remarks>
/// <para>
/// The runtime makes a pipe for every new thread, its on-demand compiler's among them, and opens a file for every assembly
/// that it loads; when it cannot, it aborts the process. A server that takes descriptors to the last therefore does not
/// serve less: it dies. So an accepted or opened descriptor whose number falls within the reserve is closed at once.
/// </para>
/// <para>
/// The number is enough to know: the kernel hands out the lowest free one, so a descriptor numbered N proves that N are
/// in use. The limit is read each time, because it can be changed from outside while the process runs.
/// </para>
/// </remarks>
public static partial class DescriptorReserve
{
    /// <summary>How many descriptors below the limit are kept free.</summary>
    public const int Size = 64;

    private const int ResourceDescriptorsOnLinux = 7;
    private const int ResourceDescriptorsOnMac = 8;

    /// <summary>
    /// The lowest descriptor number that falls within the reserve at this moment. <see cref="long.MaxValue"/> where handles
    /// are not limited by number (Windows).
    /// </summary>
    public static long Threshold
    {
        get
        {
            if (OperatingSystem.IsWindows())
            {
                return long.MaxValue;
            }

            int resource = OperatingSystem.IsLinux() ? ResourceDescriptorsOnLinux : ResourceDescriptorsOnMac;
            if (GetResourceLimit(resource, out ResourceLimit limit) != 0 || limit.Soft > long.MaxValue)
            {
                return long.MaxValue;
            }

            return (long)limit.Soft - Size;
        }
    }

    /// <summary>Whether the descriptor falls within the reserve.</summary>
    public static bool Contains(long descriptor) => descriptor >= Threshold;

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetResourceLimit(int resource, out ResourceLimit limit);

    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceLimit
    {
        public ulong Soft;
        public ulong Hard;
    }
}
