namespace Toolkit;

/// <summary>What a <see cref="DiagnosticsServer"/> tells, and what those who ask may cost. Immutable.</summary>
public sealed record DiagnosticsOptions
{
    /// <summary>The defaults.</summary>
    public static DiagnosticsOptions Default { get; } = new();

    /// <summary>
    /// Further loops of the process that are asked, each by a post. One that does not answer within <see cref="AnswerTime"/> is
    /// told as busy: serve on a loop of its own, and a loop that is held up by a callback can be seen to be.
    /// </summary>
    public IReadOnlyList<EventLoop> OtherLoops { get; init; } = [];

    /// <summary>How long the loops have to answer, all together. One second by default.</summary>
    public TimeSpan AnswerTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How many may be connected at a time; others wait. 8 by default.</summary>
    public int MaxConnections { get; init; } = 8;

    /// <summary>
    /// How long one who is connected may ask nothing, and how long one who reads an answer may take nothing of it. One minute by
    /// default.
    /// </summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How many transports of a loop an answer has at most; of those left out it has the number. They are described over several
    /// turns of the loop, each of them a short one. 10,000 by default.
    /// </summary>
    public int MaxTransports { get; init; } = 10_000;

    /// <summary>
    /// How many tasks, groups and scopes of a loop an answer has at most; of the tasks left out it has the number. Of what they
    /// wait for it has as many, and the first of each, and says how many more there are. They are described at one go, a
    /// microsecond or two for each, since a tree cannot be looked at while it changes. 1,000 by default.
    /// </summary>
    public int MaxTasks { get; init; } = 1_000;

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(OtherLoops);
        if (OtherLoops.Contains(null!))
        {
            throw new ArgumentException($"One of {nameof(OtherLoops)} is null.", nameof(OtherLoops));
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(AnswerTime, TimeSpan.Zero, nameof(AnswerTime));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxConnections, nameof(MaxConnections));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(IdleTime, TimeSpan.Zero, nameof(IdleTime));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxTransports, nameof(MaxTransports));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxTasks, nameof(MaxTasks));
    }
}
