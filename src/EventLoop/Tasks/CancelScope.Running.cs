namespace Toolkit;

/// <content>Entering a scope, which takes its body.</content>
public partial class CancelScope
{
    private OperationCanceledException? _absorbed;

    internal CancelScope(EventLoop loop, TimeSpan? deadline, bool shield)
        : this(loop)
    {
        _deadline = deadline;
        _isShielded = shield;
    }

    /// <summary>
    /// Runs the body in a scope of its own, which is left when the body has ended. Loop thread only; the body is called at once.
    /// </summary>
    /// <param name="body">What to run. It is handed the scope.</param>
    /// <param name="deadline">The <see cref="EventLoop.Time"/> at which the scope is cancelled; null for never.</param>
    /// <param name="shield">Whether the cancellation of scopes outside is hidden from the body.</param>
    /// <returns>
    /// True when the body ran to its end; false when the cancellation of this scope ended it. Any other exception of the body,
    /// the cancellation of a scope outside included, is thrown.
    /// </returns>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static Task<bool> RunAsync(Func<CancelScope, Task> body, TimeSpan? deadline = null, bool shield = false)
    {
        ArgumentNullException.ThrowIfNull(body);
        return new CancelScope(EventLoop.Current, deadline, shield).RunBodyAsync(body);
    }

    /// <inheritdoc cref="RunAsync(Func{CancelScope, Task}, TimeSpan?, bool)"/>
    /// <param name="body">What to run. It is handed the scope.</param>
    /// <param name="fallback">The result when the cancellation of this scope ended the body.</param>
    /// <param name="deadline">The <see cref="EventLoop.Time"/> at which the scope is cancelled; null for never.</param>
    /// <param name="shield">Whether the cancellation of scopes outside is hidden from the body.</param>
    /// <returns>The body's result, or the fallback.</returns>
    public static async Task<T> RunAsync<T>(
        Func<CancelScope, Task<T>> body, T fallback, TimeSpan? deadline = null, bool shield = false)
    {
        ArgumentNullException.ThrowIfNull(body);
        T result = fallback;
        await RunAsync(async scope => result = await body(scope), deadline, shield);
        return result;
    }

    /// <summary>
    /// Runs the body, and ends its waits when the time is over: the call then returns, late by as long as the body takes to
    /// end. Loop thread only.
    /// </summary>
    /// <returns>True when the body ran to its end; false when the cancellation of this scope ended it.</returns>
    /// <param name="time">How much time the body has; with zero its first wait throws.</param>
    /// <param name="body">What to run. It is handed the scope, whose deadline it may move.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static Task<bool> MoveOnAfterAsync(TimeSpan time, Func<CancelScope, Task> body) => RunAsync(body, DeadlineAfter(time));

    /// <inheritdoc cref="MoveOnAfterAsync(TimeSpan, Func{CancelScope, Task})"/>
    /// <param name="time">How much time the body has; with zero its first wait throws.</param>
    /// <param name="body">What to run. It is handed the scope, whose deadline it may move.</param>
    /// <param name="fallback">The result when the cancellation of this scope ended the body.</param>
    /// <returns>The body's result, or the fallback.</returns>
    public static Task<T> MoveOnAfterAsync<T>(TimeSpan time, Func<CancelScope, Task<T>> body, T fallback)
        => RunAsync(body, fallback, DeadlineAfter(time));

    /// <summary>
    /// As <see cref="MoveOnAfterAsync(TimeSpan, Func{CancelScope, Task})"/>, for a body without which there is no going on.
    /// </summary>
    /// <param name="time">How much time the body has; with zero its first wait throws.</param>
    /// <param name="body">What to run. It is handed the scope, whose deadline it may move.</param>
    /// <exception cref="TimeoutException">The time was over, and that has ended the body.</exception>
    /// <exception cref="OperationCanceledException">The scope was cancelled by a call, or one outside was cancelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static async Task FailAfterAsync(TimeSpan time, Func<CancelScope, Task> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var scope = new CancelScope(EventLoop.Current, DeadlineAfter(time), shield: false);
        if (!await scope.RunBodyAsync(body))
        {
            throw scope.HasTimedOut
                ? new TimeoutException($"It took longer than {time}, and was cancelled.", scope._absorbed)
                : new ScopeCancelledException(scope, scope._absorbed);
        }
    }

    /// <inheritdoc cref="FailAfterAsync(TimeSpan, Func{CancelScope, Task})"/>
    /// <returns>The body's result.</returns>
    public static async Task<T> FailAfterAsync<T>(TimeSpan time, Func<CancelScope, Task<T>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        T? result = default;
        await FailAfterAsync(time, (Func<CancelScope, Task>)(async scope => result = await body(scope)));
        return result!;
    }

    /// <summary>Enters the scope around the caller's: for the caller's execution context, and so for an async method.</summary>
    internal void Enter()
    {
        CancelScope outer = Of(Loop);
        Task = outer.Task;
        Attach(outer);
        MakeCurrent(this);
        ApplyDeadline();
    }

    private static TimeSpan DeadlineAfter(TimeSpan time)
    {
        if (time < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(nameof(time), time, "Nothing ends before now. Use zero for the next wait.");
        }

        return new TimeSpan(EventLoop.Current.DeadlineAfter(time));
    }

    private async Task<bool> RunBodyAsync(Func<CancelScope, Task> body)
    {
        Enter();
        try
        {
            await body(this);
            return true;
        }
        catch (OperationCanceledException exception)
        {
            if (Absorbs(exception))
            {
                _absorbed = exception;
                return false;
            }

            OperationCanceledException general = Generalize(exception);
            if (general != exception)
            {
                throw general;
            }

            throw;
        }
        finally
        {
            Detach();
        }
    }
}
