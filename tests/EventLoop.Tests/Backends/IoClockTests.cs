using System.Diagnostics;
using Toolkit.Backends;

namespace Toolkit.Tests.Backends;

public sealed class IoClockTests
{
    [Fact]
    public void Now_ReadAgainAndAgain_NeverGoesBack()
    {
        long last = IoClock.System.Now;
        for (int i = 0; i < 100_000; i++)
        {
            long now = IoClock.System.Now;
            Assert.True(now >= last, $"{now} came after {last}.");
            last = now;
        }
    }

    [Fact]
    public void Now_InTicks_IsTheMonotonicCounter()
    {
        TimeSpan before = Stopwatch.GetElapsedTime(0);
        var now = new TimeSpan(IoClock.System.Now);
        TimeSpan after = Stopwatch.GetElapsedTime(0);

        // A conversion through floating point, as the counter's own, is off by a tick or two.
        var tolerance = TimeSpan.FromMicroseconds(10);
        Assert.InRange(now, before - tolerance, after + tolerance);
    }

    [Fact]
    public void Now_Spinning_HasStepsBelowAMillisecond()
    {
        long start = IoClock.System.Now;
        long next;
        do
        {
            next = IoClock.System.Now;
        }
        while (next == start);

        // The smallest step of many: a busy machine makes single ones longer.
        long smallest = next - start;
        for (int i = 0; i < 10_000; i++)
        {
            long now = IoClock.System.Now;
            smallest = now > next ? Math.Min(smallest, now - next) : smallest;
            next = now;
        }

        Assert.True(smallest < TimeSpan.TicksPerMillisecond, $"The clock moves in steps of {smallest} ticks.");
    }

    [Fact]
    public void UtcNow_IsTheWallClock()
    {
        DateTimeOffset before = DateTimeOffset.UtcNow;
        DateTimeOffset now = IoClock.System.UtcNow;
        Assert.InRange(now, before.AddMinutes(-1), before.AddMinutes(1));
        Assert.Equal(TimeSpan.Zero, now.Offset);
    }
}
