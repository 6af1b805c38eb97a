using System.Buffers;
using System.Buffers.Binary;
using Toolkit.Protocols;

namespace Toolkit;

/// <summary>A protocol of frames that begin with their length.</summary>
/// <remarks>
/// A length is checked against <see cref="FramedProtocol.MaxLength"/> as soon as it has arrived, and before anything is done with
/// it: no memory is taken because a peer says that much is going to come. Frames may be empty.
/// </remarks>
/// <seealso cref="FramedProtocol"/>
public abstract class LengthPrefixedProtocol : FramedProtocol
{
    /// <summary>The longest prefix: a varint of 64 bits; a netstring's has eleven.</summary>
    private protected const int MaxPrefixSize = 16;

    private const int StackLimit = 1024;

    [ThreadStatic]
    private static byte[]? s_edges; // a prefix, and a trailer behind it, while they are written

    private readonly LengthPrefix _prefix;
    private int _prefixSize;
    private long _frameSize; // with prefix and trailer; 0 until it is known

    /// <summary>The length is four bytes, the most significant first.</summary>
    protected LengthPrefixedProtocol()
        : this(LengthPrefix.FourBytesBigEndian)
    {
    }

    /// <summary>The length is written as given.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such prefix.</exception>
    protected LengthPrefixedProtocol(LengthPrefix prefix)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)prefix, (uint)LengthPrefix.Varint, nameof(prefix));
        _prefix = prefix;
    }

    private protected virtual ReadOnlySpan<byte> Trailer => default;

    /// <summary>Writes a frame, as one write: prefix and payload are joined, which copies the payload once.</summary>
    /// <returns>As from <see cref="Transport.Write(ReadOnlySpan{byte})"/>.</returns>
    /// <exception cref="ArgumentException">The prefix cannot express the length.</exception>
    /// <exception cref="InvalidOperationException">
    /// <see cref="Transport.WriteEof"/> was called, or this is not the loop's thread.
    /// </exception>
    public WriteStatus SendFrame(ReadOnlySpan<byte> payload)
    {
        int length = checked(MaxPrefixSize + payload.Length + Trailer.Length);
        byte[]? rented = null;
        Span<byte> frame = length <= StackLimit ? stackalloc byte[length] : (rented = ArrayPool<byte>.Shared.Rent(length));
        try
        {
            int prefixSize = WritePrefix(frame, payload.Length);
            payload.CopyTo(frame[prefixSize..]);
            Trailer.CopyTo(frame[(prefixSize + payload.Length)..]);
            return Transport.Write(frame[..(prefixSize + payload.Length + Trailer.Length)]);
        }
        finally
        {
            FrameBuffer.Return(rented);
        }
    }

    /// <summary>
    /// Writes a frame, as one vectored write: a large payload is not copied, except for what the operating system does not take
    /// at once. The memory is the caller's again when the call returns.
    /// </summary>
    /// <inheritdoc cref="SendFrame(ReadOnlySpan{byte})"/>
    public WriteStatus SendFrame(ReadOnlyMemory<byte> payload)
    {
        if (payload.Length <= StackLimit)
        {
            return SendFrame(payload.Span);
        }

        // Taken out meanwhile: the write may call PauseWriting, and that may send a frame.
        byte[] edges = s_edges ?? new byte[MaxPrefixSize + 1];
        s_edges = null;
        int prefixSize = WritePrefix(edges, payload.Length);
        Trailer.CopyTo(edges.AsSpan(prefixSize));
        WriteStatus status = Transport.WriteVectored(
            [edges.AsMemory(0, prefixSize), payload, edges.AsMemory(prefixSize, Trailer.Length)]);
        s_edges = edges;
        return status;
    }

    /// <summary>A frame has arrived.</summary>
    /// <param name="frame">
    /// The payload, perhaps empty, at most <see cref="FramedProtocol.MaxLength"/> bytes; lent for the call.
    /// </param>
    protected abstract void FrameReceived(ReadOnlySpan<byte> frame);

    private protected sealed override int Take(ReadOnlySpan<byte> data)
    {
        int taken = 0;
        if (_frameSize == 0)
        {
            taken = TakePrefix(data);
            if (_frameSize == 0)
            {
                return taken; // unfinished, or no length
            }
        }

        // The prefix is in data when nothing is unfinished, and before it otherwise.
        int begun = _unfinished.Length;
        ReadOnlySpan<byte> rest = begun == 0 ? data : data[taken..];
        int wanted = (int)Math.Min(_frameSize - begun, rest.Length);
        taken = begun == 0 ? wanted : taken + wanted;
        if (begun + wanted < _frameSize)
        {
            _unfinished.Append(rest[..wanted]);
            return taken;
        }

        int prefixSize = _prefixSize;
        _frameSize = 0;
        byte[]? lent = Complete(rest[..wanted], out ReadOnlySpan<byte> frame);
        try
        {
            Tell(frame[prefixSize..]);
        }
        finally
        {
            FrameBuffer.Return(lent);
        }

        return taken;
    }

    // Looks for a prefix at the beginning of data.
    // Returns its size and the length that it says; 0 when more must arrive; or throws.
    private protected virtual int ReadPrefix(ReadOnlySpan<byte> data, out ulong length) => _prefix switch
    {
        LengthPrefix.OneByte => ReadFixed(data, 1, littleEndian: false, out length),
        LengthPrefix.TwoBytesBigEndian => ReadFixed(data, 2, littleEndian: false, out length),
        LengthPrefix.TwoBytesLittleEndian => ReadFixed(data, 2, littleEndian: true, out length),
        LengthPrefix.FourBytesBigEndian => ReadFixed(data, 4, littleEndian: false, out length),
        LengthPrefix.FourBytesLittleEndian => ReadFixed(data, 4, littleEndian: true, out length),
        LengthPrefix.EightBytesBigEndian => ReadFixed(data, 8, littleEndian: false, out length),
        LengthPrefix.EightBytesLittleEndian => ReadFixed(data, 8, littleEndian: true, out length),
        _ => ReadVarint(data, out length),
    };

    private protected virtual int WritePrefix(Span<byte> frame, int length)
    {
        switch (_prefix)
        {
            case LengthPrefix.OneByte when length <= byte.MaxValue:
                frame[0] = (byte)length;
                return 1;
            case LengthPrefix.TwoBytesBigEndian when length <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)length);
                return 2;
            case LengthPrefix.TwoBytesLittleEndian when length <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16LittleEndian(frame, (ushort)length);
                return 2;
            case LengthPrefix.FourBytesBigEndian:
                BinaryPrimitives.WriteInt32BigEndian(frame, length);
                return 4;
            case LengthPrefix.FourBytesLittleEndian:
                BinaryPrimitives.WriteInt32LittleEndian(frame, length);
                return 4;
            case LengthPrefix.EightBytesBigEndian:
                BinaryPrimitives.WriteInt64BigEndian(frame, length);
                return 8;
            case LengthPrefix.EightBytesLittleEndian:
                BinaryPrimitives.WriteInt64LittleEndian(frame, length);
                return 8;
            case LengthPrefix.Varint:
                return WriteVarint(frame, (uint)length);
            default:
                throw new ArgumentException($"A frame of {length} bytes is too long for a prefix of {_prefix}.", nameof(length));
        }
    }

    private protected FramingException TooLong(ulong length)
        => new(FramingError.TooLong, $"A frame of {length} bytes is announced, and {MaxLength} are allowed.");

    private static int ReadFixed(ReadOnlySpan<byte> data, int size, bool littleEndian, out ulong length)
    {
        length = 0;
        if (data.Length < size)
        {
            return 0;
        }

        for (int i = 0; i < size; i++)
        {
            length = (length << 8) | data[littleEndian ? size - 1 - i : i];
        }

        return size;
    }

    private static int ReadVarint(ReadOnlySpan<byte> data, out ulong length)
    {
        const int MaxSize = 10;
        length = 0;
        for (int i = 0; i < Math.Min(data.Length, MaxSize); i++)
        {
            length |= (data[i] & 0x7FUL) << (7 * i);
            bool isOver = i == MaxSize - 1 && data[i] > 1; // the tenth byte has one bit of the 64
            if (isOver)
            {
                throw new FramingException(FramingError.InvalidLength, "A varint length has more than 64 bits.");
            }

            if (data[i] < 0x80)
            {
                return i + 1;
            }
        }

        return 0;
    }

    private static int WriteVarint(Span<byte> frame, uint length)
    {
        int size = 0;
        for (; length >= 0x80; length >>= 7)
        {
            frame[size++] = (byte)(length | 0x80);
        }

        frame[size++] = (byte)length;
        return size;
    }

    // Returns how many bytes of data were taken: none when the whole prefix is in there, since the frame may be so too.
    private int TakePrefix(ReadOnlySpan<byte> data)
    {
        try
        {
            if (_unfinished.Length == 0)
            {
                if (!TryReadPrefix(data))
                {
                    _unfinished.Append(data);
                    return data.Length;
                }

                return 0;
            }

            // Rarely: a prefix that was cut is put together byte by byte.
            for (int taken = 1; taken <= data.Length; taken++)
            {
                _unfinished.Append(data.Slice(taken - 1, 1));
                if (TryReadPrefix(_unfinished.Span))
                {
                    return taken;
                }
            }
        }
        catch (FramingException error)
        {
            Fail(error);
        }

        return data.Length;
    }

    private bool TryReadPrefix(ReadOnlySpan<byte> data)
    {
        int size = ReadPrefix(data, out ulong length);
        if (size == 0)
        {
            return false;
        }

        if (length > long.MaxValue)
        {
            throw new FramingException(FramingError.InvalidLength, $"A frame of a negative length is announced: {(long)length}.");
        }

        if (length > (ulong)MaxLength)
        {
            throw TooLong(length);
        }

        _prefixSize = size;
        _frameSize = size + (long)length + Trailer.Length;
        return true;
    }

    private void Tell(ReadOnlySpan<byte> frame)
    {
        if (frame.EndsWith(Trailer))
        {
            FrameReceived(frame[..^Trailer.Length]);
        }
        else
        {
            Fail(new FramingException(FramingError.InvalidFormat, "A netstring does not end with a comma."));
        }
    }
}
