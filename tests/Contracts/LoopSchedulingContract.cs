using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Toolkit.Tests.Contracts;

/// <summary>Callbacks and timers: when they run, in which order, and when they do not.</summary>
public abstract class LoopSchedulingContract(LoopUnderTest subject) : LoopContract(subject)
{
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void CallSoon_Many_RunOnceEachInOrder() => Run(async loop =>
    {
        var ran = new List<int>();
        for (int i = 0; i < 10_000; i++)
        {
            int number = i;
            switch (i % 3)
            {
                case 0:
                    loop.CallSoon(() => ran.Add(number));
                    break;
                case 1:
                    loop.CallSoon(state => ran.Add((int)state!), number);
                    break;
                default:
                    loop.UnsafeCallSoon(state => ran.Add((int)state!), number);
                    break;
            }
        }

        Assert.Empty(ran);
        await NextIterationAsync(loop);
        Assert.Equal(Enumerable.Range(0, 10_000), ran);
    });

    [Fact]
    public void CallSoon_AMillionAtOnce_AllRun() => Run(async loop =>
    {
        int ran = 0;
        Action callback = () => ran++;
        for (int i = 0; i < 1_000_000; i++)
        {
            loop.CallSoon(callback);
        }

        await NextIterationAsync(loop);
        Assert.Equal(1_000_000, ran);
    });

    [Fact]
    public void CallSoon_FromACallback_WaitsForTheNextIteration() => Run(async loop =>
    {
        var ran = new List<string>();
        var done = new TaskCompletionSource();
        loop.CallSoon(() =>
        {
            loop.CallSoon(() =>
            {
                ran.Add("next");
                done.SetResult();
            });
            loop.CallLater(TimeSpan.Zero, () => ran.Add("timer"));
            ran.Add("first");
        });
        loop.CallSoon(() => ran.Add("second"));
        await done.Task;

        // Another round of timers comes in between: the callback was not part of the batch.
        Assert.Equal(["first", "second", "timer", "next"], ran);
    });

    [Fact]
    public void CallSoon_ReschedulingItselfForEver_StarvesNeitherTimersNorIo() => Run(async loop =>
    {
        RequireRealMachine(TimeStandsStill);
        var protocol = new TestProtocol { OnData = (p, data) => p.Transport.Write(data) };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        bool stop = false;
        void Again()
        {
            if (!stop)
            {
                loop.CallSoon(Again);
            }
        }

        Again();
        await Task.Delay(s_moment, loop.TimeProvider);
        await peer.SendAsync("still there?"u8.ToArray());
        byte[] answer = await peer.ReadAsync(12);
        stop = true;

        Assert.Equal("still there?"u8.ToArray(), answer);
    });

    [Fact]
    public void CallSoonThreadSafe_PostingWithoutPause_StarvesNoTimer() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        bool stop = false;
        int waiting = 0;
        TestThread poster = TestThread.Start(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                // More than the loop keeps up with for a while, but not all of the memory.
                if (Volatile.Read(ref waiting) < 100_000)
                {
                    Interlocked.Increment(ref waiting);
                    loop.CallSoonThreadSafe(() => Interlocked.Decrement(ref waiting));
                }
            }
        });
        for (int i = 0; i < 5; i++)
        {
            await Task.Delay(s_moment, loop.TimeProvider);
        }

        Volatile.Write(ref stop, true);
        poster.Join();
    });

    [Fact]
    public void CallSoon_Null_IsRefused() => Run(loop =>
    {
        Assert.Throws<ArgumentNullException>(() => loop.CallSoon(null!));
        Assert.Throws<ArgumentNullException>(() => loop.CallSoon(null!, null));
        Assert.Throws<ArgumentNullException>(() => loop.UnsafeCallSoon(null!, null));
        Assert.Throws<ArgumentNullException>(() => loop.CallSoonThreadSafe(null!));
        Assert.Throws<ArgumentNullException>(() => loop.UnsafeCallSoonThreadSafe(null!, null));
        Assert.Throws<ArgumentNullException>(() => loop.CallLater(s_moment, null!));
        Assert.Throws<ArgumentNullException>(() => loop.CallAt(s_moment, null!));
        return Task.CompletedTask;
    });

    [Fact]
    public void Cancel_BeforeTheStart_TheCallbackNeverRuns() => Run(async loop =>
    {
        bool ran = false;
        CallbackHandle soon = loop.CallSoon(() => ran = true);
        CallbackHandle posted = loop.CallSoonThreadSafe(() => ran = true);

        Assert.True(soon.Cancel());
        Assert.True(soon.Cancel());
        Assert.True(posted.Cancel());
        await NextIterationAsync(loop);

        Assert.False(ran);
        Assert.True(soon.IsCancelled);
        Assert.True(posted.IsCancelled);
    });

    [Fact]
    public void Cancel_DuringOrAfterTheRun_IsFalse() => Run(async loop =>
    {
        CallbackHandle? handle = null;
        bool? during = null;
        handle = loop.CallSoon(() => during = handle!.Cancel());
        await NextIterationAsync(loop);

        Assert.False(during);
        Assert.False(handle.Cancel());
        Assert.False(handle.IsCancelled);
    });

    [Fact]
    public void Cancel_ByACallbackOfTheSameBatch_Prevents() => Run(async loop =>
    {
        var ran = new List<string>();
        CallbackHandle? victim = null;
        loop.CallSoon(() =>
        {
            ran.Add("first");
            Assert.True(victim!.Cancel());
        });
        victim = loop.CallSoon(() => ran.Add("victim"));
        loop.CallSoon(() => ran.Add("last"));
        await NextIterationAsync(loop);

        Assert.Equal(["first", "last"], ran);
    });

    [Fact]
    public void Cancel_LetsGoOfTheState() => Run(loop =>
    {
        (CallbackHandle[] handles, WeakReference state) = ScheduleAndCancel(loop);
        GC.Collect();

        Assert.False(state.IsAlive);
        GC.KeepAlive(handles);
        return Task.CompletedTask;
    });

    [Fact]
    public void Name_OfAHandle_IsTheMethodWhileItIsHeld() => Run(async loop =>
    {
        CallbackHandle soon = loop.CallSoon(Named);
        CallbackHandle later = loop.CallLater(TimeSpan.Zero, Named);
        CallbackHandle cancelled = loop.CallSoon(Named);
        cancelled.Cancel();

        Assert.Equal("LoopSchedulingContract.Named", soon.Name);
        Assert.Equal("LoopSchedulingContract.Named", later.Name);
        Assert.Equal("", cancelled.Name);
        await NextIterationAsync(loop);
        Assert.Equal("", soon.Name);
    });

    [Fact]
    public void Handles_HeldByTheLoopOnly_SurviveACollection() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        var ran = new List<string>();
        Schedule(loop, ran);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        await UntilAsync(loop, () => ran.Count >= 3);

        ran.Sort(StringComparer.Ordinal);
        Assert.Equal(["post", "soon", "timer"], ran);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Schedule(EventLoop loop, List<string> ran)
        {
            loop.CallSoon(() => ran.Add("soon"));
            loop.CallLater(s_moment, () => ran.Add("timer"));
            TestThread.Run(() => loop.CallSoonThreadSafe(() => ran.Add("post")));
        }
    });

    [Fact]
    public void CallLater_RandomDelays_FireInOrderAndNeverEarly() => Run(async loop =>
    {
        const int Count = 500;
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var expected = new List<(TimeSpan When, int Number)>();
        var fired = new List<(TimeSpan When, int Number)>();
        var failures = new List<string>();
        for (int i = 0; i < Count; i++)
        {
            int number = i;
            TimeSpan delay = new(random.Next(50_000)); // up to 5 ms, in ticks
            TimeSpan before = loop.Time;
            TimerHandle? timer = null;
            timer = loop.CallLater(delay, () =>
            {
                TimeSpan now = loop.Time;
                if (now < timer!.When || now - before < delay)
                {
                    failures.Add($"{delay} fired {now - before} after the call");
                }

                fired.Add((timer.When, number));
            });
            expected.Add((timer.When, number));
        }

        await UntilAsync(loop, () => fired.Count >= Count);

        expected.Sort();
        Assert.True(failures.Count == 0, $"Seed {seed}: {string.Join("; ", failures)}");
        Assert.True(expected.SequenceEqual(fired), $"Seed {seed}: the order is wrong.");
    });

    [Fact]
    public void CallLater_OneAfterTheOther_NeverEarly() => Run(async loop =>
    {
        // One timer at a time: the wait for it is the backend's, and must not be rounded down.
        for (int i = 1; i <= 200; i++)
        {
            var fired = new TaskCompletionSource<TimeSpan>();
            TimeSpan delay = TimeSpan.FromTicks(i * 137);
            TimeSpan before = loop.Time;
            TimerHandle timer = loop.CallLater(delay, () => fired.SetResult(loop.Time));
            TimeSpan at = await fired.Task;

            Assert.True(at >= timer.When, $"{timer.When} fired at {at}.");
            Assert.True(at - before >= delay, $"{delay} took {at - before}.");
        }
    });

    [Fact]
    public void CallAt_AThousandEqualDeadlines_FireInOrder() => Run(async loop =>
    {
        const int Count = 1000;
        var fired = new List<int>();
        TimeSpan when = loop.Time + (s_moment * 5);
        for (int i = 0; i < Count; i++)
        {
            int number = i;
            loop.CallAt(when, () => fired.Add(number));
            if (i % 250 == 0)
            {
                await NextIterationAsync(loop); // nearer and nearer to the deadline
            }
        }

        await UntilAsync(loop, () => fired.Count >= Count);
        Assert.Equal(Enumerable.Range(0, Count), fired);
    });

    [Fact]
    public void CallLater_Zero_FiresInTheNextIteration() => Run(async loop =>
    {
        var ran = new List<string>();
        var done = new TaskCompletionSource();
        loop.CallLater(TimeSpan.Zero, () =>
        {
            ran.Add("timer");
            loop.CallLater(TimeSpan.Zero, () =>
            {
                ran.Add("timer of the timer");
                done.SetResult();
            });
            loop.CallSoon(() => ran.Add("callback of the timer"));
        });
        Assert.Empty(ran);
        await done.Task;

        Assert.Equal(["timer", "callback of the timer", "timer of the timer"], ran);
    });

    [Theory]
    [InlineData(-1)]
    [InlineData(-10_000)]
    [InlineData(long.MinValue)]
    public void CallLater_Negative_IsRefused(long ticks) => Run(loop =>
    {
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => loop.CallLater(new TimeSpan(ticks), () => { }));
        Assert.Equal("delay", exception.ParamName);
        return Task.CompletedTask;
    });

    [Fact]
    public void CallLater_MaxValue_IsArmedAndCanBeCancelled() => Run(async loop =>
    {
        bool fired = false;
        TimerHandle[] timers =
        [
            loop.CallLater(TimeSpan.MaxValue, () => fired = true),
            loop.CallLater(TimeSpan.MaxValue - loop.Time, () => fired = true),
            loop.CallAt(TimeSpan.MaxValue, () => fired = true),
            loop.CallLater(TimeSpan.FromDays(50), () => fired = true),
            loop.CallLater(TimeSpan.FromMilliseconds(1L + int.MaxValue), () => fired = true),
            loop.CallLater(TimeSpan.FromDays(365 * 1000), () => fired = true),
        ];
        await Task.Delay(s_moment, loop.TimeProvider);

        Assert.False(fired);
        Assert.All(timers, timer => Assert.True(timer.IsScheduled));
        Assert.All(timers, timer => Assert.True(timer.When > loop.Time));
        Assert.All(timers, timer => Assert.True(timer.Cancel()));
        Assert.All(timers, timer => Assert.True(timer.IsCancelled));
        Assert.All(timers, timer => Assert.False(timer.IsScheduled));
    });

    [Fact]
    public void CallLater_Far_DoesNotKeepTheThreadBusy() => Run(async loop =>
    {
        RequireRealMachine("Processor time is the machine's.");
        loop.CallLater(TimeSpan.MaxValue, () => { });
        loop.CallLater(TimeSpan.FromDays(100), () => { });

        // The compiler's threads may be at work now and then, a loop that spins is in every attempt.
        double share = 1;
        for (int attempt = 0; attempt < 10 && share > 0.5; attempt++)
        {
            using var process = Process.GetCurrentProcess();
            TimeSpan worked = process.TotalProcessorTime;
            TimeSpan start = loop.Time;
            await Task.Delay(s_moment * 30, loop.TimeProvider);
            process.Refresh();
            share = (process.TotalProcessorTime - worked) / (loop.Time - start);
        }

        Assert.True(share <= 0.5, $"The process worked {share:P0} of the time that the loop slept.");
    });

    [Fact]
    public void CallAt_Past_CountsAsNow() => Run(async loop =>
    {
        var fired = new List<string>();
        TimeSpan before = loop.Time;
        TimerHandle[] timers =
        [
            loop.CallAt(TimeSpan.Zero, () => fired.Add("zero")),
            loop.CallAt(TimeSpan.MinValue, () => fired.Add("minimum")),
            loop.CallAt(before, () => fired.Add("just now")),
        ];

        Assert.Empty(fired);
        Assert.All(timers, timer => Assert.True(timer.When >= before));
        await UntilAsync(loop, () => fired.Count >= 3);
        Assert.Equal(["zero", "minimum", "just now"], fired);
    });

    [Fact]
    public void CallAt_State_IsHandedOver() => Run(async loop =>
    {
        var fired = new TaskCompletionSource<object?>();
        TimeSpan when = loop.Time + s_moment;
        TimerHandle timer = loop.CallAt(when, fired.SetResult, "state");

        Assert.Equal(when, timer.When);
        Assert.True(timer.IsScheduled);
        Assert.Equal("state", await fired.Task);
        Assert.Equal(when, timer.When);
        Assert.False(timer.IsScheduled);
    });

    [Fact]
    public void Time_WithinACallback_GoesOn() => Run(loop =>
    {
        RequireRealMachine(TimeStandsStill);
        TimeSpan start = loop.Time;
        var patience = Stopwatch.StartNew();
        while (loop.Time - start < s_moment)
        {
            Assert.True(patience.Elapsed < TimeSpan.FromSeconds(30), "The loop's time stands still.");
        }

        return Task.CompletedTask;
    });

    [Fact]
    public void Reschedule_InItsOwnCallback_MakesAPeriodicTimer() => Run(async loop =>
    {
        var ticks = new List<TimeSpan>();
        TimerHandle? timer = null;
        timer = loop.CallLater(s_moment, () =>
        {
            ticks.Add(loop.Time);
            Assert.False(timer!.IsScheduled);
            if (ticks.Count < 5)
            {
                timer.Reschedule(s_moment);
                Assert.True(timer.IsScheduled);
            }
        });
        await UntilAsync(loop, () => ticks.Count >= 5);
        await Task.Delay(s_moment * 3, loop.TimeProvider);

        Assert.Equal(5, ticks.Count);
        Assert.All(ticks.Zip(ticks.Skip(1)), pair => Assert.True(pair.Second - pair.First >= s_moment));
    });

    [Fact]
    public void Reschedule_ScheduledTimer_MovesIt() => Run(async loop =>
    {
        var fired = new List<string>();
        TimerHandle postponed = loop.CallLater(TimeSpan.Zero, () => fired.Add("postponed"));
        TimerHandle preferred = loop.CallLater(TimeSpan.FromHours(1), () => fired.Add("preferred"));
        TimeSpan before = loop.Time;
        postponed.Reschedule(s_moment * 2);
        preferred.Reschedule(s_moment);

        Assert.InRange(postponed.When, before + (s_moment * 2), loop.Time + (s_moment * 2));
        await UntilAsync(loop, () => fired.Count >= 2);
        await Task.Delay(s_moment, loop.TimeProvider);
        Assert.Equal(["preferred", "postponed"], fired);
    });

    [Fact]
    public void Reschedule_FiredTimer_FiresAgainWithTheSameState() => Run(async loop =>
    {
        var fired = new List<object?>();
        TimerHandle timer = loop.CallLater(TimeSpan.Zero, fired.Add, "state");
        await UntilAsync(loop, () => fired.Count >= 1);
        timer.Reschedule(s_moment);
        await UntilAsync(loop, () => fired.Count >= 2);

        Assert.Equal(["state", "state"], fired);
    });

    [Fact]
    public void Reschedule_CancelledOrNegative_IsRefused() => Run(loop =>
    {
        TimerHandle timer = loop.CallLater(s_moment, () => { });
        Assert.Throws<ArgumentOutOfRangeException>(() => timer.Reschedule(new TimeSpan(-1)));
        Assert.True(timer.IsScheduled);

        timer.Cancel();
        Assert.Throws<InvalidOperationException>(() => timer.Reschedule(s_moment));
        Assert.False(timer.IsScheduled);
        return Task.CompletedTask;
    });

    [Fact]
    public void Reschedule_MaxValue_NeverFiresAndCanBeCancelled() => Run(async loop =>
    {
        bool fired = false;
        TimerHandle timer = loop.CallLater(TimeSpan.Zero, () => fired = true);
        timer.Reschedule(TimeSpan.MaxValue);
        await Task.Delay(s_moment, loop.TimeProvider);

        Assert.False(fired);
        Assert.True(timer.Cancel());
    });

    [Fact]
    public void Cancel_TimerDueInTheSamePass_DoesNotFire() => Run(async loop =>
    {
        var fired = new List<string>();
        TimeSpan when = loop.Time + s_moment;
        TimerHandle? victim = null;
        TimerHandle? moved = null;
        loop.CallAt(when, () =>
        {
            fired.Add("first");
            Assert.True(victim!.Cancel());
            moved!.Reschedule(s_moment);
        });
        victim = loop.CallAt(when, () => fired.Add("victim"));
        moved = loop.CallAt(when, () => fired.Add("moved"));
        loop.CallAt(when, () => fired.Add("last"));
        await UntilAsync(loop, () => fired.Contains("moved"));

        Assert.Equal(["first", "last", "moved"], fired);
        Assert.True(victim.IsCancelled);
    });

    [Fact]
    public void Cancel_Timer_IsFalseOnceItHasStarted() => Run(async loop =>
    {
        bool? during = null;
        TimerHandle? timer = null;
        timer = loop.CallLater(TimeSpan.Zero, () => during = timer!.Cancel());
        await UntilAsync(loop, () => during is not null);

        Assert.False(during);
        Assert.False(timer.Cancel());
        Assert.False(timer.IsCancelled);

        TimerHandle other = loop.CallLater(s_moment, () => { });
        Assert.True(other.Cancel());
        Assert.True(other.Cancel());
        Assert.True(other.IsCancelled);
    });

    [Fact]
    public void Cancel_PeriodicTimerInItsCallback_EndsIt() => Run(async loop =>
    {
        int ticks = 0;
        TimerHandle? timer = null;
        timer = loop.CallLater(TimeSpan.Zero, () =>
        {
            ticks++;
            timer!.Reschedule(TimeSpan.Zero);
            if (ticks == 3)
            {
                Assert.True(timer.Cancel());
            }
        });
        await UntilAsync(loop, () => ticks >= 3);
        await Task.Delay(s_moment, loop.TimeProvider);

        Assert.Equal(3, ticks);
    });

    [Fact]
    public void Cancel_AHundredThousandTimers_NoneFiresAndNoneIsKept() => Run(async loop =>
    {
        bool fired = false;
        List<WeakReference> timers = ScheduleAndCancelTimers(loop, 100_000, () => fired = true);
        await Task.Delay(s_moment * 3, loop.TimeProvider);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        Assert.False(fired);
        Assert.DoesNotContain(timers, timer => timer.IsAlive);
    });

    [Fact]
    public void CallSoon_BeforeTheFirstRun_RunsInOrder()
    {
        using EventLoop loop = NewLoop();
        var ran = new List<int>();
        for (int i = 0; i < 10; i++)
        {
            int number = i;
            loop.CallSoon(() => ran.Add(number));
        }

        TimerHandle timer = loop.CallLater(TimeSpan.Zero, loop.Stop);
        Assert.True(timer.IsScheduled);
        RunUntilStopped(loop);

        Assert.Equal(Enumerable.Range(0, 10), ran);
        Assert.Empty(Errors);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (CallbackHandle[] Handles, WeakReference State) ScheduleAndCancel(EventLoop loop)
    {
        object state = new();
        CallbackHandle[] handles =
        [
            loop.CallSoon(static _ => { }, state),
            loop.CallSoonThreadSafe(static _ => { }, state),
            loop.CallLater(TimeSpan.FromHours(1), static _ => { }, state),
        ];
        foreach (CallbackHandle handle in handles)
        {
            handle.Cancel();
        }

        return (handles, new WeakReference(state));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static List<WeakReference> ScheduleAndCancelTimers(EventLoop loop, int count, Action callback)
    {
        var random = new Random(11);
        TimerHandle[] timers =
            [.. Enumerable.Range(0, count).Select(i => loop.CallLater(new TimeSpan(random.NextInt64(1L << (i % 40))), callback))];
        random.Shuffle(timers);
        Assert.All(timers, timer => Assert.True(timer.Cancel()));
        return [.. timers.Take(1000).Select(timer => new WeakReference(timer))];
    }

    private static void Named()
    {
    }
}
