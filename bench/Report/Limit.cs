using Toolkit.Bench.Cells;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Report;

/// <summary>What a measurement ran into.</summary>
internal static class Limit
{
    /// <summary>From what share on a core counts as full, in percent: some of its time always goes elsewhere.</summary>
    private const double Full = 90;

    public static string Of(BenchRun run, string cell, string peer)
        => (IsFull(run, cell, peer, Metric.ServerShare), IsFull(run, cell, peer, Metric.LoadShare)) switch
        {
            (null, _) or (_, null) => "",
            (true, true) => "both",
            (true, _) => "server",
            (_, true) => "generator",
            _ => "waking",
        };

    private static bool? IsFull(BenchRun run, string cell, string peer, Metric share)
        => Quartiles.Of(run.Figures(cell, peer, share))?.Median >= Full is var full
            && run.Figures(cell, peer, share).Any() ? full : null;
}
