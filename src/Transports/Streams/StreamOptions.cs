namespace Toolkit;

/// <summary>
/// How much a <see cref="StreamConnection"/> holds for whoever reads from it. Immutable: one object may serve many connections.
/// There is always a limit.
/// </summary>
public sealed record StreamOptions
{
    /// <summary>The defaults.</summary>
    public static StreamOptions Default { get; } = new();

    /// <summary>
    /// How many bytes a read may put together: a line or what stands before a separator, each without its end, and what
    /// <see cref="StreamConnection.ReadExactlyAsync(int, CancellationToken)"/> and
    /// <see cref="StreamConnection.ReadToEndAsync"/> return. 64 KiB by default.
    /// </summary>
    public int MaxLength { get; init; } = 64 * 1024;

    /// <summary>
    /// With more bytes than this unread, and nobody who waits for more, the transport stops receiving; with fewer than half of it
    /// it goes on. What is lent to the reader does not count. 64 KiB by default.
    /// </summary>
    public int InputHighWater { get; init; } = 64 * 1024;

    /// <summary>
    /// How many bytes the reader of <see cref="StreamConnection.Input"/> may leave unconsumed and still wait for more. 1 MiB by
    /// default.
    /// </summary>
    public int MaxUnconsumed { get; init; } = 1024 * 1024;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxLength, nameof(MaxLength));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxLength, Array.MaxLength / 2, nameof(MaxLength));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(InputHighWater, nameof(InputHighWater));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxUnconsumed, nameof(MaxUnconsumed));
    }
}
