namespace Toolkit;

/// <summary>
/// What the peers of a server may cost in time. Immutable. Each limit is off until it is set, since only the protocol knows
/// whether its peers are ever silent; <see cref="Recommended"/> suits most that face strangers.
/// </summary>
/// <remarks>
/// <para>
/// A connection that passes a limit ends with a <see cref="ConnectionLimitException"/> and
/// <see cref="CloseReason.LimitReached"/>. An idle one that has everything is closed in good order
/// (<see cref="Transport.Close()"/>), every other one is aborted: a peer that does not keep up would not take a good order either.
/// </para>
/// <para>
/// Time counts against the peer while something is expected of it: received bytes while reading is not paused, the peer's side
/// has not ended and the connection is not closing, which has a bound of its own (<see cref="TcpOptions.LingerTime"/>); sent ones
/// while some are unsent. Time during which the loop did not run, since the process was halted or a callback held it up, counts
/// against nobody.
/// </para>
/// <para>
/// The server looks at its connections from time to time: at an eighth of the shortest time that is set, but at least once
/// a second and at most a hundred times. No limit takes effect early; each takes effect within two such looks. Messages cost
/// nothing.
/// </para>
/// </remarks>
public sealed record ConnectionLimits
{
    /// <summary>No limit, which is the default.</summary>
    public static ConnectionLimits None { get; } = new();

    /// <summary>
    /// For servers whose peers speak first and are strangers: the first byte within 30 seconds, two minutes without a byte, a
    /// minute in which unsent bytes do not move.
    /// </summary>
    public static ConnectionLimits Recommended { get; } = new()
    {
        FirstByteTime = TimeSpan.FromSeconds(30),
        IdleTime = TimeSpan.FromMinutes(2),
        WriteStallTime = TimeSpan.FromMinutes(1),
    };

    /// <summary>How long the peer has to send its first byte. Null: for ever.</summary>
    public TimeSpan? FirstByteTime { get; init; }

    /// <summary>
    /// How long the connection may be without a byte in either direction. Counts while bytes are expected of the peer, or are
    /// unsent. Null: for ever.
    /// </summary>
    public TimeSpan? IdleTime { get; init; }

    /// <summary>
    /// How slowly the peer may send. For protocols in which the peer always has something to send, such as an upload; one that
    /// may be silent between its requests has <see cref="IdleTime"/> for that. Null: at any rate.
    /// </summary>
    public MinDataRate? MinReceiveRate { get; init; }

    /// <summary>How slowly the peer may take what is unsent. Null: at any rate.</summary>
    public MinDataRate? MinSendRate { get; init; }

    /// <summary>How long bytes may be unsent without one leaving. Null: for ever.</summary>
    public TimeSpan? WriteStallTime { get; init; }

    internal void Validate()
    {
        Require(FirstByteTime, nameof(FirstByteTime));
        Require(IdleTime, nameof(IdleTime));
        Require(WriteStallTime, nameof(WriteStallTime));
        MinReceiveRate?.Validate(nameof(MinReceiveRate));
        MinSendRate?.Validate(nameof(MinSendRate));
    }

    private static void Require(TimeSpan? time, string name)
    {
        if (time is { } set)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(set, TimeSpan.Zero, name);
        }
    }
}
