using System.Diagnostics;
using Toolkit.Backends;
using Toolkit.Tests.Backends;

namespace Toolkit.Tests;

/// <summary>What an iteration does with time, to the tick, under a clock that only waiting moves.</summary>
public sealed class EventLoopIterationTests : IDisposable
{
    private readonly ManualClock _clock = new(now: 123_456_789);
    private readonly ManualBackend _backend;
    private readonly EventLoop _loop;
    private readonly List<LoopError> _errors = [];

    public EventLoopIterationTests()
    {
        _backend = new ManualBackend(_clock);
        _loop = NewLoop(_backend);
        _loop.ExceptionHandler = _errors.Add;
    }

    public void Dispose()
    {
        _loop.Dispose();
        Assert.Empty(_errors);
    }

    [Fact]
    public void Poll_CallbacksReady_DoesNotWait()
    {
        _loop.CallLater(TimeSpan.FromSeconds(1), () => { });
        _loop.CallSoon(() => _loop.CallSoon(_loop.Stop));
        _loop.RunForever();

        Assert.Equal([0, 0], _backend.Polls);
    }

    [Fact]
    public void Poll_NothingReady_WaitsForTheNearestTimer()
    {
        TimerHandle far = _loop.CallLater(TimeSpan.FromDays(400), _loop.Stop);
        TimerHandle near = _loop.CallLater(TimeSpan.FromTicks(777), () => { });
        _loop.RunForever();

        Assert.Equal([near.When.Ticks, far.When.Ticks, 0], _backend.Polls);
    }

    [Fact]
    public void Poll_NoTimer_SleepsUntilWoken()
    {
        _backend.OnPoll = () => TestThread.Run(() => _loop.CallSoonThreadSafe(_loop.Stop));
        _loop.RunForever();

        Assert.Equal(long.MaxValue, _backend.Polls[0]);
    }

    [Fact]
    public void Poll_OnlyATimerThatNeverFires_SleepsAndDoesNotSpin()
    {
        TimerHandle timer = _loop.CallLater(TimeSpan.MaxValue, () => _errors.Add(new LoopError("fired", new TimeoutException())));
        _backend.OnPoll = () => TestThread.Run(() => _loop.CallSoonThreadSafe(_loop.Stop));
        _loop.RunForever();

        Assert.True(_backend.Polls.Count <= 2, $"{_backend.Polls.Count} polls.");
        Assert.Equal(long.MaxValue, _backend.Polls[0]);
        Assert.True(timer.IsScheduled);
        Assert.Equal(TimeSpan.MaxValue, timer.When);
    }

    [Fact]
    public void Timers_Random_FireAtTheirTickInOrder()
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            using EventLoop loop = NewLoop(new ManualBackend(_clock));
            var random = new Random(seed);
            var expected = new List<(long When, int Number)>();
            var fired = new List<(long When, int Number)>();
            for (int i = 0; i < 300; i++)
            {
                int number = i;
                TimerHandle? timer = null;
                timer = loop.CallLater(
                    new TimeSpan(random.NextInt64(1L << random.Next(1, 44))),
                    () =>
                    {
                        Assert.Equal(timer!.When, loop.Time);
                        fired.Add((timer.When.Ticks, number));
                        if (fired.Count == 300)
                        {
                            loop.Stop();
                        }
                    });
                expected.Add((timer.When.Ticks, number));
            }

            loop.RunForever();
            expected.Sort();
            Assert.True(expected.SequenceEqual(fired), $"Seed {seed}: the order is wrong.");
        }
    }

    [Fact]
    public void Timers_WallClockJumps_TakeNoNotice()
    {
        TimeSpan start = _loop.Time;
        var fired = new List<TimeSpan>();
        foreach (int seconds in (int[])[1, 2, 3])
        {
            _loop.CallLater(TimeSpan.FromSeconds(seconds), () => fired.Add(_loop.Time - start));
        }

        _loop.CallLater(TimeSpan.FromMilliseconds(500), () => _clock.WallClock = _clock.WallClock.AddYears(10));
        _loop.CallLater(TimeSpan.FromMilliseconds(1500), () => _clock.WallClock = _clock.WallClock.AddYears(-20));
        _loop.CallLater(TimeSpan.FromSeconds(4), _loop.Stop);
        _loop.RunForever();

        Assert.Equal([TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3)], fired);
    }

    [Fact]
    public void Timers_ProcessWasSuspended_FireOnceEachInOrder()
    {
        var fired = new List<int>();
        for (int i = 0; i < 50; i++)
        {
            int number = i;
            _loop.CallLater(TimeSpan.FromMilliseconds(10 * (50 - number)), () => fired.Add(number));
        }

        _loop.CallSoon(() => _clock.Advance(TimeSpan.FromSeconds(10)));
        _loop.CallLater(TimeSpan.FromSeconds(11), _loop.Stop);
        _loop.RunForever();

        Assert.Equal(Enumerable.Range(0, 50).Reverse(), fired);
    }

    [Fact]
    public async Task PeriodicTimer_Stalled300Milliseconds_SkipsTheMissedTicksAndStaysInStep()
    {
        TimeSpan period = TimeSpan.FromMilliseconds(10);
        TimeSpan start = _loop.Time;
        var ticks = new List<TimeSpan>();
        await using ITimer timer = _loop.TimeProvider.CreateTimer(
            _ =>
            {
                ticks.Add(_loop.Time - start);
                if (ticks.Count == 3)
                {
                    _clock.Advance(TimeSpan.FromMilliseconds(304));
                }
                else if (ticks.Count == 6)
                {
                    _loop.Stop();
                }
            },
            null,
            period,
            period);
        _loop.RunForever();

        // The clock goes on by 304 ms within the third tick; what fell due meanwhile is one tick, right away.
        Assert.Equal([10, 20, 30, 334, 340, 350], ticks.Select(tick => tick.TotalMilliseconds));
    }

    [Fact]
    public void PeriodicTimer_PeriodBeyondTheRange_FiresOnce()
    {
        int ticks = 0;
        using ITimer timer = _loop.TimeProvider.CreateTimer(_ => ticks++, null, TimeSpan.FromSeconds(1), TimeSpan.MaxValue);
        _loop.CallLater(TimeSpan.FromHours(1), _loop.Stop);
        _loop.RunForever();

        Assert.Equal(1, ticks);
        Assert.True(_backend.Polls.Count < 10, $"{_backend.Polls.Count} polls.");
    }

    [Fact]
    public void TimeProvider_ItsTimers_FollowTheLoopsClock()
    {
        var elapsed = Stopwatch.StartNew();
        DateTimeOffset wall = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
        _clock.WallClock = wall;
        long before = _loop.TimeProvider.GetTimestamp();
        _loop.RunUntilComplete(async () =>
        {
            await Task.Delay(TimeSpan.FromDays(3), _loop.TimeProvider);
            using var source = new CancellationTokenSource(TimeSpan.FromDays(4), _loop.TimeProvider);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => Task.Delay(Timeout.InfiniteTimeSpan, _loop.TimeProvider, source.Token));
            using var ticks = new PeriodicTimer(TimeSpan.FromDays(1), _loop.TimeProvider);
            await ticks.WaitForNextTickAsync();
        });

        Assert.Equal(TimeSpan.FromDays(8), _loop.TimeProvider.GetElapsedTime(before));
        Assert.Equal(wall, _loop.TimeProvider.GetUtcNow());
        Assert.True(elapsed.Elapsed < TimeSpan.FromMinutes(1), "The loop waited for real.");
    }

    [Fact]
    public void Poll_SynchronizationContext_IsClearedInItAndSetAround()
    {
        var inPoll = new List<SynchronizationContext?>();
        var around = new List<SynchronizationContext?>();
        _backend.OnPoll = () => inPoll.Add(SynchronizationContext.Current);
        _loop.CallLater(TimeSpan.FromSeconds(1), () => around.Add(SynchronizationContext.Current));
        _loop.CallSoon(() => around.Add(SynchronizationContext.Current));
        _loop.UnsafeCallSoon(_ => around.Add(SynchronizationContext.Current), null);
        _loop.CallLater(TimeSpan.FromSeconds(2), _loop.Stop);
        _loop.RunForever();

        Assert.Equal(3, inPoll.Count);
        Assert.All(inPoll, Assert.Null);
        Assert.Equal(3, around.Count);
        Assert.All(around, context => Assert.Same(_loop.SynchronizationContext, context));
    }

    [Fact]
    public void Flush_ManyCallbacks_ComesAfter64AndAtTheEndOfTheBatch()
    {
        int ran = 0;
        var flushedAfter = new List<int>();
        var target = new Flushable(() => flushedAfter.Add(ran));
        for (int i = 0; i < 150; i++)
        {
            int number = i;
            _loop.CallSoon(() =>
            {
                ran++;
                if (number is 0 or 63 or 100 or 149)
                {
                    _loop.Host.FlushSoon(target);
                }
            });
        }

        _loop.Stop();
        _loop.RunForever();

        Assert.Equal([64, 64, 128, 150], flushedAfter);
    }

    [Fact]
    public void Flush_OfTimersAndManyTargets_ComesAfterThePass()
    {
        int ran = 0;
        var flushedAfter = new List<int>();
        for (int i = 0; i < 100; i++)
        {
            _loop.CallLater(TimeSpan.Zero, () =>
            {
                ran++;
                _loop.Host.FlushSoon(new Flushable(() => flushedAfter.Add(ran)));
            });
        }

        _loop.CallSoon(() => Assert.Equal(100, flushedAfter.Count));
        _loop.Stop();
        _loop.RunForever();

        Assert.Equal(Enumerable.Repeat(64, 64).Concat(Enumerable.Repeat(100, 36)), flushedAfter);
    }

    [Fact]
    public void Attach_Fails_TheRunThrowsAndTheThreadIsFree()
    {
        _backend.OnAttach = () => throw new FormatException("no");
        Assert.Throws<FormatException>(_loop.RunForever);

        Assert.False(_loop.IsRunning);
        Assert.False(EventLoop.TryGetCurrent(out _));
        Assert.NotSame(_loop.SynchronizationContext, SynchronizationContext.Current);

        _backend.OnAttach = null;
        _loop.Stop();
        _loop.RunForever();
    }

    [Fact]
    public void Dispose_ResidentLeavesByACallback_DoesNotWait()
    {
        var told = new List<string>();
        _loop.Host.AddResident(new Resident(_loop, told) { LeavesAtOnce = true });
        _loop.Dispose();

        Assert.Equal(["shutdown", "ended"], told);
        Assert.All(_backend.Polls, until => Assert.Equal(0, until));
    }

    [Fact]
    public void Dispose_ResidentGoesOn_IsToldThatItsTimeIsUp()
    {
        List<string> told = [];
        _loop.Host.AddResident(new Resident(_loop, told));
        _loop.Dispose();

        Assert.Equal(["shutdown", "expired", "ended"], told);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispose_AttachFails_ResidentsAreToldAllTheSame(bool hasRunBefore)
    {
        List<string> told = [];
        var backend = new ManualBackend(_clock);
        EventLoop loop = NewLoop(backend);
        loop.Host.AddResident(new Resident(loop, told));
        if (hasRunBefore)
        {
            loop.CallSoon(loop.Stop);
            loop.RunForever();
        }

        backend.OnAttach = () => throw (hasRunBefore
            ? new BackendFailedException("manual", "it is broken.")
            : new BackendUnavailableException("manual", "no descriptors are left."));
        loop.Dispose();

        Assert.Equal(["shutdown", "expired", "ended"], told);
        Assert.True(backend.IsDisposed);
    }

    [Fact]
    public void Attach_BackendIsBroken_TheLoopHasEnded()
    {
        _backend.OnAttach = () => throw new BackendFailedException("manual", "it is broken.");
        Assert.Throws<BackendFailedException>(_loop.RunForever);

        _backend.OnAttach = null;
        var exception = Assert.Throws<InvalidOperationException>(_loop.RunForever);
        Assert.Contains("Dispose it", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_ATimerIsLeft_ItIsNotScheduledAnyMore()
    {
        TimerHandle timer = _loop.CallLater(TimeSpan.FromSeconds(1), () => { });
        Assert.True(timer.IsScheduled);
        _loop.Dispose();

        Assert.False(timer.IsScheduled);
    }

    [Fact]
    public void StartThread_LoopCannotRun_Throws()
    {
        var backend = new ManualBackend(_clock) { OnAttach = () => throw new FormatException("no") };

        var exception = Assert.Throws<FormatException>(
            () => EventLoop.StartThread("fails", new EventLoopOptions { BackendFactory = () => backend }));

        Assert.Equal("no", exception.Message);
        Assert.True(backend.IsDisposed);
    }

    [Fact]
    public void StartThread_LoopFailsLater_CompletionSaysSo()
    {
        bool fail = false;
        var backend = new ManualBackend(_clock);
        backend.OnPoll = () =>
        {
            if (Volatile.Read(ref fail))
            {
                throw new FormatException("broken");
            }
        };
        using EventLoopThread thread = EventLoop.StartThread("fails", new EventLoopOptions { BackendFactory = () => backend });
        Volatile.Write(ref fail, true);
        thread.Loop.CallSoonThreadSafe(() => { });

        Assert.Throws<FormatException>(() => TestThread.WaitFor(thread.Completion));
        Assert.True(backend.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => thread.Loop.CallSoonThreadSafe(() => { }));
    }

    [Fact]
    public void Poll_LeavesSomethingBehind_TimersAreDueWhenItHasBeenTold()
    {
        List<string> ran = [];
        AddResidents(2);
        _clock.Advance(TimeSpan.FromSeconds(2)); // overdue before anybody looks
        TimerHandle timer = _loop.CallLater(TimeSpan.FromSeconds(1), () =>
        {
            ran.Add("timer");
            _loop.Stop();
        });
        _loop.CallSoon(() => _clock.Advance(TimeSpan.FromSeconds(5)));
        int polls = 0;
        _backend.Left = () =>
        {
            ran.Add("poll");
            return ++polls <= 2 ? PollEnding.HasMore : null;
        };
        _loop.RunForever();

        Assert.Equal(["poll", "poll", "poll", "timer", "poll"], ran);
    }

    [Fact]
    public void Poll_AlwaysLeavesSomethingBehind_TimersWaitUntilAllCouldHaveHadTheirTurn()
    {
        int polls = 0;
        AddResidents(2);
        _loop.CallSoon(() => _clock.Advance(TimeSpan.FromSeconds(5)));
        _loop.CallLater(TimeSpan.FromSeconds(1), () =>
        {
            Assert.Equal(3, polls);
            _loop.Stop();
        });
        _backend.Left = () =>
        {
            polls++;
            return PollEnding.HasMore;
        };
        _loop.RunForever();
    }

    [Fact]
    public void Poll_HoldsSomethingBack_TimersWaitHoweverLittleIsTold()
    {
        int polls = 0;
        _loop.CallSoon(() => _clock.Advance(TimeSpan.FromSeconds(5)));
        _loop.CallLater(TimeSpan.FromSeconds(1), () =>
        {
            Assert.Equal(11, polls);
            _loop.Stop();
        });
        _backend.Left = () => ++polls <= 10 ? PollEnding.HeldBack : PollEnding.ToldAll;
        _loop.RunForever();
    }

    [Fact]
    public void Spin_NothingComes_LooksAgainUntilTheTimeIsUp()
    {
        var clock = new ManualClock();
        var backend = new ManualBackend(clock);
        backend.OnPoll = () => clock.Advance(TimeSpan.FromMicroseconds(10));
        using var loop = new EventLoop(new EventLoopOptions
        {
            BackendFactory = () => backend,
            SpinDuration = TimeSpan.FromMicroseconds(50),
        });
        TimerHandle stop = loop.CallLater(TimeSpan.FromSeconds(1), loop.Stop);
        loop.RunForever();

        Assert.Equal([0, 0, 0, 0, 0, stop.When.Ticks, 0], backend.Polls);
    }

    private static EventLoop NewLoop(ManualBackend backend) => new(new EventLoopOptions { BackendFactory = () => backend });

    private void AddResidents(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _loop.Host.AddResident(new Resident(_loop, []));
        }
    }

    /// <summary>Ends when its time has expired, and is told so by a callback.</summary>
    private sealed class Resident(EventLoop loop, List<string> told) : ILoopResident
    {
        public int ResidentIndex { get; set; }

        public bool LeavesAtOnce { get; init; }

        public void OnLoopShutdown()
        {
            told.Add("shutdown");
            if (LeavesAtOnce)
            {
                loop.Host.TryPost(_ => End(), null);
            }
        }

        public void OnLoopShutdownExpired()
        {
            told.Add("expired");
            loop.Host.TryPost(_ => End(), null);
        }

        private void End()
        {
            told.Add("ended");
            loop.Host.RemoveResident(this);
        }
    }

    private sealed class Flushable(Action flush) : IFlushable
    {
        public void Flush() => flush();
    }
}
