using Toolkit.Backends;

namespace Toolkit.Tests.Backends;

public sealed class BackendCatalogTests
{
    [Theory]
    [InlineData("nonsense")]
    [InlineData("kqueue")]
    [InlineData("epoll,portable")]
    [InlineData(" ")]
    public void Environment_UnknownName_SaysWhatIsAllowed(string name) => WithBackendVariable(name, () =>
    {
        var exception = Assert.Throws<BackendUnavailableException>(() => new EventLoop());

        Assert.Equal(name, exception.Backend);
        Assert.Contains(EventLoopOptions.BackendVariable, exception.Message, StringComparison.Ordinal);
        Assert.Contains("auto", exception.Message, StringComparison.Ordinal);
        Assert.Contains("epoll", exception.Message, StringComparison.Ordinal);
        Assert.IsAssignableFrom<PlatformNotSupportedException>(exception);
    });

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("auto")]
    [InlineData("AUTO")]
    public void Environment_Open_FindsALoop(string? name) => WithBackendVariable(name, () =>
    {
        using var loop = new EventLoop();
        Assert.NotEmpty(loop.BackendName);
    });

    [Theory]
    [InlineData("epoll")]
    [InlineData("Epoll")]
    [InlineData("EPOLL")]
    public void Environment_Name_PicksTheKind(string name) => WithBackendVariable(name, () =>
    {
        LoopContract.RequireKind(LoopKind.Epoll);
        using var loop = new EventLoop();
        Assert.Equal("epoll", loop.BackendName);
    });

    [Fact]
    public void Environment_KindInTheOptions_IsNotAsked() => WithBackendVariable("nonsense", () =>
    {
        LoopContract.RequireKind(LoopKind.Epoll);
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Epoll });
        Assert.Equal("epoll", loop.BackendName);
    });

    [Fact]
    public void Factory_Given_IsUsedAndItsBackendDisposedWithTheLoop() => WithBackendVariable("nonsense", () =>
    {
        var backend = new ManualBackend(new ManualClock());
        var loop = new EventLoop(new EventLoopOptions { BackendFactory = () => backend, Kind = LoopKind.Epoll });

        Assert.Equal("manual", loop.BackendName);
        Assert.False(backend.IsDisposed);
        loop.Dispose();
        Assert.True(backend.IsDisposed);
    });

    [Fact]
    public void Factory_ReturnsNull_IsRefused()
        => Assert.Throws<InvalidOperationException>(() => new EventLoop(new EventLoopOptions { BackendFactory = () => null! }));

    private static void WithBackendVariable(string? value, Action test)
    {
        string? outer = Environment.GetEnvironmentVariable(EventLoopOptions.BackendVariable);
        Environment.SetEnvironmentVariable(EventLoopOptions.BackendVariable, value);
        try
        {
            test();
        }
        finally
        {
            Environment.SetEnvironmentVariable(EventLoopOptions.BackendVariable, outer);
        }
    }
}
