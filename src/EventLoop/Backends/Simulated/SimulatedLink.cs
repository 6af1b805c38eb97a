namespace Toolkit.Simulation;

/// <summary>One direction of the way between two hosts, or from a host to itself.</summary>
internal sealed class SimulatedLink(SimulatedHost from, SimulatedHost to, LinkConditions conditions)
{
    private readonly PriorityQueue<Action, (long Arrival, long Number)> _datagrams = new();
    private long _datagramNumber;
    private long _busyUntil;

    public SimulatedHost From { get; } = from;

    public SimulatedHost To { get; } = to;

    public LinkConditions Conditions { get; set; } = conditions;

    /// <summary>Whether all that goes this way is lost.</summary>
    public bool IsCut { get; set; }

    /// <summary>What waits for the way to be released; null while it is not held.</summary>
    public List<Action>? Held { get; set; }

    /// <summary>When all that was sent until now has left, where there is a limit to how fast it does.</summary>
    public long BusyUntil => _busyUntil;

    /// <summary>Something has come to the end of the way, where it may be held.</summary>
    public void Arrive(Action action)
    {
        if (Held is { } held)
        {
            held.Add(action);
        }
        else
        {
            action();
        }
    }

    /// <summary>
    /// Has a datagram arrive. Those that arrive at one time do so in the order in which they were sent, where events of the world
    /// have none.
    /// </summary>
    public void SendDatagram(SimulatedWorld world, long arrival, Action action)
    {
        _datagrams.Enqueue(action, (arrival, _datagramNumber++));
        world.Send(this, arrival, () => _datagrams.Dequeue()());
    }

    /// <summary>Lets what was held arrive, in its order.</summary>
    public void Release()
    {
        List<Action> held = Held ?? [];
        Held = null;
        held.ForEach(arrive => arrive());
    }

    /// <summary>Whether something that is sent now gets through, and when it arrives.</summary>
    /// <param name="now">The time.</param>
    /// <param name="bytes">How long it is.</param>
    /// <param name="random">Decides on loss and jitter.</param>
    /// <param name="arrival">When it arrives.</param>
    public bool TryPass(long now, int bytes, SeededRandom random, out long arrival)
    {
        arrival = now;
        if (Conditions.Bandwidth is { } bandwidth)
        {
            long takes = (long)Math.Ceiling(bytes * (double)TimeSpan.TicksPerSecond / bandwidth);
            _busyUntil = Math.Max(now, _busyUntil) + takes;
            arrival = _busyUntil;
        }

        arrival += Conditions.Latency.Ticks;
        if (Conditions.Jitter > TimeSpan.Zero)
        {
            arrival += random.NextInt64(Conditions.Jitter.Ticks + 1);
        }

        return !IsCut && !To.IsDown && !(Conditions.Loss > 0 && random.Chance(Conditions.Loss));
    }
}
