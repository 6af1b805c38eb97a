namespace Toolkit.Tests.Tcp;

public sealed class TcpOptionsTests
{
    public static TheoryData<string, TcpOptions> Invalid => new()
    {
        { nameof(TcpOptions.LingerTime), new TcpOptions { LingerTime = TimeSpan.FromTicks(-1) } },
        { nameof(TcpOptions.DiscardLimit), new TcpOptions { DiscardLimit = -1 } },
        { nameof(TcpOptions.SendBufferSize), new TcpOptions { SendBufferSize = 0 } },
        { nameof(TcpOptions.SendBufferSize), new TcpOptions { SendBufferSize = -1 } },
        { nameof(TcpOptions.ReceiveBufferSize), new TcpOptions { ReceiveBufferSize = 0 } },
        { nameof(TcpOptions.UserTimeout), new TcpOptions { UserTimeout = TimeSpan.Zero } },
        { nameof(TcpOptions.UserTimeout), new TcpOptions { UserTimeout = TimeSpan.FromMicroseconds(999) } },
        { nameof(TcpOptions.UserTimeout), new TcpOptions { UserTimeout = TimeSpan.FromMilliseconds(1L + int.MaxValue) } },
        { nameof(TcpKeepAlive.Time), WithKeepAlive(new TcpKeepAlive { Time = TimeSpan.FromMilliseconds(999) }) },
        { nameof(TcpKeepAlive.Time), WithKeepAlive(new TcpKeepAlive { Time = TimeSpan.FromSeconds(32768) }) },
        { nameof(TcpKeepAlive.Interval), WithKeepAlive(new TcpKeepAlive { Interval = TimeSpan.Zero }) },
        { nameof(TcpKeepAlive.Interval), WithKeepAlive(new TcpKeepAlive { Interval = TimeSpan.FromSeconds(32768) }) },
        { nameof(TcpKeepAlive.RetryCount), WithKeepAlive(new TcpKeepAlive { RetryCount = 0 }) },
        { nameof(TcpKeepAlive.RetryCount), WithKeepAlive(new TcpKeepAlive { RetryCount = 128 }) },
    };

    public static TheoryData<TcpOptions> Valid => new(
        TcpOptions.Default,
        new TcpOptions { LingerTime = TimeSpan.Zero, DiscardLimit = 0, SendBufferSize = 1, ReceiveBufferSize = 1 },
        WithKeepAlive(new TcpKeepAlive()),
        WithKeepAlive(new TcpKeepAlive { Time = TimeSpan.FromSeconds(1), Interval = TimeSpan.FromSeconds(1), RetryCount = 1 }),
        WithKeepAlive(new TcpKeepAlive
        {
            Time = TimeSpan.FromSeconds(32767), Interval = TimeSpan.FromSeconds(32767), RetryCount = 127,
        }));

    [Theory]
    [MemberData(nameof(Invalid))]
    public void Validate_OptionOutOfRange_NamesIt(string name, TcpOptions options)
        => Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(options.Validate).ParamName);

    [Theory]
    [MemberData(nameof(Valid))]
    public void Validate_OptionsAtTheirBounds_AreTaken(TcpOptions options)
    {
        options.Validate();
        Assert.Equal(options, options with { });
    }

    [Fact]
    public void UserTimeout_OnLinux_IsTakenElsewhereRefused()
    {
        var options = new TcpOptions { UserTimeout = TimeSpan.FromMilliseconds(1) };
        if (OperatingSystem.IsLinux())
        {
            options.Validate();
            (options with { UserTimeout = TimeSpan.FromMilliseconds(int.MaxValue) }).Validate();
        }
        else
        {
            Assert.Throws<PlatformNotSupportedException>(options.Validate);
        }
    }

    [Fact]
    public void Default_IsAsDocumented()
    {
        TcpOptions options = TcpOptions.Default;
        Assert.True(options.NoDelay);
        Assert.Null(options.KeepAlive);
        Assert.Null(options.UserTimeout);
        Assert.Equal(new WriteLimits(64 * 1024, 16 * 1024, 4 * 1024 * 1024), options.WriteLimits);
        Assert.Equal(TimeSpan.FromSeconds(30), options.LingerTime);
        Assert.Equal(64 * 1024 * 1024, options.DiscardLimit);
        Assert.Null(options.SendBufferSize);
        Assert.Null(options.ReceiveBufferSize);
    }

    private static TcpOptions WithKeepAlive(TcpKeepAlive keepAlive) => new() { KeepAlive = keepAlive };
}
