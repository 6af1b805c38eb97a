using Toolkit.Tests.Tasks;

namespace Toolkit.Tests.Synchronization;

/// <summary>
/// Cancels at every moment: each scenario has somebody who waits, and who is cancelled after the k-th turn of the loop, for all k
/// until that is too late. Whatever the moment, nothing is lost, nothing is left, and others get their turn.
/// </summary>
public sealed partial class CancellationSweep
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Lock(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var door = new AsyncLock();
        int entered = 0;
        await TaskGroup.RunAsync(group =>
        {
            _ = group.Start(() => HoldAsync(default));
            _ = group.Start(() => cancel(HoldAsync));
            _ = group.Start(() => HoldAsync(default));
            return Task.CompletedTask;
        });
        Assert.InRange(entered, 2, 3);
        Assert.False(door.IsHeld);

        async Task HoldAsync(CancellationToken token)
        {
            using (await door.EnterAsync(token))
            {
                entered++;
                await loop.Yield();
                await loop.Yield();
            }
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Semaphore(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var semaphore = new AsyncSemaphore(1, maximum: 1);
        var limiter = new CapacityLimiter(1);
        await TaskGroup.RunAsync(group =>
        {
            _ = group.Start(() => HoldAsync(default));
            _ = group.Start(() => cancel(HoldAsync));
            _ = group.Start(() => HoldAsync(default));
            return Task.CompletedTask;
        });
        Assert.Equal((1, 0, 0), (semaphore.Available, limiter.InUse, limiter.Waiting));

        async Task HoldAsync(CancellationToken token)
        {
            using (await semaphore.AcquireAsync(token))
            {
                await loop.Yield();
                await loop.Yield();
            }

            using (await limiter.EnterAsync(token))
            {
                await loop.Yield();
            }
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Event(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var flag = new AsyncEvent();
        bool other = false;
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(async token => await flag.WaitAsync(token)));
            _ = group.Start(async () =>
            {
                await flag.WaitAsync();
                other = true;
            });
            await Scenario.TurnsAsync(3);
            flag.Set();
        });
        Assert.True(other);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Condition(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var condition = new AsyncCondition();
        int woken = 0;
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(WaitAsync));
            LoopTask other = group.Start(() => WaitAsync(default));
            await Scenario.TurnsAsync(4);
            using (await condition.EnterAsync())
            {
                condition.Notify();
                await loop.Yield();
            }

            await Scenario.TurnsAsync(30);
            Assert.Equal(1, woken); // the notification reached one of the two
            using (await condition.EnterAsync())
            {
                condition.Notify();
            }

            await other;
        });
        Assert.False(condition.Lock.IsHeld);

        async Task WaitAsync(CancellationToken token)
        {
            using (await condition.EnterAsync(token))
            {
                try
                {
                    await condition.WaitAsync(token);
                    woken++;
                }
                finally
                {
                    Assert.True(condition.Lock.IsHeld);
                }
            }
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Barrier(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var barrier = new AsyncBarrier(2);
        int passed = 0;
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(PassAsync));
            await Scenario.TurnsAsync(3);
            LoopTask other = group.Start(() => PassAsync(default));
            await Scenario.TurnsAsync(30);
            if (!other.IsCompleted)
            {
                await PassAsync(default); // the cancelled one has not come
            }
        });
        Assert.Equal((2, 0), (passed, barrier.Waiting));

        async Task PassAsync(CancellationToken token)
        {
            await barrier.WaitAsync(token);
            passed++;
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void QueueGet(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var queue = new AsyncQueue<int>();
        var got = new List<int>();
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(async token =>
            {
                for (int i = 0; i < 3; i++)
                {
                    got.Add(await queue.GetAsync(token));
                }
            }));
            for (int i = 0; i < 3; i++)
            {
                await Scenario.TurnsAsync(2);
                queue.TryPut(i);
            }

            await Scenario.TurnsAsync(30);
            while (queue.TryGet(out int item))
            {
                got.Add(item);
            }
        });
        Assert.Equal([0, 1, 2], got); // in order, none lost
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void QueuePut(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var queue = new AsyncQueue<int>(1);
        int put = 0;
        var got = new List<int>();
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(async token =>
            {
                for (int i = 0; i < 3; i++)
                {
                    await queue.PutAsync(i, token);
                    put++;
                }
            }));
            for (int i = 0; i < 20; i++)
            {
                await Scenario.TurnsAsync(2);
                if (queue.TryGet(out int item))
                {
                    got.Add(item);
                    queue.TaskDone();
                }
            }
        });
        Assert.Equal(Enumerable.Range(0, put), got);
        Assert.Equal((0, 0), (queue.Count, queue.UnfinishedCount));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void QueueJoin(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var queue = new AsyncQueue<int>();
        await queue.PutAsync(1);
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(async token => await queue.JoinAsync(token)));
            await Scenario.TurnsAsync(3);
            queue.TaskDone();
            await queue.JoinAsync();
        });
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DelayAndFuture(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        var future = new Future<int>();
        LoopTask<int> task = loop.CreateTask(async () =>
        {
            await Scenario.TurnsAsync(6);
            future.SetResult(3);
            return 4;
        });
        await cancel(async token =>
        {
            await loop.Yield();
            await loop.Delay(TimeSpan.Zero, token);
            Assert.Equal(3, await future.WaitAsync(token));
            Assert.Equal(3, await future);
            Assert.Equal(4, await task);
            await loop.Delay(TimeSpan.Zero, token);
        });
        Assert.Equal(4, await task);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void GroupAndHelpers(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        int running = 0;
        await cancel(async token =>
        {
            await TaskGroup.RunAsync(async group =>
            {
                _ = group.Start(WorkAsync);
                await group.StartAsync(async ready =>
                {
                    await WorkAsync();
                    ready();
                    await WorkAsync();
                });
                await Future.WhenAll(group.Start(WorkAsync), group.Start(WorkAsync));
                await foreach (LoopTask each in Future.WhenEach([group.Start(WorkAsync), group.Start(WorkAsync)], token))
                {
                    await each;
                }

                await group.Start(WorkAsync).WithTimeoutAsync(s_second);
            });
            await LoopTask.StaggeredRaceAsync<int>(
                [
                    async () =>
                    {
                        await WorkAsync();
                        throw new FormatException();
                    },
                    async () =>
                    {
                        await WorkAsync();
                        return 1;
                    },
                ],
                TimeSpan.FromTicks(1));
            await loop.Delay(TimeSpan.Zero, token);
        });
        Assert.Equal(0, running);

        async Task WorkAsync()
        {
            running++;
            try
            {
                await loop.Yield();
                await loop.Yield();
            }
            finally
            {
                running--;
            }
        }
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void HandedAndCancelled_InOneTick_TheFirstOfTheTwoCounts(bool handedFirst) => Scenario.Run(async loop =>
    {
        var door = new AsyncLock();
        AsyncLock.Releaser held = await door.EnterAsync();
        var queue = new AsyncQueue<int>();
        var full = new AsyncQueue<int>(1);
        full.TryPut(0);
        var semaphore = new AsyncSemaphore(0);
        var barrier = new AsyncBarrier(2);
        var had = new List<string>();
        await TaskGroup.RunAsync(async group =>
        {
            LoopTask[] victims =
            [
                group.Start(async () =>
                {
                    using (await door.EnterAsync())
                    {
                        had.Add("lock");
                    }
                }),
                group.Start(async () => had.Add($"item {await queue.GetAsync()}")),
                group.Start(async () =>
                {
                    await full.PutAsync(1);
                    had.Add("put");
                }),
                group.Start(async () =>
                {
                    await semaphore.AcquireAsync();
                    had.Add("permit");
                }),
                group.Start(async () => had.Add($"barrier {await barrier.WaitAsync()}")),
            ];
            await loop.Yield();
            await loop.Yield();
            ValueTask<int> last = default;
            if (handedFirst)
            {
                Hand();
                CancelAll();
            }
            else
            {
                CancelAll();
                Hand();
            }

            if (handedFirst)
            {
                Assert.Equal(1, await last);
            }
            else
            {
                barrier.Reset();
                await Assert.ThrowsAsync<BarrierBrokenException>(async () => await last);
            }

            void Hand()
            {
                held.Dispose();
                queue.TryPut(7);
                Assert.True(full.TryGet(out _));
                semaphore.Release();
                last = barrier.WaitAsync();
            }

            void CancelAll()
            {
                foreach (LoopTask victim in victims)
                {
                    victim.Cancel();
                }
            }
        });
        Assert.Equal(handedFirst ? ["lock", "item 7", "put", "permit", "barrier 0"] : (string[])[], had);
        Assert.False(door.IsHeld);
        Assert.Equal(handedFirst ? (0, 1, 0) : (1, 0, 1), (queue.Count, full.Count, semaphore.Available));
    });

    // The scenario is handed what runs the one who is to be cancelled.
    private static void Sweep(bool byToken, Func<EventLoop, Func<Func<CancellationToken, Task>, Task>, Task> scenario)
        => EveryTurn.Cancel(
            byToken, cancel => Scenario.Run(loop => scenario(loop, victim => cancel(loop, victim))));
}
