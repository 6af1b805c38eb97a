namespace Toolkit.Tests;

/// <summary>
/// Cancels at every moment: a scenario is run again and again, and somebody in it is cancelled after the k-th turn of the loop,
/// for all k until that is too late.
/// </summary>
public static class EveryTurn
{
    /// <summary>Runs what is to be cancelled, until it ends or is cancelled; neither is thrown.</summary>
    public delegate Task Cancelling(EventLoop loop, Func<CancellationToken, Task> victim);

    /// <summary>Sweeps over all turns.</summary>
    /// <param name="byToken">Whether the victim's token is cancelled, or the scope in which it runs.</param>
    /// <param name="run">Runs the scenario once, from its beginning, and hands it what runs the victim.</param>
    /// <param name="most">After how many turns it is over, if nothing in the scenario ends it.</param>
    public static void Cancel(bool byToken, Action<Cancelling> run, int? most = null)
    {
        bool wasCancelled = false;
        bool isInTime = true;
        int turns = -1;
        while (isInTime && (most is null || turns < most))
        {
            isInTime = false;
            turns++;
            Assert.True(turns < 300, "The scenario does not end.");
            run(RunAsync);
        }

        Assert.True(turns > 2 && wasCancelled, "Nobody was ever cancelled.");

        async Task RunAsync(EventLoop loop, Func<CancellationToken, Task> victim)
        {
            using var source = new CancellationTokenSource();
            bool isOver = false;
            try
            {
                bool completed = await CancelScope.RunAsync(async scope =>
                {
                    _ = CancelLaterAsync(scope);
                    await victim(byToken ? source.Token : default);
                });
                wasCancelled |= !completed;
            }
            catch (OperationCanceledException) when (byToken && source.IsCancellationRequested)
            {
                wasCancelled = true;
            }
            finally
            {
                isOver = true;
            }

            async Task CancelLaterAsync(CancelScope scope)
            {
                for (int i = 0; i < turns; i++)
                {
                    // Not a wait of the scope, which is going to be cancelled.
                    var next = new TaskCompletionSource();
                    loop.CallSoon(next.SetResult);
                    await next.Task;
                }

                if (isOver)
                {
                    return;
                }

                isInTime = true;
                if (byToken)
                {
                    source.Cancel();
                }
                else
                {
                    scope.Cancel();
                }
            }
        }
    }
}
