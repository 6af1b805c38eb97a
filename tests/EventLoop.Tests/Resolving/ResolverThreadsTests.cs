using System.Collections.Concurrent;
using Toolkit.Resolving;

namespace Toolkit.Tests.Resolving;

/// <summary>The threads that resolvers block: how many, for how long, and what waits for them.</summary>
public sealed class ResolverThreadsTests
{
    [Fact]
    public void AllHang_TheNextWaitsAndCanBeAbandoned()
    {
        var threads = new ResolverThreads(2, TimeSpan.FromMinutes(1));
        using var release = new ManualResetEventSlim();
        using var hanging = new CountdownEvent(2);
        using var done = new CountdownEvent(3);
        var ran = new ConcurrentQueue<string>();
        for (int i = 0; i < 2; i++)
        {
            threads.Queue(
                () =>
                {
                    hanging.Signal();
                    TestThread.WaitFor(release);
                },
                () => done.Signal());
        }

        Assert.True(hanging.Wait(TimeSpan.FromSeconds(60)));
        IDisposable abandoned = threads.Queue(() => ran.Enqueue("abandoned"), () => ran.Enqueue("told"));
        threads.Queue(() => ran.Enqueue("kept"), () => done.Signal());
        Assert.Equal(2, threads.Count);
        Assert.Equal(2, threads.QueuedCount);

        abandoned.Dispose();
        abandoned.Dispose();
        Assert.Equal(1, threads.QueuedCount);
        release.Set();
        Assert.True(done.Wait(TimeSpan.FromSeconds(60)));

        Assert.Equal(["kept"], ran);
        Assert.Equal(2, threads.Count);
    }

    [Fact]
    public void Idle_TheyEnd_AndAreMadeAgain()
    {
        var threads = new ResolverThreads(4, TimeSpan.FromMilliseconds(1));
        for (int i = 0; i < 3; i++)
        {
            using var done = new ManualResetEventSlim();
            threads.Queue(() => { }, done.Set);
            TestThread.WaitFor(done);
            Assert.True(SpinWait.SpinUntil(() => threads.Count == 0, TimeSpan.FromSeconds(60)), "A thread stays.");
        }
    }

    [Fact]
    public void OneIdle_IsUsedAgain()
    {
        var threads = new ResolverThreads(4, TimeSpan.FromMinutes(1));
        var ids = new ConcurrentQueue<int>();
        for (int i = 0; i < 3; i++)
        {
            using var done = new ManualResetEventSlim();
            threads.Queue(() => ids.Enqueue(Environment.CurrentManagedThreadId), done.Set);
            TestThread.WaitFor(done);
            Assert.True(SpinWait.SpinUntil(() => threads.IdleCount == 1, TimeSpan.FromSeconds(60)), "It is not idle.");
        }

        Assert.Equal(1, threads.Count);
        Assert.Equal(3, ids.Count);
        Assert.Single(ids.Distinct());
    }
}
