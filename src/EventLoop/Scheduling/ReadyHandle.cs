using System.Diagnostics;

namespace Toolkit.Scheduling;

/// <summary>The handle of a callback in the ready queue or among the posts of other threads.</summary>
internal sealed class ReadyHandle(Action<object?> callback, object? state, ExecutionContext? context, StackTrace? created)
    : CallbackHandle(context, created)
{
    private static readonly Action<object?> s_cancelled = static _ => { };

    // The one field over which threads compete: the callback, then null once it has started or the marker once it was
    // cancelled. Whoever swaps the callback out owns it and its state, so it runs once or never.
    private Action<object?>? _callback = callback;
    private object? _state = state;

    public override bool IsCancelled => Volatile.Read(ref _callback) == s_cancelled;

    public override string Name => IsCancelled ? "" : Describe(_callback, _state);

    public override bool Cancel()
    {
        Action<object?>? seen = Volatile.Read(ref _callback);
        if (seen is not null && seen != s_cancelled
            && Interlocked.CompareExchange(ref _callback, s_cancelled, seen) == seen)
        {
            _state = null;
            return true;
        }

        return IsCancelled;
    }

    /// <summary>Takes the callback for its one run. False when it was cancelled.</summary>
    public bool TryTake(out Action<object?> callback, out object? state)
    {
        Action<object?>? seen = Volatile.Read(ref _callback);
        state = _state;
        callback = s_cancelled;
        if (seen is null || seen == s_cancelled || Interlocked.CompareExchange(ref _callback, null, seen) != seen)
        {
            state = null;
            return false;
        }

        callback = seen;
        _state = null;
        return true;
    }
}
