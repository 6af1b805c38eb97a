namespace Toolkit.Tests.Tasks;

/// <summary>Coroutines as tasks of a loop.</summary>
public sealed class LoopTaskTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void CreateTask_BeginsInTheNextIteration_OrAtOnceWhenEager() => Scenario.Run(async loop =>
    {
        bool began = false;
        LoopTask<int> task = loop.CreateTask(async () =>
        {
            began = true;
            await loop.Yield();
            return 3;
        });
        Assert.False(began);
        Assert.Equal(3, await task);

        began = false;
        LoopTask eager = loop.CreateTask(
            async () =>
            {
                began = true;
                Assert.Equal("eager", LoopTask.Current!.Name);
                await loop.Yield();
                Assert.Equal("eager", LoopTask.Current!.Name);
            },
            "eager",
            eager: true);
        Assert.True(began);
        Assert.NotSame(eager, LoopTask.Current);
        await eager;
        LoopTask done = loop.CreateTask(() => Task.CompletedTask, eager: true);
        Assert.Equal(FutureState.Succeeded, done.State);
    });

    [Fact]
    public void Names_AndTheListOfTasks_AreInOrder() => Scenario.Run(async loop =>
    {
        LoopTask first = loop.CreateTask(async () => await loop.Yield());
        LoopTask second = loop.CreateTask(async () => await loop.Yield(), "mine");
        Assert.StartsWith("Task-", first.Name, StringComparison.Ordinal);
        Assert.Equal("mine", second.Name);
        Assert.Equal([first, second], loop.Tasks.Where(task => task != LoopTask.Current));
        await first;
        await second;
    });

    [Fact]
    public void Context_OfTheCreator_FlowsIn() => Scenario.Run(async loop =>
    {
        var local = new AsyncLocal<int> { Value = 7 };
        LoopTask<int> task = loop.CreateTask(async () =>
        {
            int seen = local.Value;
            local.Value = 9;
            await loop.Yield();
            Assert.Equal(9, local.Value);
            return seen;
        });
        local.Value = 8;
        Assert.Equal(7, await task);
        Assert.Equal(8, local.Value);
    });

    [Fact]
    public void Cancel_EndsItsWaits_AndTheCoroutineMayTidyUp() => Scenario.Run(async loop =>
    {
        bool tidied = false;
        LoopTask task = loop.CreateTask(async () =>
        {
            try
            {
                await new Future(loop);
            }
            finally
            {
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
                tidied = true;
            }
        });
        await loop.Yield();
        Assert.True(task.Cancel("not wanted"));
        Assert.False(task.IsCompleted);
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await task);
        Assert.Contains("not wanted", exception.Message, StringComparison.Ordinal);
        Assert.True(tidied);
        Assert.Equal(FutureState.Cancelled, task.State);
        Assert.False(task.Cancel());
    });

    [Fact]
    public void Cancel_BeforeItBegins_RunsToTheFirstWait() => Scenario.Run(async loop =>
    {
        bool owned = false;
        LoopTask task = loop.CreateTask(async () =>
        {
            owned = true;
            await loop.Yield();
            Assert.Fail("The wait went on.");
        });
        task.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await task);
        Assert.True(owned);
    });

    [Fact]
    public void Cancel_InTheLastStep_IsTooLate() => Scenario.Run(async loop =>
    {
        LoopTask<int>? task = null;
        task = loop.CreateTask(async () =>
        {
            await loop.Yield();
            task!.Cancel();
            return 5;
        });
        Assert.Equal(5, await task);
    });

    [Fact]
    public void AwaitingATask_InACancelledScope_LeavesTheTask() => Scenario.Run(async loop =>
    {
        LoopTask task = loop.CreateTask(async () => await loop.Delay(s_second * 2));
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, async _ => await task));
        Assert.False(task.IsCompleted);
        await task;
    });

    [Fact]
    public void Scopes_OfTheCreator_DoNotReachTheTask() => Scenario.Run(async loop =>
    {
        LoopTask? task = null;
        Assert.False(await CancelScope.RunAsync(async scope =>
        {
            task = loop.CreateTask(async () => await loop.Delay(s_second));
            scope.Cancel();
            await loop.Yield();
        }));
        await task!;
    });

    [Fact]
    public void Failure_NobodyAwaits_IsReportedOnceAtTheEndOfTheIteration()
    {
        var errors = new List<LoopError>();
        Scenario.Run(
            async loop =>
            {
                var mine = new FormatException("mine");
                LoopTask task = loop.CreateTask(() => throw mine, "careless");
                await Scenario.TurnsAsync(1);
                Assert.Equal(FutureState.Failed, task.State);
                Assert.Empty(errors);
                await Scenario.TurnsAsync(1);
                TaskError error = Assert.IsType<TaskError>(Assert.Single(errors));
                Assert.Same(mine, error.Exception);
                Assert.Same(task, error.Task);
                Assert.Contains("careless", error.Message, StringComparison.Ordinal);
                await Assert.ThrowsAsync<FormatException>(async () => await task);
            },
            errors);
        Assert.Single(errors);
    }

    [Fact]
    public void Failure_BeforeASleep_IsReportedBeforeIt()
    {
        var errors = new List<LoopError>();
        Scenario.Run(
            async loop =>
            {
                TimeSpan reported = default;
                loop.ExceptionHandler = error =>
                {
                    errors.Add(error);
                    reported = loop.Time;
                };
                TimeSpan start = loop.Time;
                _ = loop.CreateTask(() => throw new FormatException());
                await loop.Delay(s_second);
                Assert.Equal(start, reported);
            },
            errors);
        Assert.Single(errors);
    }

    [Fact]
    public void Failure_SomebodyAwaits_IsNotReported() => Scenario.Run(async loop =>
    {
        LoopTask awaited = loop.CreateTask(() => throw new FormatException());
        await Assert.ThrowsAsync<FormatException>(async () => await awaited);
        LoopTask watched = loop.CreateTask(() => throw new FormatException());
        watched.AddDoneCallback(_ => { });
        await Scenario.TurnsAsync(3);

        // Cancellation is no failure.
        LoopTask cancelled = loop.CreateTask(() => throw new OperationCanceledException());
        await Scenario.TurnsAsync(3);
        Assert.Equal(FutureState.Cancelled, cancelled.State);
    });

    [Fact]
    public void Task_ItsEnd_IsItsOwn() => Scenario.Run(async loop =>
    {
        LoopTask<int> task = loop.CreateTask(async () =>
        {
            await loop.Yield();
            return 1;
        });
        Assert.Throws<InvalidOperationException>(() => task.SetResult(2));
        Assert.Throws<InvalidOperationException>(() => task.TrySetException(new FormatException()));
        Assert.Equal(1, await task);
    });

    [Fact]
    public void Coroutine_ReturnsNull_Fails() => Scenario.Run(async loop =>
    {
#pragma warning disable MA0022 // That it returns null is the point.
        LoopTask task = loop.CreateTask(() => null!);
#pragma warning restore MA0022
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await task);
    });

    [Fact]
    public void Task_NobodyRefersTo_IsHeldUntilItHasEnded() => Scenario.Run(async loop =>
    {
        bool done = false;
        Create();
        GC.Collect();
        await loop.Delay(s_second * 2);
        Assert.True(done);

        void Create() => loop.CreateTask(async () =>
        {
            await loop.Delay(s_second);
            done = true;
        });
    });

    [Theory]
    [InlineData(LoopKind.Simulated)]
    [InlineData(LoopKind.Portable)]
    public void Dispose_CancelsTasksAndWaits_AndLetsThemTidyUp(LoopKind kind)
    {
        var ends = new List<string>();
        EventLoop.Run(
            loop =>
            {
                _ = loop.CreateTask(() => EndlessAsync(loop, "task"));
                _ = loop.CreateTask(
                    async () =>
                    {
                        await CancelScope.RunAsync(async _ => await loop.Delay(TimeSpan.FromMilliseconds(5)), shield: true);
                        ends.Add("shielded");
                    },
                    eager: true);
                _ = EndlessAsync(loop, "coroutine");
                return Task.CompletedTask;
            },
            new EventLoopOptions { Kind = kind });
        Assert.Equal(["coroutine", "shielded", "task"], ends.Order());

        async Task EndlessAsync(EventLoop loop, string name)
        {
            try
            {
                await new Future(loop);
            }
            finally
            {
                ends.Add(name);
            }
        }
    }

    [Fact]
    public void Dispose_ATaskThatDoesNotEnd_IsLoggedByName()
    {
        using var log = new MemoryLoggerFactory();
        using (var loop = new EventLoop(new EventLoopOptions
        {
            Kind = LoopKind.Simulated,
            LoggerFactory = log,
            ShutdownTimeout = TimeSpan.FromMilliseconds(1),
        }))
        {
            loop.RunUntilComplete(() =>
            {
                _ = loop.CreateTask(() => new TaskCompletionSource().Task, "stubborn");
                return Task.CompletedTask;
            });
        }

        Assert.Contains("stubborn", Assert.Single(log.Of(10)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Debug_Task_KnowsWhereItWasCreated()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, Debug = true });
        loop.RunUntilComplete(async () =>
        {
            LoopTask task = loop.CreateTask(() => Task.CompletedTask);
            Assert.Contains(nameof(Debug_Task_KnowsWhereItWasCreated), task.CreationPlace, StringComparison.Ordinal);
            await task;
        });
    }

    [Fact]
    public void InvokeAsync_FromAnotherThread_RunsOnTheLoopAndCanBeCancelled() => Scenario.Run(
        async loop =>
        {
            int thread = Environment.CurrentManagedThreadId;
            using var source = new CancellationTokenSource();
            var done = new TaskCompletionSource();
            TestThread other = TestThread.Start(() =>
            {
                Assert.Equal(thread, loop.InvokeAsync(async () =>
                {
                    await loop.Yield();
                    return Environment.CurrentManagedThreadId;
                }).GetAwaiter().GetResult());
                Assert.Throws<FormatException>(
                    () => loop.InvokeAsync(() => throw new FormatException()).GetAwaiter().GetResult());
                Task endless = loop.InvokeAsync(async () => await new Future(loop), source.Token);
                source.Cancel();
                Assert.ThrowsAny<OperationCanceledException>(() => endless.GetAwaiter().GetResult());
                done.SetResult();
            });
            await done.Task;
            other.Join();
        },
        LoopKind.Portable);
}
