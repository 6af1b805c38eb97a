using System.Diagnostics;
using System.Diagnostics.Metrics;
using Toolkit.Backends;

namespace Toolkit.Diagnostics;

/// <summary>
/// The instruments of all loops of the process, and the loops that they read. What is counted is counted always, by the loop's
/// thread and without a lock; what would take the time of day is measured only while somebody listens to it.
/// </summary>
internal static class LoopMetrics
{
    private const string Seconds = "s";

    private static readonly Lock s_lock = new();
    private static readonly List<WeakReference<EventLoop>> s_loops = [];

    private static readonly Meter s_meter = new(Telemetry.Name);
    private static readonly InstrumentAdvice<double> s_times = new()
    {
        HistogramBucketBoundaries = [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    };

    private static readonly InstrumentAdvice<double> s_lives = new()
    {
        HistogramBucketBoundaries = [0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400],
    };

    private static readonly Histogram<double> s_work = s_meter.CreateHistogram(
        "toolkit.loop.iteration.duration", Seconds, "How long a loop works between two waits.", advice: s_times);

    private static readonly Histogram<double> s_lag = s_meter.CreateHistogram(
        "toolkit.loop.lag", Seconds, "How late the first of the timers that are due runs.", advice: s_times);

    private static readonly Histogram<double> s_lifetime = s_meter.CreateHistogram(
        "toolkit.connection.duration", Seconds, "How long a connection has lived when it ends.", advice: s_lives);

    private static readonly ObservableGauge<double> s_longest = s_meter.CreateObservableGauge(
        "toolkit.loop.callback.longest", ObserveLongest, Seconds, "The longest callback since the last observation.");

    static LoopMetrics()
    {
        Count("toolkit.loop.iterations", "{iteration}", "Iterations.", loop => loop.Statistics.Iterations);
        Count("toolkit.loop.errors", "{error}", "Errors that nobody waited for.", loop => loop.Statistics.Errors);
        Count("toolkit.task.created", "{task}", "Tasks that were created.", loop => loop.TasksCreated);
        Count("toolkit.connection.created", "{connection}", "Connections.", loop => loop.Host.Traffic.ConnectionsMade);
        Track("toolkit.loop.ready_callbacks", "{callback}", "Callbacks that are ready.", loop => loop.ReadyCount);
        Track("toolkit.loop.timers", "{timer}", "Timers that are scheduled.", loop => loop.Timers.Count);
        Track("toolkit.loop.thread_work", "{function}", "Functions in threads.", loop => loop.ThreadWork);
        Track("toolkit.task.active", "{task}", "Tasks that have not ended.", loop => loop.TaskCount);
        Track("toolkit.connection.active", "{connection}", "Connections.", loop => loop.Host.Traffic.ActiveConnections);
        s_meter.CreateObservableCounter("toolkit.io", ObserveTraffic, "By", "Bytes received and sent by connections.");
    }

    /// <summary>Whether anybody listens to what takes the time of day.</summary>
    public static bool AreTimesWanted => s_work.Enabled || s_lag.Enabled || s_longest.Enabled;

    public static void Add(EventLoop loop)
    {
        lock (s_lock)
        {
            s_loops.RemoveAll(static reference => !reference.TryGetTarget(out _));
            s_loops.Add(new WeakReference<EventLoop>(loop));
        }
    }

    public static void Remove(EventLoop loop)
    {
        lock (s_lock)
        {
            s_loops.RemoveAll(reference => !reference.TryGetTarget(out EventLoop? other) || other == loop);
        }
    }

    public static void OnWorked(EventLoop loop, long ticks) => s_work.Record(ToSeconds(ticks), loop.Statistics.Tags);

    public static void OnTimersDue(EventLoop loop, long lateTicks) => s_lag.Record(ToSeconds(lateTicks), loop.Statistics.Tags);

    public static void OnConnectionLost(EventLoop loop, DateTimeOffset began, string reason)
    {
        if (s_lifetime.Enabled)
        {
            s_lifetime.Record(
                (loop.TimeProvider.GetUtcNow() - began).TotalSeconds,
                [.. loop.Statistics.Tags, new("toolkit.connection.close_reason", reason)]);
        }
    }

    private static void Count(string name, string unit, string description, Func<EventLoop, long> value)
        => s_meter.CreateObservableCounter(name, () => Observe(value), unit, description);

    private static void Track(string name, string unit, string description, Func<EventLoop, long> value)
        => s_meter.CreateObservableUpDownCounter(name, () => Observe(value), unit, description);

    private static IEnumerable<Measurement<long>> Observe(Func<EventLoop, long> value)
        => Loops().Select(loop => new Measurement<long>(value(loop), loop.Statistics.Tags));

    private static IEnumerable<Measurement<long>> ObserveTraffic()
    {
        foreach (EventLoop loop in Loops())
        {
            LoopTraffic traffic = loop.Host.Traffic;
            yield return NewMeasurement(traffic.BytesReceived, "receive");
            yield return NewMeasurement(traffic.BytesSent, "transmit");

            Measurement<long> NewMeasurement(long bytes, string direction)
                => new(bytes, [.. loop.Statistics.Tags, new("network.io.direction", direction)]);
        }
    }

    private static IEnumerable<Measurement<double>> ObserveLongest()
    {
        foreach (EventLoop loop in Loops())
        {
            if (loop.Statistics.TakeLongest() is (var ticks, { } name))
            {
                yield return new Measurement<double>(
                    ToSeconds(ticks), [.. loop.Statistics.Tags, new("code.function.name", name)]);
            }
        }
    }

    private static EventLoop[] Loops()
    {
        lock (s_lock)
        {
            return [.. s_loops.Select(Target).OfType<EventLoop>()];
        }
    }

    private static EventLoop? Target(WeakReference<EventLoop> reference)
        => reference.TryGetTarget(out EventLoop? loop) ? loop : null;

    private static double ToSeconds(long ticks) => new TimeSpan(ticks).TotalSeconds;
}
