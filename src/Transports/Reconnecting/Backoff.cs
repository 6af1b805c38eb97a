using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>How long a client waits before it tries again: full jitter under a bound that grows to a cap.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct Backoff(ReconnectOptions options)
{
    private int _waits;

    /// <summary>What the next wait is shorter than.</summary>
    public readonly TimeSpan Bound
    {
        get
        {
            double ticks = options.InitialDelay.Ticks * Math.Pow(options.Factor, _waits); // infinite, in the end
            return ticks < options.MaxDelay.Ticks ? TimeSpan.FromTicks((long)ticks) : options.MaxDelay;
        }
    }

    /// <summary>Draws a wait, after which the bound is higher.</summary>
    /// <param name="drawn">From zero up to, and without, one.</param>
    public TimeSpan Next(double drawn)
    {
        TimeSpan bound = Bound;
        if (bound < options.MaxDelay)
        {
            _waits++;
        }

        return TimeSpan.FromTicks((long)(bound.Ticks * drawn));
    }

    /// <summary>Begins anew.</summary>
    public void Reset() => _waits = 0;
}
