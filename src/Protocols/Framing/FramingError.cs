namespace Toolkit;

/// <summary>What is wrong with what a peer has sent to a protocol of frames.</summary>
public enum FramingError
{
    /// <summary>A line or frame is over the limit (<see cref="FramedProtocol.MaxLength"/>).</summary>
    TooLong,

    /// <summary>A length is none: negative, or an endless varint.</summary>
    InvalidLength,

    /// <summary>A byte stands where another must stand, as in a netstring without its comma.</summary>
    InvalidFormat,

    /// <summary>The stream has ended inside a frame.</summary>
    Truncated,
}
