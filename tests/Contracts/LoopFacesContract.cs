using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Contracts;

/// <summary>The loop as .NET sees it: contexts, schedulers, a time provider; and the ambient state of callbacks.</summary>
public abstract class LoopFacesContract(LoopUnderTest subject) : LoopContract(subject)
{
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Await_OfWhatever_ComesBackToTheLoop() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int thread = Environment.CurrentManagedThreadId;
        RequireOnLoop("at the start");
        await Task.Delay(s_moment, loop.TimeProvider);
        RequireOnLoop("after Task.Delay by the loop's time");
        await Task.Delay(s_moment);
        RequireOnLoop("after Task.Delay by the system's time");
        await Task.Run(() => { });
        RequireOnLoop("after Task.Run");
        await Task.Yield();
        RequireOnLoop("after Task.Yield");
        var outside = new TaskCompletionSource();
        TestThread other = TestThread.Start(outside.SetResult);
        await outside.Task;
        RequireOnLoop("after a task that another thread completed");
        other.Join();
        await Assert.ThrowsAsync<FormatException>(() => Task.Run(() => throw new FormatException("mine")));
        RequireOnLoop("after a task that failed");
        await foreach (int _ in NumbersAsync())
        {
            RequireOnLoop("in an asynchronous stream");
        }

        void RequireOnLoop(string when)
        {
            Assert.True(thread == Environment.CurrentManagedThreadId, $"Another thread runs {when}.");
            Assert.True(SynchronizationContext.Current == loop.SynchronizationContext, $"The context is not the loop's {when}.");
            Assert.True(loop.IsCurrent, $"The loop is not current {when}.");
        }

        static async IAsyncEnumerable<int> NumbersAsync()
        {
            for (int i = 0; i < 3; i++)
            {
                await Task.Yield();
                yield return i;
            }
        }
    });

    [Fact]
    public void Await_Yield_LetsTheOthersRun() => Run(async loop =>
    {
        bool ran = false;
        loop.CallSoon(() => ran = true);
        await Task.Yield();
        Assert.True(ran);
    });

    [Fact]
    public void Post_FromAnotherThread_RunsInOrderOnTheLoop() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int thread = Environment.CurrentManagedThreadId;
        var ran = new List<(int Number, int Thread)>();
        TestThread.Run(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                loop.SynchronizationContext.Post(number => ran.Add(((int)number!, Environment.CurrentManagedThreadId)), i);
            }
        });
        await UntilAsync(loop, () => ran.Count >= 100);

        Assert.Equal(Enumerable.Range(0, 100).Select(number => (number, thread)), ran);
        Assert.Same(loop.SynchronizationContext, loop.SynchronizationContext.CreateCopy());
    });

    [Fact]
    public void Send_FromAnotherThread_WaitsForTheLoopAndThrowsWhatWasThrown() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int loopThread = Environment.CurrentManagedThreadId;
        bool done = false;
        TestThread sender = TestThread.Start(() =>
        {
            int ranOn = 0;
            loop.SynchronizationContext.Send(_ => ranOn = Environment.CurrentManagedThreadId, null);
            Assert.Equal(loopThread, ranOn);

            var thrown = new FormatException("mine");
            Assert.Same(
                thrown, Assert.Throws<FormatException>(() => loop.SynchronizationContext.Send(_ => throw thrown, null)));
            Volatile.Write(ref done, true);
        });
        await UntilAsync(loop, () => Volatile.Read(ref done));
        sender.Join();
    });

    [Fact]
    public void Send_OnTheLoopsThread_RunsInline() => Run(loop =>
    {
        object? seen = null;
        loop.SynchronizationContext.Send(state => seen = state, "state");
        Assert.Equal("state", seen);
        Assert.Throws<FormatException>(() => loop.SynchronizationContext.Send(_ => throw new FormatException("mine"), null));
        return Task.CompletedTask;
    });

    [Fact]
    public void TaskScheduler_Tasks_RunOnTheLoopInOrder() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int thread = Environment.CurrentManagedThreadId;
        var ran = new List<int>();
        var tasks = new List<Task>();
        TestThread.Run(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                int number = i;
                tasks.Add(Task.Factory.StartNew(
                    () =>
                    {
                        Assert.Equal(thread, Environment.CurrentManagedThreadId);
                        Assert.Same(loop.TaskScheduler, TaskScheduler.Current);
                        ran.Add(number);
                    },
                    CancellationToken.None,
                    TaskCreationOptions.None,
                    loop.TaskScheduler));
            }
        });
        Assert.Empty(ran);
        await Task.WhenAll(tasks);

        Assert.Equal(Enumerable.Range(0, 100), ran);
        Assert.Equal(1, loop.TaskScheduler.MaximumConcurrencyLevel);
    });

    [Fact]
    public void TaskScheduler_Exception_IsTheTasks() => Run(async loop =>
    {
        Task task = Task.Factory.StartNew(
            () => throw new FormatException("mine"), CancellationToken.None, TaskCreationOptions.None, loop.TaskScheduler);
        await Assert.ThrowsAsync<FormatException>(() => task);
    });

    [Fact]
    public void TaskScheduler_RunSynchronously_RunsInlineOnTheLoopOnly() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int ran = 0;
        var inline = new Task(() => ran++);
        inline.RunSynchronously(loop.TaskScheduler);
        Assert.Equal(1, ran);

        int thread = Environment.CurrentManagedThreadId;
        int ranOn = 0;
        bool done = false;
        TestThread other = TestThread.Start(() =>
        {
            var task = new Task(() => ranOn = Environment.CurrentManagedThreadId);
            task.RunSynchronously(loop.TaskScheduler);
            Volatile.Write(ref done, true);
        });
        await UntilAsync(loop, () => Volatile.Read(ref done));
        other.Join();
        Assert.Equal(thread, ranOn);
    });

    [Fact]
    public void PipeScheduler_Pipe_ResumesOnTheLoop() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int thread = Environment.CurrentManagedThreadId;
        var pipe = new Pipe(new PipeOptions(
            readerScheduler: loop.PipeScheduler, writerScheduler: loop.PipeScheduler,
            pauseWriterThreshold: 1024, resumeWriterThreshold: 512, useSynchronizationContext: false));
        TestThread writer = TestThread.Start(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                TestThread.WaitFor(pipe.Writer.WriteAsync(new byte[1000]).AsTask());
            }

            pipe.Writer.Complete();
        });
        var threads = new HashSet<int>();
        int read = 0;
        while (true)
        {
            ReadResult result = await pipe.Reader.ReadAsync().ConfigureAwait(false);
            threads.Add(Environment.CurrentManagedThreadId);
            read += (int)result.Buffer.Length;
            pipe.Reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                break;
            }
        }

        writer.Join();
        Assert.Equal(20_000, read);
        Assert.Equal([thread], threads);
    });

    [Fact]
    public void TimeProvider_Clock_IsTheLoops() => Run(loop =>
    {
        TimeSpan before = loop.Time;
        long timestamp = loop.TimeProvider.GetTimestamp();
        TimeSpan after = loop.Time;

        Assert.InRange(timestamp, before.Ticks, after.Ticks);
        Assert.Equal(TimeSpan.TicksPerSecond, loop.TimeProvider.TimestampFrequency);
        return Task.CompletedTask;
    });

    [Fact]
    public void TimeProvider_WallClock_IsTheMachines() => Run(loop =>
    {
        RequireRealMachine("A simulation has a wall clock of its own.");
        DateTimeOffset now = DateTimeOffset.UtcNow;
        Assert.InRange(loop.TimeProvider.GetUtcNow(), now.AddMinutes(-1), now.AddMinutes(1));
        return Task.CompletedTask;
    });

    [Fact]
    public void TimeProvider_CancellationTokenSource_IsCancelledOnTheLoop() => Run(async loop =>
    {
        int thread = Environment.CurrentManagedThreadId;
        using var source = new CancellationTokenSource(s_moment, loop.TimeProvider);
        var cancelledOn = new TaskCompletionSource<int>();
        TimeSpan before = loop.Time;
        source.Token.Register(() => cancelledOn.SetResult(Environment.CurrentManagedThreadId));
        Assert.Equal(thread, await cancelledOn.Task);

        using var moved = new CancellationTokenSource(TimeSpan.FromHours(1), loop.TimeProvider);
        moved.CancelAfter(s_moment);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Task.Delay(Timeout.InfiniteTimeSpan, loop.TimeProvider, moved.Token));
        Assert.True(loop.Time - before >= s_moment);

        await Assert.ThrowsAsync<TimeoutException>(
            () => new TaskCompletionSource().Task.WaitAsync(s_moment, loop.TimeProvider));
    });

    [Fact]
    public void TimeProvider_PeriodicTimer_TicksOnTheLoop() => Run(async loop =>
    {
        int thread = Environment.CurrentManagedThreadId;
        using var timer = new PeriodicTimer(s_moment, loop.TimeProvider);
        TimeSpan start = loop.Time;
        for (int i = 0; i < 5; i++)
        {
            Assert.True(await timer.WaitForNextTickAsync());
            Assert.Equal(thread, Environment.CurrentManagedThreadId);
        }

        // A tick that was missed is made up for by the timer itself, once.
        Assert.True(loop.Time - start >= s_moment * 4);
        timer.Dispose();
        Assert.False(await timer.WaitForNextTickAsync());
    });

    [Fact]
    public void TimeProvider_TimerAfterAStall_DoesNotMakeUpForMissedTicks() => Run(async loop =>
    {
        RequireRealMachine(TimeStandsStill);
        var ticks = new List<TimeSpan>();
        var done = new TaskCompletionSource();
        TimeSpan start = loop.Time;
        using ITimer timer = loop.TimeProvider.CreateTimer(
            _ =>
            {
                ticks.Add(loop.Time - start);
                if (ticks.Count == 2)
                {
                    BusyWait(loop, s_moment * 60);
                }
                else if (ticks.Count == 8)
                {
                    done.TrySetResult();
                }
            },
            null,
            s_moment,
            s_moment);
        await done.Task;

        // The tick after the stall comes at once; the five behind it are in step with the first, a period apart.
        Assert.True(
            ticks[7] - ticks[1] >= s_moment * 64,
            $"A storm: {string.Join(", ", ticks.Select(tick => tick.TotalMilliseconds))}");
    });

    [Fact]
    public void TimeProvider_PeriodBeyondTheRange_FiresOnce() => Run(async loop =>
    {
        int ticks = 0;
        using ITimer timer = loop.TimeProvider.CreateTimer(_ => ticks++, null, TimeSpan.Zero, TimeSpan.MaxValue);
        await Task.Delay(s_moment * 3, loop.TimeProvider);
        Assert.Equal(1, ticks);
    });

    [Fact]
    public void TimeProvider_TimerWithoutDueTimeOrPeriod_FiresAsChanged() => Run(async loop =>
    {
        int ticks = 0;
        using ITimer timer = loop.TimeProvider.CreateTimer(
            _ => ticks++, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        await Task.Delay(s_moment, loop.TimeProvider);
        Assert.Equal(0, ticks);

        Assert.True(timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan));
        Assert.Equal(0, ticks);
        await Task.Delay(s_moment, loop.TimeProvider);
        Assert.Equal(1, ticks);

        Assert.True(timer.Change(s_moment, TimeSpan.Zero)); // no period either
        await UntilAsync(loop, () => ticks >= 2);
        await Task.Delay(s_moment * 2, loop.TimeProvider);
        Assert.Equal(2, ticks);

        Assert.True(timer.Change(s_moment, s_moment));
        await UntilAsync(loop, () => ticks >= 5);
        Assert.True(timer.Change(Timeout.InfiniteTimeSpan, s_moment));
        int stopped = ticks;
        await Task.Delay(s_moment * 3, loop.TimeProvider);
        Assert.Equal(stopped, ticks);
    });

    [Fact]
    public void TimeProvider_DisposedTimer_NeitherFiresNorChanges() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        int ticks = 0;
        ITimer onLoop = loop.TimeProvider.CreateTimer(_ => ticks++, null, TimeSpan.Zero, s_moment);
        ITimer elsewhere = loop.TimeProvider.CreateTimer(_ => ticks++, null, TimeSpan.Zero, s_moment);
        onLoop.Dispose();
        TestThread.Run(() =>
        {
            elsewhere.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Assert.False(elsewhere.Change(TimeSpan.Zero, s_moment));
        });
        Assert.False(onLoop.Change(TimeSpan.Zero, s_moment));
        onLoop.Dispose();
        await onLoop.DisposeAsync();
        await Task.Delay(s_moment * 3, loop.TimeProvider);

        Assert.Equal(0, ticks);
    });

    [Theory]
    [InlineData(-2, 0)]
    [InlineData(0, -2)]
    public void TimeProvider_NegativeTimes_AreRefused(int dueTime, int period) => Run(loop =>
    {
        TimeSpan due = TimeSpan.FromMilliseconds(dueTime);
        TimeSpan every = TimeSpan.FromMilliseconds(period);
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.TimeProvider.CreateTimer(_ => { }, null, due, every));
        using ITimer timer = loop.TimeProvider.CreateTimer(_ => { }, null, s_moment, s_moment);
        Assert.Throws<ArgumentOutOfRangeException>(() => timer.Change(due, every));
        Assert.Throws<ArgumentNullException>(() => loop.TimeProvider.CreateTimer(null!, null, s_moment, s_moment));
        return Task.CompletedTask;
    });

    [Fact]
    public void TimeProvider_TimersOfOtherThreads_FireOnTheLoopOrNot() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        const int Count = 2000;
        int thread = Environment.CurrentManagedThreadId;
        int[] fired = new int[Count];
        int wrongThread = 0;
        var timers = new ITimer[Count];
        using var made = new CountdownEvent(2);
        TestThread[] makers = [.. Enumerable.Range(0, 2).Select(maker => TestThread.Start(() =>
        {
            for (int i = maker; i < Count; i += 2)
            {
                int number = i;
                timers[i] = loop.TimeProvider.CreateTimer(
                    _ =>
                    {
                        fired[number]++;
                        wrongThread += Environment.CurrentManagedThreadId == thread ? 0 : 1;
                    },
                    null,
                    i % 4 < 2 ? TimeSpan.Zero : TimeSpan.FromHours(1),
                    Timeout.InfiniteTimeSpan);
                switch (i % 8)
                {
                    case 2 or 3:
                        Assert.True(timers[i].Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan));
                        break;
                    case 4 or 5:
                        timers[i].Dispose();
                        break;
                }
            }

            made.Signal();
        }))];
        await UntilAsync(loop, () => made.IsSet);
        foreach (TestThread maker in makers)
        {
            maker.Join();
        }

        await UntilAsync(loop, () => Enumerable.Range(0, Count).All(i => i % 8 >= 4 || fired[i] >= 1));
        int[] afterwards = [.. fired];
        foreach (ITimer timer in timers)
        {
            timer.Dispose();
        }

        await Task.Delay(s_moment, loop.TimeProvider);
        Assert.Equal(0, wrongThread);
        Assert.Equal(afterwards, fired);
        Assert.All(Enumerable.Range(0, Count), i => Assert.True(
            (i % 8) switch
            {
                < 4 => fired[i] == 1, // due at once, or changed to be
                < 6 => fired[i] <= 1, // disposed, perhaps too late
                _ => fired[i] == 0, // due in an hour
            },
            $"Timer {i} fired {fired[i]} times."));
    });

    [Fact]
    public void TimeProvider_CallbackThrows_IsReportedAndTheTimerGoesOn() => Run(async loop =>
    {
        int ticks = 0;
        using ITimer timer = loop.TimeProvider.CreateTimer(
            _ =>
            {
                if (++ticks == 1)
                {
                    throw new FormatException("mine");
                }
            },
            null,
            TimeSpan.Zero,
            s_moment);
        await UntilAsync(loop, () => ticks >= 3); // more may come between two looks

        Assert.IsType<FormatException>(TakeError().Exception);
    });

    [Fact]
    public void SynchronizationContext_InCallbacks_IsTheLoopsAgainAfterEachOfThem() => Run(async loop =>
    {
        var seen = new List<SynchronizationContext?>();
        void Spoil()
        {
            seen.Add(SynchronizationContext.Current);
            SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
        }

        loop.CallSoon(Spoil);
        loop.UnsafeCallSoon(_ => Spoil(), null);
        loop.CallSoonThreadSafe(Spoil);
        loop.CallLater(TimeSpan.Zero, Spoil);
        loop.CallLater(TimeSpan.Zero, Spoil);
        using ITimer timer = loop.TimeProvider.CreateTimer(
            _ => Spoil(), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        await UntilAsync(loop, () => seen.Count >= 6);

        Assert.All(seen, context => Assert.Same(loop.SynchronizationContext, context));
        Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
    });

    [Fact]
    public void SynchronizationContext_InThePoll_IsCleared() => Run(async loop =>
    {
        using PeerListener listener = Network.Listen();
        IoBackend backend = loop.Host.Backend;
        IoHandle? handle = backend.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out SocketError error);
        Assert.Equal(SocketError.Success, error);
        var connector = new Connector();
        backend.Submit(new ConnectOperation(handle!, listener.LocalEndPoint, connector));
        (SocketError Error, SynchronizationContext? Context) seen = await connector.Ended.Task;
        backend.Release(handle!, reset: false);

        Assert.Equal(SocketError.Success, seen.Error);
        Assert.Null(seen.Context);
        Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
    });

    [Fact]
    public void AsyncLocal_ByRegistration_FlowsIntoCallbacks() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        var ambient = new AsyncLocal<int>();
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        ambient.Value = 1;
        loop.CallSoon(() => seen["soon"] = ambient.Value);
        ambient.Value = 2;
        loop.CallLater(s_moment, () => seen["later"] = ambient.Value);
        ambient.Value = 3;
        loop.CallAt(loop.Time, () => seen["at"] = ambient.Value);
        ambient.Value = 4;
        loop.CallSoonThreadSafe(() => seen["post"] = ambient.Value);
        ambient.Value = 5;
        using ITimer timer = loop.TimeProvider.CreateTimer(
            _ => seen["provider"] = ambient.Value, null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        ambient.Value = 6;
        TestThread.Run(() => loop.CallSoonThreadSafe(() => seen["thread"] = ambient.Value));
        ambient.Value = 7;
        await UntilAsync(loop, () => seen.Count >= 6);

        Assert.Equal(7, ambient.Value);
        Assert.Equal(
            [("at", 3), ("later", 2), ("post", 4), ("provider", 5), ("soon", 1), ("thread", 6)],
            seen.Select(pair => (pair.Key, pair.Value)).OrderBy(pair => pair.Key, StringComparer.Ordinal));
    });

    [Fact]
    public void AsyncLocal_RescheduledTimer_KeepsThatOfItsCreation() => Run(async loop =>
    {
        var ambient = new AsyncLocal<int> { Value = 1 };
        var seen = new List<int>();
        TimerHandle timer = loop.CallLater(TimeSpan.Zero, () =>
        {
            seen.Add(ambient.Value);
            ambient.Value = 100;
        });
        ambient.Value = 2;
        await UntilAsync(loop, () => seen.Count >= 1);
        timer.Reschedule(TimeSpan.Zero);
        await UntilAsync(loop, () => seen.Count >= 2);

        Assert.Equal([1, 1], seen);
    });

    [Fact]
    public void AsyncLocal_SetInACallback_DoesNotLeakIntoTheNext()
    {
        using EventLoop loop = NewLoop();
        var ambient = new AsyncLocal<int>();
        var seen = new List<int>();
        void Look()
        {
            seen.Add(ambient.Value);
            ambient.Value = 99;
        }

        loop.CallSoon(Look);
        loop.UnsafeCallSoon(_ => Look(), null);
        loop.CallSoon(Look);
        loop.CallSoon(() =>
        {
            Look();
            throw new FormatException("with the value set");
        });
        loop.UnsafeCallSoon(_ => Look(), null);
        loop.CallSoonThreadSafe(Look);
        loop.UnsafeCallSoonThreadSafe(_ => Look(), null);
        loop.SynchronizationContext.Post(_ => Look(), null);
        loop.CallLater(TimeSpan.Zero, Look);
        loop.CallLater(TimeSpan.Zero, Look);
        loop.CallLater(s_moment, loop.Stop);
        RunUntilStopped(loop);

        Assert.Equal(Enumerable.Repeat(0, 10), seen);
        Assert.Equal(0, ambient.Value);
        TakeError();
    }

    [Fact]
    public void AsyncLocal_UnsafeVariants_DoNotFlow() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        var ambient = new AsyncLocal<int> { Value = 1 };
        var seen = new List<int>();
        loop.UnsafeCallSoon(_ => seen.Add(ambient.Value), null);
        loop.UnsafeCallSoonThreadSafe(_ => seen.Add(ambient.Value), null);
        TestThread.Run(() => loop.UnsafeCallSoonThreadSafe(_ => seen.Add(ambient.Value), null));
        using (ExecutionContext.SuppressFlow())
        {
            loop.CallSoon(() => seen.Add(ambient.Value));
            loop.CallLater(TimeSpan.Zero, () => seen.Add(ambient.Value));
        }

        await UntilAsync(loop, () => seen.Count >= 5);
        Assert.Equal([0, 0, 0, 0, 0], seen);
        Assert.Equal(1, ambient.Value);
    });

    [Fact]
    public void AsyncLocal_FlowSuppressedByACallback_DoesNotStaySo() => Run(async loop =>
    {
        loop.CallSoon(() => ExecutionContext.SuppressFlow());
        bool? suppressed = null;
        loop.UnsafeCallSoon(_ => suppressed = ExecutionContext.IsFlowSuppressed(), null);
        await NextIterationAsync(loop);

        Assert.False(suppressed);
        Assert.False(ExecutionContext.IsFlowSuppressed());
    });

    private static void BusyWait(EventLoop loop, TimeSpan time)
    {
        TimeSpan start = loop.Time;
        var patience = Stopwatch.StartNew();
        while (loop.Time - start < time)
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(30), "The loop's time stands still.");
        }
    }

    private sealed class Connector : IConnector
    {
        public TaskCompletionSource<(SocketError Error, SynchronizationContext? Context)> Ended { get; }
            = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void OnConnectEnded(SocketError error) => Ended.SetResult((error, SynchronizationContext.Current));
    }
}
