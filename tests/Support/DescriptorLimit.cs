using System.Globalization;
using System.Runtime.InteropServices;

namespace Toolkit.Tests;

/// <summary>Lowers the process's limit on descriptors for a while.</summary>
public sealed partial class DescriptorLimit : IDisposable
{
    private const int ResourceDescriptors = 7;

    private readonly Limit _before;

    private DescriptorLimit(Limit before) => _before = before;

    /// <summary>Leaves so many descriptors before the reserve begins. Linux only.</summary>
    public static DescriptorLimit LeaveBeforeReserve(int count)
    {
        HashSet<int> used = [.. Directory.GetFileSystemEntries("/proc/self/fd")
            .Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))];
        int threshold = Enumerable.Range(0, int.MaxValue).Where(number => !used.Contains(number)).Skip(count).First();
        Assert.Equal(0, GetLimit(ResourceDescriptors, out Limit before));
        Limit limit = before with { Soft = (ulong)threshold + Backends.DescriptorReserve.Size };
        Assert.Equal(0, SetLimit(ResourceDescriptors, limit));
        return new DescriptorLimit(before);
    }

    public void Dispose() => Assert.Equal(0, SetLimit(ResourceDescriptors, _before));

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in Limit limit);

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limit(ulong Soft, ulong Hard);
}
