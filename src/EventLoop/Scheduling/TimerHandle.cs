using System.Diagnostics;
using Toolkit.Scheduling;

namespace Toolkit;

/// <summary>
/// A timer: its callback runs once on the loop's thread, never before <see cref="When"/>, and timers with the same time
/// run in the order in which they were scheduled. It can be scheduled again at any moment, which makes one object serve
/// as an idle time-out or a periodic timer. All members belong to the loop's thread.
/// </summary>
public sealed class TimerHandle : CallbackHandle
{
    private readonly EventLoop _loop;
    private Action<object?>? _callback;
    private object? _state;

    internal TimerHandle(
        EventLoop loop, Action<object?> callback, object? state, ExecutionContext? context, StackTrace? created)
        : base(context, created)
    {
        _loop = loop;
        _callback = callback;
        _state = state;
    }

    /// <summary>The loop's time at which the callback is due (or was, or would have been).</summary>
    public TimeSpan When => new(Deadline);

    /// <summary>Whether the callback is still to come, which it never is on a disposed loop.</summary>
    public bool IsScheduled => List is not null && !_loop.IsDisposed;

    /// <inheritdoc/>
    public override bool IsCancelled => _callback is null;

    /// <inheritdoc/>
    public override string Name => Describe(_callback, _state);

    // The timer's place in the wheel, which alone sets these.
    internal long Deadline { get; set; }

    internal TimerList? List { get; set; }

    internal TimerHandle? Next { get; set; }

    internal TimerHandle? Previous { get; set; }

    /// <inheritdoc/>
    /// <exception cref="ObjectDisposedException">The loop is disposed, and no timer of its will fire any more.</exception>
    public override bool Cancel()
    {
        _loop.VerifyAccess();
        bool fired = _callback is not null && List is null;
        if (fired)
        {
            return false;
        }

        _loop.Timers.Remove(this);
        _callback = null;
        _state = null;
        return true;
    }

    /// <summary>
    /// Moves the timer to <paramref name="delay"/> from now, or schedules it anew when it has fired; from within its own
    /// callback, too. Allocates nothing.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    /// <exception cref="InvalidOperationException">The timer was cancelled, or this is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void Reschedule(TimeSpan delay)
    {
        _loop.VerifyAccess();
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        if (IsCancelled)
        {
            throw new InvalidOperationException("A cancelled timer has let go of its callback. Make a new one.");
        }

        _loop.Timers.Remove(this);
        _loop.Timers.Schedule(this, _loop.DeadlineAfter(delay));
    }

    /// <summary>The callback to run now; it stays with the timer for the next time.</summary>
    internal Action<object?> GetCallback(out object? state)
    {
        Debug.Assert(_callback is not null, "A cancelled timer is in no list.");
        state = _state;
        return _callback;
    }
}
