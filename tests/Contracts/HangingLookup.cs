using System.Net;

namespace Toolkit.Tests.Contracts;

/// <summary>A resolver that answers nobody until the test lets it.</summary>
internal sealed class HangingLookup : IDisposable
{
    private readonly ManualResetEventSlim _released = new();
    private int _running;

    private HangingLookup()
    {
    }

    /// <summary>Completes when a thread of the pool hangs in it.</summary>
    public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether a thread hangs in it.</summary>
    public bool IsHanging => Volatile.Read(ref _running) > 0;

    /// <summary>Makes it the loop's.</summary>
    public static HangingLookup InstallOn(EventLoop loop)
    {
        var lookup = new HangingLookup();
        loop.Host.Lookup = lookup.Find;
        return lookup;
    }

    /// <summary>Lets the threads go, and waits until they have.</summary>
    public void Dispose()
    {
        _released.Set();
        Assert.True(SpinWait.SpinUntil(() => !IsHanging, TimeSpan.FromSeconds(60)), "The resolver's thread does not end.");
        _released.Dispose();
    }

    private IPAddress[] Find(string host)
    {
        Interlocked.Increment(ref _running);
        Entered.TrySetResult();
        try
        {
            TestThread.WaitFor(_released);
            return [IPAddress.Loopback];
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }
}
