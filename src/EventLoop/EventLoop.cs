using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Diagnostics;
using Toolkit.Scheduling;
using Toolkit.Signals;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// An event loop: one thread that runs callbacks, timers and I/O, one after the other, so that what lives on it needs no
/// lock.
/// </summary>
/// <remarks>
/// <para>One iteration is these stages, in this order:</para>
/// <list type="number">
/// <item><description>the timers that are due, in the order of their deadlines;</description></item>
/// <item><description>
/// exactly the callbacks that were ready when the stage began: what they schedule waits for the next iteration, so
/// callbacks that schedule callbacks never starve I/O;
/// </description></item>
/// <item><description>
/// one poll, which submits I/O, waits when nothing is ready, and completes a bounded batch;
/// </description></item>
/// <item><description>
/// the report of tasks that have failed in this iteration while nobody awaits them.
/// </description></item>
/// </list>
/// <para>
/// After each batch of at most 64 callbacks the writes that they made leave together.
/// </para>
/// <para>
/// A loop belongs to the thread of its first run (<see cref="RunForever"/>, <see cref="RunOnce"/> and their relatives). Its
/// members belong to that thread, except those that say otherwise; from elsewhere they throw
/// <see cref="InvalidOperationException"/>. Before the first run any one thread may set it up.
/// </para>
/// </remarks>
[DebuggerDisplay("{BackendName,nq} loop, {IsRunning ? \"running\" : \"not running\",nq}, {_ready.Count} ready, {Timers.Count} timers")]
public sealed partial class EventLoop : IDisposable
{
    /// <summary>
    /// Writes are flushed after so many callbacks at the latest: joining the writes of a batch is what makes small
    /// messages cheap, and this bounds how long the first of them waits and how much is held back.
    /// </summary>
    private const int CallbacksPerFlush = 64;

    [ThreadStatic]
    private static EventLoop? s_current;

    private static int s_loopsMade;

    // Set once.
    private readonly IoBackend _backend;
    private readonly ILogger _logger;
    private readonly TimeSpan _shutdownTimeout;
    private readonly TimeSpan _threadTimeout;
    private readonly bool _handleInterrupts;
    private readonly TextWriter? _taskDumpOnQuit;
    private readonly long _spinTicks;
    private readonly long _slowTicks;
    private readonly Action<object?> _runHandle;

    // Loop thread only.
    private readonly ReadyQueue _ready = new();
    private ExecutionContext? _baseContext;
    private long _polledAt; // all that had come by then has been told
    private long _lookingSince;
    private int _toldInSeries;
    private bool _closing;
    private Func<bool>? _isAwaited; // by the end of the loop
    private bool _backendHasFailed;
    private bool _reportingWait;

    // Any thread.
    private readonly ConcurrentQueue<Post> _posts = new();
    private volatile bool _stopRequested;
    private volatile bool _disposed;
    private volatile Thread? _owner;
    private int _running;
    private int _asleep;
    private int _threadWork; // functions in threads that the end of the loop waits for

    /// <summary>Makes a loop, which runs when <see cref="RunForever"/> or one of its relatives is called.</summary>
    /// <exception cref="BackendUnavailableException">The kind that was asked for cannot run here.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public EventLoop(EventLoopOptions? options = null)
        : this(options ?? new EventLoopOptions(), name: null)
    {
    }

    internal EventLoop(EventLoopOptions options, string? name)
    {
        options.Validate();
        LoggerFactory = options.LoggerFactory ?? LastResortLogger.Factory.Instance;
        _logger = LoggerFactory.CreateLogger(LoopLog.Category);
        IsDebug = options.Debug;
        _shutdownTimeout = options.ShutdownTimeout;
        _threadTimeout = options.ThreadTimeout;
        _handleInterrupts = options.HandleInterrupts;
        _taskDumpOnQuit = options.TaskDumpOnQuit;
        _spinTicks = options.SpinDuration.Ticks;
        _slowTicks = options.SlowCallbackDuration.Ticks;
        _runHandle = handle => RunHandle((ReadyHandle)handle!);

        _backend = BackendCatalog.Create(options);
        Name = options.Name ?? name ?? $"{BackendName}-{Interlocked.Increment(ref s_loopsMade)}";
        LogRate = new LogRate(_backend.Clock);
        Timers = new TimerWheel(_backend.Clock.Now);
        _signals = new LoopSignals(this);
        Host = new LoopHost(this, _backend) { Resolver = options.Resolver ?? NameResolver.Default };
        SynchronizationContext = new LoopSynchronizationContext(this, reportBlockingWaits: IsDebug);
        TaskScheduler = new LoopTaskScheduler(this);
        PipeScheduler = new LoopPipeScheduler(this);
        TimeProvider = new LoopTimeProvider(this);
        RootScope = new LoopScope(this);
        _leakSentinel = IsDebug ? new LeakSentinel(_logger) : null;
        Statistics = new LoopStatistics(this);
        LoopMetrics.Add(this);
    }

    /// <summary>The loop that runs on this thread.</summary>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static EventLoop Current => s_current ?? throw new InvalidOperationException(
        "No event loop runs on this thread. Call this from a callback or coroutine of a loop, or use TryGetCurrent.");

    /// <summary>
    /// The loop's name in metrics and messages: <see cref="EventLoopOptions.Name"/>, or the name of its thread
    /// (<see cref="StartThread"/>), or else one like <c>epoll-1</c>. Any thread.
    /// </summary>
    public string Name { get; }

    /// <summary>The kind of loop in one lower-case word, such as <c>epoll</c>, or <c>chaos(epoll)</c>. Any thread.</summary>
    public string BackendName => _backend.Name;

    /// <summary>Whether the loop is running. Any thread.</summary>
    public bool IsRunning => Volatile.Read(ref _running) != 0;

    /// <summary>Whether the caller is on the loop's thread while the loop runs. Any thread.</summary>
    public bool IsCurrent => s_current == this;

    /// <summary>Whether debug mode is on. Any thread.</summary>
    public bool IsDebug { get; }

    /// <summary>
    /// The loop's time: monotonic, with an origin of its own, in steps of 100 ns; what <see cref="TimerHandle.When"/> and
    /// <see cref="CallAt(TimeSpan, Action)"/> speak of. Any thread.
    /// </summary>
    public TimeSpan Time => new(Clock.Now);

    /// <summary>
    /// Brings continuations to the loop. It is current wherever the loop runs user code, so a plain <c>await</c> comes
    /// back. Any thread. A continuation that arrives after disposal is dropped, and logged.
    /// </summary>
    public SynchronizationContext SynchronizationContext { get; }

    /// <summary>Runs tasks on the loop. Any thread.</summary>
    public TaskScheduler TaskScheduler { get; }

    /// <summary>Runs the continuations of pipes on the loop. Any thread.</summary>
    public PipeScheduler PipeScheduler { get; }

    /// <summary>
    /// The loop's clock and timers, for <c>Task.Delay</c>, <c>CancellationTokenSource</c>, <c>PeriodicTimer</c> and all
    /// that takes a <see cref="System.TimeProvider"/>. Any thread; timers fire on the loop's.
    /// </summary>
    public TimeProvider TimeProvider { get; }

    /// <summary>
    /// What the loop has done and holds, in numbers, as it was a moment ago. Any thread, also while a callback holds up the
    /// loop's.
    /// </summary>
    public LoopCounters Counters => Statistics.Read();

    /// <summary>What transports need of the loop; users of transports do not.</summary>
    public LoopHost Host { get; }

    internal ILoggerFactory LoggerFactory { get; }

    internal TimerWheel Timers { get; }

    internal IoClock Clock => _backend.Clock;

    internal LogRate LogRate { get; }

    internal LoopStatistics Statistics { get; }

    /// <summary>Whether callbacks are timed: in debug mode, and while somebody wants times. Decided once an iteration.</summary>
    internal bool IsTimed { get; private set; }

    internal bool IsClosing => _closing || _disposed;

    internal bool IsDisposed => _disposed;

    /// <summary>The loop that runs on this thread, if one does.</summary>
    public static bool TryGetCurrent([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out EventLoop? loop)
    {
        loop = s_current;
        return loop is not null;
    }

    private void RunIteration(TimeSpan? maxWait = null)
    {
        Statistics.Iterations++;
        bool wasTimed = IsTimed;
        IsTimed = IsDebug || LoopMetrics.AreTimesWanted || Statistics.IsWatched;
        if (IsTimed != wasTimed)
        {
            Statistics.Forget();
        }

        RunDueTimers();
        RunReadyCallbacks();
        PollForIo(maxWait);
        if (HasFailedTasks)
        {
            ReportFailedTasks();
        }
    }

    private void RunDueTimers()
    {
        if (Timers.Count == 0)
        {
            return;
        }

        // Due is what was due when I/O was last looked for. So what had arrived by a timer's deadline is always told before the
        // timer fires, however long a callback took or the process was halted: an idle time-out never hits a peer who has
        // sent in time.
        Timers.TakeDue(_polledAt);
        for (int ran = 1; Timers.TryTakeNextDue(out TimerHandle? timer); ran++)
        {
            if (IsTimed && ran == 1)
            {
                long now = Clock.Now;
                Statistics.OnTimersDue(now, now - timer!.When.Ticks);
            }

            Statistics.TimersFired++;
            RunTimer(timer!);
            if (ran % CallbacksPerFlush == 0)
            {
                Host.FlushWrites();
            }
        }

        Host.FlushWrites();
    }

    private void RunReadyCallbacks()
    {
        TakePosts();
        int ready = _ready.Count;
        for (int ran = 1; ran <= ready; ran++)
        {
            _ready.Dequeue(out Action<object?> callback, out object? state);
            RunCallback(callback, state);
            if (ran % CallbacksPerFlush == 0)
            {
                Host.FlushWrites();
            }
        }

        Statistics.Callbacks += ready;
        Host.FlushWrites();
    }

    private void PollForIo(TimeSpan? maxWait)
    {
        long until = _ready.Count > 0 || _stopRequested || HasNothingToAwait || HasFailedTasks || maxWait == TimeSpan.Zero
            ? 0
            : Timers.NextDeadline();
        if (until > 0 && maxWait is { } limit)
        {
            until = Math.Min(until, DeadlineAfter(limit));
        }

        // Completions run with the context cleared: code that uses ConfigureAwait(false), SslStream's for one, then stays
        // on this thread instead of going to the pool. User code is entered through a CallbackScope, which sets it.
        SynchronizationContext.SetSynchronizationContext(null);
        if (until > 0 && (_spinTicks == 0 || !Spin(until)))
        {
            Sleep(until);
        }
        else if (until <= 0)
        {
            Poll(0);
        }

        Host.FlushWrites();
        SynchronizationContext.SetSynchronizationContext(SynchronizationContext);
    }

    private void Sleep(long until)
    {
        // Whoever posts looks at _asleep after it has queued; we look at the queue after we have set _asleep. One of the
        // two sees the other, so no wake-up is lost, and a loop that is awake costs its posters no system call.
        Interlocked.Exchange(ref _asleep, 1);
        Poll(_posts.IsEmpty && !_stopRequested ? until : 0);
        Volatile.Write(ref _asleep, 0);
    }

    // Looks again and again instead of sleeping. True when something has come of it.
    private bool Spin(long until)
    {
        long spinUntil = Math.Min(until, Clock.Now + _spinTicks);
        do
        {
            if (Poll(0) > 0 || !_posts.IsEmpty || _stopRequested)
            {
                return true;
            }
        }
        while (Clock.Now < spinUntil);
        return false;
    }

    private int Poll(long until)
    {
        int told = IsTimed ? PollTimed(until) : PollUntimed(until);
        Statistics.Completions += told;
        return told;
    }

    private int PollTimed(long until)
    {
        // What is told after a wait is work from the first callback on (CallbackScope), and otherwise from the end of the poll.
        Statistics.EndWork(Clock.Now);
        int told = PollUntimed(until);
        Statistics.BeginWork(Clock.Now);
        return told;
    }

    private int PollUntimed(long until)
    {
        if (_backendHasFailed)
        {
            return 0; // the loop is being disposed, and tells its residents of their end
        }

        if (Timers.Count == 0)
        {
            return PollBackend(until);
        }

        // What a poll leaves behind is told in the order in which it came, so once all residents could have had their turn, all
        // that had come when the first of these polls began has been told.
        if (_toldInSeries == 0)
        {
            _lookingSince = Clock.Now;
        }

        int told = PollBackend(until);
        _toldInSeries += Math.Max(told, 1);
        bool leavesMore = _backend.LastPoll switch
        {
            PollEnding.HeldBack => true,
            PollEnding.HasMore => _toldInSeries <= Host.ResidentCount,
            _ => false,
        };
        if (!leavesMore)
        {
            bool waited = _backend.LastPoll == PollEnding.TimedOut && until > _lookingSince && Clock.Now >= until;
            _polledAt = waited ? until : _lookingSince;
            _toldInSeries = 0;
        }

        return told;
    }

    private int PollBackend(long until)
    {
        try
        {
            return _backend.Poll(until);
        }
        catch (BackendFailedException exception)
        {
            OnBackendFailed(exception);
            if (!_closing)
            {
                throw;
            }

            return 0;
        }
    }

    private void AttachBackend()
    {
        try
        {
            if (!_backendHasFailed)
            {
                _backend.Attach();
            }
        }
        catch (BackendUnavailableException exception) when (_closing)
        {
            OnBackendFailed(exception); // its residents are told of their end all the same
        }
        catch (BackendFailedException exception)
        {
            OnBackendFailed(exception);
            if (!_closing)
            {
                throw;
            }
        }
    }

    // Apart from Poll, where the compiler would make the closure anew at each turn.
    private void OnBackendFailed(Exception exception)
    {
        _backendHasFailed = true;
        LogQuietly(() => LoopLog.BackendFailed(_logger, exception));
    }

    private void TakePosts()
    {
        // A count first: threads that post without pause must not keep this loop from going on.
        for (int count = _posts.Count; count > 0 && _posts.TryDequeue(out Post post); count--)
        {
            _ready.Enqueue(post.Callback, post.State);
        }
    }

    /// <summary>A callback that came from another thread.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Post(Action<object?> Callback, object? State);
}
