using System.Buffers.Text;

namespace Toolkit;

/// <summary>
/// A protocol of netstrings (<c>5:hello,</c>): a length in decimal, a colon, the payload and a comma.
/// </summary>
/// <remarks>
/// A length has no zeros before it. It is checked digit by digit, so that an endless number ends with the digit that is too much.
/// </remarks>
/// <seealso cref="FramedProtocol"/>
public abstract class NetstringProtocol : LengthPrefixedProtocol
{
    private protected sealed override ReadOnlySpan<byte> Trailer => ","u8;

    private protected sealed override int ReadPrefix(ReadOnlySpan<byte> data, out ulong length)
    {
        length = 0;
        for (int i = 0; i < data.Length; i++)
        {
            byte value = data[i];
            if (value == (byte)':' && i > 0)
            {
                return i + 1;
            }

            if (value is < (byte)'0' or > (byte)'9' || (i == 1 && length == 0))
            {
                throw new FramingException(
                    FramingError.InvalidFormat,
                    "A netstring begins with its length in decimal, without zeros before it, and a colon.");
            }

            length = (length * 10) + (uint)(value - '0');
            if (length > (ulong)MaxLength)
            {
                throw TooLong(length);
            }
        }

        return 0;
    }

    private protected sealed override int WritePrefix(Span<byte> frame, int length)
    {
        Utf8Formatter.TryFormat(length, frame, out int digits);
        frame[digits] = (byte)':';
        return digits + 1;
    }
}
