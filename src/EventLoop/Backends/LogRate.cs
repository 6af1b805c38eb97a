using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>
/// At most one log line per cause and second, with the count of those held back: a peer that can cause an error can cause
/// a million. May be used from any thread.
/// </summary>
public sealed class LogRate
{
    // Causes come from code, not from peers; a bound still costs nothing.
    private const int MaxCauses = 256;

    private readonly IoClock _clock;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Cause> _causes = new(StringComparer.Ordinal);

    /// <summary>Creates a rate that counts in the time of the given clock.</summary>
    public LogRate(IoClock clock) => _clock = clock;

    /// <summary>Whether to log now.</summary>
    /// <param name="cause">What is counted together.</param>
    /// <param name="suppressed">
    /// A suffix for the message that says how many lines of this cause were held back; empty when none were.
    /// </param>
    public bool ShouldLog(string cause, out string suppressed)
    {
        ArgumentNullException.ThrowIfNull(cause);
        lock (_lock)
        {
            long now = _clock.Now;
            if (_causes.TryGetValue(cause, out Cause last) && now - last.LoggedAt < TimeSpan.TicksPerSecond)
            {
                _causes[cause] = last with { Suppressed = last.Suppressed + 1 };
                suppressed = "";
                return false;
            }

            if (_causes.Count >= MaxCauses)
            {
                _causes.Clear();
            }

            suppressed = last.Suppressed > 0 ? $" ({last.Suppressed} more like it were not logged)" : "";
            _causes[cause] = new Cause(now, 0);
            return true;
        }
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Cause(long LoggedAt, long Suppressed);
}
