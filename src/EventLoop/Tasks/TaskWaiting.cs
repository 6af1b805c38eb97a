using Toolkit.Tasks;

namespace Toolkit;

/// <summary>Plain tasks as futures and waits of a loop.</summary>
public static class TaskWaiting
{
    extension(Task task)
    {
        /// <summary>The same result as a future of the loop, which ends by a post. Any thread.</summary>
        public Future OnLoop(EventLoop loop)
        {
            ArgumentNullException.ThrowIfNull(task);
            ArgumentNullException.ThrowIfNull(loop);
            var future = new Future(loop);
            CopyWhenCompleted(task, loop, future, static (task, target) =>
            {
                var future = (Future)target;
                _ = task.IsCompletedSuccessfully ? future.TrySetResult() : future.TrySetException(TaskScope.FailureOf(task));
            });
            return future;
        }

        /// <summary>
        /// Awaits the task as a wait of the current scope, whose cancellation ends the wait at once. The task itself goes
        /// on, unless it was given <see cref="CancelScope.CurrentToken"/>. Loop thread only.
        /// </summary>
        /// <param name="cancellationToken">Ends the wait as well.</param>
        /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        public ValueTask InScope(CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(task);
            return task.IsCompleted ? new ValueTask(task) : task.OnLoop(EventLoop.Current).WaitAsync(cancellationToken);
        }
    }

    extension<T>(Task<T> task)
    {
        /// <inheritdoc cref="OnLoop(Task, EventLoop)"/>
        public Future<T> OnLoop(EventLoop loop)
        {
            ArgumentNullException.ThrowIfNull(task);
            ArgumentNullException.ThrowIfNull(loop);
            var future = new Future<T>(loop);
            CopyWhenCompleted(task, loop, future, static (task, target) =>
            {
                var future = (Future<T>)target;
                _ = task.IsCompletedSuccessfully
                    ? future.TrySetResult(((Task<T>)task).Result)
                    : future.TrySetException(TaskScope.FailureOf(task));
            });
            return future;
        }

        /// <inheritdoc cref="InScope(Task, CancellationToken)"/>
        /// <returns>The result of the task.</returns>
        public ValueTask<T> InScope(CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(task);
            return task.IsCompleted ? new ValueTask<T>(task) : task.OnLoop(EventLoop.Current).WaitAsync(cancellationToken);
        }
    }

    // The loop's scheduler runs it by a post, from whatever thread, and holds it to the loop's thread.
    private static void CopyWhenCompleted(Task task, EventLoop loop, Future future, Action<Task, Future> copy)
        => _ = task.ContinueWith(
            (task, _) => copy(task, future),
            null,
            CancellationToken.None,
            TaskContinuationOptions.None,
            loop.TaskScheduler);
}
