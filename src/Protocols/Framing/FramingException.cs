namespace Toolkit;

/// <summary>
/// A peer has sent what cannot be cut into frames; the connection ends with it, unless its protocol decides otherwise.
/// </summary>
public class FramingException : ConnectionException
{
    /// <summary>Creates the exception, whose reason is <see cref="CloseReason.InvalidData"/>.</summary>
    public FramingException(FramingError error, string message)
        : base(CloseReason.InvalidData, message)
    {
        Error = error;
    }

    /// <summary>What is wrong.</summary>
    public FramingError Error { get; }
}
