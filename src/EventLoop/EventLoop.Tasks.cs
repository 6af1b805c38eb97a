using Toolkit.Diagnostics;
using Toolkit.Scheduling;
using Toolkit.Tasks;

namespace Toolkit;

/// <content>Tasks, and what belongs to them.</content>
public sealed partial class EventLoop
{
    private TaskScope? _firstTask;
    private TaskScope? _lastTask;
    private long _tasksCreated;
    private List<ILoopTask>? _failedTasks;
    private DelayWaiter? _freeDelay;

    /// <summary>
    /// The tasks that have not ended, in the order in which they were created: a copy. Loop thread only.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public IReadOnlyList<ILoopTask> Tasks
    {
        get
        {
            VerifyOwnership();
            var tasks = new List<ILoopTask>();
            for (TaskScope? scope = _firstTask; scope is not null; scope = scope.NextTask)
            {
                tasks.Add(scope.Task!);
            }

            return tasks;
        }
    }

    /// <summary>
    /// The tasks in writing, for people: the tree of tasks, groups and scopes, what each waits for, and circles of tasks that wait
    /// for each other. In debug mode it says where tasks were created and who holds a lock, too. The form may change. Loop thread
    /// only; <see cref="EventLoopOptions.TaskDumpOnQuit"/> has a signal write it.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public string DumpTasks()
    {
        VerifyOwnership();
        return TaskDump.Of(this);
    }

    /// <summary>
    /// The tasks as data: the tree of tasks, groups and scopes, and what each waits for. It takes a microsecond or two for each,
    /// during which nothing else runs. Loop thread only.
    /// </summary>
    /// <param name="maxEntries">
    /// How many entries to describe at most; of those that are left out, the tasks are counted. Of what they wait for as many are
    /// told, and the first of each entry; the others are counted.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive.</exception>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public TaskTree DescribeTasks(int maxEntries = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxEntries);
        VerifyOwnership();
        return TaskTreeWalk.Of(this, maxEntries);
    }

    /// <summary>How many tasks have not ended.</summary>
    internal int TaskCount { get; private set; }

    /// <summary>How many tasks were created.</summary>
    internal long TasksCreated => _tasksCreated;

    /// <summary>How many callbacks are ready.</summary>
    internal int ReadyCount => _ready.Count;

    /// <summary>The scope around everything on the loop, which is cancelled when the loop is disposed.</summary>
    internal CancelScope RootScope { get; }

    /// <summary>How many scopes are cancelled and not yet left.</summary>
    internal int CancelledScopes { get; set; }

    /// <summary>Whether no task and no wait lives on the loop.</summary>
    internal bool IsTaskless => _firstTask is null && RootScope.IsEmpty && CancelledScopes == 0;

    /// <summary>
    /// Runs a coroutine on the loop beside the caller. It begins in the next iteration, in the execution context of this call,
    /// and under the loop itself: to have a task end with its creator, start it in a <see cref="TaskGroup"/>.
    /// </summary>
    /// <param name="coroutine">An asynchronous method.</param>
    /// <param name="name">A name for messages.</param>
    /// <param name="eager">Whether the coroutine runs to its first wait within this call, on a loop that runs.</param>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public LoopTask CreateTask(Func<Task> coroutine, string? name = null, bool eager = false)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        VerifyOwnership();
        var task = new LoopTask(this, coroutine, name, RootScope, owner: null);
        Begin(task, eager);
        return task;
    }

    /// <inheritdoc cref="CreateTask(Func{Task}, string?, bool)"/>
    /// <typeparam name="T">The type of the result.</typeparam>
    public LoopTask<T> CreateTask<T>(Func<Task<T>> coroutine, string? name = null, bool eager = false)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        VerifyOwnership();
        var task = new LoopTask<T>(this, coroutine, name, RootScope, owner: null);
        Begin(task, eager);
        return task;
    }

    /// <summary>
    /// Runs a coroutine as a task of the loop, from any thread, and returns what comes of it as a task that the caller's thread
    /// may await, or block on unless it is the loop's own.
    /// </summary>
    /// <param name="coroutine">An asynchronous method. It begins in the execution context of this call.</param>
    /// <param name="cancellationToken">Cancels the coroutine; from any thread.</param>
    /// <exception cref="ObjectDisposedException">The loop is disposed; in the task, when it is disposed before it
    /// begins.</exception>
    public Task InvokeAsync(Func<Task> coroutine, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        return InvokeAsync<object?>(
            async () =>
            {
                await coroutine();
                return null;
            },
            cancellationToken);
    }

    /// <inheritdoc cref="InvokeAsync(Func{Task}, CancellationToken)"/>
    /// <typeparam name="T">The type of the result.</typeparam>
    public Task<T> InvokeAsync<T>(Func<Task<T>> coroutine, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        var call = new ForeignCall<T>(this, coroutine, cancellationToken);
        PostOrThrow(static call => ((ForeignCall<T>)call!).Begin(), call);
        return call.Task;
    }

    /// <summary>
    /// Waits for so long, or a little longer; with zero, until the next iteration. A wait of the current scope. Awaited once.
    /// </summary>
    /// <param name="delay">How long.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The loop does not run on this thread.</exception>
    public ValueTask Delay(TimeSpan delay, CancellationToken cancellationToken = default)
    {
        if (delay < TimeSpan.Zero)
        {
            throw new ArgumentOutOfRangeException(
                nameof(delay), delay, "Nothing ends before now. Use zero for the next iteration.");
        }

        VerifyCurrent();
        if (Waiter.Refuse(this, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        DelayWaiter waiter = _freeDelay ?? new DelayWaiter(this);
        _freeDelay = null;
        waiter.Begin(delay);
        waiter.Watch(cancellationToken);
        return waiter.ToValueTask();
    }

    /// <summary>
    /// Lets the others run: resumes in the next iteration, behind what is ready by then. A wait of the current scope: in one that
    /// is cancelled it throws.
    /// </summary>
    /// <exception cref="InvalidOperationException">The loop does not run on this thread.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope was cancelled.</exception>
    public ValueTask Yield() => Delay(TimeSpan.Zero);

    internal long AddTask(TaskScope scope)
    {
        scope.PreviousTask = _lastTask;
        if (_lastTask is null)
        {
            _firstTask = scope;
        }
        else
        {
            _lastTask.NextTask = scope;
        }

        _lastTask = scope;
        TaskCount++;
        return ++_tasksCreated;
    }

    internal void RemoveTask(TaskScope scope)
    {
        if (scope.PreviousTask is null)
        {
            _firstTask = scope.NextTask;
        }
        else
        {
            scope.PreviousTask.NextTask = scope.NextTask;
        }

        if (scope.NextTask is null)
        {
            _lastTask = scope.PreviousTask;
        }
        else
        {
            scope.NextTask.PreviousTask = scope.PreviousTask;
        }

        scope.NextTask = null;
        scope.PreviousTask = null;
        TaskCount--;
    }

    /// <summary>Nobody may have asked for the task yet who does so in this iteration.</summary>
    internal void OnTaskFailed(ILoopTask task) => (_failedTasks ??= []).Add(task);

    /// <summary>A wait for time to pass has been over, and its object may serve again.</summary>
    internal void Free(DelayWaiter waiter) => _freeDelay = waiter;

    /// <summary>Schedules what the caller knows to be the loop's, on the loop's thread.</summary>
    internal void Enqueue(Action<object?> callback, object? state) => _ready.Enqueue(callback, state);

    /// <inheritdoc cref="Enqueue(Action{object?}, object?)"/>
    internal void Enqueue(ReadyHandle handle) => _ready.Enqueue(_runHandle, handle);

    /// <summary>
    /// As <see cref="VerifyAccess"/>; and no other loop runs here: what one loop does to the future of another is a mistake, even
    /// where they share a thread.
    /// </summary>
    internal void VerifyOwnership()
    {
        if (s_current != this)
        {
            if (s_current is not null)
            {
                ThrowForeign();
            }

            VerifyAccessOfStoppedLoop();
        }
    }

    /// <summary>Throws unless the loop runs on this thread.</summary>
    internal void VerifyCurrent()
    {
        if (s_current != this)
        {
            ThrowForeign();
        }
    }

    internal static void Begin(ILoopTask task, bool eager)
    {
        if (eager && task.Loop.IsCurrent)
        {
            task.Scope.BeginNow();
        }
        else
        {
            task.Scope.Post();
        }
    }

    private void ThrowForeign()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        throw new InvalidOperationException(
            s_current is null
                ? "The loop does not run on this thread. Use CallSoonThreadSafe to reach it, or InvokeAsync to await what it "
                    + "does."
                : "This belongs to another loop than the one that runs here. Use its CallSoonThreadSafe, or its InvokeAsync to "
                    + "await what it does.");
    }

    private bool HasFailedTasks => _failedTasks is { Count: > 0 };

    private void ReportFailedTasks()
    {
        foreach (ILoopTask task in _failedTasks!.ToArray())
        {
            var future = task.AsFuture();
            if (!future.IsObserved)
            {
                ReportError(new TaskError($"{task.Name} failed, and nobody awaits it.", future.Failure!, task));
                RestoreContexts();
            }
        }

        _failedTasks.Clear();
    }
}
