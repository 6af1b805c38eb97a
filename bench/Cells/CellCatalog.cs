using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Cells;

/// <summary>All that is measured.</summary>
internal static class CellCatalog
{
    public const int Mebibyte = 1024 * 1024;

    private const int BulkConnections = 4;
    private const int UsualConnections = 64;
    private const int SlowConnections = 10_000;

    private static readonly (int Size, string Name)[] s_echoSizes = [(64, "64 B"), (1024, "1 KiB"), (16 * 1024, "16 KiB")];

    public static IReadOnlyList<Cell> All { get; } =
    [
        .. from size in s_echoSizes
           from connections in (int[])[1, UsualConnections, 1000]
           from depth in (int[])[1, 16]
           select Echo(size.Size, size.Name, connections, depth),
        .. from size in s_echoSizes
           from depth in (int[])[1, 16]
           select OverTls(Echo(size.Size, size.Name, UsualConnections, depth), "Echo over TLS", $"{size.Name}, "),
        Framed(16),
        Framed(128),
        new()
        {
            Name = "echo-1m",
            Group = "Bulk",
            Title = "1 MiB echo",
            Connections = BulkConnections,
            Size = Mebibyte,
        },
        new()
        {
            Name = "bulk",
            Group = "Bulk",
            Title = "one way, per MiB",
            Workload = Workload.Bulk,
            Mode = ServerMode.Bulk,
            Connections = BulkConnections,
            Size = Mebibyte,
        },
        Churn,
        OverTls(Churn with { Title = "connect, shake hands, echo 64 B, close" }, Churn.Group),
        Idle(2000),
        Idle(18000),
        OverTls(Idle(2000), "Idle memory"),
        new()
        {
            Name = "datagrams",
            Group = "Datagrams",
            Title = "64 B over UDP, 16 sockets x 4",
            Workload = Workload.Datagrams,
            Mode = ServerMode.Datagrams,
            Connections = 16,
            Depth = 4,
        },
        new() { Name = "latency", Group = "Latency", Title = "64 B, one connection", Metric = Metric.P50 },
        new()
        {
            Name = "slow-clients",
            Group = "Latency",
            Title = $"64 B, beside {SlowConnections:N0} that send a byte a second",
            Workload = Workload.Slow,
            Connections = SlowConnections + 1,
            Metric = Metric.P50,
        },
    ];

    /// <summary>What stands for all in less than five minutes.</summary>
    public static IReadOnlyList<string> Quick { get; } =
        ["echo-64-c64-d1", "echo-1024-c64-d1", "framed-d16", "churn", "idle-2000", "latency"];

    private static Cell Churn => new()
    {
        Name = "churn",
        Group = "Churn",
        Title = "connect, echo 64 B, close",
        Workload = Workload.Churn,
        Connections = UsualConnections,
    };

    public static string EchoName(int size, int connections, int depth) => $"echo-{size}-c{connections}-d{depth}";

    private static Cell Echo(int size, string sizeName, int connections, int depth) => new()
    {
        Name = EchoName(size, connections, depth),
        Group = $"Echo {sizeName}",
        Title = $"{connections} x {depth}",
        Connections = connections,
        Depth = depth,
        Size = size,
    };

    private static Cell OverTls(Cell cell, string group, string prefix = "TLS: ") => cell with
    {
        Name = $"tls-{cell.Name}",
        Group = group,
        Title = prefix + cell.Title,
        IsTls = true,
    };

    private static Cell Framed(int depth) => new()
    {
        Name = $"framed-d{depth}",
        Group = "Framed",
        Title = $"64 B frames, {UsualConnections} x {depth}",
        Mode = ServerMode.Framed,
        Connections = UsualConnections,
        Depth = depth,
    };

    private static Cell Idle(int connections) => new()
    {
        Name = $"idle-{connections}",
        Group = "Idle memory",
        Title = $"{connections:N0} connections",
        Workload = Workload.Idle,
        Connections = connections,
        Metric = Metric.MemoryPerConnection,
    };
}
