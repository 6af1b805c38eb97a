using System.Diagnostics;

namespace Toolkit.Tests;

/// <summary>
/// How many sockets, pipes and kernel objects the process holds, by what their descriptors lead to. Files are left out:
/// the runtime opens assemblies when it pleases.
/// </summary>
public sealed class DescriptorCensus
{
    private const string Descriptors = "/proc/self/fd";

    private const string Threads = "/proc/self/task";

    // What the runtime holds in passing is gone after a moment.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly SortedDictionary<string, int> _counts;
    private readonly HashSet<string> _threads;

    private DescriptorCensus(SortedDictionary<string, int> counts, HashSet<string> threads)
    {
        _counts = counts;
        _threads = threads;
    }

    public static bool IsSupported => Directory.Exists(Descriptors);

    public static DescriptorCensus Take()
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        if (!IsSupported)
        {
            return new DescriptorCensus(counts, []);
        }

        foreach (string path in Directory.EnumerateFileSystemEntries(Descriptors))
        {
            string? kind = KindOf(path);
            if (kind is not null)
            {
                counts[kind] = counts.GetValueOrDefault(kind) + 1;
            }
        }

        return new DescriptorCensus(counts, [.. Directory.EnumerateFileSystemEntries(Threads)]);
    }

    /// <summary>
    /// What there is now and was not then; empty when nothing grew. Each thread of the runtime's holds pipe ends of its own
    /// for as long as it lives, and the pool makes threads when it pleases: those are not counted.
    /// </summary>
    public string GrowthSince(DescriptorCensus earlier)
        => string.Join(", ", _counts
            .Where(count => count.Value - Allowance(count.Key, earlier) > earlier._counts.GetValueOrDefault(count.Key))
            .Select(count => $"{count.Key} {earlier._counts.GetValueOrDefault(count.Key)} -> {count.Value}"));

    /// <summary>Fails unless all that came since has gone again, within a few seconds.</summary>
    public void RequireNoGrowth()
    {
        var waited = Stopwatch.StartNew();
        string growth = Take().GrowthSince(this);
        while (growth.Length > 0 && waited.Elapsed < s_patience)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Yield();
            growth = Take().GrowthSince(this);
        }

        Assert.True(growth.Length == 0, $"Descriptors were left behind: {growth}");
    }

    public override string ToString() => string.Join(", ", _counts.Select(count => $"{count.Key} {count.Value}"));

    private int Allowance(string kind, DescriptorCensus earlier)
        => kind == "pipe" ? 2 * _threads.Count(thread => !earlier._threads.Contains(thread)) : 0;

    private static string? KindOf(string path)
    {
        try
        {
            string? target = new FileInfo(path).LinkTarget;
            return target switch
            {
                null => null,
                _ when target.StartsWith("socket:", StringComparison.Ordinal) => "socket",
                _ when target.StartsWith("pipe:", StringComparison.Ordinal) => "pipe",
                _ when target.StartsWith("anon_inode:", StringComparison.Ordinal) => target["anon_inode:".Length..],
                _ => null,
            };
        }
        catch (IOException)
        {
            return null; // gone since it was listed
        }
    }
}
