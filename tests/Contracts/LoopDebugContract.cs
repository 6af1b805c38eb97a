using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Toolkit.Tests.Contracts;

/// <summary>What debug mode tells, what spinning changes, and what costs nothing.</summary>
public abstract class LoopDebugContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int SlowCallbackEvent = 4;
    private const int BlockingWaitEvent = 5;
    private const int StillOpenEvent = 7;
    private const int NotDisposedEvent = 8;

    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_slow = TimeSpan.FromMilliseconds(3);

    private readonly TaskCompletionSource _reported = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public void SlowCallback_IsLoggedWithItsNameAndWhereItWasScheduled()
    {
        RequireRealMachine(TimeStandsStill);
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                loop.CallSoon(Dawdle);
                await NextIterationAsync(loop);
            },
            DebugOptions(log, s_slow));

        LogLine line = Assert.Single(log.Of(SlowCallbackEvent), line => line.Text.Contains(nameof(Dawdle), StringComparison.Ordinal));
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.StartsWith("LoopDebugContract.Dawdle took ", line.Text, StringComparison.Ordinal);
        Assert.Contains(nameof(SlowCallback_IsLoggedWithItsNameAndWhereItWasScheduled), line.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void SlowCallback_OfATimerOrAnotherThread_IsLogged()
    {
        RequireRealMachine(TimeStandsStill);
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                int ran = 0;
                loop.CallLater(TimeSpan.Zero, DawdleInATimer);
                TestThread.Run(() => loop.CallSoonThreadSafe(DawdleInAPost));
                loop.UnsafeCallSoon(DawdleUnsafely, null);
                await UntilAsync(loop, () => ran >= 3);

                void DawdleInATimer()
                {
                    Dawdle();
                    ran++;
                }

                void DawdleInAPost()
                {
                    Dawdle();
                    ran++;
                }

                void DawdleUnsafely(object? state)
                {
                    Dawdle();
                    ran++;
                }
            },
            DebugOptions(log, s_slow));

        foreach (string name in (string[])["DawdleInATimer", "DawdleInAPost", "DawdleUnsafely"])
        {
            Assert.Single(
                log.Of(SlowCallbackEvent),
                line => line.Text.Split(" took ")[0].Contains(name, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void SlowCallback_ThatThrows_IsReportedAndLogged()
    {
        RequireRealMachine(TimeStandsStill);
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                loop.CallSoon(DawdleAndThrow);
                await NextIterationAsync(loop);
                Assert.IsType<FormatException>(TakeError().Exception);
            },
            DebugOptions(log, s_slow));

        Assert.Contains(
            log.Of(SlowCallbackEvent), line => line.Text.Contains(nameof(DawdleAndThrow), StringComparison.Ordinal));
    }

    [Fact]
    public void SlowCallback_InAProtocol_IsLoggedByItsName()
    {
        RequireRealMachine(TimeStandsStill);
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                var protocol = new TestProtocol { OnMade = _ => Dawdle() };
                await ConnectPeerAsync(loop, protocol);
            },
            DebugOptions(log, s_slow));

        Assert.Contains(
            log.Of(SlowCallbackEvent),
            line => line.Text.StartsWith("TestProtocol.ConnectionMade took ", StringComparison.Ordinal));
    }

    [Fact]
    public void FastCallback_IsNotLogged()
    {
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                for (int i = 0; i < 100; i++)
                {
                    loop.CallSoon(() => { });
                    await Task.Yield();
                }
            },
            DebugOptions(log, TimeSpan.FromHours(1)));

        Assert.Empty(log.Of(SlowCallbackEvent));
        Assert.Empty(log.Of(BlockingWaitEvent));
    }

    [Fact]
    public void DebugOff_NothingOfThisIsLogged()
    {
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                Assert.False(loop.IsDebug);
                loop.CallSoon(Dawdle);
                loop.CallSoon(WaitAMoment);
                await NextIterationAsync(loop);
            },
            new EventLoopOptions { Debug = false, LoggerFactory = log, SlowCallbackDuration = s_slow });

        Assert.DoesNotContain(log.Lines, line => line.Level >= LogLevel.Warning);
    }

    [Fact]
    public void BlockingWait_OfATask_IsLoggedWithItsStack() => RequireBlockingWaitLogged(WaitForATask, nameof(WaitForATask));

    [Fact]
    public void BlockingWait_OfAResult_IsLoggedWithItsStack() => RequireBlockingWaitLogged(WaitForAResult, nameof(WaitForAResult));

    [Fact]
    public void BlockingWait_OfAnEvent_IsLoggedWithItsStack() => RequireBlockingWaitLogged(WaitForAnEvent, nameof(WaitForAnEvent));

    [Fact]
    public void BlockingWait_OfAContendedLock_IsLoggedWithItsStack()
        => RequireBlockingWaitLogged(WaitForALock, nameof(TakeLock));

    [Fact]
    public void BlockingWait_OfATakenSemaphore_IsLoggedWithItsStack()
        => RequireBlockingWaitLogged(WaitForASemaphore, nameof(WaitForASemaphore));

    [Fact]
    public void LookAtATask_OrWaitElsewhere_IsNotLogged()
    {
        RequireRealMachine(NoOtherThread);
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                using var never = new ManualResetEvent(false);
                Assert.False(never.WaitOne(0));
                Assert.False(new TaskCompletionSource().Task.Wait(0));
                Task.CompletedTask.Wait();
                await loop.RunInThreadAsync(WaitAMoment);
            },
            DebugOptions(log, TimeSpan.FromHours(1)));

        Assert.Empty(log.Of(BlockingWaitEvent));
    }

    [Fact]
    public void BlockingWait_OfTheLoggerItself_IsNotLoggedForEver()
    {
        int depth = 0;
        int deepest = 0;
        using var log = new MemoryLoggerFactory();
        log.OnLine = line =>
        {
            if (line.EventId == BlockingWaitEvent && depth < 20)
            {
                depth++;
                deepest = Math.Max(deepest, depth);
                WaitAMoment();
                depth--;
            }
        };
        Run(
            async loop =>
            {
                loop.CallSoon(WaitAMoment);
                loop.CallSoon(WaitAMoment);
                await NextIterationAsync(loop);
            },
            DebugOptions(log, TimeSpan.FromHours(1)));

        Assert.Equal(1, deepest);
        Assert.True(log.Of(BlockingWaitEvent).Length >= 2, "The second wait was not reported.");
    }

    [Fact]
    public void UndisposedLoop_Collected_IsLoggedWithWhereItWasMade()
    {
        RequireKind(Kind);
        using var log = new MemoryLoggerFactory();
        MakeAndForget(log);
        for (int i = 0; i < 20 && log.Of(NotDisposedEvent).Length == 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        LogLine line = Assert.Single(log.Of(NotDisposedEvent));
        Assert.Contains(nameof(MakeAndForget), line.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void DisposedLoop_Collected_IsNotLogged()
    {
        RequireKind(Kind);
        using var log = new MemoryLoggerFactory();
        WeakReference loop = MakeAndDispose(log);
        for (int i = 0; i < 20 && loop.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(loop.IsAlive);
        Assert.Empty(log.Of(NotDisposedEvent));
    }

    [Fact]
    public void StillOpen_AtDisposal_IsCounted()
    {
        using var log = new MemoryLoggerFactory();
        Run(
            async loop => await loop.CreateServerAsync(() => new TestProtocol(), new IPEndPoint(IPAddress.Loopback, 0)),
            DebugOptions(log, TimeSpan.FromHours(1)));

        Assert.StartsWith("1 ", Assert.Single(log.Of(StillOpenEvent)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Spinning_TimersPostsAndIo_Work()
    {
        RequireRealMachine(NoOtherThread);
        Run(
            async loop =>
            {
                TimeSpan before = loop.Time;
                await Task.Delay(s_slow, loop.TimeProvider);
                Assert.True(loop.Time - before >= s_slow);

                for (int i = 0; i < 50; i++)
                {
                    var posted = new TaskCompletionSource();
                    TestThread poster = TestThread.Start(() => loop.CallSoonThreadSafe(posted.SetResult));
                    await posted.Task;
                    poster.Join();
                }

                var protocol = new TestProtocol { OnData = (p, data) => p.Transport.Write(data) };
                var peer = await ConnectPeerAsync(loop, protocol);
                await peer.SendAsync("spin"u8.ToArray());
                Assert.Equal("spin"u8.ToArray(), await peer.ReadAsync(4));
            },
            new EventLoopOptions { SpinDuration = TimeSpan.FromMicroseconds(200) });
    }

    [Fact]
    public void Spinning_ForLongerThanALifetime_CanBeStopped()
    {
        RequireRealMachine(NoOtherThread);
        // Whoever posts to a loop that spins does not wake it: it must look.
        RequireKind(Kind);
        using EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf(new EventLoopOptions
        {
            SpinDuration = TimeSpan.FromDays(1),
        }));
        for (int i = 0; i < 20; i++)
        {
            var answered = new TaskCompletionSource();
            thread.Loop.CallSoonThreadSafe(answered.SetResult);
            TestThread.WaitFor(answered.Task);
        }

        thread.Stop();
        TestThread.WaitFor(thread.Completion);
    }

    [Fact]
    public void UnsafeCallSoon_SteadyState_AllocatesNothing()
        => RequireNoAllocation((loop, again) => loop.UnsafeCallSoon(again, null));

    [Fact]
    public void Reschedule_SteadyState_AllocatesNothing()
    {
        TimerHandle? timer = null;
        RequireNoAllocation((loop, again) =>
        {
            if (timer is null)
            {
                timer = loop.CallLater(TimeSpan.Zero, again, null);
            }
            else
            {
                timer.Reschedule(TimeSpan.Zero);
            }
        });
    }

    [Fact]
    public void Reschedule_IdleTimeouts_AllocatesNothing() => Run(
        loop =>
        {
            TimerHandle[] timers = [.. Enumerable.Range(1, 1000).Select(i => loop.CallLater(TimeSpan.FromHours(i), () => { }))];
            Restart(timers, 1);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Restart(timers, 100);

            // Less than a byte for each: now and then the runtime allocates for itself on whatever thread it is.
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (100 * timers.Length) - 1);
            return Task.CompletedTask;

            static void Restart(TimerHandle[] timers, int times)
            {
                for (int i = 0; i < times; i++)
                {
                    foreach (TimerHandle timer in timers)
                    {
                        timer.Reschedule(TimeSpan.FromMinutes(i + 1));
                    }
                }
            }
        },
        new EventLoopOptions { Debug = false });

    // The callback goes round the loop, iteration by iteration, poll included.
    private void RequireNoAllocation(Action<EventLoop, Action<object?>> callAgain)
    {
        const int WarmUp = 2000;
        const int Rounds = 20_000;
        long allocated = -1;
        Run(
            async loop =>
            {
                var done = new TaskCompletionSource();
                int round = 0;
                long before = 0;
                Action<object?> callback = null!;
                callback = _ =>
                {
                    round++;
                    if (round == WarmUp)
                    {
                        before = GC.GetAllocatedBytesForCurrentThread();
                    }
                    else if (round == WarmUp + Rounds)
                    {
                        allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                        done.SetResult();
                        return;
                    }

                    callAgain(loop, callback);
                };
                callAgain(loop, callback);
                await done.Task;
            },
            new EventLoopOptions { Debug = false });

        Assert.InRange(allocated, 0, Rounds - 1); // as above: less than a byte for each
    }

    private void RequireBlockingWaitLogged(Action callback, string name)
    {
        // The report comes before the wait, which therefore can last until then: a wait for a moment may be over before it
        // has begun to block. The timer ends what nobody reports.
        using var log = new MemoryLoggerFactory
        {
            OnLine = line =>
            {
                if (line.EventId == BlockingWaitEvent && line.Text.Contains(name, StringComparison.Ordinal))
                {
                    _ = Task.Run(_reported.TrySetResult);
                }
            },
        };
        using var patience = new Timer(
            _ => _reported.TrySetResult(), null, TimeSpan.FromSeconds(30), Timeout.InfiniteTimeSpan);
        Run(
            async loop =>
            {
                loop.CallSoon(callback);
                await NextIterationAsync(loop);
            },
            DebugOptions(log, TimeSpan.FromHours(1)));

        LogLine[] lines = log.Of(BlockingWaitEvent);
        Assert.Contains(lines, line => line.Text.Contains(name, StringComparison.Ordinal));
        Assert.All(lines, line => Assert.Equal(LogLevel.Warning, line.Level));
    }

    private static EventLoopOptions DebugOptions(MemoryLoggerFactory log, TimeSpan slow)
        => new() { Debug = true, LoggerFactory = log, SlowCallbackDuration = slow };

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void MakeAndForget(MemoryLoggerFactory log)
    {
        EventLoop loop = NewLoop(DebugOptions(log, s_slow));
        loop.RunUntilComplete(() => Task.CompletedTask);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference MakeAndDispose(MemoryLoggerFactory log)
    {
        EventLoop loop = NewLoop(DebugOptions(log, s_slow));
        loop.RunUntilComplete(() => Task.CompletedTask);
        loop.Dispose();
        return new WeakReference(loop);
    }

    private static void Dawdle()
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < s_slow + s_moment)
        {
            Thread.SpinWait(10);
        }
    }

    private static void DawdleAndThrow()
    {
        Dawdle();
        throw new FormatException("mine");
    }

    private static void WaitAMoment()
    {
        using var never = new ManualResetEvent(false);
        Assert.False(never.WaitOne(s_moment));
    }

    private void WaitForATask() => _reported.Task.Wait();

    private void WaitForAResult() => Assert.True(_reported.Task.ContinueWith(_ => true, TaskScheduler.Default).Result);

    private void WaitForAnEvent() => ((IAsyncResult)_reported.Task).AsyncWaitHandle.WaitOne();

    private void WaitForASemaphore()
    {
        using var taken = new SemaphoreSlim(0);
        _reported.Task.ContinueWith(_ => taken.Release(), TaskScheduler.Default);
        taken.Wait();
    }

    private void WaitForALock()
    {
        object gate = new();
        using var held = new ManualResetEventSlim();
        TestThread holder = TestThread.Start(() =>
        {
            lock (gate)
            {
                held.Set();
                _reported.Task.Wait();
            }
        });
        TestThread.WaitFor(held);
        TakeLock(gate);
        holder.Join();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void TakeLock(object gate)
    {
        lock (gate)
        {
            GC.KeepAlive(gate);
        }
    }
}
