using System.Diagnostics;

namespace Toolkit.Tests;

/// <summary>Listens to the toolkit's activities, of every loop of the process, and keeps those that have ended.</summary>
public sealed class ActivityLog : IDisposable
{
    private readonly ActivityListener _listener;
    private readonly List<Activity> _ended = [];

    public ActivityLog()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => string.Equals(source.Name, Telemetry.Name, StringComparison.Ordinal),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (_ended)
                {
                    _ended.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Those that have ended, in that order, of which the predicate holds.</summary>
    public Activity[] Ended(Func<Activity, bool> predicate)
    {
        lock (_ended)
        {
            return [.. _ended.Where(predicate)];
        }
    }

    public void Dispose() => _listener.Dispose();
}
