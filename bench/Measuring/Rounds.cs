using Toolkit.Bench.Cells;
using Toolkit.Bench.Load;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Measuring;

/// <summary>What is to be measured, and how long.</summary>
internal sealed record Plan
{
    public required string Mode { get; init; }

    public required IReadOnlyList<Cell> Cells { get; init; }

    public required IReadOnlyList<Peer> Peers { get; init; }

    public required int Rounds { get; init; }

    public required TimeSpan Window { get; init; }

    public required TimeSpan LeastWarmUp { get; init; }

    public required TimeSpan MostWarmUp { get; init; }

    /// <summary>How often a disturbed measurement is made at most.</summary>
    public required int Attempts { get; init; }

    /// <summary>How many rounds of the primitives of loops; zero for none.</summary>
    public required int PrimitiveRounds { get; init; }
}

/// <summary>
/// Measures cell by cell, and within a cell round by round: A B C, A B C, so that what disturbs for a while disturbs all
/// alike. Each measurement has a fresh process, so that no round knows of the one before.
/// </summary>
internal sealed class Rounds(Plan plan)
{
    /// <summary>From what share of a core, stolen or used by others, a measurement counts as disturbed.</summary>
    private const double Disturbed = 0.06;

    /// <summary>What a server is warmed with, before its memory is read.</summary>
    private const int WarmingConnections = 200;

    private static readonly TimeSpan s_settling = TimeSpan.FromMilliseconds(300);

    private readonly LoadGenerator _load = new(plan.Window, plan.LeastWarmUp, plan.MostWarmUp);

    /// <returns>Why nothing can be measured; null if it can.</returns>
    public string? Prepare() => _load.Build();

    /// <param name="succeeded">Called with each measurement.</param>
    /// <param name="failed">Called with what came of one that failed.</param>
    public void Run(Action<Measurement> succeeded, Action<string> failed)
    {
        foreach (Cell cell in plan.Cells)
        {
            for (int round = 1; round <= plan.Rounds; round++)
            {
                foreach (Peer peer in plan.Peers.Where(peer => peer.Serves(cell)))
                {
                    try
                    {
                        succeeded(MeasureQuietly(cell, peer) with { Round = round });
                    }
                    catch (MeasurementFailedException exception)
                    {
                        failed($"{cell.Name}, {peer.Name}, round {round}: {exception.Message}");
                    }
                }
            }
        }
    }

    /// <summary>The least disturbed of a few attempts, whatever came of them.</summary>
    private Measurement MeasureQuietly(Cell cell, Peer peer)
    {
        Measurement best = Measure(cell, peer);
        for (int attempt = 2; attempt <= plan.Attempts && best.Disturbance > Disturbed; attempt++)
        {
            Measurement again = Measure(cell, peer);
            best = (again.Disturbance < best.Disturbance ? again : best) with { Attempts = attempt };
        }

        return best;
    }

    private Measurement Measure(Cell cell, Peer peer)
    {
        using var server = new ServerProcess(peer, cell);
        try
        {
            return cell.Workload == Workload.Idle ? MeasureMemory(cell, peer, server) : MeasureLoad(cell, peer, server);
        }
        catch (MeasurementFailedException exception) when (server.Ending is { } ending)
        {
            throw new MeasurementFailedException($"{exception.Message} {ending}");
        }
    }

    private Measurement MeasureLoad(Cell cell, Peer peer, ServerProcess server)
    {
        long? before = null;
        long? after = null;
        LoadResult result = _load.Measure(
            cell, server, () => before = server.ReadAllocatedBytes(), () => after = server.ReadAllocatedBytes());
        return new Measurement
        {
            Cell = cell.Name,
            Peer = peer.Name,
            Round = 0,
            Seconds = result.Seconds,
            Requests = result.Requests,
            ServerCpu = result.ServerCpu,
            LoadCpu = result.LoadCpu,
            P50 = result.P50,
            P99 = result.P99,
            WarmUps = result.WarmUps,
            Settled = result.Settled,
            Stolen = result.Stolen,
            Others = result.Others,
            AllocatedPerRequest = (after - before) / result.RequestsSincePause,
        };
    }

    // What a process needs once it has served at all is not charged to the connections.
    private Measurement MeasureMemory(Cell cell, Peer peer, ServerProcess server)
    {
        long before = 0;
        long after = 0;
        _load.Hold(cell, WarmingConnections, server, () => { });
        Thread.Sleep(s_settling);
        before = ReadSettledMemory(server);
        _load.Hold(cell, cell.Connections, server, () => after = ReadSettledMemory(server));
        return new Measurement
        {
            Cell = cell.Name,
            Peer = peer.Name,
            Round = 0,
            MemoryPerConnection = (after - before) / (double)cell.Connections,
        };
    }

    private static long ReadSettledMemory(ServerProcess server)
    {
        server.Collect();
        Thread.Sleep(s_settling);
        return server.ReadMemory();
    }
}
