using Toolkit.Bench.Results;

namespace Toolkit.Tests;

/// <summary>Runs with known figures.</summary>
internal static class Runs
{
    public static BenchRun Empty() => new()
    {
        Date = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Mode = "full",
        Rounds = 3,
        WindowSeconds = 1,
        Machine = new Machine("processor", 2, "8 GiB", "6.1", "system", RaisedPriority: false),
        Peers = [],
    };

    /// <summary>Measures a peer in a cell, with the given microseconds of CPU per request in rounds 1, 2 and so on.</summary>
    public static BenchRun With(this BenchRun run, string cell, string peer, params double[] costs)
    {
        for (int i = 0; i < costs.Length; i++)
        {
            run.Measurements.Add(new Measurement
            {
                Cell = cell,
                Peer = peer,
                Round = i + 1,
                Seconds = 1,
                Requests = 1e6,
                ServerCpu = costs[i],
                LoadCpu = 0.95,
                P50 = 10,
                P99 = 20,
            });
        }

        return run;
    }
}
