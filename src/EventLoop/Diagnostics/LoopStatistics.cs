namespace Toolkit.Diagnostics;

/// <summary>What is counted and measured of one loop: by its thread, while any thread may look.</summary>
internal sealed class LoopStatistics(EventLoop loop)
{
    private Longest? _longest;
    private RecentPeak _recentLongest; // not read-only, and not copied
    private RecentPeak _recentLag;
    private long _busySince; // 0: it waits
    private long _busy;

    // What both come to, in one word, so that who looks sees no stretch twice or half: while the loop works, the time at which it
    // would have begun if it had never waited, and otherwise the complement of the time that it has worked.
    private long _toldBusy = ~0L;

    private int _watchers;

    /// <summary>Which loop it is.</summary>
    public KeyValuePair<string, object?>[] Tags { get; } =
    [
        new("toolkit.loop.name", loop.Name),
        new("toolkit.loop.backend", loop.BackendName),
    ];

    public long Iterations { get; set; }

    public long Errors { get; set; }

    /// <summary>How many callbacks of the ready queue have run.</summary>
    public long Callbacks { get; set; }

    /// <summary>How many timers have fired.</summary>
    public long TimersFired { get; set; }

    /// <summary>How many completions of I/O were told.</summary>
    public long Completions { get; set; }

    /// <summary>Whether somebody wants times to be measured who listens to no instrument; any thread.</summary>
    public bool IsWatched => Volatile.Read(ref _watchers) > 0;

    /// <summary>Somebody wants times to be measured, or does so no more; any thread.</summary>
    public void Watch(int change) => Interlocked.Add(ref _watchers, change);

    /// <summary>The loop works, and does not wait: from now on, unless it did so before.</summary>
    public void BeginWork(long now)
    {
        if (_busySince == 0)
        {
            _busySince = now;
            Volatile.Write(ref _toldBusy, now - _busy);
        }
    }

    /// <summary>The loop is about to wait.</summary>
    public void EndWork(long now)
    {
        if (_busySince != 0)
        {
            LoopMetrics.OnWorked(loop, now - _busySince);
            _busy += now - _busySince;
            Forget();
        }
    }

    /// <summary>Nobody measures any more.</summary>
    public void Forget()
    {
        _busySince = 0;
        Volatile.Write(ref _toldBusy, ~_busy);
    }

    /// <summary>The first of the timers that are due is so late.</summary>
    public void OnTimersDue(long now, long lateTicks)
    {
        LoopMetrics.OnTimersDue(loop, lateTicks);
        if (_recentLag.IsPassedBy(now, lateTicks))
        {
            _recentLag.Set(now, lateTicks, null);
        }
    }

    /// <summary>A callback has taken so long. Its name is asked for only when it matters.</summary>
    public void OnCallback(long now, long ticks, CallbackName name)
    {
        string? text = null;
        if (_recentLongest.IsPassedBy(now, ticks))
        {
            _recentLongest.Set(now, ticks, text = name.ToString());
        }

        if (ticks > (Volatile.Read(ref _longest)?.Ticks ?? 0))
        {
            Volatile.Write(ref _longest, new Longest(ticks, text ?? name.ToString()));
        }
    }

    /// <summary>The longest callback since the last call; any thread.</summary>
    public (long Ticks, string? Name) TakeLongest()
        => Interlocked.Exchange(ref _longest, null) is { } longest ? (longest.Ticks, longest.Name) : default;

    /// <summary>All that is known of the loop in numbers, as it was a moment ago; any thread.</summary>
    public LoopCounters Read()
    {
        Backends.LoopTraffic traffic = loop.Host.Traffic;
        long now = loop.Clock.Now;
        var counters = new LoopCounters
        {
            Time = new TimeSpan(now),
            Iterations = Iterations,
            Callbacks = Callbacks,
            TimersFired = TimersFired,
            Completions = Completions,
            Errors = Errors,
            ReadyCallbacks = loop.ReadyCount,
            Timers = loop.Timers.Count,
            ThreadWork = loop.ThreadWork,
            TasksCreated = loop.TasksCreated,
            ActiveTasks = loop.TaskCount,
            ConnectionsMade = traffic.ConnectionsMade,
            ActiveConnections = traffic.ActiveConnections,
            BytesReceived = traffic.BytesReceived,
            BytesSent = traffic.BytesSent,
        };
        if (!loop.IsTimed)
        {
            return counters;
        }

        long busy = Volatile.Read(ref _toldBusy);
        (long longest, string? name) = _recentLongest.Read(now);
        return counters with
        {
            BusyTime = new TimeSpan(busy < 0 ? ~busy : Math.Max(0, loop.Clock.Now - busy)),
            LongestLag = new TimeSpan(_recentLag.Read(now).Ticks),
            LongestCallback = new TimeSpan(longest),
            LongestCallbackName = name,
        };
    }

    private sealed record Longest(long Ticks, string Name);
}
