using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Diagnostics;
using Toolkit.Scheduling;
using Toolkit.Tasks;

namespace Toolkit;

/// <content>Running, stopping, and the end.</content>
public sealed partial class EventLoop
{
    private readonly LeakSentinel? _leakSentinel;

    /// <summary>
    /// Makes a loop, runs <paramref name="main"/> on it on the calling thread, as a task named <c>main</c>, until that has
    /// ended, and disposes the loop (<see cref="Dispose"/>): tasks that are left are cancelled and waited for, transports that
    /// are closing get a moment to send what they hold, the others are aborted, and functions in threads get a moment to return.
    /// Rethrows what <paramref name="main"/> throws.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// A loop runs on this thread already, or the new one was stopped before <paramref name="main"/> had ended.
    /// </exception>
    public static void Run(Func<EventLoop, Task> main, EventLoopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(main);
        using var loop = new EventLoop(options);
        loop.RunUntilComplete(() => main(loop));
    }

    /// <inheritdoc cref="Run(Func{EventLoop, Task}, EventLoopOptions?)"/>
    /// <returns>The result of <paramref name="main"/>.</returns>
    public static T Run<T>(Func<EventLoop, Task<T>> main, EventLoopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(main);
        using var loop = new EventLoop(options);
        return loop.RunUntilComplete(() => main(loop));
    }

    /// <summary>
    /// Starts a thread with a loop that runs until it is stopped: for a host that keeps the main thread for itself.
    /// Speak to it with <see cref="CallSoonThreadSafe(Action)"/>. Returns when the loop runs.
    /// </summary>
    /// <param name="name">The thread's name.</param>
    /// <param name="options">How the loop is made.</param>
    /// <exception cref="BackendUnavailableException">The kind that was asked for cannot run here.</exception>
    public static EventLoopThread StartThread(string name, EventLoopOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new EventLoopThread(name, new EventLoop(options ?? new EventLoopOptions(), name));
    }

    /// <summary>
    /// Runs the loop on the calling thread until <see cref="Stop"/>. Called after <see cref="Stop"/>, it runs one iteration
    /// that does not wait. It can be run again, on the same thread.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// This loop or another runs on this thread, or this one runs, or ran before, on another thread.
    /// </exception>
    /// <exception cref="BackendFailedException">The system has stopped serving the loop, which can only be disposed now.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void RunForever()
    {
        VerifyRunnable();
        using var residence = new Residence(this);
        using QuitWatch? quit = _taskDumpOnQuit is { } writer ? new QuitWatch(this, writer) : null;
        LogQuietly(() => LoopLog.Running(_logger, BackendName));
        do
        {
            RunIteration();
        }
        while (!_stopRequested);
    }

    /// <summary>
    /// Runs one iteration on the calling thread and returns: for a host that owns the thread and has a loop of its own, such as
    /// that of a game or a user interface. Between two calls the loop does not run: the thread may schedule, <see cref="Stop"/>
    /// and dispose, other threads may post, and what has come meanwhile is looked at before any timer fires.
    /// </summary>
    /// <param name="maxWait">
    /// How long to wait at most when nothing is ready; with zero, not at all, and with <see cref="TimeSpan.MaxValue"/> for as
    /// long as it takes. A timer, I/O, and a post of another thread end the wait.
    /// </param>
    /// <returns>
    /// Whether there is more to do at once. A host that calls again with its next frame anyway may leave it at that.
    /// </returns>
    /// <remarks>
    /// The rules are those of <see cref="RunForever"/>: one thread, not from within a loop, not after disposal.
    /// <see cref="Stop"/>, within the iteration or before it, has it not wait, and has no effect on the next.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="InvalidOperationException">As <see cref="RunForever"/>.</exception>
    /// <exception cref="BackendFailedException">The system has stopped serving the loop, which can only be disposed now.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public bool RunOnce(TimeSpan maxWait)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxWait, TimeSpan.Zero);
        VerifyRunnable();
        using var residence = new Residence(this, isOneOfMany: true);
        if (Timers.NextDeadline() <= Clock.Now)
        {
            PollForIo(TimeSpan.Zero); // or the timer would have to wait for the next call, behind what had come in time
        }

        RunIteration(maxWait);
        return HasCallbacks
            || Timers.NextDeadline() <= Clock.Now
            || _backend.LastPoll is PollEnding.HasMore or PollEnding.HeldBack;
    }

    /// <summary>
    /// Calls <paramref name="main"/> on the loop, as a task named <c>main</c>, and runs the loop until that has ended. Rethrows
    /// what it throws, its cancellation included. A loop that is stopped before leaves it a task like others, which goes on in
    /// the next run and is cancelled at the end.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// As <see cref="RunForever"/>; and when the loop was stopped before <paramref name="main"/> had ended.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// <paramref name="main"/> was cancelled, or had not ended at the second signal
    /// (<see cref="EventLoopOptions.HandleInterrupts"/>).
    /// </exception>
    public void RunUntilComplete(Func<Task> main)
    {
        ArgumentNullException.ThrowIfNull(main);
        var run = new MainRun(this, main);
        using InterruptWatch? interrupts = _handleInterrupts ? new InterruptWatch(this, run.Interrupt) : null;
        Interrupts = interrupts;
        CallbackHandle start = CallSoon(run.Begin);
        try
        {
            RunForever();
        }
        finally
        {
            Interrupts = null;
            start.Cancel();
            run.IsOver = true;
        }

        if (run.Task is not { IsCompleted: true } task)
        {
            run.ThrowIfForced();
            throw new InvalidOperationException("The loop was stopped before the main coroutine had ended.");
        }

        task.GetResult();
    }

    /// <inheritdoc cref="RunUntilComplete(Func{Task})"/>
    /// <returns>The result of <paramref name="main"/>.</returns>
    public T RunUntilComplete<T>(Func<Task<T>> main)
    {
        ArgumentNullException.ThrowIfNull(main);
        Task<T>? task = null;
        RunUntilComplete(() => (Task)(task = main()));
        return task!.GetAwaiter().GetResult();
    }

    /// <summary>
    /// Ends the run. The callbacks that are ready in this iteration still run; those that they schedule wait for the next
    /// run. Any thread, any number of times.
    /// </summary>
    public void Stop()
    {
        _stopRequested = true;
        Interlocked.MemoryBarrier();
        WakeIfAsleep();
    }

    /// <summary>
    /// Throws unless the caller may use the loop: it is on the loop's thread, or the loop is not running and not yet
    /// owned by another thread.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void VerifyAccess()
    {
        if (s_current != this)
        {
            VerifyAccessOfStoppedLoop();
        }
    }

    /// <summary>
    /// Ends the loop and all that lives on it. Tasks are cancelled, transports and servers end, with all their callbacks, within
    /// <see cref="EventLoopOptions.ShutdownTimeout"/>, and what fails on the way is reported to <see cref="ExceptionHandler"/>.
    /// Then the functions of <see cref="RunInThreadAsync{T}(Func{T}, CancellationToken)"/> that have not returned are waited for,
    /// within <see cref="EventLoopOptions.ThreadTimeout"/>. What is still scheduled after that is discarded; tasks and functions
    /// that have not ended are logged. Any thread, while the loop is not running; a second call does nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">The loop is running. Stop it first.</exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        if (IsRunning)
        {
            throw new InvalidOperationException("The loop is running. Stop it, and dispose it when its run has returned.");
        }

        if (Host.ResidentCount > 0 || !IsTaskless || HasThreadWork)
        {
            EndAllThatLivesHere();
        }

        _closing = true;
        _disposed = true;
        _leakSentinel?.Disarm();
        LoopMetrics.Remove(this);
        _signals.Dispose();
        Interlocked.MemoryBarrier(); // see TryPost
        DiscardPosts();
        DiscardReady();
        _backend.Dispose();
    }

    /// <summary>The signals that the run takes, if it does.</summary>
    internal InterruptWatch? Interrupts { get; private set; }

    /// <summary>Whether an iteration would run a callback, or flush a write.</summary>
    internal bool HasCallbacks => _ready.Count > 0 || !_posts.IsEmpty || Host.HasWritesToFlush;

    /// <summary>
    /// As <see cref="RunOnce"/>, for a backend that runs several loops by turns on one thread; also within the wait of another
    /// loop. Its poll must not wait.
    /// </summary>
    internal void RunTurn()
    {
        RequireOwnerThread();
        using var residence = new Residence(this, isOneOfMany: true);
        RunIteration();
    }

    /// <summary>Throws when the loop takes nothing new.</summary>
    internal void ThrowIfClosing() => ObjectDisposedException.ThrowIf(IsClosing, this);

    // What the end waits for may have ended by a callback, with no I/O behind it that would end a wait.
    private bool HasNothingToAwait => _isAwaited is { } isAwaited && !isAwaited();

    private bool IsInhabited => Host.ResidentCount > 0 || _firstTask is not null;

    private bool HasThreadWork => Volatile.Read(ref _threadWork) > 0;

    private void EndAllThatLivesHere()
    {
        using var residence = new Residence(this, isLast: true);
        RootScope.RequestCancel("the loop is being disposed");
        int open = 0;
        foreach (ILoopResident resident in Host.SnapshotResidents().Where(Host.IsResident)) // one may end another
        {
            open++;
            resident.OnLoopShutdown();
        }

        if (IsDebug && open > 0)
        {
            LogQuietly(() => LoopLog.StillOpen(_logger, open));
        }

        RunWhile(() => IsInhabited, _shutdownTimeout);
        foreach (ILoopResident resident in Host.SnapshotResidents().Where(Host.IsResident))
        {
            resident.OnLoopShutdownExpired();
        }

        // What ended just now has yet to be told so: a post, and perhaps a completion behind it.
        for (int i = 0; i < ShutdownIterations && (Host.ResidentCount > 0 || _ready.Count > 0); i++)
        {
            _stopRequested = true; // do not wait
            RunIteration();
        }

        RunWhile(() => HasThreadWork, _threadTimeout);
        if (HasThreadWork && _threadTimeout > TimeSpan.Zero)
        {
            LogQuietly(() => LoopLog.ThreadWorkLeft(_logger, _threadWork));
        }

        if (_firstTask is not null)
        {
            string names = string.Join(", ", Tasks.Select(task => task.Name));
            LogQuietly(() => LoopLog.TasksLeft(_logger, LogText.Escape(names)));
        }
    }

    private void RunWhile(Func<bool> isAwaited, TimeSpan time)
    {
        _isAwaited = isAwaited;
        _stopRequested = false;

        // The clock of the machine, not the loop's: a virtual one would stand still.
        var waited = Stopwatch.StartNew();
        TimerHandle limit = CallLater(time, () => _stopRequested = true); // or the poll behind it would wait for ever
        while (isAwaited() && waited.Elapsed < time && limit.IsScheduled && !_backendHasFailed)
        {
            RunIteration();
        }

        limit.Cancel();
    }

    /// <summary>More than any chain of callbacks of ours takes to unwind; a user's that never ends is cut off.</summary>
    private const int ShutdownIterations = 1000;

    private void VerifyRunnable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (s_current is { } running)
        {
            throw new InvalidOperationException(running == this
                ? "The loop is running already. Await, or schedule a callback, instead of running it again."
                : "Another loop is running on this thread. Run this one on a thread of its own (StartThread).");
        }

        if (_backendHasFailed)
        {
            throw new InvalidOperationException("The loop has ended: the system serves it no more. Dispose it, and make another.");
        }

        RequireOwnerThread();
    }

    private void RequireOwnerThread()
    {
        Thread current = Thread.CurrentThread;
        Thread? owner = Interlocked.CompareExchange(ref _owner, current, null);
        if (owner is not null && owner != current)
        {
            throw new InvalidOperationException(
                $"The loop belongs to {Describe(owner)}, where it ran first. Run it there, or make another.");
        }
    }

    private void VerifyAccessOfStoppedLoop()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Thread? owner = _owner;
        if (owner is null || (owner == Thread.CurrentThread && !IsRunning))
        {
            return;
        }

        throw new InvalidOperationException(
            $"The loop belongs to {Describe(owner)}, and this is {Describe(Thread.CurrentThread)}. "
            + "From another thread, use CallSoonThreadSafe.");
    }

    private static string Describe(Thread thread)
        => string.IsNullOrEmpty(thread.Name)
            ? $"thread {thread.ManagedThreadId}"
            : $"thread {thread.ManagedThreadId} ({thread.Name})";

    /// <summary>The time during which the loop has its thread: from the first iteration of a run to the last.</summary>
    private readonly ref struct Residence
    {
        private readonly EventLoop _loop;
        private readonly EventLoop? _outerLoop;
        private readonly SynchronizationContext? _outerContext;

        public Residence(EventLoop loop, bool isLast = false, bool isOneOfMany = false)
        {
            if (Interlocked.CompareExchange(ref loop._running, 1, 0) != 0)
            {
                throw new InvalidOperationException("The loop is running on another thread.");
            }

            _loop = loop;
            loop._closing |= isLast;
            _outerLoop = s_current;
            _outerContext = SynchronizationContext.Current;
            s_current = loop;
            loop._baseContext = CancelScope.CaptureContext();
            if (!isOneOfMany)
            {
                loop._polledAt = loop.Clock.Now;
                loop._toldInSeries = 0;
            }

            SynchronizationContext.SetSynchronizationContext(loop.SynchronizationContext);
            try
            {
                loop.AttachBackend();
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            _loop._backend.Detach();
            _loop._stopRequested = false;
            _loop._baseContext = null;
            SynchronizationContext.SetSynchronizationContext(_outerContext);
            s_current = _outerLoop;
            Volatile.Write(ref _loop._running, 0);
        }
    }

    /// <summary>
    /// In debug mode, says where a loop was made that nobody disposed. It closes nothing: descriptors have safe handles of
    /// their own, and a finalizer is no place for callbacks.
    /// </summary>
#pragma warning disable MA0055, CA1816 // A finalizer is the only way to know of what was forgotten.
    private sealed class LeakSentinel(ILogger logger)
    {
        private readonly StackTrace _created = new(fNeedFileInfo: true);

        ~LeakSentinel() => LogQuietly(() => LoopLog.NotDisposed(logger, _created.ToString()));

        public void Disarm() => GC.SuppressFinalize(this);
    }
#pragma warning restore MA0055, CA1816
}
