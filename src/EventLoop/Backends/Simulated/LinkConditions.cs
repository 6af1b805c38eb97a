namespace Toolkit.Simulation;

/// <summary>What a way between two hosts does to what passes it. Immutable.</summary>
public sealed record LinkConditions
{
    /// <summary>How long it takes at least.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>How much longer it takes at most; drawn for each segment. Segments of a connection stay in order.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>Bytes per second, for all that goes this way together; null is without limit.</summary>
    public long? Bandwidth { get; init; }

    /// <summary>
    /// The probability that a segment, or its acknowledgement, is lost. It is sent again after a time that doubles, so that
    /// loss is delay; only what is lost for very long ends a connection. A datagram that is lost is lost for good.
    /// </summary>
    public double Loss { get; init; }

    /// <summary>The probability that a datagram arrives twice, each at a time of its own. Streams do not know of it.</summary>
    public double Duplication { get; init; }

    /// <summary>
    /// The probability that a datagram is overtaken: it takes up to <see cref="ReorderDelay"/> longer. The others of a way arrive
    /// in the order in which they were sent, unless <see cref="Jitter"/> draws otherwise. Streams do not know of it.
    /// </summary>
    public double Reordering { get; init; }

    /// <summary>How much longer a datagram takes at most that is overtaken. 5 ms by default.</summary>
    public TimeSpan ReorderDelay { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The most bytes that travel as one. 1460 by default, as on Ethernet.</summary>
    public int MaxSegment { get; init; } = 1460;

    /// <summary>The probability that a segment is cut to a random size. A quarter by default.</summary>
    public double Fragmentation { get; init; } = 0.25;

    internal void Validate()
    {
        RequireTime(Latency, nameof(Latency));
        RequireTime(Jitter, nameof(Jitter));
        RequireProbability(Loss, nameof(Loss));
        RequireProbability(Duplication, nameof(Duplication));
        RequireProbability(Reordering, nameof(Reordering));
        RequireTime(ReorderDelay, nameof(ReorderDelay));
        RequireProbability(Fragmentation, nameof(Fragmentation));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSegment, 1, nameof(MaxSegment));
        if (Bandwidth is { } bandwidth)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(bandwidth, 1, nameof(Bandwidth));
        }
    }

    private static void RequireTime(TimeSpan time, string name)
    {
        if (time < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(name, time, "Nothing arrives before it was sent. Use zero or more.");
        }
    }

    private static void RequireProbability(double probability, string name)
    {
        if (probability is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(name, probability, "A probability is between 0 and 1.");
        }
    }
}
