using System.Diagnostics;

namespace Toolkit.Backends;

/// <summary>
/// A loop's clock: monotonic time in ticks of 100 ns, and the wall clock for those who ask. A simulated backend has a
/// virtual one. May be read from any thread.
/// </summary>
public abstract class IoClock
{
    /// <summary>The clock of this machine: monotonic since boot, unaffected by changes of the wall clock.</summary>
    public static IoClock System { get; } = new SystemClock();

    /// <summary>Monotonic time in ticks of 100 ns, from an origin of the clock's own choice. Never negative.</summary>
    public abstract long Now { get; }

    /// <summary>The wall clock.</summary>
    public abstract DateTimeOffset UtcNow { get; }

    private sealed class SystemClock : IoClock
    {
        // On every platform of .NET 10 the counter's frequency is a multiple of 10 MHz, which makes this exact; integer
        // division rounds down, so that no timer is ever early.
        private static readonly long s_countsPerTick = Math.Max(1, Stopwatch.Frequency / TimeSpan.TicksPerSecond);

        public override long Now => Stopwatch.GetTimestamp() / s_countsPerTick;

        public override DateTimeOffset UtcNow => TimeProvider.System.GetUtcNow();
    }
}
