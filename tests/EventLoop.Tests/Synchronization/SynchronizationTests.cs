using Toolkit.Tests.Tasks;

namespace Toolkit.Tests.Synchronization;

/// <summary>What each primitive promises, when nobody is cancelled; and what misuse says.</summary>
public sealed class SynchronizationTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Waits_InACancelledScope_ThrowThoughTheyWouldNotHaveToWait() => Scenario.Run(async loop =>
    {
        var door = new AsyncLock();
        var semaphore = new AsyncSemaphore(1);
        var limiter = new CapacityLimiter(1);
        var barrier = new AsyncBarrier(1);
        var signal = new AsyncEvent();
        signal.Set();
        var queue = new AsyncQueue<int>();
        var items = new AsyncQueue<int>();
        await items.PutAsync(1);
        Func<CancellationToken, Task>[] waits =
        [
            async token => await door.EnterAsync(token),
            async token => await semaphore.AcquireAsync(token),
            async token => await limiter.EnterAsync(token),
            async token => await barrier.WaitAsync(token),
            async token => await signal.WaitAsync(token),
            async token => await queue.JoinAsync(token),
            async token => await queue.PutAsync(1, token),
            async token => await items.GetAsync(token),
        ];
        foreach (Func<CancellationToken, Task> wait in waits)
        {
            Assert.False(await CancelScope.MoveOnAfterAsync(TimeSpan.Zero, _ => wait(CancellationToken.None)));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait(new CancellationToken(canceled: true)));
        }

        Assert.False(door.IsHeld);
        Assert.Equal((1, 0, 0, 1), (semaphore.Available, limiter.InUse, queue.Count, items.Count));
        foreach (Func<CancellationToken, Task> wait in waits)
        {
            await wait(CancellationToken.None);
        }
    });

    [Fact]
    public void Queue_ThatIsNeverEmpty_DoesNotHideACancellation() => Scenario.Run(async loop =>
    {
        var queue = new AsyncQueue<int>();
        await queue.PutAsync(0);
        LoopTask worker = loop.CreateTask(async () =>
        {
            await foreach (int item in queue.GetAllAsync())
            {
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second / 10), shield: true);
                Assert.True(queue.TryPut(item + 1));
            }
        });
        await loop.Delay(s_second);
        worker.Cancel();
        await Assert.ThrowsAsync<ScopeCancelledException>(async () => await worker);
        Assert.Equal(1, queue.Count);
    });

    [Theory]
    [InlineData(LoopKind.Simulated)]
    [InlineData(LoopKind.Portable)]
    public void Lock_IsFairAndHeldByOne(LoopKind kind) => Scenario.Run(
        async loop =>
        {
            var door = new AsyncLock();
            var order = new List<int>();
            int inside = 0;
            await TaskGroup.RunAsync(group =>
            {
                for (int i = 0; i < 5; i++)
                {
                    int number = i;
                    _ = group.Start(async () =>
                    {
                        using (await door.EnterAsync())
                        {
                            Assert.Equal(1, ++inside);
                            await loop.Yield();
                            order.Add(number);
                            inside--;
                        }
                    });
                }

                return Task.CompletedTask;
            });
            Assert.Equal([0, 1, 2, 3, 4], order);
            Assert.False(door.IsHeld);
        },
        kind);

    [Fact]
    public void Lock_HandedOver_CannotBeTakenByANewcomer() => Scenario.Run(async loop =>
    {
        var door = new AsyncLock();
        Assert.True(door.TryEnter(out AsyncLock.Releaser first));
        ValueTask<AsyncLock.Releaser> second = door.EnterAsync();
        first.Dispose();
        Assert.False(door.TryEnter(out _));
        (await second).Dispose();
        Assert.True(door.TryEnter(out AsyncLock.Releaser third));
        third.Dispose();
    });

    [Fact]
    public void Lock_GivenBackTwice_IsAnError() => Scenario.Run(async loop =>
    {
        var door = new AsyncLock();
        AsyncLock.Releaser first = await door.EnterAsync();
        first.Dispose();
        Assert.Throws<InvalidOperationException>(first.Dispose);
        AsyncLock.Releaser second = await door.EnterAsync();
        Assert.Throws<InvalidOperationException>(first.Dispose);
        Assert.True(door.IsHeld);
        second.Dispose();
        default(AsyncLock.Releaser).Dispose();
    });

    [Fact]
    public void Event_SetAndClearedAtOnce_ReleasesAllWhoWait() => Scenario.Run(async loop =>
    {
        var flag = new AsyncEvent();
        ValueTask first = flag.WaitAsync();
        ValueTask second = flag.WaitAsync();
        flag.Set();
        Assert.True(flag.IsSet);
        flag.Clear();
        await first;
        await second;
        await Assert.ThrowsAsync<OperationCanceledException>(
            async () => await flag.WaitAsync(new CancellationToken(canceled: true)));
        flag.Set();
        await flag.WaitAsync();
    });

    [Fact]
    public void Condition_Notify_WakesInOrderWithTheLock() => Scenario.Run(async loop =>
    {
        var condition = new AsyncCondition();
        var woken = new List<int>();
        int ready = 0;
        await TaskGroup.RunAsync(async group =>
        {
            for (int i = 0; i < 4; i++)
            {
                int number = i;
                _ = group.Start(async () =>
                {
                    using (await condition.EnterAsync())
                    {
                        await condition.WaitAsync();
                        Assert.True(condition.Lock.IsHeld);
                        woken.Add(number);
                    }
                });
            }

            LoopTask until = group.Start(async () =>
            {
                using (await condition.EnterAsync())
                {
                    await condition.WaitUntilAsync(() => ready == 2);
                }
            });
            await loop.Delay(s_second);
            using (await condition.EnterAsync())
            {
                condition.Notify(2);
            }

            await loop.Delay(s_second);
            Assert.Equal([0, 1], woken);
            using (await condition.EnterAsync())
            {
                ready = 1;
                condition.NotifyAll();
            }

            await loop.Delay(s_second);
            Assert.Equal([0, 1, 2, 3], woken);
            Assert.False(until.IsCompleted);
            using (await condition.EnterAsync())
            {
                ready = 2;
                condition.NotifyAll();
            }
        });
        Assert.False(condition.Lock.IsHeld);
        Assert.Throws<InvalidOperationException>(() => condition.Notify());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await condition.WaitAsync());
    });

    [Fact]
    public void Semaphore_IsFairAndBounded() => Scenario.Run(async loop =>
    {
        var semaphore = new AsyncSemaphore(1, maximum: 2);
        using (await semaphore.AcquireAsync())
        {
            Assert.False(semaphore.TryAcquire());
        }

        Assert.True(semaphore.TryAcquire());
        ValueTask<AsyncSemaphore.Permit> first = semaphore.AcquireAsync();
        ValueTask<AsyncSemaphore.Permit> second = semaphore.AcquireAsync();
        semaphore.Release();
        Assert.True(first.IsCompleted);
        Assert.False(second.IsCompleted);
        Assert.False(semaphore.TryAcquire());
        semaphore.Release(2);
        await first;
        await second;
        Assert.Equal(1, semaphore.Available);
        Assert.Throws<InvalidOperationException>(() => semaphore.Release(2));
        semaphore.Release();
        Assert.Throws<InvalidOperationException>(() => semaphore.Release());
        Assert.Equal(2, semaphore.Available);
        Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncSemaphore(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncSemaphore(3, maximum: 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => semaphore.Release(-1));
    });

    [Fact]
    public void Limiter_CapacityChanges_LetInThoseWhoWait() => Scenario.Run(async loop =>
    {
        var limiter = new CapacityLimiter(1);
        CapacityLimiter.Place one = await limiter.EnterAsync();
        ValueTask<CapacityLimiter.Place> two = limiter.EnterAsync();
        ValueTask<CapacityLimiter.Place> three = limiter.EnterAsync();
        limiter.Capacity = 2;
        Assert.True(two.IsCompleted);
        Assert.Equal((2, 1), (limiter.InUse, limiter.Waiting));
        limiter.Capacity = 0;
        one.Dispose();
        Assert.Throws<InvalidOperationException>(one.Dispose);
        (await two).Dispose();
        Assert.False(three.IsCompleted);
        limiter.Capacity = 1;
        (await three).Dispose();
        Assert.True(limiter.TryEnter(out CapacityLimiter.Place four));
        Assert.False(limiter.TryEnter(out _));
        four.Dispose();
    });

    [Fact]
    public void Barrier_TheLastReleasesAll_AgainAndAgain() => Scenario.Run(async loop =>
    {
        var barrier = new AsyncBarrier(3);
        var indices = new List<int>();
        await TaskGroup.RunAsync(group =>
        {
            for (int i = 0; i < 3; i++)
            {
                _ = group.Start(async () =>
                {
                    indices.Add(await barrier.WaitAsync());
                    indices.Add(await barrier.WaitAsync());
                });
            }

            return Task.CompletedTask;
        });
        Assert.Equal([0, 0, 1, 1, 2, 2], indices.Order());

        ValueTask<int> waiting = barrier.WaitAsync();
        barrier.Reset();
        await Assert.ThrowsAsync<BarrierBrokenException>(async () => await waiting);
        waiting = barrier.WaitAsync();
        barrier.Abort();
        Assert.True(barrier.IsBroken);
        await Assert.ThrowsAsync<BarrierBrokenException>(async () => await waiting);
        await Assert.ThrowsAsync<BarrierBrokenException>(async () => await barrier.WaitAsync());
        barrier.Reset();
        Assert.Equal(0, await new AsyncBarrier(1).WaitAsync());
        Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncBarrier(0));
    });

    [Fact]
    public void Queues_Order_IsThatOfTheirKind() => Scenario.Run(async loop =>
    {
        Assert.Equal([3, 1, 2], await TakeAsync(new AsyncQueue<int>(), 3, 1, 2));
        Assert.Equal([2, 1, 3], await TakeAsync(new AsyncStack<int>(), 3, 1, 2));
        Assert.Equal([1, 2, 3], await TakeAsync(new AsyncPriorityQueue<int>(), 3, 1, 2));
        var byLength = Comparer<string>.Create((x, y) => x.Length - y.Length);
        Assert.Equal(
            ["b", "a", "dd", "cc"], await TakeAsync(new AsyncPriorityQueue<string>(comparer: byLength), "dd", "b", "cc", "a"));

        static async Task<List<T>> TakeAsync<T>(AsyncQueue<T> queue, params T[] items)
        {
            foreach (T item in items)
            {
                await queue.PutAsync(item);
            }

            queue.Complete();
            var taken = new List<T>();
            await foreach (T item in queue.GetAllAsync())
            {
                taken.Add(item);
            }

            return taken;
        }
    });

    [Theory]
    [InlineData(LoopKind.Simulated)]
    [InlineData(LoopKind.Portable)]
    public void Queue_Bounded_MakesWhoPutsWait(LoopKind kind) => Scenario.Run(
        async loop =>
        {
            var queue = new AsyncQueue<int>(2);
            var got = new List<int>();
            await TaskGroup.RunAsync(group =>
            {
                _ = group.Start(async () =>
                {
                    for (int i = 0; i < 10; i++)
                    {
                        await queue.PutAsync(i);
                        Assert.True(queue.Count <= 2);
                    }

                    queue.Complete();
                });
                _ = group.Start(async () =>
                {
                    await foreach (int item in queue.GetAllAsync())
                    {
                        got.Add(item);
                        await loop.Yield();
                        queue.TaskDone();
                    }
                });
                return Task.CompletedTask;
            });
            Assert.Equal(Enumerable.Range(0, 10), got);
            await queue.JoinAsync();
        },
        kind);

    [Fact]
    public void Queue_TryForms_DoNotOvertakeThoseWhoWait() => Scenario.Run(async loop =>
    {
        var queue = new AsyncQueue<int>(1);
        ValueTask<int> getter = queue.GetAsync();
        Assert.True(queue.TryPut(1));
        Assert.False(queue.TryGet(out _));
        Assert.Equal(1, await getter);
        Assert.True(queue.TryPut(2));
        Assert.False(queue.TryPut(3));
        ValueTask putter = queue.PutAsync(4);
        Assert.True(queue.TryGet(out int item));
        Assert.Equal(2, item);
        Assert.False(queue.TryPut(5));
        await putter;
        Assert.Equal(4, await queue.GetAsync());
        Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncQueue<int>(0));
    });

    [Fact]
    public void Queue_JoinAndTaskDone_CountWhatWasPut() => Scenario.Run(async loop =>
    {
        var queue = new AsyncQueue<int>();
        await queue.JoinAsync();
        await queue.PutAsync(1);
        await queue.PutAsync(2);
        ValueTask join = queue.JoinAsync();
        await queue.GetAsync();
        await queue.GetAsync();
        queue.TaskDone();
        Assert.False(join.IsCompleted);
        queue.TaskDone();
        await join;
        Assert.Throws<InvalidOperationException>(queue.TaskDone);
    });

    [Fact]
    public void Queue_Complete_DrainsOrDrops() => Scenario.Run(async loop =>
    {
        var queue = new AsyncQueue<int>(1);
        await queue.PutAsync(1);
        ValueTask putter = queue.PutAsync(2);
        queue.Complete();
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await putter);
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await queue.PutAsync(3));
        Assert.Throws<QueueCompletedException>(() => queue.TryPut(3));
        Assert.Equal(1, await queue.GetAsync());
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await queue.GetAsync());
        Assert.False(queue.TryGet(out _));

        queue = new AsyncQueue<int>();
        await queue.PutAsync(1);
        ValueTask join = queue.JoinAsync();
        queue.Complete(drain: false);
        await join;
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await queue.GetAsync());

        queue = new AsyncQueue<int>();
        ValueTask<int> getter = queue.GetAsync();
        queue.Complete();
        await Assert.ThrowsAsync<QueueCompletedException>(async () => await getter);
    });

    [Fact]
    public void Primitives_ElsewhereThanOnTheirLoop_AreRefused()
    {
        Assert.Throws<InvalidOperationException>(() => new AsyncLock().TryEnter(out _));
        var door = new AsyncLock();
        Scenario.Run(async loop => (await door.EnterAsync()).Dispose());
        Scenario.Run(loop =>
        {
            Assert.ThrowsAny<InvalidOperationException>(() => door.TryEnter(out _));
            return Task.CompletedTask;
        });
    }

    [Fact]
    public void ValueTask_AwaitedTwice_IsAnError() => Scenario.Run(async loop =>
    {
        var flag = new AsyncEvent();
        ValueTask wait = flag.WaitAsync();
        loop.CallSoon(flag.Set);
        await wait;
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await wait);

        // And the object that served it serves one other, not two.
        flag.Clear();
        ValueTask first = flag.WaitAsync();
        ValueTask second = flag.WaitAsync();
        flag.Set();
        await first;
        await second;
    });

    [Fact]
    public void Uncontended_AllocatesNothing() => Scenario.Run(async loop =>
    {
        var door = new AsyncLock();
        var semaphore = new AsyncSemaphore(1);
        var queue = new AsyncQueue<int>(8);
        var flag = new AsyncEvent();
        flag.Set();
        long before = 0;
        for (int i = 0; i < 101; i++)
        {
            if (i == 1)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            using (await door.EnterAsync())
            {
            }

            using (await semaphore.AcquireAsync())
            {
            }

            await flag.WaitAsync();
            await queue.PutAsync(i);
            await queue.GetAsync();
            queue.TaskDone();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    });

    [Fact]
    public void Contended_WithoutAToken_AllocatesNothingInTheLongRun() => Scenario.Run(async loop =>
    {
        var queue = new AsyncQueue<int>();
        Action<object?> put = _ => queue.TryPut(1);
        long before = 0;
        for (int i = 0; i < 110; i++)
        {
            if (i == 10)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }

            loop.UnsafeCallSoon(put, null);
            await queue.GetAsync();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    });
}
