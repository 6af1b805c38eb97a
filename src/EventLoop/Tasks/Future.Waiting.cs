using System.Runtime.CompilerServices;

namespace Toolkit;

/// <content>Waiting for several.</content>
public partial class Future
{
    /// <summary>
    /// Waits until all have ended, however, and then throws what has failed, all of it, or that one was cancelled. A cancelled
    /// wait leaves them as they are. Loop thread only.
    /// </summary>
    /// <exception cref="AggregateException">Some have failed; always together, a single one too.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled; or none has failed, and one was
    /// cancelled.</exception>
    public static async Task WhenAll(params IEnumerable<Future> futures)
    {
        ArgumentNullException.ThrowIfNull(futures);
        Future[] all = [.. futures];
        await WaitForAllAsync(all);
        ThrowFailures(all);
    }

    /// <inheritdoc cref="WhenAll(IEnumerable{Future})"/>
    /// <returns>The values, in the order of the futures.</returns>
    public static async Task<T[]> WhenAll<T>(params IEnumerable<Future<T>> futures)
    {
        ArgumentNullException.ThrowIfNull(futures);
        Future<T>[] all = [.. futures];
        await WaitForAllAsync(all);
        ThrowFailures(all);
        return [.. all.Select(future => future.Result)];
    }

    /// <summary>
    /// The futures in the order in which they end. A cancelled wait leaves them as they are. Loop thread only; each future once.
    /// </summary>
    /// <param name="futures">What to wait for.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public static async IAsyncEnumerable<TFuture> WhenEach<TFuture>(
        IEnumerable<TFuture> futures, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        where TFuture : Future
    {
        ArgumentNullException.ThrowIfNull(futures);
        var ended = new AsyncQueue<TFuture>();
        var callbacks = new List<CallbackHandle>();
        try
        {
            foreach (TFuture future in futures)
            {
                callbacks.Add(future.AddDoneCallback(_ => ended.TryPut(future)));
            }

            for (int left = callbacks.Count; left > 0; left--)
            {
                yield return await ended.GetAsync(cancellationToken);
            }
        }
        finally
        {
            foreach (CallbackHandle callback in callbacks)
            {
                callback.Cancel();
            }
        }
    }

    private static async Task WaitForAllAsync(Future[] all)
    {
        foreach (Future future in all)
        {
            future.IsObserved = true; // also one whose turn comes long after its failure
        }

        foreach (Future future in all)
        {
            await future.WaitForEndAsync(CancellationToken.None);
        }
    }

    private static void ThrowFailures(Future[] all)
    {
        Exception[] failures = [.. all.Where(future => future.State == FutureState.Failed).Select(future => future.Failure!)];
        if (failures.Length > 0)
        {
            throw new AggregateException(failures);
        }

        foreach (Future future in all)
        {
            future.GetResult();
        }
    }
}
