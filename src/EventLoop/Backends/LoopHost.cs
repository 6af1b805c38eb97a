using System.Net;
using Microsoft.Extensions.Logging;
using Toolkit.Diagnostics;
using Toolkit.Tasks;

namespace Toolkit.Backends;

/// <summary>
/// What is left to do for a transport when a batch of callbacks has run: the writes of the batch leave together.
/// </summary>
public interface IFlushable
{
    /// <summary>Sends what was written. Calls no user code.</summary>
    void Flush();
}

/// <summary>Something that lives on a loop and must not outlive it.</summary>
public interface ILoopResident
{
    /// <summary>Where the loop keeps the resident; the loop's own.</summary>
    int ResidentIndex { get; set; }

    /// <summary>
    /// The loop is being disposed. A resident that is already on its way out may go on for the moment; the others end
    /// now. Each leaves by <see cref="LoopHost.RemoveResident"/>.
    /// </summary>
    void OnLoopShutdown();

    /// <summary>The time for going on is over: end, whatever is lost.</summary>
    void OnLoopShutdownExpired();
}

/// <summary>A resident that can say what it is and how it stands, for those who look on.</summary>
/// <typeparam name="TInfo">
/// What it is told as, a value: <c>TransportInfo</c> of what carries bytes, <c>ServerInfo</c> of what listens.
/// </typeparam>
public interface IDescribedResident<out TInfo> : ILoopResident
{
    /// <summary>How it stands at this moment. Changes nothing, calls no user code, and does not throw.</summary>
    TInfo Describe();
}

/// <summary>
/// What a transport needs of its loop, and a user of transports does not: the backend, the flush of joined writes, the
/// way into user code, and a place among the loop's residents. Loop thread only, where it does not say otherwise.
/// </summary>
public sealed class LoopHost
{
    private readonly EventLoop _loop;
    private readonly List<ILoopResident> _residents = [];
    private IFlushable[] _dirty = new IFlushable[64];
    private int _dirtyCount;
    private Func<string, IPAddress[]> _lookup;

    internal LoopHost(EventLoop loop, IoBackend backend)
    {
        _loop = loop;
        Backend = backend;
        _lookup = backend.Resolve;
    }

    /// <summary>The loop's backend.</summary>
    public IoBackend Backend { get; }

    /// <summary>
    /// How a host's name becomes its addresses: as the backend says (<see cref="IoBackend.Resolve"/>), unless whoever makes the
    /// loop sets another way. It is called where <see cref="IoBackend.RunLookup"/> runs it, and may block for as long as it
    /// likes: nobody waits for it longer than they want to, the end of the loop not at all, and its result may be for nobody. It
    /// throws a <see cref="System.Net.Sockets.SocketException"/> when there is no such name.
    /// </summary>
    public Func<string, IPAddress[]> Lookup
    {
        get => _lookup;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            _loop.VerifyAccess();
            _lookup = value;
        }
    }

    /// <summary>Calls <see cref="Lookup"/>, as a wait of the current scope.</summary>
    /// <param name="hostName">The name.</param>
    /// <param name="cancellationToken">Abandons the wait.</param>
    /// <exception cref="System.Net.Sockets.SocketException">There is no such name.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
    public Task<IPAddress[]> LookUpAsync(string hostName, CancellationToken cancellationToken)
        => Resolving.Lookup.RunAsync(_loop, _lookup, hostName, cancellationToken).AsTask();

    /// <summary>
    /// Who is asked for the addresses of names: <see cref="EventLoopOptions.Resolver"/>, or <see cref="NameResolver.Default"/>,
    /// which calls <see cref="Lookup"/>.
    /// </summary>
    public NameResolver Resolver { get; internal init; } = NameResolver.Default;

    /// <summary>Whether the loop is disposed, or being disposed: nothing new begins.</summary>
    public bool IsClosing => _loop.IsClosing;

    /// <summary>At most one log line per cause and second, for all that lives on the loop.</summary>
    public LogRate LogRate => _loop.LogRate;

    /// <summary>
    /// Why no wait begins now: the current scope is cancelled, or the token. Null when one may. In a cancelled scope a wait throws
    /// even when it would not have to wait, so whoever can answer at once asks this first.
    /// </summary>
    public Exception? RefusalOfWait(CancellationToken cancellationToken) => Waiter.Refuse(_loop, cancellationToken);

    /// <summary>
    /// Whether the caller is in the scope, or in one inside it: a shield, or a task of a group in there. Whoever waits for the end
    /// of a scope from within it waits for itself.
    /// </summary>
    public static bool IsWithin(CancelScope scope)
    {
        ArgumentNullException.ThrowIfNull(scope);
        return scope.IsAroundCaller;
    }

    /// <summary>
    /// Starts a task in a group that does not answer for it: its failure is told to whoever has started it and to nobody else,
    /// while the group's cancellation reaches it, and the group waits for it.
    /// </summary>
    /// <param name="group">The group.</param>
    /// <param name="coroutine">An asynchronous method.</param>
    /// <param name="name">A name for messages; null for a number.</param>
    /// <param name="ended">Told of the task's end, before those who await it. Must not throw.</param>
    /// <param name="state">What it is told with.</param>
    /// <exception cref="InvalidOperationException">The group is over, or this is not the loop's thread.</exception>
    public static LoopTask StartSupervised(
        TaskGroup group, Func<Task> coroutine, string? name, Action<LoopTask, object> ended, object state)
    {
        ArgumentNullException.ThrowIfNull(group);
        ArgumentNullException.ThrowIfNull(ended);
        return group.StartSupervised(coroutine, name, ended, state);
    }

    /// <summary>How many residents the loop has.</summary>
    public int ResidentCount => _residents.Count;

    /// <summary>
    /// The residents at this moment, as a copy. Who has many to describe does so over several turns, and asks of each whether it
    /// is still there (<see cref="IsResident"/>).
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public IReadOnlyList<ILoopResident> Residents
    {
        get
        {
            _loop.VerifyAccess();
            return SnapshotResidents();
        }
    }

    /// <summary>Whether it lives on this loop still.</summary>
    public bool IsResident(ILoopResident resident)
    {
        ArgumentNullException.ThrowIfNull(resident);
        int index = resident.ResidentIndex;
        return index >= 0 && index < _residents.Count && _residents[index] == resident;
    }

    /// <summary>
    /// Has the loop measure what takes the time of day (<see cref="LoopCounters.BusyTime"/> and its relatives), from the next
    /// iteration on, until the result is disposed. Any thread.
    /// </summary>
    public IDisposable MeasureTimes() => new TimeMeasurement(_loop);

    /// <summary>What goes through the loop's connections; whoever moves bytes counts them.</summary>
    public LoopTraffic Traffic { get; } = new();

    /// <summary>A connection has ended, for metrics.</summary>
    /// <param name="began">When it began, by the loop's <see cref="EventLoop.TimeProvider"/>.</param>
    /// <param name="reason">Why it has ended, in one word.</param>
    public void OnConnectionLost(DateTimeOffset began, string reason)
    {
        Traffic.OnConnectionLost();
        LoopMetrics.OnConnectionLost(_loop, began, reason);
    }

    /// <summary>A logger in the given category, as the loop's options say.</summary>
    public ILogger CreateLogger(string category) => _loop.LoggerFactory.CreateLogger(category);

    /// <summary>
    /// Has <see cref="IFlushable.Flush"/> called once, when the callbacks that are running now (at most 64) have run.
    /// </summary>
    public void FlushSoon(IFlushable target)
    {
        if (_dirtyCount == _dirty.Length)
        {
            Array.Resize(ref _dirty, _dirtyCount * 2);
        }

        _dirty[_dirtyCount++] = target;
    }

    /// <summary>
    /// Throws unless I/O can be begun: the loop runs, on this thread, and is not being disposed.
    /// </summary>
    /// <exception cref="InvalidOperationException">The loop does not run, or not on this thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed, or being disposed.</exception>
    public void VerifyRunning()
    {
        _loop.VerifyAccess();
        _loop.ThrowIfClosing();
        if (!_loop.IsCurrent)
        {
            throw new InvalidOperationException(
                "The loop does not run yet. Call this from a coroutine that runs on it: EventLoop.Run(async loop => ...).");
        }
    }

    /// <summary>
    /// As <see cref="EventLoop.UnsafeCallSoonThreadSafe"/>, for callers that have nobody to throw at. Any thread.
    /// </summary>
    /// <returns>False when the loop is disposed, and the callback will not run.</returns>
    public bool TryPost(Action<object?> callback, object? state) => _loop.TryPost(callback, state);

    /// <summary>Makes the loop know of something that must end with it.</summary>
    public void AddResident(ILoopResident resident)
    {
        ArgumentNullException.ThrowIfNull(resident);
        resident.ResidentIndex = _residents.Count;
        _residents.Add(resident);
    }

    /// <summary>The resident has ended.</summary>
    public void RemoveResident(ILoopResident resident)
    {
        ArgumentNullException.ThrowIfNull(resident);
        int index = resident.ResidentIndex;
        ILoopResident last = _residents[^1];
        _residents[index] = last;
        last.ResidentIndex = index;
        _residents.RemoveAt(_residents.Count - 1);
    }

    /// <summary>
    /// Captures the caller's execution context for <see cref="EnterUserCode"/>, without the task and the scope that are
    /// current: what is called for as long as a transport lives belongs to neither. Any thread.
    /// </summary>
    /// <returns>Null when the caller has suppressed its flow.</returns>
    public static ExecutionContext? CaptureContext() => CancelScope.CaptureContext();

    /// <summary>
    /// Enters user code: the loop's synchronization context and the given execution context are current until the scope
    /// is disposed, and what the code changed of them is undone. In debug mode the scope is timed.
    /// </summary>
    /// <param name="context">The execution context captured when the user registered the code; null for the loop's own.</param>
    /// <param name="target">The object whose code it is, and <paramref name="member"/> its name: for messages.</param>
    /// <param name="member">The name of the callback.</param>
    public CallbackScope EnterUserCode(ExecutionContext? context, object target, string member)
        => new(_loop, context, target, member);

    internal bool HasWritesToFlush => _dirtyCount > 0;

    internal void FlushWrites()
    {
        for (int i = 0; i < _dirtyCount; i++)
        {
            _dirty[i].Flush();
            _dirty[i] = null!;
        }

        _dirtyCount = 0;
    }

    internal ILoopResident[] SnapshotResidents() => [.. _residents];

    private sealed class TimeMeasurement : IDisposable
    {
        private EventLoop? _loop;

        public TimeMeasurement(EventLoop loop)
        {
            _loop = loop;
            loop.Statistics.Watch(1);
        }

        public void Dispose() => Interlocked.Exchange(ref _loop, null)?.Statistics.Watch(-1);
    }
}

/// <summary>The time during which user code runs; made by <see cref="LoopHost.EnterUserCode"/>.</summary>
public readonly ref struct CallbackScope
{
    private readonly EventLoop _loop;
    private readonly SynchronizationContext? _outerSynchronization;
    private readonly ExecutionContext? _outerContext;
    private readonly object _target;
    private readonly string _member;
    private readonly long _entered;

    internal CallbackScope(EventLoop loop, ExecutionContext? context, object target, string member)
    {
        _loop = loop;
        _target = target;
        _member = member;
        _outerSynchronization = SynchronizationContext.Current;
        _outerContext = ExecutionContext.Capture();
        SynchronizationContext.SetSynchronizationContext(loop.SynchronizationContext);
        if (context is not null && context != _outerContext)
        {
            ExecutionContext.Restore(context);
        }

        if (loop.IsTimed)
        {
            _entered = loop.Clock.Now;
            loop.Statistics.BeginWork(_entered);
        }
    }

    /// <summary>Leaves user code.</summary>
    public void Dispose()
    {
        if (_entered != 0)
        {
            _loop.OnTimed(_entered, new CallbackName(_target, _member), null);
        }

        SynchronizationContext.SetSynchronizationContext(_outerSynchronization);
        if (_outerContext is not null)
        {
            ExecutionContext.Restore(_outerContext);
        }
    }
}
