namespace Toolkit;

/// <summary>The stream has ended in good order before all that a read had asked for was there.</summary>
public sealed class IncompleteReadException : FramingException
{
    internal IncompleteReadException(ReadOnlyMemory<byte> partial, int? expected)
        : base(
            FramingError.Truncated,
            expected is { } count
                ? $"The stream has ended after {partial.Length} of {count} bytes."
                : $"The stream has ended after {partial.Length} bytes without a separator.")
    {
        Partial = partial;
        Expected = expected;
    }

    /// <summary>
    /// The bytes that were there, which are read by now: a copy, or the filled part of the caller's own buffer.
    /// </summary>
    public ReadOnlyMemory<byte> Partial { get; }

    /// <summary>How many bytes were asked for; null where a separator was.</summary>
    public int? Expected { get; }
}
