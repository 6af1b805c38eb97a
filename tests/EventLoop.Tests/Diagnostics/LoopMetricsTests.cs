using Toolkit.Tests.Backends;

namespace Toolkit.Tests.Diagnostics;

/// <summary>What a listener to the meter hears of a loop.</summary>
public sealed class LoopMetricsTests
{
    [Fact]
    public void Counts_AreKeptWithoutAListener()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, Name = "counting" });
        loop.ExceptionHandler = _ => { };
        loop.RunUntilComplete(async () =>
        {
            loop.CallSoon(() => throw new FormatException());
            await loop.Yield();
            LoopTask waiting = loop.CreateTask(async () => await loop.Delay(TimeSpan.FromHours(1)));
            await loop.Yield();
            loop.CallSoon(() => { });

            using var listener = new LoopListener("counting");
            listener.Observe();
            Assert.Equal("simulated", listener.Tag("toolkit.loop.timers", "toolkit.loop.backend"));
            Assert.True(listener.Value("toolkit.loop.iterations") >= 3);
            Assert.Equal(1, listener.Value("toolkit.loop.errors"));
            Assert.Equal(2, listener.Value("toolkit.task.created"));
            Assert.Equal(2, listener.Value("toolkit.task.active"));
            Assert.Equal(1, listener.Value("toolkit.loop.timers"));
            Assert.Equal(1, listener.Value("toolkit.loop.ready_callbacks"));
            Assert.Equal(0, listener.Value("toolkit.loop.thread_work"));
            Assert.Equal(0, listener.Value("toolkit.connection.active"));
            waiting.Cancel();
            await loop.Yield();
        });
        using var after = new LoopListener("counting");
        after.Observe();
        Assert.Equal(0, after.Value("toolkit.task.active"));
    }

    [Fact]
    public void Disposed_IsNotObserved()
    {
        new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, Name = "gone" }).Dispose();
        using var listener = new LoopListener("gone");
        listener.Observe();
        Assert.False(listener.Has("toolkit.loop.iterations"));
    }

    [Fact]
    public void Times_WhileSomebodyListens_AreMeasured()
    {
        var clock = new ManualClock(TimeSpan.TicksPerHour);
        using var loop = new EventLoop(new EventLoopOptions
        {
            BackendFactory = () => new ManualBackend(clock),
            Name = "timed",
        });
        using var listener = new LoopListener("timed");
        loop.RunUntilComplete(async () =>
        {
            await loop.Yield();
            loop.CallLater(TimeSpan.FromSeconds(1), () => clock.Advance(TimeSpan.FromMilliseconds(30)));
            loop.CallLater(TimeSpan.FromSeconds(1), () => clock.Advance(TimeSpan.FromMilliseconds(5)));
            await loop.Delay(TimeSpan.FromSeconds(2));
            loop.CallSoon(TakesLong);
            loop.CallLater(TimeSpan.Zero, () => { });
            await loop.Delay(TimeSpan.FromSeconds(2));
        });

        Assert.Equal(0.2, listener.Maximum("toolkit.loop.lag"), 6); // the timer behind the long callback
        Assert.Equal(0.2, listener.Maximum("toolkit.loop.iteration.duration"), 6);
        Assert.Contains(0.035, listener.Measured("toolkit.loop.iteration.duration").Select(time => Math.Round(time, 6)));
        listener.Observe();
        Assert.Equal(0.2, listener.Maximum("toolkit.loop.callback.longest"), 6);
        Assert.Contains(
            nameof(TakesLong), listener.Tag("toolkit.loop.callback.longest", "code.function.name"), StringComparison.Ordinal);

        void TakesLong() => clock.Advance(TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public void Longest_ACoroutine_IsCalledByItsMethod()
    {
        var clock = new ManualClock(TimeSpan.TicksPerHour);
        using var loop = new EventLoop(new EventLoopOptions
        {
            BackendFactory = () => new ManualBackend(clock),
            Name = "coroutine",
        });
        using var listener = new LoopListener("coroutine");
        loop.RunUntilComplete(async () =>
        {
            await loop.Yield();
            await WorkAsync(loop, clock);
        });
        listener.Observe();
        Assert.Equal(
            $"{nameof(LoopMetricsTests)}.{nameof(WorkAsync)}",
            listener.Tag("toolkit.loop.callback.longest", "code.function.name"));

        // What was told is over.
        using var second = new LoopListener("coroutine");
        second.Observe();
        Assert.False(second.Has("toolkit.loop.callback.longest"));
    }

    private static async Task WorkAsync(EventLoop loop, ManualClock clock)
    {
        var future = new Future();
        loop.CallSoon(future.SetResult);
        await future;
        clock.Advance(TimeSpan.FromSeconds(1));
    }
}
