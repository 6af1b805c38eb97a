using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Resolving;

/// <summary>What a resolver that keeps answers keeps, and for how long: in virtual time.</summary>
public sealed class CachingResolverTests
{
    [Fact]
    public void Answer_IsKeptForItsTime() => Run(async (loop, inner) =>
    {
        var cache = new CachingResolver(TimeSpan.FromSeconds(30), inner: inner);

        Assert.Equal([IPAddress.Loopback], await cache.ResolveAsync("a.example", CancellationToken.None));
        await loop.Delay(TimeSpan.FromSeconds(29));
        Assert.Equal([IPAddress.Loopback], await cache.ResolveAsync("A.EXAMPLE", CancellationToken.None));
        Assert.Equal(["a.example"], inner.Asked);
        await loop.Delay(TimeSpan.FromSeconds(1));
        await cache.ResolveAsync("a.example", CancellationToken.None);

        Assert.Equal(["a.example", "a.example"], inner.Asked);
        Assert.True(cache.Remove("a.example"));
        Assert.False(cache.Remove("a.example"));
        await cache.ResolveAsync("a.example", CancellationToken.None);
        Assert.Equal(3, inner.Asked.Count);
    });

    [Fact]
    public void MoreNamesThanAreKept_TheOldestGoes() => Run(async (loop, inner) =>
    {
        var cache = new CachingResolver(TimeSpan.FromSeconds(30), maxNames: 2, inner);
        foreach (string name in (string[])["a", "b", "c", "b", "a"])
        {
            await cache.ResolveAsync(name, CancellationToken.None);
        }

        Assert.Equal(["a", "b", "c", "a"], inner.Asked);
        Assert.Equal(2, cache.Count);
    });

    [Fact]
    public void Failure_IsNotKept() => Run(async (loop, inner) =>
    {
        var cache = new CachingResolver(TimeSpan.FromSeconds(30), inner: inner);
        await Assert.ThrowsAsync<SocketException>(() => cache.ResolveAsync("fails", CancellationToken.None).AsTask());
        await Assert.ThrowsAsync<SocketException>(() => cache.ResolveAsync("fails", CancellationToken.None).AsTask());

        Assert.Equal(2, inner.Asked.Count);
        Assert.Equal(0, cache.Count);
    });

    [Fact]
    public void CancelledScope_ThrowsThoughTheAnswerIsThere() => Run(async (loop, inner) =>
    {
        var cache = new CachingResolver(TimeSpan.FromSeconds(30), inner: inner);
        await cache.ResolveAsync("a", CancellationToken.None);
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => cache.ResolveAsync("a", CancellationToken.None).AsTask());
        });
    });

    [Fact]
    public void Arguments_AreChecked()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new CachingResolver(TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CachingResolver(TimeSpan.FromSeconds(1), maxNames: 0));
    }

    private static void Run(Func<EventLoop, Inner, Task> scenario)
        => EventLoop.Run(loop => scenario(loop, new Inner()), new EventLoopOptions { Kind = LoopKind.Simulated });

    private sealed class Inner : NameResolver
    {
        public List<string> Asked { get; } = [];

        public override ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken)
        {
            Asked.Add(host);
            return host == "fails"
                ? throw new SocketException((int)SocketError.HostNotFound)
                : ValueTask.FromResult<IReadOnlyList<IPAddress>>([IPAddress.Loopback]);
        }
    }
}
