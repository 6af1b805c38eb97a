using System.Diagnostics;
using System.Net;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// A network of simulated hosts whose loops run the production code on one thread, in virtual time, with everything that is left
/// to chance decided by one seed. The same seed gives the same run, event for event.
/// </summary>
/// <remarks>
/// <para>
/// Time stands still while any loop can run, and jumps to the next timer or delivery when none can. So an hour of waiting takes
/// no time, and a test neither sleeps nor races.
/// </para>
/// <para>
/// The world is run from outside by <see cref="RunUntilIdle"/>, <see cref="RunFor"/>, <see cref="RunUntil"/>,
/// <see cref="RunUntilComplete(Task)"/> or step by step, or from within: a loop of the world that is run as any other loop
/// drives it while it waits. All members belong to the thread that runs it first, except where they say otherwise.
/// </para>
/// </remarks>
[DebuggerDisplay("{Time}, {Hosts.Count} hosts, {_events.Count} events")]
public sealed partial class SimulatedWorld : IDisposable
{
    /// <summary>No scenario takes so many steps at one moment, unless two callbacks keep each other busy for ever.</summary>
    private const int StepsPerMoment = 1_000_000;

    private readonly SimulationOptions _options;
    private readonly SimulatedEvents _events;
    private readonly List<(EventLoop Loop, SimulatedBackend Backend)> _loops = [];
    private readonly List<EventLoop> _runnable = [];
    private readonly List<(Task Task, string Name)> _watched = [];
    private readonly SeededRandom _schedule;
    private readonly SimulationTrace _trace;
    private readonly ManualResetEventSlim _foreignWake = new(); // its handle is never asked for: there is nothing to dispose
    private readonly long _timeLimit;
    private Thread? _thread;
    private int _stepsAtThisMoment;
    private bool _isStepping; // a loop runs within the world's step, and does not wait
    private bool _isRunning; // within a run from outside
    private bool _isDisposed;

    // Any thread.
    private volatile ForeignThreadException? _foreignCall;
    private int _foreignWork;

    /// <summary>Makes an empty world.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="FormatException"><c>SIM_SEED</c> is no number.</exception>
    public SimulatedWorld(SimulationOptions? options = null)
    {
        _options = options ?? new SimulationOptions();
        _options.Validate();
        Seed = _options.ChooseSeed();
        var random = new SeededRandom(Seed);
        _schedule = random.Split("schedule");
        _events = new SimulatedEvents(random.Split("events"));
        Network = random.Split("network");
        Random = random.Split("workload");
        Programs = random.Split("programs");
        _trace = new SimulationTrace(_options.Trace);
        Clock = new SimulatedClock(_options.Start);
        _timeLimit = _options.TimeLimit.Ticks;
        Names = new SimulatedNames(this);
    }

    /// <summary>The seed that repeats this run.</summary>
    public ulong Seed { get; }

    /// <summary>Virtual time since the beginning.</summary>
    public TimeSpan Time => new(Now);

    /// <summary>
    /// Randomness for the test itself, from the same seed: what it draws does not change what the network does, nor the order in
    /// which loops run.
    /// </summary>
    public SeededRandom Random { get; }

    /// <summary>The names of the world.</summary>
    public SimulatedNames Names { get; }

    /// <summary>The hosts, in the order in which they were added.</summary>
    public IReadOnlyList<SimulatedHost> Hosts => _hosts;

    /// <summary>A hash of all that has happened. Two runs of one seed have the same.</summary>
    public ulong TraceHash => _trace.Hash;

    /// <summary>How many lines the trace has.</summary>
    public long TraceLength => _trace.Count;

    /// <summary>The last lines of what has happened.</summary>
    public IReadOnlyList<string> LastTrace => [.. _trace.Last];

    /// <summary>False when work of other threads has been declared, whose timing no seed decides.</summary>
    public bool IsReproducible { get; private set; } = true;

    internal SeededRandom Network { get; }

    /// <summary>What the programs draw that run in the world.</summary>
    internal SeededRandom Programs { get; }

    internal SimulatedClock Clock { get; }

    internal long Now => Clock.Now;

    /// <summary>The world that a loop lives in.</summary>
    /// <exception cref="InvalidOperationException">The loop is not a simulated one.</exception>
    public static SimulatedWorld Of(EventLoop loop) => HostOf(loop).World;

    /// <summary>The host that a loop lives on.</summary>
    /// <exception cref="InvalidOperationException">The loop is not a simulated one.</exception>
    public static SimulatedHost HostOf(EventLoop loop)
    {
        ArgumentNullException.ThrowIfNull(loop);
        IoBackend bare = loop.Host.Backend is ChaosBackend { Inner: var inner } ? inner : loop.Host.Backend;
        return bare is SimulatedBackend backend
            ? backend.Host
            : throw new InvalidOperationException(
                $"This is a loop on {loop.BackendName}. Make a simulated one: {nameof(LoopKind)}.{nameof(LoopKind.Simulated)}.");
    }

    /// <summary>
    /// Draws from the seed whether something rare happens here; for tests that want faults of their own.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">A probability is between 0 and 1.</exception>
    public bool Chance(double probability) => Random.Chance(probability);

    /// <summary>
    /// One iteration of one loop, chosen by the seed among those that have something to do; or, when none has, a jump of the
    /// clock.
    /// </summary>
    /// <returns>False when nothing is left to happen.</returns>
    /// <exception cref="ForeignThreadException">A thread has called in that is not the simulation's.</exception>
    public bool Step()
    {
        using var run = new Run(this);
        return TryRunLoop(null) || TryJump(long.MaxValue);
    }

    /// <summary>Runs all that can run at this moment. Time stands still.</summary>
    public void RunUntilIdle()
    {
        using var run = new Run(this);
        while (TryRunLoop(null))
        {
            // Until nobody has anything to do.
        }
    }

    /// <summary>Runs for so long of virtual time: everything that is due on the way happens at its time.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The duration is negative.</exception>
    public void RunFor(TimeSpan duration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(duration, TimeSpan.Zero);
        using var run = new Run(this);
        long end = TimerEnd(duration);
        while (TryRunLoop(null) || TryJump(end))
        {
            // On to the end.
        }

        if (Now < end)
        {
            MoveTo(end);
        }
    }

    /// <summary>Runs until the condition holds.</summary>
    /// <param name="condition">Looked at before each step.</param>
    /// <param name="limit">How much virtual time that may take; an hour when null.</param>
    /// <exception cref="SimulationLimitException">The condition does not hold within the time.</exception>
    /// <exception cref="SimulationDeadlockException">Nothing is left to happen, and it does not hold.</exception>
    public void RunUntil(Func<bool> condition, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(condition);
        TimeSpan patience = limit ?? TimeSpan.FromHours(1);
        ArgumentOutOfRangeException.ThrowIfLessThan(patience, TimeSpan.Zero, nameof(limit));
        using var run = new Run(this);
        long end = TimerEnd(patience);
        while (!condition())
        {
            if (!TryRunLoop(null) && !TryJump(end))
            {
                throw NextTime() == long.MaxValue
                    ? NewDeadlock()
                    : new SimulationLimitException(Seed, $"The condition does not hold within {patience}. {DescribeWaits()}");
            }
        }
    }

    /// <summary>Runs until the task has ended, and rethrows what it throws.</summary>
    /// <exception cref="SimulationDeadlockException">Nothing is left to happen, and the task has not ended.</exception>
    public void RunUntilComplete(Task task)
    {
        ArgumentNullException.ThrowIfNull(task);
        RunUntil(() => task.IsCompleted, _options.TimeLimit);
        task.GetAwaiter().GetResult();
    }

    /// <inheritdoc cref="RunUntilComplete(Task)"/>
    /// <returns>The task's result.</returns>
    public T RunUntilComplete<T>(Task<T> task)
    {
        RunUntilComplete((Task)task);
        return task.GetAwaiter().GetResult();
    }

    /// <summary>
    /// Moves the clock in one leap, as if all machines had been halted: nothing happens on the way, and what is due by then is
    /// late.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The duration is negative.</exception>
    /// <exception cref="InvalidOperationException">The world is running. To let time go by there, wait on a loop.</exception>
    public void Advance(TimeSpan duration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(duration, TimeSpan.Zero);
        if (_isRunning || _isStepping || EventLoop.TryGetCurrent(out _))
        {
            throw new InvalidOperationException(
                "The clock cannot be moved while the world is running. Wait on a loop instead, or move it between two runs.");
        }

        MoveTo(TimerEnd(duration));
    }

    /// <summary>
    /// Says that another thread is at work, whose result a loop will be posted: until it is disposed, posts of other threads are
    /// taken, and time stands still, so that when nothing else can happen the world waits for them in earnest. Such a run is not
    /// reproducible.
    /// </summary>
    public IDisposable DeclareForeignWork()
    {
        IsReproducible = false;
        Interlocked.Increment(ref _foreignWork);
        return new ForeignWork(this);
    }

    /// <summary>Has an action called at a virtual time from now: for faults that a test plans ahead.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    public void CallLater(TimeSpan delay, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        Schedule(TimerEnd(delay), action);
    }

    /// <summary>Who waits for what, one line each: for messages.</summary>
    public string DescribeWaits()
    {
        var lines = new List<string>();
        foreach ((Task task, string name) in _watched)
        {
            if (!task.IsCompleted)
            {
                lines.Add($"{name} has not ended");
            }
        }

        foreach (SimulatedHost host in _hosts)
        {
            foreach (SimulatedBackend backend in host.Backends)
            {
                lines.AddRange(backend.Handles.SelectMany(handle => DescribeWaits(host, handle)));
            }
        }

        return lines.Count == 0
            ? "Nobody waits for the network."
            : $"Who waits:\n  {string.Join("\n  ", lines)}";
    }

    /// <summary>Disposes the loops that live in the world. What they still have to tell is told.</summary>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _watched.Clear(); // programs may fail now, as is to be expected
        foreach ((EventLoop loop, _) in _loops.ToArray())
        {
            loop.Dispose();
        }
    }

    internal void Note(string what) => _trace.Note(Now, what);

    /// <summary>A loop was told so much; two runs of one seed are told the same.</summary>
    internal void NoteTold(int count) => _trace.Mix((ulong)count);

    internal void Add(EventLoop loop, SimulatedBackend backend)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        Note($"{backend.Host.Name} has a loop");
        _loops.Add((loop, backend));
    }

    internal void Remove(SimulatedBackend backend) => _loops.RemoveAll(entry => entry.Backend == backend);

    internal void Watch(Task task, string name) => _watched.Add((task, name));

    internal void Shuffle<T>(List<T> items)
        => _schedule.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(items));

    /// <summary>Has something happen at a time; among what happens at the same time, in an order that the seed decides.</summary>
    internal void Schedule(long time, Action action) => _events.Add(Math.Max(time, Now), action);

    /// <inheritdoc cref="SimulatedEvents.AddToNetwork"/>
    internal void ScheduleInNetwork(long time, Action action, bool isLast = false)
        => _events.AddToNetwork(Math.Max(time, Now), action, isLast);

    /// <summary>
    /// Completes those who wait for a change, as an event each. None shares a task with another: of several that await one task,
    /// .NET sends all but one to a thread of the pool.
    /// </summary>
    internal void CompleteSoon(List<TaskCompletionSource> waiting)
    {
        foreach (TaskCompletionSource each in waiting)
        {
            Schedule(Now, each.SetResult);
        }

        waiting.Clear();
    }

    /// <summary>
    /// What has become due happens, with no synchronization context: a continuation of what is awaited without one, of
    /// <see cref="SimulatedPeer"/> for example, would otherwise go to a thread of the pool.
    /// </summary>
    internal void ProcessDueEvents()
    {
        if (_events.NextTime > Now)
        {
            return;
        }

        SynchronizationContext? outer = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            while (_events.TakeDue(Now) is { } action)
            {
                action();
            }
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outer);
        }
    }

    /// <summary>What has become due in the network happens; from within a call of a user's, too, since it calls nobody.</summary>
    internal void SettleNetwork()
    {
        while (_events.TakeDueOfNetwork(Now) is { } action)
        {
            action();
        }
    }

    internal void AttachThread()
    {
        Thread current = Thread.CurrentThread;
        _thread ??= current;
        if (_thread != current)
        {
            throw new InvalidOperationException("A simulated world lives on one thread, the one that ran it first.");
        }
    }

    /// <summary>Something was queued for a loop; by a thread of another world, perhaps.</summary>
    internal void OnPosted()
    {
        if (_thread is null || _thread == Thread.CurrentThread || _isDisposed)
        {
            return;
        }

        if (Volatile.Read(ref _foreignWork) == 0)
        {
            _foreignCall ??= new ForeignThreadException(Seed, new StackTrace(skipFrames: 1, fNeedFileInfo: true).ToString());
        }

        _foreignWake.Set();
    }

    internal void OnWoken() => _foreignWake.Set();

    /// <summary>A loop polls. While the world itself runs it, what is due has been processed already.</summary>
    internal void BeginPoll()
    {
        if (!_isStepping)
        {
            ProcessDueEvents();
        }
    }

    /// <summary>Lets the world go on until the backend has something to tell, or the time has come.</summary>
    /// <returns>True when it waited until the time and nothing has come.</returns>
    internal bool WaitFor(SimulatedBackend backend, long until)
    {
        if (_isStepping)
        {
            return false;
        }

        _ = EventLoop.TryGetCurrent(out EventLoop? driver);
        while (true)
        {
            ThrowIfForeign();
            ProcessDueEvents();
            if (backend.HasSomething || backend.IsWoken || driver is { HasCallbacks: true })
            {
                return false;
            }

            if (TryRunLoop(backend))
            {
                continue;
            }

            if (until <= Now)
            {
                return true;
            }

            if (TryJump(until, backend))
            {
                return false; // what happened may have set a timer, which the loop is to look at
            }

            if (until == long.MaxValue)
            {
                throw NewDeadlock();
            }

            MoveTo(until);
        }
    }

    private static IEnumerable<string> DescribeWaits(SimulatedHost host, SimulatedHandle handle)
    {
        if (handle.ReadSide is AcceptOperation)
        {
            yield return $"{host.Name}: the listener at {handle.LocalEndPoint} waits for connections";
        }

        if (handle.Pipe is { } pipe)
        {
            if (handle.ReadSide is ReceiveOperation || handle.WriteSide is SendOperation)
            {
                yield return $"{host.Name}: a {(pipe.IsReader ? "reader" : "writer")} waits for {pipe.Description}";
            }

            yield break;
        }

        if (handle.ReadSide is ReceiveOperation)
        {
            yield return $"{host.Name}: #{handle.Connection?.Number} {handle.LocalEndPoint} waits for data of "
                + $"{handle.RemoteEndPoint}";
        }

        if (handle.WriteSide is SendOperation)
        {
            yield return $"{host.Name}: #{handle.Connection?.Number} {handle.LocalEndPoint} waits until {handle.RemoteEndPoint} "
                + $"takes more: {handle.Connection?.Outgoing.Description}";
        }

        if (handle.WriteSide is ConnectOperation connect)
        {
            yield return $"{host.Name}: waits to be connected to {connect.RemoteEndPoint}";
        }
    }

    private long TimerEnd(TimeSpan duration) => duration.Ticks > long.MaxValue - Now ? long.MaxValue : Now + duration.Ticks;

    private SimulationDeadlockException NewDeadlock()
        => new(
            Seed,
            "Nothing can happen any more: no callback is ready, no timer runs, nothing is on its way. "
            + "What waits for another thread must be declared (DeclareForeignWork), or wait on the loop. "
            + DescribeWaits());

    private void ThrowIfForeign()
    {
        if (_foreignCall is { } call)
        {
            _foreignCall = null;
            throw call;
        }
    }

    // One iteration of one of the loops that have something to do.
    private bool TryRunLoop(SimulatedBackend? except)
    {
        ThrowIfForeign();
        ProcessDueEvents();
        _runnable.Clear();
        foreach ((EventLoop loop, SimulatedBackend backend) in _loops)
        {
            if (backend != except && backend.Host.State == SimulatedHostState.Running
                && (backend.HasSomething || backend.IsWoken || loop.HasCallbacks || loop.Timers.NextDeadline() <= Now
                    || loop.Host.Backend is ChaosBackend { IsHolding: true }))
            {
                _runnable.Add(loop);
            }
        }

        if (_runnable.Count == 0)
        {
            return false;
        }

        if (++_stepsAtThisMoment > StepsPerMoment)
        {
            throw new SimulationLimitException(
                Seed,
                $"Time stands still: {StepsPerMoment} steps at {Time}, since some callback always schedules another. "
                + DescribeWaits());
        }

        int index = _schedule.Next(_runnable.Count);
        _trace.Mix((ulong)index);
        EventLoop chosen = _runnable[index];
        bool outer = _isStepping;
        _isStepping = true;
        try
        {
            chosen.RunTurn();
        }
        finally
        {
            _isStepping = outer;
        }

        ThrowIfProgramFailed();
        return true;
    }

    private void ThrowIfProgramFailed()
    {
        for (int i = 0; i < _watched.Count; i++)
        {
            if (_watched[i].Task is { IsCompleted: true } task)
            {
                string name = _watched[i].Name;
                _watched.RemoveAt(i);
                if (task.Exception is { } exception)
                {
                    Exception inner = exception.InnerException!;
                    throw new SimulationException(Seed, $"At {Time}, {name} failed: {inner.Message}", inner);
                }

                return;
            }
        }
    }

    // To the next event or deadline, when that is not beyond the end. Work of other threads holds the clock.
    private bool TryJump(long end, SimulatedBackend? except = null)
    {
        if (TryAwaitForeignWork())
        {
            return true;
        }

        long next = NextTime(except);
        if (next == long.MaxValue || next > end)
        {
            return false;
        }

        MoveTo(next);
        ProcessDueEvents();
        return true;
    }

    private long NextTime(SimulatedBackend? except = null)
    {
        long next = _events.NextTime;
        foreach ((EventLoop loop, SimulatedBackend backend) in _loops)
        {
            if (backend.Host.State == SimulatedHostState.Running && backend != except)
            {
                next = Math.Min(next, loop.Timers.NextDeadline());
            }
        }

        return next;
    }

    private void MoveTo(long time)
    {
        if (time > _timeLimit)
        {
            throw new SimulationLimitException(
                Seed, $"The simulation has run for its limit of {_options.TimeLimit} of virtual time. {DescribeWaits()}");
        }

        if (time > Now)
        {
            Clock.MoveTo(time);
            _stepsAtThisMoment = 0;
        }
    }

    // In real time, for the world has nothing else to do.
    private bool TryAwaitForeignWork()
    {
        if (Volatile.Read(ref _foreignWork) == 0)
        {
            return false;
        }

        _foreignWake.Wait();
        _foreignWake.Reset();
        return true;
    }

    /// <summary>The time during which the world is run from outside.</summary>
    private readonly ref struct Run
    {
        private readonly SimulatedWorld _world;

        public Run(SimulatedWorld world)
        {
            ObjectDisposedException.ThrowIf(world._isDisposed, world);
            if (world._isRunning || world._isStepping || EventLoop.TryGetCurrent(out _))
            {
                throw new InvalidOperationException(
                    "The world is running already. Within it, await on a loop instead of running it once more.");
            }

            world.AttachThread();
            _world = world;
            world._isRunning = true;
        }

        public void Dispose() => _world._isRunning = false;
    }

    private sealed class ForeignWork(SimulatedWorld world) : IDisposable
    {
        private int _isDone;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isDone, 1) == 0)
            {
                Interlocked.Decrement(ref world._foreignWork);
                world.OnWoken();
            }
        }
    }
}
