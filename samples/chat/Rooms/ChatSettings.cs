namespace Toolkit.Samples.Chat;

/// <summary>What a member may cost.</summary>
internal sealed record ChatSettings
{
    /// <summary>
    /// How many lines a second a member may say for long, and twice as many at once; null for any number. Who says more waits, and
    /// loses nothing. Thousands are no conversation, but each goes to everybody in the room.
    /// </summary>
    public double? LinesPerSecond { get; init; } = 1_000;

    /// <summary>How long a newcomer may say nothing; null for ever.</summary>
    public TimeSpan? FirstByteTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a connection may be without a byte either way; null for ever.</summary>
    public TimeSpan? IdleTime { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How many connections one address may have; null for any number.</summary>
    public int? MembersPerAddress { get; init; }

    /// <summary>
    /// How the connections of members behave. Who does not read is dropped when a megabyte waits for it: that is what a member
    /// may cost, and nobody waits for a slow one.
    /// </summary>
    public TcpOptions Connections { get; init; } = new()
    {
        WriteLimits = new WriteLimits(WriteLimits.DefaultHigh, hardCap: 1024 * 1024),
        LingerTime = TimeSpan.FromSeconds(5),
    };

    public ServerOptions ToServerOptions() => new()
    {
        Tcp = Connections,
        MaxConnectionsPerAddress = MembersPerAddress,
        Limits = new ConnectionLimits { FirstByteTime = FirstByteTime, IdleTime = IdleTime },
    };
}
