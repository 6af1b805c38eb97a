using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>The clock of a world, which its hosts share.</summary>
internal sealed class SimulatedClock(DateTimeOffset start) : IoClock
{
    private long _now;

    public override long Now => Volatile.Read(ref _now);

    public override DateTimeOffset UtcNow => start.AddTicks(Now);

    public void MoveTo(long time) => Volatile.Write(ref _now, time);
}
