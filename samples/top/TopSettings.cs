namespace Toolkit.Samples.Top;

/// <summary>Which transports are shown first.</summary>
internal enum TransportOrder
{
    /// <summary>Those with the most unsent bytes.</summary>
    Queued,

    /// <summary>Those with the most bytes a second, both ways together.</summary>
    Traffic,

    /// <summary>Those with the most bytes, both ways together.</summary>
    Total,

    /// <summary>The oldest.</summary>
    Age,
}

/// <summary>What the command line says.</summary>
internal sealed record TopSettings
{
    public required string Socket { get; init; }

    public required bool IsOnce { get; init; }

    public required TimeSpan Interval { get; init; }

    public required TransportOrder Order { get; init; }

    public required bool ShowsAll { get; init; }
}
