namespace Toolkit;

/// <summary>How slow a peer may be.</summary>
/// <param name="BytesPerSecond">The average that it must keep; more than zero.</param>
/// <param name="GracePeriod">
/// Over what time: a peer may be silent or slow for as long as this, once it has kept up for as long. More than zero.
/// </param>
public sealed record MinDataRate(double BytesPerSecond, TimeSpan GracePeriod)
{
    internal void Validate(string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(BytesPerSecond, name);
        if (!double.IsFinite(BytesPerSecond))
        {
            throw new ArgumentOutOfRangeException(name, BytesPerSecond, "A rate is a finite number of bytes per second.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(GracePeriod, TimeSpan.Zero, name);
    }
}
