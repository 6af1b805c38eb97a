namespace Toolkit.Simulation;

/// <summary>A simulation cannot go on, or has failed. The message has the seed that repeats it.</summary>
public class SimulationException : InvalidOperationException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="seed">The world's seed.</param>
    /// <param name="message">What has happened, to which the seed is added.</param>
    /// <param name="inner">Why.</param>
    public SimulationException(ulong seed, string message, Exception? inner = null)
        : base($"{message}\n{SimulationOptions.SeedVariable}={SimulationOptions.FormatSeed(seed)} repeats it.", inner)
    {
        Seed = seed;
    }

    /// <summary>The seed that repeats it.</summary>
    public ulong Seed { get; }
}

/// <summary>
/// Nothing can happen any more, and somebody waits: no callback is ready, no timer runs, and nothing is on its way. The message
/// lists who waits for what.
/// </summary>
public sealed class SimulationDeadlockException(ulong seed, string message) : SimulationException(seed, message);

/// <summary>Virtual time, or the number of steps at one moment, has gone beyond what was allowed.</summary>
public sealed class SimulationLimitException(ulong seed, string message) : SimulationException(seed, message);

/// <summary>
/// A thread that is not the simulation's has called into it, so that what happens no longer depends on the seed alone. The
/// message has the stack of the caller.
/// </summary>
public sealed class ForeignThreadException(ulong seed, string stack) : SimulationException(
    seed,
    "A thread that is not the simulation's has posted to a loop. The usual causes are SemaphoreSlim.WaitAsync with a token, "
    + "bounded channels with ReadAllAsync, ContinueWith, Task.WhenEach, Task.Run, Dns, ConfigureAwait(false), and Task.Delay "
    + "without loop.TimeProvider. Use what lives on the loop: its timers and TimeProvider, RunInThreadAsync, the world's Names. "
    + $"Work that must be done elsewhere is declared with {nameof(SimulatedWorld)}.{nameof(SimulatedWorld.DeclareForeignWork)}. "
    + $"The caller:\n{stack}");
