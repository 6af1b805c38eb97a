using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>Where records begin and end in a stream of ciphertext, by the length in their headers (RFC 8446, 5.1).</summary>
[StructLayout(LayoutKind.Auto)]
internal struct RecordCursor
{
    private const int HeaderLength = 5;
    private const int LengthOffset = 3;

    private int _headerSeen; // of the record that begins, while its header is incomplete
    private int _lengthSeen; // the first byte of its length
    private int _left; // of the record whose header is complete

    /// <summary>How many bytes are left of the record that the stream is in, or of its header when that is incomplete.</summary>
    /// <param name="next">What comes next.</param>
    public readonly int Left(ReadOnlySpan<byte> next)
    {
        if (_left > 0)
        {
            return _left;
        }

        return _headerSeen == 0 && next.Length >= HeaderLength
            ? HeaderLength + (next[LengthOffset] << 8) + next[LengthOffset + 1]
            : HeaderLength - _headerSeen;
    }

    /// <summary>Goes on, no further than to where <see cref="Left"/> ends.</summary>
    public void Advance(ReadOnlySpan<byte> taken)
    {
        if (_left > 0)
        {
            _left -= taken.Length;
            return;
        }

        for (int i = 0; i < taken.Length; i++)
        {
            _headerSeen++;
            if (_headerSeen == LengthOffset + 1)
            {
                _lengthSeen = taken[i];
            }
            else if (_headerSeen == HeaderLength)
            {
                _left = (_lengthSeen << 8) + taken[i] - (taken.Length - i - 1);
                _headerSeen = 0;
                return;
            }
        }
    }
}
