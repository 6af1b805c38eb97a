using System.Diagnostics;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// A coroutine, which is any asynchronous method, that runs on a loop beside others, and the future of its end. Made by
/// <see cref="EventLoop.CreateTask(Func{Task}, string?, bool)"/> and by a <see cref="TaskGroup"/>.
/// </summary>
/// <remarks>
/// The loop holds it until it has ended. An exception that leaves the coroutine while nobody awaits the task is reported to the
/// loop's <see cref="EventLoop.ExceptionHandler"/> at the end of the iteration, as a <see cref="TaskError"/>; who awaits it later
/// gets it all the same. The failure of a group's task is the group's. A coroutine that ends by an
/// <see cref="OperationCanceledException"/> was cancelled, and that is never reported.
/// </remarks>
[DebuggerDisplay("{Name,nq}: {State}")]
public sealed partial class LoopTask : Future, ILoopTask
{
    private readonly TaskScope _scope;

    internal LoopTask(EventLoop loop, Func<Task> coroutine, string? name, CancelScope outer, ITaskOwner? owner)
        : base(loop) => _scope = new TaskScope(this, coroutine, name, outer, owner);

    /// <summary>
    /// The task whose code is running; null in callbacks, which belong to none, and off the loop's thread.
    /// </summary>
    public static ILoopTask? Current => EventLoop.TryGetCurrent(out EventLoop? loop) ? CancelScope.TaskOf(loop) : null;

    /// <inheritdoc/>
    public string Name => _scope.Name;

    /// <inheritdoc/>
    public string? CreationPlace => _scope.CreationPlace;

    TaskScope ILoopTask.Scope => _scope;

    /// <summary>
    /// Cancels the scope around all that the task does: its wait ends, and every later one throws, until its coroutine has ended.
    /// A coroutine that has not begun does begin, and runs to its first wait, so that what it was handed is not lost.
    /// </summary>
    /// <param name="reason">Why, for the message of the exception.</param>
    /// <returns>False, and no effect, when the task has ended already.</returns>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public override bool Cancel(string? reason = null) => _scope.CancelTask(reason);

    /// <inheritdoc/>
    public Future AsFuture() => this;

    void ILoopTask.OnCoroutineEnded(Task coroutine)
    {
        if (coroutine.IsCompletedSuccessfully)
        {
            TryEnd(FutureState.Succeeded, null);
        }
        else
        {
            Exception failure = TaskScope.FailureOf(coroutine);
            TryEnd(failure is OperationCanceledException ? FutureState.Cancelled : FutureState.Failed, failure);
        }
    }

    private protected override void RequireSettable() => throw TaskScope.NewOwnershipError();
}

/// <summary>A <see cref="LoopTask"/> whose coroutine has a result.</summary>
/// <typeparam name="T">The type of the result.</typeparam>
[DebuggerDisplay("{Name,nq}: {State}")]
public sealed class LoopTask<T> : Future<T>, ILoopTask
{
    private readonly TaskScope _scope;

    internal LoopTask(EventLoop loop, Func<Task<T>> coroutine, string? name, CancelScope outer, ITaskOwner? owner)
        : base(loop) => _scope = new TaskScope(this, coroutine, name, outer, owner);

    /// <inheritdoc/>
    public string Name => _scope.Name;

    /// <inheritdoc/>
    public string? CreationPlace => _scope.CreationPlace;

    TaskScope ILoopTask.Scope => _scope;

    /// <inheritdoc cref="LoopTask.Cancel(string?)"/>
    public override bool Cancel(string? reason = null) => _scope.CancelTask(reason);

    /// <inheritdoc cref="LoopTask.WithTimeoutAsync(TimeSpan)"/>
    /// <returns>The result of the task.</returns>
    public async Task<T> WithTimeoutAsync(TimeSpan time)
    {
        await LoopTask.WaitOrCancelAsync(this, time);
        return GetResult();
    }

    /// <inheritdoc/>
    public Future AsFuture() => this;

    void ILoopTask.OnCoroutineEnded(Task coroutine)
    {
        if (coroutine.IsCompletedSuccessfully)
        {
            TrySucceed(((Task<T>)coroutine).Result);
        }
        else
        {
            Exception failure = TaskScope.FailureOf(coroutine);
            TryEnd(failure is OperationCanceledException ? FutureState.Cancelled : FutureState.Failed, failure);
        }
    }

    private protected override void RequireSettable() => throw TaskScope.NewOwnershipError();
}

/// <summary>A task has failed, and nobody awaits it.</summary>
/// <param name="Message">What was being done.</param>
/// <param name="Exception">What the coroutine threw.</param>
/// <param name="Task">The task.</param>
public sealed record TaskError(string Message, Exception Exception, ILoopTask Task) : LoopError(Message, Exception);
