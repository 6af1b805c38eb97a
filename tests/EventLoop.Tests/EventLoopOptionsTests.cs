namespace Toolkit.Tests;

public sealed class EventLoopOptionsTests
{
    [Fact]
    public void Defaults_AreValid()
    {
        var options = new EventLoopOptions();
        options.Validate();

        Assert.Equal(LoopKind.Auto, options.Kind);
        Assert.Equal(TimeSpan.FromMilliseconds(100), options.SlowCallbackDuration);
        Assert.Equal(TimeSpan.Zero, options.SpinDuration);
        Assert.Equal(TimeSpan.FromSeconds(2), options.ShutdownTimeout);
    }

    [Fact]
    public void Kind_Undefined_IsRefused()
        => RequireRefused(nameof(EventLoopOptions.Kind), new EventLoopOptions { Kind = (LoopKind)1234 });

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void SlowCallbackDuration_NotPositive_IsRefused(long ticks) => RequireRefused(
        nameof(EventLoopOptions.SlowCallbackDuration), new EventLoopOptions { SlowCallbackDuration = new TimeSpan(ticks) });

    [Fact]
    public void SpinDuration_Negative_IsRefused() => RequireRefused(
        nameof(EventLoopOptions.SpinDuration), new EventLoopOptions { SpinDuration = new TimeSpan(-1) });

    [Fact]
    public void ShutdownTimeout_Negative_IsRefused() => RequireRefused(
        nameof(EventLoopOptions.ShutdownTimeout), new EventLoopOptions { ShutdownTimeout = new TimeSpan(-1) });

    [Fact]
    public void Durations_AtTheirBounds_AreAccepted() => new EventLoopOptions
    {
        SlowCallbackDuration = new TimeSpan(1),
        SpinDuration = TimeSpan.Zero,
        ShutdownTimeout = TimeSpan.Zero,
    }.Validate();

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("0", false)]
    [InlineData("1", true)]
    [InlineData("true", true)]
    public void Debug_ByTheEnvironment_IsTheDefault(string? value, bool expected)
    {
        string? outer = Environment.GetEnvironmentVariable(EventLoopOptions.DebugVariable);
        Environment.SetEnvironmentVariable(EventLoopOptions.DebugVariable, value);
        try
        {
            Assert.Equal(expected, new EventLoopOptions().Debug);
        }
        finally
        {
            Environment.SetEnvironmentVariable(EventLoopOptions.DebugVariable, outer);
        }
    }

    private static void RequireRefused(string option, EventLoopOptions options)
    {
        int made = 0;
        options.BackendFactory = () =>
        {
            made++;
            throw new InvalidOperationException("The options are looked at first.");
        };
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => new EventLoop(options));
        Assert.Equal(option, exception.ParamName);
        Assert.Equal(0, made);
    }
}
