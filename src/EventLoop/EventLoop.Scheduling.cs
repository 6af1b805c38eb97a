using System.Diagnostics;
using Toolkit.Scheduling;

namespace Toolkit;

/// <content>Callbacks, timers, and work from and for other threads.</content>
public sealed partial class EventLoop
{
    private static readonly Action<object?> s_invokeAction = static action => ((Action)action!)();

    /// <summary>
    /// Runs the callback once in the next iteration, after those that were scheduled before it, in the execution context
    /// of this call, but as part of no task and no scope. Never runs it from within the call.
    /// </summary>
    /// <returns>A handle that can cancel the callback until it starts.</returns>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public CallbackHandle CallSoon(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return CallSoon(s_invokeAction, callback);
    }

    /// <inheritdoc cref="CallSoon(Action)"/>
    /// <param name="callback">A delegate that captures nothing is made once; what it needs is <paramref name="state"/>.</param>
    /// <param name="state">What the callback is called with.</param>
    public CallbackHandle CallSoon(Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        VerifyAccess();
        var handle = new ReadyHandle(callback, state, CancelScope.CaptureContext(), CaptureCreation());
        _ready.Enqueue(_runHandle, handle);
        return handle;
    }

    /// <summary>
    /// As <see cref="CallSoon(Action{object?}, object?)"/>, without a handle and without flowing the execution context.
    /// Allocates nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void UnsafeCallSoon(Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        VerifyAccess();
        _ready.Enqueue(callback, state);
    }

    /// <summary>
    /// As <see cref="CallSoon(Action)"/>, from any thread: the one way into a loop from outside. The callbacks of one
    /// thread run in the order of its calls. A loop that sleeps is woken, once however many calls there are.
    /// </summary>
    /// <returns>A handle that any thread can cancel until the callback starts.</returns>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public CallbackHandle CallSoonThreadSafe(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return CallSoonThreadSafe(s_invokeAction, callback);
    }

    /// <inheritdoc cref="CallSoonThreadSafe(Action)"/>
    /// <param name="callback">A delegate that captures nothing is made once; what it needs is <paramref name="state"/>.</param>
    /// <param name="state">What the callback is called with.</param>
    public CallbackHandle CallSoonThreadSafe(Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var handle = new ReadyHandle(callback, state, CancelScope.CaptureContext(), CaptureCreation());
        PostOrThrow(_runHandle, handle);
        return handle;
    }

    /// <summary>
    /// As <see cref="CallSoonThreadSafe(Action{object?}, object?)"/>, without a handle and without flowing the execution
    /// context. Allocates nothing in the long run.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void UnsafeCallSoonThreadSafe(Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        PostOrThrow(callback, state);
    }

    /// <summary>
    /// Runs the callback once, <paramref name="delay"/> from now or a little later, never earlier; with zero in the next
    /// iteration. A delay beyond the clock's range never ends.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public TimerHandle CallLater(TimeSpan delay, Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return CallLater(delay, s_invokeAction, callback);
    }

    /// <inheritdoc cref="CallLater(TimeSpan, Action)"/>
    /// <param name="delay">How long from now.</param>
    /// <param name="callback">A delegate that captures nothing is made once; what it needs is <paramref name="state"/>.</param>
    /// <param name="state">What the callback is called with.</param>
    public TimerHandle CallLater(TimeSpan delay, Action<object?> callback, object? state)
    {
        if (delay < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(
                nameof(delay), delay, "A timer cannot be due before now. Use zero for the next iteration.");
        }

        ArgumentNullException.ThrowIfNull(callback);
        VerifyAccess();
        return ScheduleTimer(DeadlineAfter(delay), callback, state, CancelScope.CaptureContext());
    }

    /// <summary>As <see cref="CallLater(TimeSpan, Action{object?}, object?)"/>, without flowing the execution context.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public TimerHandle UnsafeCallLater(TimeSpan delay, Action<object?> callback, object? state)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(callback);
        VerifyAccess();
        return ScheduleTimer(DeadlineAfter(delay), callback, state, context: null);
    }

    /// <summary>
    /// Runs the callback once at the given <see cref="Time"/> or a little later, never earlier. A time that has passed
    /// counts as now.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public TimerHandle CallAt(TimeSpan when, Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return CallAt(when, s_invokeAction, callback);
    }

    /// <inheritdoc cref="CallAt(TimeSpan, Action)"/>
    /// <param name="when">The loop's time.</param>
    /// <param name="callback">A delegate that captures nothing is made once; what it needs is <paramref name="state"/>.</param>
    /// <param name="state">What the callback is called with.</param>
    public TimerHandle CallAt(TimeSpan when, Action<object?> callback, object? state)
    {
        ArgumentNullException.ThrowIfNull(callback);
        VerifyAccess();
        return ScheduleTimer(Math.Max(when.Ticks, Clock.Now), callback, state, CancelScope.CaptureContext());
    }

    /// <summary>
    /// Runs a function that blocks on a thread of the pool, with the execution context of this call, and completes the
    /// task by a post to the loop. Any thread; on the loop's it is a wait of the current scope.
    /// </summary>
    /// <param name="function">What to run.</param>
    /// <param name="cancellationToken">
    /// Abandons the wait, as the cancellation of the scope does: the task is cancelled at once, while a function that has
    /// started goes on and its result is thrown away. A function that has not started does not run.
    /// </param>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed; in the task, when that happens meanwhile to a call from
    /// another thread or in a shielded scope.</exception>
    public Task<T> RunInThreadAsync<T>(Func<T> function, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(function);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (IsCurrent && CancelScope.CancelledOf(this) is { } scope)
        {
            return ThreadWork<T>.Refuse(scope.NewException());
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }

        var work = new ThreadWork<T>(this, function, cancellationToken);
        work.Start();
        return work.Task;
    }

    /// <inheritdoc cref="RunInThreadAsync{T}(Func{T}, CancellationToken)"/>
    /// <param name="action">What to run.</param>
    /// <param name="cancellationToken">Abandons the wait.</param>
    public Task RunInThreadAsync(Action action, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(action);
        return RunInThreadAsync<object?>(
            () =>
            {
                action();
                return null;
            },
            cancellationToken);
    }

    /// <summary>A function begins that the end of the loop waits for; any thread.</summary>
    internal void OnThreadWorkBegun() => Interlocked.Increment(ref _threadWork);

    /// <summary>How many functions in threads the end of the loop would wait for; any thread.</summary>
    internal int ThreadWork => Volatile.Read(ref _threadWork);

    /// <summary>The function has returned. Loop thread only: the post that says so has ended the loop's wait.</summary>
    internal void OnThreadWorkEnded() => Interlocked.Decrement(ref _threadWork);

    /// <summary>The time at which a delay from now is over; any thread.</summary>
    internal long DeadlineAfter(TimeSpan delay) => TimerWheel.Add(Clock.Now, delay.Ticks);

    /// <summary>Has the callback run on the loop, from any thread. False when the loop is disposed.</summary>
    internal bool TryPost(Action<object?> callback, object? state)
    {
        if (s_current == this)
        {
            // In line with CallSoon, which goes straight to the ready queue.
            _ready.Enqueue(callback, state);
            return true;
        }

        if (_disposed)
        {
            return false;
        }

        // Disposal looks at the queue after it has said so, and we look whether it has after we have queued. Without the
        // barriers both could look too early, and a thread would wait for ever for what it posted.
        _posts.Enqueue(new Post(callback, state));
        Interlocked.MemoryBarrier();
        if (_disposed)
        {
            DiscardPosts();
        }
        else
        {
            WakeIfAsleep();
        }

        _backend.OnPosted();
        return true;
    }

    internal void PostOrThrow(Action<object?> callback, object? state)
        => ObjectDisposedException.ThrowIf(!TryPost(callback, state), this);

    /// <summary>
    /// For continuations: they come from where nothing can be caught, so that throwing would end the process.
    /// </summary>
    internal void PostOrDrop(Action<object?> callback, object? state)
    {
        if (!TryPost(callback, state) && LogRate.ShouldLog(nameof(PostOrDrop), out string suppressed))
        {
            LogQuietly(() => LoopLog.ContinuationDropped(_logger, suppressed));
        }
    }

    private TimerHandle ScheduleTimer(
        long deadline, Action<object?> callback, object? state, ExecutionContext? context)
    {
        var timer = new TimerHandle(this, callback, state, context, CaptureCreation());
        Timers.Schedule(timer, deadline);
        return timer;
    }

    internal StackTrace? CaptureCreation() => IsDebug ? new StackTrace(skipFrames: 2, fNeedFileInfo: true) : null;

    // After a barrier that follows whatever the loop is woken for.
    private void WakeIfAsleep()
    {
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
        {
            _backend.Wake();
        }
    }

    private void DiscardPosts()
    {
        while (_posts.TryDequeue(out Post post))
        {
            (post.State as IAwaitedPost)?.Discard();
        }
    }

    // The loop's own thread posts straight to the ready queue, so that somebody may wait for what is left there as well.
    private void DiscardReady()
    {
        while (_ready.Count > 0)
        {
            _ready.Dequeue(out _, out object? state);
            (state as IAwaitedPost)?.Discard();
        }
    }
}
