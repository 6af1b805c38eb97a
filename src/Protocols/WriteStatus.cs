namespace Toolkit;

/// <summary>What became of a write.</summary>
public enum WriteStatus
{
    /// <summary>The bytes were taken.</summary>
    Accepted,

    /// <summary>
    /// The bytes were taken, and more than the high-water mark is unsent: write no more until
    /// <see cref="StreamProtocol.ResumeWriting"/>.
    /// </summary>
    AcceptedOverHighWater,

    /// <summary>The transport is closing, or the peer is gone: nothing was taken.</summary>
    Closed,
}
