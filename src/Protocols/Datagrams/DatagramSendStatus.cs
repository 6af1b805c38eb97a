namespace Toolkit;

/// <summary>
/// What became of a datagram that was to be sent. Whether it arrives is never known: taken, it leaves with the other sends of the
/// running callbacks, and what the system then has against it is told by <see cref="DatagramProtocol.ErrorReceived"/>.
/// </summary>
public enum DatagramSendStatus
{
    /// <summary>It was taken.</summary>
    Accepted,

    /// <summary>
    /// It was taken, and more than the high-water mark is unsent: send no more until
    /// <see cref="DatagramProtocol.ResumeWriting"/>.
    /// </summary>
    AcceptedOverHighWater,

    /// <summary>The queue was full, and it was not taken (<see cref="DatagramDropPolicy.Newest"/>). It is counted.</summary>
    Dropped,

    /// <summary>No datagram is as long as that. It was not taken, and the end point is as it was.</summary>
    TooLong,

    /// <summary>The end point is closing or gone: nothing was taken.</summary>
    Closed,
}
