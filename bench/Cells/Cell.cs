using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Cells;

/// <summary>What the load generator does.</summary>
internal enum Workload
{
    /// <summary>Keeps messages in flight and waits for each to come back.</summary>
    Echo,

    /// <summary>Sends one way, as much as is taken.</summary>
    Bulk,

    /// <summary>Connects, echoes a message, and resets.</summary>
    Churn,

    /// <summary>Echoes once on each connection, and holds them all.</summary>
    Idle,

    /// <summary>Echoes on the first connection, which is measured, while each of the others sends a byte a second.</summary>
    Slow,

    /// <summary>As <see cref="Echo"/>, over UDP.</summary>
    Datagrams,
}

/// <summary>A thing that is measured: what the generator does, and what the server does with it.</summary>
internal sealed record Cell
{
    /// <summary>What it is called on the command line and in results.</summary>
    public required string Name { get; init; }

    /// <summary>The table that it belongs to.</summary>
    public required string Group { get; init; }

    /// <summary>What it is called within its table.</summary>
    public required string Title { get; init; }

    public Workload Workload { get; init; } = Workload.Echo;

    public ServerMode Mode { get; init; } = ServerMode.Echo;

    public int Connections { get; init; } = 1;

    /// <summary>Messages in flight on each connection.</summary>
    public int Depth { get; init; } = 1;

    /// <summary>Bytes of a message.</summary>
    public int Size { get; init; } = Frame.Size;

    /// <summary>Whether all of it is encrypted, by TLS 1.3.</summary>
    public bool IsTls { get; init; }

    /// <summary>The figure that the cell is about.</summary>
    public Metric Metric { get; init; } = Metric.CpuPerRequest;

    /// <summary>Whether large buffers pay, so that peers which must choose take them.</summary>
    public bool IsBulk => Workload == Workload.Bulk || Size >= CellCatalog.Mebibyte;
}
