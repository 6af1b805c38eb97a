namespace Toolkit.Tests.Tasks;

/// <summary>Waiting for several, and for no longer than so long.</summary>
public sealed class FutureWaitingTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void WhenAll_ReturnsInOrder_AndThrowsAllFailuresWhenAllHaveEnded() => Scenario.Run(async loop =>
    {
        int[] both = await Future.WhenAll(After(2), After(1));
        Assert.Equal([2, 1], both);
        await Future.WhenAll();

        LoopTask<int> slow = After(5);
        AggregateException all = await Assert.ThrowsAsync<AggregateException>(
            () => Future.WhenAll(Failing("b", 2), slow, Failing("a", 1)));
        Assert.Equal(["b", "a"], all.InnerExceptions.Select(e => e.Message));
        Assert.True(slow.IsCompleted);

        LoopTask<int> endless = loop.CreateTask(async () => await new Future<int>(loop));
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, _ => Future.WhenAll(endless)));
        endless.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Future.WhenAll(endless));

        LoopTask<int> After(int seconds) => loop.CreateTask(async () =>
        {
            await loop.Delay(s_second * seconds);
            return seconds;
        });

        LoopTask<int> Failing(string message, int seconds) => loop.CreateTask(async () =>
        {
            await loop.Delay(s_second * seconds);
            return message.Length > 0 ? throw new FormatException(message) : 0;
        });
    });

    [Fact]
    public void WhenEach_ReturnsInTheOrderOfTheirEnds() => Scenario.Run(async loop =>
    {
        var done = new Future<int>();
        done.SetResult(0);
        Future<int>[] all = [After(3), done, After(1), After(2)];
        var ended = new List<int>();
        await foreach (Future<int> future in Future.WhenEach(all))
        {
            ended.Add(await future);
        }

        Assert.Equal([0, 1, 2, 3], ended);

        Future<int> endless = new();
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, async _ =>
        {
            await foreach (Future<int> future in Future.WhenEach([endless]))
            {
                Assert.Fail("It has not ended.");
            }
        }));

        Future<int> After(int seconds) => loop.CreateTask(async () =>
        {
            await loop.Delay(s_second * seconds);
            return seconds;
        });
    });

    [Fact]
    public void WithTimeout_CancelsTheTaskAndWaitsForItsEnd() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        LoopTask<int> slow = loop.CreateTask(async () =>
        {
            try
            {
                await loop.Delay(s_second * 9);
            }
            finally
            {
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
            }

            return 1;
        });
        await Assert.ThrowsAsync<TimeoutException>(() => slow.WithTimeoutAsync(s_second));
        Assert.Equal(s_second * 2, loop.Time - start);
        Assert.True(slow.IsCompleted);

        LoopTask<int> stubborn = loop.CreateTask(async () =>
        {
            try
            {
                await loop.Delay(s_second * 9);
            }
            catch (OperationCanceledException)
            {
            }

            return 5;
        });
        Assert.Equal(5, await stubborn.WithTimeoutAsync(s_second));
        Assert.Equal(5, await stubborn.WithTimeoutAsync(TimeSpan.Zero));

        LoopTask endless = loop.CreateTask(async () => await new Future(loop));
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, _ => endless.WithTimeoutAsync(s_second * 5)));
        Assert.Equal(FutureState.Cancelled, endless.State);
    });

    [Fact]
    public void StaggeredRace_TheFirstSuccessWins() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        var ends = new List<string>();
        string winner = await LoopTask.StaggeredRaceAsync<string>(
            [
                async () =>
                {
                    try
                    {
                        await loop.Delay(s_second * 9);
                        return "slow";
                    }
                    finally
                    {
                        ends.Add("slow");
                    }
                },
                () => throw new FormatException(),
                async () =>
                {
                    await loop.Delay(s_second * 2);
                    return "third";
                },
                () => throw new InvalidOperationException("It is not tried."),
            ],
            s_second * 3);
        Assert.Equal(("third", s_second * 5), (winner, loop.Time - start));
        Assert.Equal(["slow"], ends);

        AggregateException all = await Assert.ThrowsAsync<AggregateException>(() => LoopTask.StaggeredRaceAsync<int>(
            [() => throw new FormatException(), () => throw new InvalidDataException()], s_second));
        Assert.Equal(2, all.InnerExceptions.Count);
        await Assert.ThrowsAsync<ArgumentException>(() => LoopTask.StaggeredRaceAsync<int>([], s_second));
        Assert.False(await CancelScope.MoveOnAfterAsync(
            s_second, _ => LoopTask.StaggeredRaceAsync([async () => await new Future<int>()], s_second * 3)));
    });

    [Fact]
    public void Delay_NegativeIsRefused_ZeroIsTheNextIteration() => Scenario.Run(async loop =>
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await loop.Delay(TimeSpan.FromTicks(-1)));
        bool ran = false;
        loop.CallSoon(() => ran = true);
        await loop.Yield();
        Assert.True(ran);
        TimeSpan start = loop.Time;
        await loop.Delay(s_second);
        Assert.Equal(s_second, loop.Time - start);
        using var source = new CancellationTokenSource();
        loop.CallLater(s_second, source.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await loop.Delay(s_second * 5, source.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await loop.Yield().AsTask().InScope(source.Token));
    });

    [Fact]
    public void Delay_OneAfterAnother_AllocatesNothing() => Scenario.Run(async loop =>
    {
        await loop.Delay(s_second);
        await loop.Yield();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            await loop.Yield();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    });
}
