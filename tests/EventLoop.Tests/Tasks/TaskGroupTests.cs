namespace Toolkit.Tests.Tasks;

/// <summary>Tasks that end together.</summary>
public sealed class TaskGroupTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Run_WaitsForAllTasks() => Scenario.Run(async loop =>
    {
        int done = 0;
        int result = await TaskGroup.RunAsync(async group =>
        {
            LoopTask<int> valued = group.Start(async () =>
            {
                await loop.Delay(s_second);
                return 4;
            });
            _ = group.Start(async () =>
            {
                await loop.Delay(s_second * 2);
                _ = group.Start(async () =>
                {
                    await loop.Delay(s_second);
                    done++;
                });
                done++;
            });
            return await valued;
        });
        Assert.Equal((4, 2), (result, done));
    });

    [Fact]
    public void Failure_TheFirst_CancelsTheOthersAndTheBody() => Scenario.Run(async loop =>
    {
        var ends = new List<string>();
        AggregateException all = await Assert.ThrowsAsync<AggregateException>(() => TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(async () =>
            {
                await loop.Delay(s_second);
                throw new FormatException("first");
            });
            _ = group.Start(async () =>
            {
                try
                {
                    await new Future(loop);
                }
                catch (OperationCanceledException exception)
                {
                    ends.Add("other");
                    throw new InvalidDataException("second", exception);
                }
            });
            try
            {
                await new Future(loop);
            }
            finally
            {
                ends.Add("body");
            }
        }));
        Assert.Equal(["first", "second"], all.InnerExceptions.Select(e => e.Message));
        Assert.Equal(["body", "other"], ends.Order());
    });

    [Fact]
    public void Failure_OfOneTaskThatTheBodyAwaits_IsThereOnce() => Scenario.Run(async loop =>
    {
        AggregateException all = await Assert.ThrowsAsync<AggregateException>(() => TaskGroup.RunAsync(async group =>
        {
            await group.Start(() => throw new FormatException());
        }));
        Assert.IsType<FormatException>(Assert.Single(all.InnerExceptions));
    });

    [Fact]
    public void Failure_OfTheBody_CancelsTheTasks() => Scenario.Run(async loop =>
    {
        LoopTask? task = null;
        AggregateException all = await Assert.ThrowsAsync<AggregateException>(() => TaskGroup.RunAsync(group =>
        {
            task = group.Start(async () => await new Future(loop));
            throw new FormatException();
        }));
        Assert.IsType<FormatException>(Assert.Single(all.InnerExceptions));
        Assert.Equal(FutureState.Cancelled, task!.State);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OutsideCancellation_WinsOnlyWithoutErrors(bool fails) => Scenario.Run(async loop =>
    {
        async Task InnerAsync(CancelScope outer) => await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(async () =>
            {
                try
                {
                    await new Future(loop);
                }
                catch (OperationCanceledException exception) when (fails)
                {
                    throw new FormatException("mine", exception);
                }
            });
            loop.CallSoon(() => outer.Cancel());
            await new Future(loop);
        });

        if (fails)
        {
            await Assert.ThrowsAsync<AggregateException>(() => CancelScope.RunAsync(InnerAsync));
        }
        else
        {
            Assert.False(await CancelScope.RunAsync(InnerAsync));
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OutsideCancellation_BodyHasEnded_IsThrownWhenItEndedATask(bool ignored) => Scenario.Run(async loop =>
    {
        bool completed = await CancelScope.MoveOnAfterAsync(s_second, scope => TaskGroup.RunAsync(group =>
        {
            _ = group.Start(async () =>
            {
                try
                {
                    await loop.Delay(s_second * 2);
                }
                catch (OperationCanceledException) when (ignored)
                {
                }
            });
            return Task.CompletedTask;
        }));
        Assert.Equal(ignored, completed);
    });

    [Fact]
    public void FailureAndOutsideCancellation_InOneTick_ThrowTheFailure() => Scenario.Run(async loop =>
    {
        AggregateException all = await Assert.ThrowsAsync<AggregateException>(() => CancelScope.RunAsync(
            outer => TaskGroup.RunAsync(async group =>
            {
                _ = group.Start(async () =>
                {
                    await loop.Yield();
                    outer.Cancel();
                    throw new FormatException();
                });
                await new Future(loop);
            })));
        Assert.IsType<FormatException>(Assert.Single(all.InnerExceptions));
    });

    [Fact]
    public void Cancel_EndsTheGroupWithoutException() => Scenario.Run(async loop =>
    {
        LoopTask? task = null;
        await TaskGroup.RunAsync(async group =>
        {
            task = group.Start(async () => await new Future(loop));
            loop.CallSoon(() => group.Cancel());
            await new Future(loop);
        });
        Assert.Equal(FutureState.Cancelled, task!.State);

        // The outside is not ended with it, and its own cancellation is not lost.
        Assert.False(await CancelScope.RunAsync(async outer =>
        {
            await TaskGroup.RunAsync(async group =>
            {
                group.Cancel();
                outer.Cancel();
                await loop.Yield();
            });
            Assert.Fail("It went on.");
        }));
    });

    [Fact]
    public void Task_CancelledAlone_LeavesTheOthers() => Scenario.Run(async loop =>
    {
        bool done = false;
        await TaskGroup.RunAsync(async group =>
        {
            LoopTask one = group.Start(async () => await new Future(loop));
            _ = group.Start(async () =>
            {
                await loop.Delay(s_second);
                done = true;
            });
            await loop.Yield();
            one.Cancel();
        });
        Assert.True(done);
    });

    [Fact]
    public void Start_WhenTheGroupIsOver_IsRefused() => Scenario.Run(async loop =>
    {
        TaskGroup? kept = null;
        await TaskGroup.RunAsync(group =>
        {
            kept = group;
            return Task.CompletedTask;
        });
        Assert.Throws<InvalidOperationException>(() => kept!.Start(() => Task.CompletedTask));
        await Assert.ThrowsAsync<InvalidOperationException>(() => kept!.StartAsync(_ => Task.CompletedTask));
    });

    [Fact]
    public void StartAsync_ReturnsWhenTheTaskIsReady() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        bool ended = false;
        await TaskGroup.RunAsync(async group =>
        {
            int port = await group.StartAsync<int>(async ready =>
            {
                await loop.Delay(s_second);
                ready(80);
                Assert.Throws<InvalidOperationException>(() => ready(81));
                await loop.Delay(s_second);
                ended = true;
            });
            Assert.Equal((80, false), (port, ended));
            Assert.Equal(s_second, loop.Time - start);
        });
        Assert.True(ended);
    });

    [Fact]
    public void StartAsync_FailureBeforeReady_IsTheCallers() => Scenario.Run(async loop =>
    {
        bool other = false;
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(async () =>
            {
                await loop.Delay(s_second);
                other = true;
            });
            await Assert.ThrowsAsync<FormatException>(() => group.StartAsync(_ => throw new FormatException()));
            await Assert.ThrowsAsync<InvalidOperationException>(() => group.StartAsync(_ => Task.CompletedTask));
        });
        Assert.True(other);

        await Assert.ThrowsAsync<AggregateException>(() => TaskGroup.RunAsync(async group =>
        {
            await group.StartAsync(async ready =>
            {
                ready();
                await loop.Yield();
                throw new FormatException();
            });
            await new Future(loop);
        }));
    });

    [Fact]
    public void StartAsync_WaitIsCancelled_EndsTheTask() => Scenario.Run(async loop =>
    {
        await TaskGroup.RunAsync(async group =>
        {
            bool tidied = false;
            Assert.False(await CancelScope.MoveOnAfterAsync(s_second, _ => group.StartAsync(async ready =>
            {
                try
                {
                    await new Future(loop);
                }
                finally
                {
                    tidied = true;
                }
            })));
            Assert.True(tidied);
            Assert.Equal(0, group.Count);
        });
    });
}
