using Toolkit.Bench.Cells;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Primitives;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Goals;

/// <summary>All that is to be shown.</summary>
internal static class GoalCatalog
{
    private const string Cpu = "CPU per request";

    /// <summary>Less is nothing: a message that allocates, allocates an object.</summary>
    private const double NoBytes = 0;

    public static IReadOnlyList<Goal> All { get; } =
    [
        .. EchoCells(64, 1024).SelectMany(cell => (Goal[])
        [
            AtMost(1.10, PeerCatalog.Epoll, PeerCatalog.NativeEpoll, cell),
            AtMost(0.85, PeerCatalog.Epoll, PeerCatalog.Uvloop, cell),
            AtMost(0.70, PeerCatalog.Epoll, PeerCatalog.Asyncio, cell),
            AtMost(0.50, PeerCatalog.Epoll, PeerCatalog.Kestrel, cell),
        ]),
        .. EchoCells(16 * 1024).Select(cell => AtMost(1.10, PeerCatalog.Epoll, PeerCatalog.NativeEpoll, cell)),
        AtMost(1.10, PeerCatalog.Epoll, PeerCatalog.NativeEpollLarge, "echo-1m"),
        Faster(PeerCatalog.Epoll, 10, PeerCatalog.Asyncio, "framed-d16"),
        Faster(PeerCatalog.Epoll, 2, PeerCatalog.Uvloop, "framed-d16"),
        Faster(PeerCatalog.Epoll, 2, PeerCatalog.Kestrel, "framed-d16"),
        Faster(PeerCatalog.Epoll, 50, PeerCatalog.Asyncio, "framed-d128"),
        Faster(PeerCatalog.Epoll, 5, PeerCatalog.Uvloop, "framed-d128"),
        Faster(PeerCatalog.Epoll, 3, PeerCatalog.Kestrel, "framed-d128"),
        .. EchoCells(64, 1024).SelectMany(cell => (Goal[])
        [
            AtMost(1.05, PeerCatalog.Uring, PeerCatalog.NativeEpoll, cell),
            AtMost(1.05, PeerCatalog.Uring, PeerCatalog.NativeUring, cell),
        ]),
        .. EchoCells(16 * 1024).Select(cell => AtMost(1.15, PeerCatalog.Uring, PeerCatalog.NativeEpoll, cell)),
        Faster(PeerCatalog.Uring, 10, PeerCatalog.Asyncio, "framed-d16"),
        Faster(PeerCatalog.Uring, 2, PeerCatalog.Kestrel, "framed-d16"),
        .. EchoCells(64, 1024).Select(cell => AllocatesNothing(PeerCatalog.Uring, cell)),
        Memory(800, PeerCatalog.Uring, "idle-2000"),
        Memory(800, PeerCatalog.Uring, "idle-18000"),
        .. EchoCells(64, 1024).SelectMany(cell => (Goal[])
        [
            AtMost(1.20, PeerCatalog.Portable, PeerCatalog.Socket, cell),
            AtMost(1.20, PeerCatalog.PortableInline, PeerCatalog.SocketInline, cell),
        ]),
        .. EchoCells(64, 1024).Select(cell => AllocatesNothing(PeerCatalog.Epoll, cell)),
        .. EchoCells(64, 1024).Where(cell => cell.Contains("-c64-", StringComparison.Ordinal))
            .Select(cell => AllocatesNothing(PeerCatalog.EpollBuffered, cell)),
        Memory(400, PeerCatalog.Epoll, "idle-2000"),
        Memory(400, PeerCatalog.Epoll, "idle-18000"),
        AtMost(0.85, PeerCatalog.Epoll, PeerCatalog.Uvloop, "churn"),
        AtMost(1.15, PeerCatalog.Epoll, PeerCatalog.Libuv, "churn"),
        AtMost(1 / 1.4, PeerCatalog.Epoll, PeerCatalog.Uvloop, "datagrams"),
        AtMost(1 / 8.0, PeerCatalog.Epoll, PeerCatalog.Asyncio, "datagrams"),
        AllocatesNothing(PeerCatalog.Epoll, "datagrams"),
        .. EchoCells(64, 1024).SelectMany(cell => (Goal[])
        [
            AtMost(1.30, PeerCatalog.EpollStreams, PeerCatalog.Epoll, cell),
            AtMost(1 / 2.5, PeerCatalog.EpollStreams, PeerCatalog.AsyncioStreams, cell),
            AtMost(1 / 1.2, PeerCatalog.EpollStreams, PeerCatalog.UvloopStreams, cell),
            AtMost(1 / 1.5, PeerCatalog.EpollStreams, PeerCatalog.Kestrel, cell),
        ]),
        Memory(1200, PeerCatalog.EpollStreams, "idle-2000"),
        Memory(1200, PeerCatalog.EpollStreams, "idle-18000"),
        .. CellCatalog.All.Where(cell => cell is { IsTls: true, Workload: Workload.Echo }).SelectMany(cell => (Goal[])
        [
            AtMost(0.80, PeerCatalog.Epoll, PeerCatalog.Kestrel, cell.Name),
            AtMost(1.00, PeerCatalog.Epoll, PeerCatalog.Uvloop, cell.Name),
        ]),
        AtMost(1.00, PeerCatalog.Epoll, PeerCatalog.Kestrel, "tls-churn"),
        Primitive(40, PrimitiveName.CallSoon),
        Primitive(150, PrimitiveName.PostOwnThread),
        Primitive(150, PrimitiveName.PostOtherThread),
        Primitive(60, PrimitiveName.TimerRestart),
        Primitive(80, PrimitiveName.SwitchTasks),
        Primitive(80, PrimitiveName.PingPong),
        Primitive(400, PrimitiveName.Create),
        Primitive(25, PrimitiveName.Lock),
        AllocatesNothing(PrimitiveName.Lock),
        Primitive(25, PrimitiveName.Semaphore),
        AllocatesNothing(PrimitiveName.Semaphore),
        Primitive(60, PrimitiveName.Queue),
    ];

    /// <summary>Whether the C server was slower than libuv in a cell, and so is nothing to be compared with.</summary>
    public static bool IsNativeOutOfForm(BenchRun run, string cell, string native)
        => Quartiles.Of(run.Ratios(cell, native, PeerCatalog.Libuv, Metric.CpuPerRequest)) is { Median: > 1, Lower: > 1 };

    private static IEnumerable<string> EchoCells(params int[] sizes)
        => from size in sizes
           from connections in (int[])[64, 1000]
           from depth in (int[])[1, 16]
           select CellCatalog.EchoName(size, connections, depth);

    private static Goal AtMost(double limit, string peer, string reference, string cell) => new(
        $"{Cpu}, {peer} / {reference}",
        cell,
        Side.AtMost,
        limit,
        "x",
        run => run.Ratios(cell, peer, reference, Metric.CpuPerRequest))
    {
        IsVoid = run => reference is PeerCatalog.NativeEpoll or PeerCatalog.NativeEpollLarge
            && IsNativeOutOfForm(run, cell, reference),
    };

    private static Goal Faster(string peer, double limit, string reference, string cell) => new(
        $"messages per second, {peer} / {reference}",
        cell,
        Side.AtLeast,
        limit,
        "x",
        run => run.Ratios(cell, peer, reference, Metric.RequestsPerSecond));

    private static Goal AllocatesNothing(string peer, string cell) => new(
        $"bytes allocated per message, {peer}",
        cell,
        Side.AtMost,
        NoBytes,
        "B",
        run => run.Figures(cell, peer, Metric.AllocatedPerRequest));

    private static Goal Memory(double limit, string peer, string cell) => new(
        $"bytes per idle connection, {peer}",
        cell,
        Side.AtMost,
        limit,
        "B",
        run => run.Figures(cell, peer, Metric.MemoryPerConnection));

    private static Goal AllocatesNothing(string name) => new(
        $"bytes allocated, {name}", Runner.Toolkit, Side.AtMost, 1, "B", run => run.PrimitiveAllocations(name, Runner.Toolkit));

    private static Goal Primitive(double limit, string name) => new(
        name, Runner.Toolkit, Side.AtMost, limit, "ns", run => run.PrimitiveFigures(name, Runner.Toolkit));
}
