using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>
/// What a loop has done and holds, in numbers (<see cref="EventLoop.Counters"/>). Those that only grow count from the loop's
/// making; the difference of two, by that of <see cref="Time"/>, is a rate.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct LoopCounters
{
    /// <summary>The loop's time at which this was so (<see cref="EventLoop.Time"/>).</summary>
    public TimeSpan Time { get; init; }

    /// <summary>Iterations.</summary>
    public long Iterations { get; init; }

    /// <summary>Callbacks of the ready queue that have run: scheduled and posted ones, and continuations.</summary>
    public long Callbacks { get; init; }

    /// <summary>Timers that have fired.</summary>
    public long TimersFired { get; init; }

    /// <summary>Completions of I/O that were told.</summary>
    public long Completions { get; init; }

    /// <summary>Errors that nobody waited for, which went to <see cref="EventLoop.ExceptionHandler"/>.</summary>
    public long Errors { get; init; }

    /// <summary>Callbacks that are ready.</summary>
    public int ReadyCallbacks { get; init; }

    /// <summary>Timers that are scheduled.</summary>
    public int Timers { get; init; }

    /// <summary>Functions in threads that the loop answers for.</summary>
    public int ThreadWork { get; init; }

    /// <summary>Tasks that were created.</summary>
    public long TasksCreated { get; init; }

    /// <summary>Tasks that have not ended.</summary>
    public int ActiveTasks { get; init; }

    /// <summary>Connections that there have been.</summary>
    public long ConnectionsMade { get; init; }

    /// <summary>Connections that there are.</summary>
    public long ActiveConnections { get; init; }

    /// <summary>Bytes that connections and end points of datagrams have received.</summary>
    public long BytesReceived { get; init; }

    /// <summary>Bytes that they have sent.</summary>
    public long BytesSent { get; init; }

    /// <summary>
    /// For how long the loop has worked while times were measured, instead of waiting: by the difference of <see cref="Time"/> it
    /// is the share of a processor. Null, like all that follow, while nobody has times measured: a listener to the instruments,
    /// debug mode, diagnostics, or <see cref="Backends.LoopHost.MeasureTimes"/>.
    /// </summary>
    public TimeSpan? BusyTime { get; init; }

    /// <summary>
    /// How late a timer was at worst, of the first that were due in an iteration, in the last ten seconds or so.
    /// </summary>
    public TimeSpan? LongestLag { get; init; }

    /// <summary>The longest callback of the last ten seconds or so.</summary>
    public TimeSpan? LongestCallback { get; init; }

    /// <summary>Which callback that was.</summary>
    public string? LongestCallbackName { get; init; }
}
