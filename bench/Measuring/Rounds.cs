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

    /// <summary>How many rounds a server lives before all are started afresh.</summary>
    public required int RoundsPerServer { get; init; }

    /// <summary>How a server is warmed up that has just been started, and compiles while it runs.</summary>
    public required WarmUp WarmUpOfFresh { get; init; }

    /// <summary>How all others are, for the connections are new in any case.</summary>
    public required WarmUp WarmUp { get; init; }

    /// <summary>How often a disturbed measurement is made at most.</summary>
    public required int Attempts { get; init; }

    /// <summary>How many rounds of the primitives of loops; zero for none.</summary>
    public required int PrimitiveRounds { get; init; }
}

/// <summary>
/// Measures cell by cell, and within a cell round by round: A B C, A B C, so that what disturbs for a while disturbs all
/// alike. Servers live for a few rounds and are then started afresh, all of them, since how a process has been laid out and
/// compiled is part of what differs from one run to the next. Connections and generator are new in each round.
/// </summary>
internal sealed class Rounds(Plan plan)
{
    /// <summary>From what share of a core, stolen or used by others, a measurement counts as disturbed.</summary>
    private const double Disturbed = 0.06;

    /// <summary>What a server is warmed with, before its memory is read.</summary>
    private const int WarmingConnections = 200;

    /// <summary>.NET compiles code anew in stages, each of which takes calls and then a moment of rest.</summary>
    private const int WarmingStages = 12;

    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_settling = TimeSpan.FromMilliseconds(300);

    private readonly LoadGenerator _load = new(plan.Window);
    private readonly Dictionary<Peer, ServerProcess> _servers = [];

    /// <returns>Why nothing can be measured; null if it can.</returns>
    public string? Prepare() => _load.Build(plan.Cells);

    /// <param name="succeeded">Called with each measurement.</param>
    /// <param name="failed">Called with what came of one that failed.</param>
    public void Run(Action<Measurement> succeeded, Action<string> failed)
    {
        foreach (Cell cell in plan.Cells)
        {
            for (int round = 1; round <= plan.Rounds; round++)
            {
                if ((round - 1) % plan.RoundsPerServer == 0)
                {
                    StopServers();
                }

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

            StopServers();
        }
    }

    private void StopServers()
    {
        foreach (ServerProcess server in _servers.Values)
        {
            server.Dispose();
        }

        _servers.Clear();
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
        bool isFresh = !_servers.TryGetValue(peer, out ServerProcess? server);
        if (server is null)
        {
            server = new ServerProcess(peer, cell);
            _servers.Add(peer, server);
        }

        bool isDone = false;
        try
        {
            Measurement measurement = cell.Workload == Workload.Idle
                ? MeasureMemory(cell, peer, server)
                : MeasureLoad(cell, peer, server, isFresh && peer.CompilesWhileRunning ? plan.WarmUpOfFresh : plan.WarmUp);
            isDone = true;
            return measurement;
        }
        catch (MeasurementFailedException exception) when (server.Ending is { } ending)
        {
            throw new MeasurementFailedException($"{exception.Message} {ending}");
        }
        finally
        {
            // Memory is compared with that of a server that has served little.
            if (!isDone || cell.Workload == Workload.Idle)
            {
                _servers.Remove(peer);
                server.Dispose();
            }
        }
    }

    private Measurement MeasureLoad(Cell cell, Peer peer, ServerProcess server, WarmUp warmUp)
    {
        long? before = null;
        long? after = null;
        LoadResult result = _load.Measure(
            cell, server, warmUp, () => before = server.ReadAllocatedBytes(), () => after = server.ReadAllocatedBytes());
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

    // What a process needs once it has served at all is not charged to the connections: its code, which a runtime goes on
    // compiling for thousands of calls, and the buffers that it has.
    private Measurement MeasureMemory(Cell cell, Peer peer, ServerProcess server)
    {
        long before = 0;
        long after = 0;
        Cell echo = cell with { Workload = Workload.Echo, Connections = WarmingConnections };
        _load.Measure(echo, server, plan.WarmUp, () => { }, () => { });
        for (int stages = peer.CompilesWhileRunning ? WarmingStages : 1; stages > 0; stages--)
        {
            _load.Hold(cell, WarmingConnections, server, () => { });
            Thread.Sleep(s_rest);
        }

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
