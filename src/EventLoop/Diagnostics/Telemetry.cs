using System.Diagnostics;

namespace Toolkit;

/// <summary>
/// Under which name what happens can be observed: that of the <see cref="System.Diagnostics.Metrics.Meter"/> and of the
/// <see cref="ActivitySource"/>. Which instruments and activities there are is in the guide to observing; their names are
/// stable.
/// </summary>
public static class Telemetry
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "Toolkit";

    /// <summary>Where activities come from.</summary>
    internal static ActivitySource Activities { get; } = new(Name);
}
