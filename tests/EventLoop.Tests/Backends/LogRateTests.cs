using Toolkit.Backends;

namespace Toolkit.Tests.Backends;

public sealed class LogRateTests
{
    private readonly ManualClock _clock = new(now: 1000);
    private readonly LogRate _rate;

    public LogRateTests() => _rate = new LogRate(_clock);

    [Fact]
    public void ShouldLog_First_IsTrueWithoutSuffix()
    {
        Assert.True(_rate.ShouldLog("cause", out string suppressed));
        Assert.Equal("", suppressed);
    }

    [Fact]
    public void ShouldLog_WithinASecond_IsFalse()
    {
        _rate.ShouldLog("cause", out _);
        _clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));

        Assert.False(_rate.ShouldLog("cause", out string suppressed));
        Assert.Equal("", suppressed);
    }

    [Fact]
    public void ShouldLog_AfterASecond_SaysHowManyWereHeldBack()
    {
        _rate.ShouldLog("cause", out _);
        for (int i = 0; i < 41; i++)
        {
            Assert.False(_rate.ShouldLog("cause", out _));
        }

        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.True(_rate.ShouldLog("cause", out string suppressed));
        Assert.Contains("41", suppressed, StringComparison.Ordinal);

        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_rate.ShouldLog("cause", out suppressed));
        Assert.Equal("", suppressed);
    }

    [Fact]
    public void ShouldLog_SuppressedLines_DoNotExtendTheSecond()
    {
        _rate.ShouldLog("cause", out _);
        int logged = 0;
        for (int i = 0; i < 30; i++)
        {
            _clock.Advance(TimeSpan.FromMilliseconds(100));
            logged += _rate.ShouldLog("cause", out _) ? 1 : 0;
        }

        Assert.Equal(3, logged);
    }

    [Fact]
    public void ShouldLog_OtherCauses_CountForThemselves()
    {
        Assert.True(_rate.ShouldLog("one", out _));
        Assert.True(_rate.ShouldLog("two", out _));
        Assert.False(_rate.ShouldLog("one", out _));
        Assert.False(_rate.ShouldLog("two", out _));
    }

    [Fact]
    public void ShouldLog_FromManyThreads_LogsOnceAndLosesNoCount()
    {
        int logged = 0;
        TestThread[] threads = [.. Enumerable.Range(0, 4).Select(_ => TestThread.Start(() =>
        {
            for (int i = 0; i < 5000; i++)
            {
                if (_rate.ShouldLog("cause", out string _))
                {
                    Interlocked.Increment(ref logged);
                }
            }
        }))];
        foreach (TestThread thread in threads)
        {
            thread.Join();
        }

        _clock.Advance(TimeSpan.FromSeconds(1));
        _rate.ShouldLog("cause", out string suppressed);

        Assert.Equal(1, logged);
        Assert.Contains("19999", suppressed, StringComparison.Ordinal);
    }
}
