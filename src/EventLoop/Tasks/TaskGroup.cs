using System.Runtime.ExceptionServices;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// Tasks that end together. The call that makes a group returns when its body and all of its tasks have ended, so that nothing is
/// left running behind it, and no failure is lost.
/// </summary>
/// <remarks>
/// <para>
/// The first failure, of a task or of the body, cancels the others and the body, and all failures are thrown together when
/// all have ended: always as an <see cref="AggregateException"/>, a single one too, so that there is one way to catch them.
/// Failures of a group inside a group stay in an exception of their own; <see cref="AggregateException.Flatten"/> unites them.
/// </para>
/// <para>
/// A task that was cancelled, alone or by an <see cref="OperationCanceledException"/> that it has thrown, is no failure. A
/// cancellation from outside the group is thrown when nothing has failed.
/// </para>
/// <para>All members belong to the loop's thread.</para>
/// </remarks>
public sealed class TaskGroup : ITaskOwner
{
    private readonly EventLoop _loop;
    private readonly List<Exception> _failures = [];
    private int _running;
    private bool _wasCancelled;
    private bool _isOver;
    private TaskCompletionSource? _ended;

    private TaskGroup(EventLoop loop)
    {
        _loop = loop;
        Scope = new GroupScope(this);
    }

    /// <summary>The scope around the body and the tasks: for a deadline, or a shield.</summary>
    public CancelScope Scope { get; }

    /// <summary>How many of the group's tasks have not ended.</summary>
    public int Count => _running;

    /// <summary>Whether the body has ended, and the tasks are waited for.</summary>
    internal bool HasBodyEnded => _ended is not null;

    /// <summary>Runs the body, and waits for the tasks that were started in the group meanwhile.</summary>
    /// <param name="body">What to run. It is handed the group.</param>
    /// <exception cref="AggregateException">Tasks, or the body, have failed.</exception>
    /// <exception cref="OperationCanceledException">The body was cancelled, and not by <see cref="Cancel"/>.</exception>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static Task RunAsync(Func<TaskGroup, Task> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return new TaskGroup(EventLoop.Current).RunBodyAsync(body);
    }

    /// <inheritdoc cref="RunAsync(Func{TaskGroup, Task})"/>
    /// <typeparam name="T">The type of the result.</typeparam>
    /// <returns>The result of the body.</returns>
    /// <exception cref="OperationCanceledException">The body was cancelled, by <see cref="Cancel"/> too.</exception>
    public static async Task<T> RunAsync<T>(Func<TaskGroup, Task<T>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        T? result = default;
        bool hasResult = false;
        var group = new TaskGroup(EventLoop.Current);
        await group.RunBodyAsync(async group =>
        {
            result = await body(group);
            hasResult = true;
        });
        return hasResult ? result! : throw group.Scope.NewException();
    }

    /// <summary>
    /// Starts a task in the group; it begins in the next iteration. From the body, from a task of the group, or from a callback.
    /// In a group that is being cancelled it begins, and runs to its first wait.
    /// </summary>
    /// <param name="coroutine">An asynchronous method.</param>
    /// <param name="name">A name for messages.</param>
    /// <exception cref="InvalidOperationException">The group is over, or this is not the loop's thread.</exception>
    public LoopTask Start(Func<Task> coroutine, string? name = null) => Start(coroutine, name, this);

    /// <inheritdoc cref="Start(Func{Task}, string?)"/>
    /// <typeparam name="T">The type of the result.</typeparam>
    public LoopTask<T> Start<T>(Func<Task<T>> coroutine, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        VerifyNotOver();
        var task = new LoopTask<T>(_loop, coroutine, name, Scope, this);
        _running++;
        EventLoop.Begin(task, eager: false);
        return task;
    }

    /// <summary>
    /// Starts a task in the group and waits until it says that it is ready: that its port is open, for example. Until then its
    /// failure is the caller's, and thrown here; from then on it is the group's. A cancelled wait ends the task.
    /// </summary>
    /// <param name="coroutine">An asynchronous method, which is handed what it is to call, once, when it is ready.</param>
    /// <param name="name">A name for messages.</param>
    /// <exception cref="InvalidOperationException">
    /// The group is over; or the task has ended without having been ready; or this is not the loop's thread.
    /// </exception>
    public Task StartAsync(Func<Action, Task> coroutine, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        return StartAsync<bool>(ready => coroutine(() => ready(true)), name);
    }

    /// <inheritdoc cref="StartAsync(Func{Action, Task}, string?)"/>
    /// <typeparam name="T">The type of what the task hands over when it is ready.</typeparam>
    /// <returns>What the task said when it was ready.</returns>
    public async Task<T> StartAsync<T>(Func<Action<T>, Task> coroutine, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        var startup = new Startup<T>(this);
        LoopTask task = Start(() => coroutine(startup.SetReady), name, startup);
        try
        {
            return await startup.Ready;
        }
        catch (OperationCanceledException) when (!startup.Ready.IsCompleted)
        {
            task.Cancel("nobody waits for it to be ready any more");
            await CancelScope.RunAsync(async _ => await task.WaitForEndAsync(CancellationToken.None), shield: true);
            if (task.State == FutureState.Failed)
            {
                ExceptionDispatchInfo.Throw(task.Failure!);
            }

            throw;
        }
    }

    /// <summary>
    /// Cancels the tasks and the body: the group ends early, and the call that made it returns without an exception.
    /// </summary>
    /// <param name="reason">Why, for the message of the exception inside.</param>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public void Cancel(string? reason = null) => Scope.Cancel(reason);

    void ITaskOwner.OnTaskEnded(ILoopTask task)
    {
        if (task.State == FutureState.Failed)
        {
            Fail(task.AsFuture().Failure!, task.Name);
        }

        OnEnded(task);
    }

    /// <inheritdoc cref="Backends.LoopHost.StartSupervised"/>
    internal LoopTask StartSupervised(Func<Task> coroutine, string? name, Action<LoopTask, object> ended, object state)
        => Start(coroutine, name, new Supervision(this, ended, state));

    private LoopTask Start(Func<Task> coroutine, string? name, ITaskOwner owner)
    {
        ArgumentNullException.ThrowIfNull(coroutine);
        VerifyNotOver();
        var task = new LoopTask(_loop, coroutine, name, Scope, owner);
        _running++;
        EventLoop.Begin(task, eager: false);
        return task;
    }

    private async Task RunBodyAsync(Func<TaskGroup, Task> body)
    {
        OperationCanceledException? cancellation = null;
        Scope.Enter();
        try
        {
            await body(this);
        }
        catch (OperationCanceledException exception)
        {
            cancellation = exception;
            Scope.Cancel("the body of the group was cancelled");
        }
        catch (Exception exception)
        {
            Fail(exception, "the body of the group");
        }

        while (_running > 0)
        {
            // No wait of a scope: the tasks have heard of its cancellation themselves.
            _ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await _ended.Task;
        }

        _isOver = true;
        Scope.Detach();
        if (_failures.Count > 0)
        {
            throw new AggregateException("What ran in a task group has failed.", _failures);
        }

        if (cancellation is not null && !Scope.Absorbs(cancellation))
        {
            ExceptionDispatchInfo.Throw(Scope.Generalize(cancellation));
        }

        if (_wasCancelled && Scope.IsCancelledFromOutside)
        {
            throw Scope.NewException();
        }
    }

    private void Fail(Exception failure, string whose)
    {
        // A body that awaits a task throws what the task has thrown.
        if (!_failures.Contains(failure))
        {
            _failures.Add(failure);
        }

        Scope.Cancel($"{whose} has failed");
    }

    private void OnEnded(ILoopTask task)
    {
        _wasCancelled |= task.State == FutureState.Cancelled;
        if (--_running == 0)
        {
            _ended?.TrySetResult();
        }
    }

    private void VerifyNotOver()
    {
        _loop.VerifyOwnership();
        if (_isOver)
        {
            throw new InvalidOperationException(
                "The group is over, and would not wait for another task. Start it before the body and all tasks have ended.");
        }
    }

    /// <summary>The scope around a group.</summary>
    internal sealed class GroupScope(TaskGroup group) : CancelScope(group._loop, deadline: null, shield: false)
    {
        public TaskGroup Group => group;
    }

    /// <summary>Somebody else answers for a task.</summary>
    private sealed class Supervision(TaskGroup group, Action<LoopTask, object> ended, object state) : ITaskOwner
    {
        public void OnTaskEnded(ILoopTask task)
        {
            ended((LoopTask)task, state);
            group.OnEnded(task);
        }
    }

    /// <summary>Who answers for a task until it is ready.</summary>
    private sealed class Startup<T>(TaskGroup group) : ITaskOwner
    {
        public Future<T> Ready { get; } = new(group._loop);

        public void SetReady(T value)
        {
            if (!Ready.TrySetResult(value))
            {
                throw new InvalidOperationException("The task has said before that it is ready.");
            }
        }

        public void OnTaskEnded(ILoopTask task)
        {
            if (Ready.State == FutureState.Succeeded)
            {
                ((ITaskOwner)group).OnTaskEnded(task);
                return;
            }

            Ready.TrySetException(task.AsFuture().Failure ?? new InvalidOperationException(
                $"{task.Name} has ended without having said that it is ready."));
            group.OnEnded(task);
        }
    }
}
