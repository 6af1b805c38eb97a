using System.Diagnostics;

namespace Toolkit;

/// <summary>
/// A scheduled callback that can be cancelled until it starts: what <see cref="EventLoop.CallSoon(Action)"/>,
/// <see cref="EventLoop.CallSoonThreadSafe(Action)"/> and, as a <see cref="TimerHandle"/>,
/// <see cref="EventLoop.CallLater(TimeSpan, Action)"/> return.
/// </summary>
[DebuggerDisplay("{Name,nq} ({IsCancelled ? \"cancelled\" : \"not cancelled\",nq})")]
public abstract class CallbackHandle
{
    private protected CallbackHandle(ExecutionContext? context, StackTrace? created)
    {
        Context = context;
        Created = created;
    }

    /// <summary>Whether <see cref="Cancel"/> came before the callback started.</summary>
    public abstract bool IsCancelled { get; }

    /// <summary>The callback's method, for messages; empty when the handle no longer holds it.</summary>
    public abstract string Name { get; }

    /// <summary>The execution context at registration; null when there was nothing to flow.</summary>
    internal ExecutionContext? Context { get; }

    /// <summary>Where the callback was scheduled; known in debug mode only.</summary>
    internal StackTrace? Created { get; }

    /// <summary>
    /// Prevents the callback from starting, and lets go of it and its state at once. Any number of calls have the effect
    /// of one. From any thread for a callback of <c>CallSoon</c> and <c>CallSoonThreadSafe</c>; on the loop's thread for
    /// a timer.
    /// </summary>
    /// <returns>True when the callback will not run; false when it has started already.</returns>
    /// <exception cref="InvalidOperationException">A timer was cancelled from outside its loop.</exception>
    /// <exception cref="ObjectDisposedException">
    /// A timer was cancelled after its loop was disposed. The handle of a callback may be cancelled then as well.
    /// </exception>
    public abstract bool Cancel();

    private protected static string Describe(Action<object?>? callback, object? state)
    {
        // An Action travels as the state of a delegate that invokes it: the Action is the one with a telling name.
        Delegate? described = state as Action ?? (Delegate?)callback;
        return described is null ? "" : $"{described.Method.DeclaringType?.Name}.{described.Method.Name}";
    }
}
