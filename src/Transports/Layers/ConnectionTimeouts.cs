namespace Toolkit;

/// <summary>
/// How long a connection may wait for its peer (<see cref="TimeoutLayer"/>). Immutable: one object may serve many connections.
/// What is not set has no limit, and costs nothing.
/// </summary>
public sealed record ConnectionTimeouts
{
    /// <summary>How long the connection may be without a byte in either direction. Null: for ever.</summary>
    public TimeSpan? Idle { get; init; }

    /// <summary>
    /// How long the peer may send nothing. Counts while bytes are expected of it: reading is not paused, and its side has not
    /// ended. Null: for ever.
    /// </summary>
    public TimeSpan? Read { get; init; }

    /// <summary>How long bytes may be unsent without one leaving. Null: for ever.</summary>
    public TimeSpan? Write { get; init; }

    internal bool IsNone => (Idle ?? Read ?? Write) is null;

    internal void Validate()
    {
        Require(Idle, nameof(Idle));
        Require(Read, nameof(Read));
        Require(Write, nameof(Write));
    }

    private static void Require(TimeSpan? time, string name)
    {
        if (time is { } set)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(set, TimeSpan.Zero, name);
        }
    }
}

/// <summary>The times that can end a connection.</summary>
public enum ConnectionTimeout
{
    /// <summary><see cref="ConnectionTimeouts.Idle"/>.</summary>
    Idle,

    /// <summary><see cref="ConnectionTimeouts.Read"/>.</summary>
    Read,

    /// <summary><see cref="ConnectionTimeouts.Write"/>.</summary>
    Write,
}

/// <summary>A time is over, as <see cref="StreamProtocol.ConnectionLost"/> is told.</summary>
public sealed class ConnectionTimeoutException : ConnectionException
{
    /// <summary>Creates the exception, whose reason is <see cref="CloseReason.Timeout"/>.</summary>
    public ConnectionTimeoutException(ConnectionTimeout timeout, string message)
        : base(CloseReason.Timeout, message)
    {
        Timeout = timeout;
    }

    /// <summary>Which time.</summary>
    public ConnectionTimeout Timeout { get; }
}
