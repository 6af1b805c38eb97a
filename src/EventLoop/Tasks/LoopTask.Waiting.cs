namespace Toolkit;

/// <content>Waiting for no longer than so long, and for the first of several.</content>
public sealed partial class LoopTask
{
    /// <summary>
    /// Waits for the task for so long. When the time is over, or the wait is cancelled, the task is cancelled, and its end
    /// waited for: what it then returns or throws counts. Loop thread only.
    /// </summary>
    /// <param name="time">How long; with zero, a task that has ended is taken as it is.</param>
    /// <exception cref="TimeoutException">The time was over, and that has ended the task.</exception>
    /// <exception cref="OperationCanceledException">The task, or the wait, was cancelled.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    public async Task WithTimeoutAsync(TimeSpan time)
    {
        await WaitOrCancelAsync(this, time);
        GetResult();
    }

    /// <summary>
    /// Runs attempts at the same thing: the next begins when the one before has failed, or has taken too long. The first that
    /// succeeds wins; the others are cancelled, and their end is waited for. Loop thread only.
    /// </summary>
    /// <param name="attempts">What to try, in this order.</param>
    /// <param name="delay">After how long the next attempt joins in.</param>
    /// <returns>
    /// The result of the winner. One that comes too late is disposed of, if it can be.
    /// </returns>
    /// <exception cref="AggregateException">All have failed, in the order in which they did.</exception>
    /// <exception cref="ArgumentException">There are no attempts.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    /// <exception cref="OperationCanceledException">A scope was cancelled.</exception>
    public static async Task<T> StaggeredRaceAsync<T>(IEnumerable<Func<Task<T>>> attempts, TimeSpan delay)
    {
        ArgumentNullException.ThrowIfNull(attempts);
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        var race = new Race<T>([.. attempts], delay);
        return await race.RunAsync();
    }

    internal static async Task WaitOrCancelAsync(Future task, TimeSpan time)
    {
        if (task.IsCompleted)
        {
            return;
        }

        bool isOver = false;
        try
        {
            isOver = !await CancelScope.MoveOnAfterAsync(time, async _ => await task.WaitForEndAsync(CancellationToken.None));
        }
        finally
        {
            if (task.Cancel($"it took longer than {time}"))
            {
                await CancelScope.RunAsync(async _ => await task.WaitForEndAsync(CancellationToken.None), shield: true);
            }
        }

        if (isOver && task.State == FutureState.Cancelled)
        {
            throw new TimeoutException($"It took longer than {time}, and was cancelled.", task.Failure);
        }
    }

    /// <summary>Attempts of which one is to succeed.</summary>
    private sealed class Race<T>(Func<Task<T>>[] attempts, TimeSpan delay)
    {
        private readonly List<Exception> _failures = [];
        private T? _result;
        private bool _isWon;

        public async Task<T> RunAsync()
        {
            if (attempts.Length == 0)
            {
                throw new ArgumentException("A race is between at least one.", nameof(attempts));
            }

            await TaskGroup.RunAsync(async group =>
            {
                foreach (Func<Task<T>> attempt in attempts)
                {
                    var failed = new Future();
                    _ = group.Start(() => TryAsync(attempt, group, failed));
                    await CancelScope.MoveOnAfterAsync(delay, async _ => await failed);
                }
            });
            return _isWon ? _result! : throw new AggregateException(_failures);
        }

        private async Task TryAsync(Func<Task<T>> attempt, TaskGroup group, Future failed)
        {
            T result;
            try
            {
                result = await attempt();
            }
            catch (Exception exception) when (exception is not ScopeCancelledException)
            {
                _failures.Add(exception);
                failed.SetResult();
                return;
            }

            if (!_isWon)
            {
                _result = result;
                _isWon = true;
                group.Cancel("another has won");
            }
            else if (result is IAsyncDisposable later)
            {
                await later.DisposeAsync();
            }
            else
            {
                (result as IDisposable)?.Dispose();
            }
        }
    }
}
