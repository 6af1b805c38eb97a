using System.Buffers;

namespace Toolkit;

/// <summary>What ends a line: one sequence of bytes, or any of several. Immutable: make one, and share it.</summary>
/// <remarks>
/// A line ends as soon as one of them is complete, so that the result does not depend on how the stream was cut. When several are
/// complete with the same byte, the longest one is taken: of <c>\n</c> and <c>\r\n</c>, a carriage return before a line feed
/// belongs to the delimiter.
/// </remarks>
public sealed class LineDelimiter
{
    private readonly byte[][] _sequences; // the longest first
    private readonly SearchValues<byte> _lastBytes;

    private LineDelimiter(byte[][] sequences)
    {
        if (sequences.Length == 0 || sequences.Any(sequence => sequence is not { Length: > 0 }))
        {
            throw new ArgumentException("A delimiter has at least one byte.", nameof(sequences));
        }

        Written = sequences[0];
        _sequences = [.. sequences.OrderByDescending(sequence => sequence.Length)];
        _lastBytes = SearchValues.Create([.. sequences.Select(sequence => sequence[^1])]);
    }

    /// <summary>A line feed, with or without a carriage return before it; written as a line feed.</summary>
    public static LineDelimiter Newline { get; } = AnyOf("\n"u8.ToArray(), "\r\n"u8.ToArray());

    internal ReadOnlyMemory<byte> Written { get; }

    /// <summary>The length of the longest sequence, in bytes.</summary>
    public int LongestLength => _sequences[0].Length;

    /// <summary>One sequence of bytes.</summary>
    /// <exception cref="ArgumentException">It is empty.</exception>
    public static LineDelimiter Of(ReadOnlySpan<byte> sequence) => new([sequence.ToArray()]);

    /// <summary>Any of several sequences, of which the first is the one that is written.</summary>
    /// <exception cref="ArgumentException">There are none, or one is empty.</exception>
    public static LineDelimiter AnyOf(params ReadOnlySpan<byte[]> sequences)
    {
        byte[][] copies = new byte[sequences.Length][];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = [.. sequences[i] ?? []];
        }

        return new LineDelimiter(copies);
    }

    /// <summary>Finds the first place in <paramref name="data"/> where a delimiter is complete.</summary>
    /// <param name="before">What stands before it, without a delimiter in it.</param>
    /// <param name="data">Where to look.</param>
    /// <param name="length">How long the delimiter is; it may begin in <paramref name="before"/>.</param>
    /// <returns>The index behind the delimiter; -1 when there is none.</returns>
    public int FindEnd(ReadOnlySpan<byte> before, ReadOnlySpan<byte> data, out int length)
    {
        for (int start = 0; data[start..].IndexOfAny(_lastBytes) is var index and >= 0;)
        {
            start += index + 1;
            foreach (byte[] sequence in _sequences)
            {
                if (EndsWith(before, data[..start], sequence))
                {
                    length = sequence.Length;
                    return start;
                }
            }
        }

        length = 0;
        return -1;
    }

    private static bool EndsWith(ReadOnlySpan<byte> before, ReadOnlySpan<byte> data, ReadOnlySpan<byte> sequence)
    {
        int inBefore = sequence.Length - data.Length;
        return inBefore <= 0
            ? data.EndsWith(sequence)
            : before.EndsWith(sequence[..inBefore]) && data.SequenceEqual(sequence[inBefore..]);
    }
}
