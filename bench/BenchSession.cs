using Toolkit.Bench.Cells;
using Toolkit.Bench.Measuring;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Primitives;
using Toolkit.Bench.Report;
using Toolkit.Bench.Results;

namespace Toolkit.Bench;

/// <summary>A run from the plan to the report.</summary>
internal static class BenchSession
{
    /// <param name="plan">What is measured.</param>
    /// <param name="folder">Where the report goes.</param>
    /// <returns>The exit code: 1 when a measurement failed.</returns>
    public static int Run(Plan plan, string folder)
    {
        WarnOfDebugBuild();
        if (new Rounds(plan).Prepare() is { } error)
        {
            Console.Error.WriteLine($"The load generator cannot be built: {error}. See bench/README.md for what it takes.");
            return 1;
        }

        Dictionary<Peer, Presence> presences = plan.Peers.ToDictionary(peer => peer, peer => peer.Probe());
        foreach ((Peer peer, Presence presence) in presences)
        {
            Console.Out.WriteLine($"{peer.Name,-24} {presence.Version ?? $"missing: {presence.Missing}"}");
        }

        var run = new BenchRun
        {
            Date = DateTimeOffset.UtcNow,
            Mode = plan.Mode,
            Rounds = plan.Rounds,
            WindowSeconds = plan.Window.TotalSeconds,
            Machine = Machine.Describe(),
            Peers = [.. presences.Select(p => new PeerRecord(p.Key.Name, p.Key.Title, p.Value.Version, p.Value.Missing))],
        };
        var present = new Rounds(plan with { Peers = [.. plan.Peers.Where(peer => presences[peer].Missing is null)] });
        Directory.CreateDirectory(Repository.Artifacts);
        present.Run(
            measurement =>
            {
                // What a run of hours has brought is not lost with it.
                if (run.Measurements is [.., { Cell: var cell }] && cell != measurement.Cell)
                {
                    run.Save(Repository.Unfinished);
                }

                run.Measurements.Add(measurement);
                Print(measurement);
            },
            failure => Fail(run, failure));
        PrimitiveRounds.Run(
            plan.PrimitiveRounds,
            primitive =>
            {
                run.Primitives.Add(primitive);
                Console.Out.WriteLine($"{primitive.Name,-52} {primitive.Runner,-12} {Text.Of(primitive.Nanoseconds),8} ns");
            },
            failure => Fail(run, failure));

        File.Delete(Repository.Unfinished);
        Console.Out.WriteLine();
        Console.Out.WriteLine($"Written to {new PerformanceReport(run).Write(folder)}.");
        return run.Failures.Count == 0 ? 0 : 1;
    }

    private static void Fail(BenchRun run, string failure)
    {
        run.Failures.Add(failure);
        Console.Error.WriteLine($"FAILED {failure}");
    }

    private static void Print(Measurement measurement)
    {
        Metric metric = CellCatalog.All.Single(cell => cell.Name == measurement.Cell).Metric;
        string figure = $"{Text.Of(metric.Of(measurement)),8} {metric.Unit,-3}";
        string load = measurement.Requests == 0 ? "" :
            $" {Text.Of(Metric.RequestsPerSecond.Of(measurement)),10}/s"
            + $"  server {Metric.ServerShare.Of(measurement),3:F0} %, generator {Metric.LoadShare.Of(measurement),3:F0} %,"
            + $" disturbed {Metric.Disturbance.Of(measurement),3:F0} %{(measurement.Settled ? "" : ", unsettled")}";
        string allocated = measurement.AllocatedPerRequest is { } bytes ? $", allocated {Text.Of(bytes)} B" : "";
        Console.Out.WriteLine($"{measurement.Cell,-20} {measurement.Round} {measurement.Peer,-24} {figure}{load}{allocated}");
    }

    private static void WarnOfDebugBuild()
    {
#if DEBUG
        Console.Error.WriteLine("This is a debug build, whose figures mean nothing. Use -c Release.");
#endif
    }
}
