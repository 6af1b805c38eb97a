namespace Toolkit.Bench.Results;

/// <summary>One peer in one cell in one round. Zero or null is what the cell does not have.</summary>
internal sealed record Measurement
{
    public required string Cell { get; init; }

    public required string Peer { get; init; }

    public required int Round { get; init; }

    /// <summary>How long the window was, in seconds; CPU times are in seconds, too.</summary>
    public double Seconds { get; init; }

    /// <summary>Messages that came back, or mebibytes that were taken.</summary>
    public double Requests { get; init; }

    /// <summary>User and system time of the server's process.</summary>
    public double ServerCpu { get; init; }

    public double LoadCpu { get; init; }

    /// <summary>Latency in microseconds; its median.</summary>
    public double P50 { get; init; }

    public double P99 { get; init; }

    /// <summary>How many windows went by before the one that counts.</summary>
    public int WarmUps { get; init; }

    /// <summary>Whether the last two of them agreed.</summary>
    public bool Settled { get; init; }

    /// <summary>Time that the host has taken, of all cores.</summary>
    public double Stolen { get; init; }

    /// <summary>Time of other processes, of all cores.</summary>
    public double Others { get; init; }

    /// <summary>How often it was measured; the least disturbed attempt is this.</summary>
    public int Attempts { get; init; } = 1;

    public double? AllocatedPerRequest { get; init; }

    public double? MemoryPerConnection { get; init; }

    /// <summary>The share of a core that went elsewhere.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public double Disturbance => Seconds > 0 ? (Stolen + Others) / Seconds : 0;
}
