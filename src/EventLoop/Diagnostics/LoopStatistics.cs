namespace Toolkit.Diagnostics;

/// <summary>What is counted and measured of one loop: by its thread, while any thread may look.</summary>
internal sealed class LoopStatistics(EventLoop loop)
{
    private Longest? _longest;
    private long _busySince;

    /// <summary>Which loop it is.</summary>
    public KeyValuePair<string, object?>[] Tags { get; } =
    [
        new("toolkit.loop.name", loop.Name),
        new("toolkit.loop.backend", loop.BackendName),
    ];

    public long Iterations { get; set; }

    public long Errors { get; set; }

    /// <summary>The loop works, and does not wait: from now on, unless it did so before.</summary>
    public void BeginWork(long now)
    {
        if (_busySince == 0)
        {
            _busySince = now;
        }
    }

    /// <summary>The loop is about to wait.</summary>
    public void EndWork(long now)
    {
        if (_busySince != 0)
        {
            LoopMetrics.OnWorked(loop, now - _busySince);
            _busySince = 0;
        }
    }

    /// <summary>Nobody measures any more.</summary>
    public void Forget() => _busySince = 0;

    /// <summary>A callback has taken so long. Its name is asked for only when it matters.</summary>
    public void OnCallback(long ticks, CallbackName name)
    {
        if (ticks > (Volatile.Read(ref _longest)?.Ticks ?? 0))
        {
            Volatile.Write(ref _longest, new Longest(ticks, name.ToString()));
        }
    }

    /// <summary>The longest callback since the last call; any thread.</summary>
    public (long Ticks, string? Name) TakeLongest()
        => Interlocked.Exchange(ref _longest, null) is { } longest ? (longest.Ticks, longest.Name) : default;

    private sealed record Longest(long Ticks, string Name);
}
