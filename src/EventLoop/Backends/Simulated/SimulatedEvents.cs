namespace Toolkit.Simulation;

/// <summary>
/// What is to happen in a world, ordered by time, and at the same time by a rank that the seed draws.
/// </summary>
/// <remarks>
/// What the network does is kept apart from all else, because it calls nobody's code: it may be brought up to date from within a
/// call of a user's, as a kernel does that delivers on its own loopback interface while it sends.
/// </remarks>
internal sealed class SimulatedEvents(SeededRandom random)
{
    private readonly PriorityQueue<Action, (long Time, ulong Rank, long Sequence)> _network = new();
    private readonly PriorityQueue<Action, (long Time, ulong Rank, long Sequence)> _others = new();
    private long _sequence;

    public int Count => _network.Count + _others.Count;

    /// <summary>When something happens next; <see cref="long.MaxValue"/> for never.</summary>
    public long NextTime => Math.Min(TimeOf(_network), TimeOf(_others));

    /// <summary>Adds what may call code of users.</summary>
    public void Add(long time, Action action) => _others.Enqueue(action, NewPlace(time));

    /// <summary>Adds what happens in the network.</summary>
    /// <param name="time">When.</param>
    /// <param name="action">Marks what has changed, and calls nobody.</param>
    /// <param name="isLast">Whether it comes behind all else at that time.</param>
    public void AddToNetwork(long time, Action action, bool isLast = false)
        => _network.Enqueue(action, NewPlace(time, isLast));

    /// <summary>Takes what is due first.</summary>
    public Action? TakeDue(long now)
    {
        bool hasNetwork = _network.TryPeek(out _, out (long Time, ulong Rank, long Sequence) network);
        bool hasOther = _others.TryPeek(out _, out (long Time, ulong Rank, long Sequence) other);
        return hasNetwork && (!hasOther || network.CompareTo(other) < 0) ? TakeDueOfNetwork(now)
            : hasOther && other.Time <= now ? _others.Dequeue()
            : null;
    }

    /// <summary>Takes what is due first in the network.</summary>
    public Action? TakeDueOfNetwork(long now) => TimeOf(_network) <= now ? _network.Dequeue() : null;

    private static long TimeOf(PriorityQueue<Action, (long Time, ulong Rank, long Sequence)> queue)
        => queue.TryPeek(out _, out (long Time, ulong Rank, long Sequence) first) ? first.Time : long.MaxValue;

    private (long Time, ulong Rank, long Sequence) NewPlace(long time, bool isLast = false)
        => (time, isLast ? ulong.MaxValue : (ulong)random.NextInt64(long.MaxValue), _sequence++);
}
