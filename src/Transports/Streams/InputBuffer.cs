using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>
/// What was received and not read, in pooled segments which the transport receives straight into. Empty, it holds none. Some of
/// the first bytes may be lent: they are read, and stay where they are until the reader comes again.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct InputBuffer
{
    // A receive into less than this is not worth its system call.
    private const int LeastRoom = 512;

    private InputSegment? _first;
    private InputSegment? _last;
    private byte[]? _joined; // what is lent when it lies in several segments
    private int _start; // where the lent bytes begin in the first segment, and behind them the unread ones
    private int _lent;
    private int _receiveSize;
    private int _reserved;

    /// <summary>How many bytes are held that nobody has read.</summary>
    public int Unread { get; private set; }

    /// <summary>Where to receive into. Valid until the next change.</summary>
    public Memory<byte> Reserve()
    {
        if (_last is null || _last.Room.Length < LeastRoom)
        {
            Append(_receiveSize == 0 ? SegmentPool.Small : _receiveSize);
        }

        Memory<byte> room = _last!.Room;
        _reserved = room.Length;
        return room;
    }

    /// <summary>So many bytes were received into what <see cref="Reserve"/> returned.</summary>
    public void Fill(int count)
    {
        _last!.Fill(count);
        Unread += count;

        // Bulk traffic gains from fewer and larger receives; whoever sends little is not to hold much.
        int size = Math.Max(_receiveSize, SegmentPool.Small);
        if (count == _reserved && count >= size / 2)
        {
            _receiveSize = size == SegmentPool.Small ? SegmentPool.Medium : SegmentPool.Bulk;
        }
        else if (count < size / 4)
        {
            _receiveSize = size == SegmentPool.Bulk ? SegmentPool.Medium : SegmentPool.Small;
        }
    }

    /// <summary>Copies bytes to the end.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            if (_last is null || _last.Room.IsEmpty)
            {
                Append(data.Length > SegmentPool.Medium ? SegmentPool.Bulk : SegmentPool.Medium);
            }

            int taken = Math.Min(_last!.Room.Length, data.Length);
            data[..taken].CopyTo(_last.Room.Span);
            _last.Fill(taken);
            Unread += taken;
            data = data[taken..];
        }
    }

    /// <summary>What is lent can be used for something else. Then an empty buffer holds no segment.</summary>
    public void EndLoan()
    {
        if (_joined is not null)
        {
            ArrayPool<byte>.Shared.Return(_joined);
            _joined = null;
        }

        int lent = _lent;
        _lent = 0;
        Drop(lent);
    }

    /// <summary>Reads bytes, which are lent from where they are, or joined when they lie in several segments.</summary>
    /// <remarks>Nothing is lent.</remarks>
    public ReadOnlyMemory<byte> Lend(int count)
    {
        Debug.Assert(_lent == 0 && count <= Unread, "One loan at a time, of what there is.");
        if (count == 0)
        {
            return default;
        }

        ReadOnlyMemory<byte> lent;
        if (count <= _first!.End - _start)
        {
            lent = _first.Array.AsMemory(_start, count);
        }
        else
        {
            _joined = ArrayPool<byte>.Shared.Rent(count);
            Sequence.Slice(0, count).CopyTo(_joined);
            lent = _joined.AsMemory(0, count);
        }

        _lent = count;
        Unread -= count;
        return lent;
    }

    /// <summary>Reads what lies together at the beginning, at least one byte if there is one.</summary>
    public ReadOnlyMemory<byte> LendFirst() => Lend(_first is null ? 0 : _first.End - _start);

    /// <summary>Reads as many bytes as there are and have room. Nothing is lent.</summary>
    public int CopyTo(Span<byte> destination)
    {
        int copied = 0;
        while (copied < destination.Length && Unread > 0)
        {
            int count = Math.Min(_first!.End - _start, destination.Length - copied);
            _first.Array.AsSpan(_start, count).CopyTo(destination[copied..]);
            copied += count;
            Unread -= count;
            Drop(count);
        }

        return copied;
    }

    /// <summary>The unread bytes. Nothing is lent. Valid until some of them are read.</summary>
    public readonly ReadOnlySequence<byte> Sequence
        => _first is null ? ReadOnlySequence<byte>.Empty : new(_first, _start, _last!, _last!.End);

    /// <summary>How far into the unread bytes a position of <see cref="Sequence"/> is.</summary>
    public readonly long OffsetOf(SequencePosition position)
        => _first is not null && position.GetObject() is InputSegment segment
            ? segment.RunningIndex + position.GetInteger() - (_first.RunningIndex + _start)
            : 0;

    /// <summary>Reads bytes that nobody needs any more. Nothing is lent.</summary>
    public void Consume(int count)
    {
        Unread -= count;
        Drop(count);
    }

    /// <summary>Drops everything but what is lent, which is left to the collector.</summary>
    public void Clear()
    {
        if (_lent == 0)
        {
            Consume(Unread);
            return;
        }

        // Somebody still looks at it.
        _first = _last = null;
        _joined = null;
        _start = _lent = Unread = 0;
    }

    /// <summary>Finds the first place in the unread bytes where a delimiter is complete. Nothing is lent.</summary>
    /// <param name="delimiter">What is looked for.</param>
    /// <param name="searched">How many bytes are known to have none; brought up to date when there is none.</param>
    /// <param name="length">The length of the delimiter.</param>
    /// <returns>How many bytes there are to its end; -1 when there is none.</returns>
    public readonly int Find(LineDelimiter delimiter, ref int searched, out int length)
    {
        int before = 0; // how many unread bytes stand before the segment
        int start = _start;
        for (InputSegment? segment = _first; segment is not null; segment = segment.Following, start = 0)
        {
            ReadOnlySpan<byte> data = segment.Array.AsSpan(start, segment.End - start);
            int known = Math.Clamp(searched - before, 0, data.Length);
            if (known < data.Length)
            {
                int end = FindIn(delimiter, data, known, before, out length);
                if (end >= 0)
                {
                    return before + end;
                }
            }

            before += data.Length;
        }

        searched = before;
        length = 0;
        return -1;
    }

    // A delimiter may begin in what is known to have none, and in earlier segments.
    private readonly int FindIn(LineDelimiter delimiter, ReadOnlySpan<byte> data, int known, int before, out int length)
    {
        int carried = Math.Min(delimiter.LongestLength - 1, before + known);
        if (carried <= known)
        {
            int end = delimiter.FindEnd(data[..known], data[known..], out length);
            return end < 0 ? -1 : known + end;
        }

        byte[] carry = ArrayPool<byte>.Shared.Rent(carried);
        try
        {
            Sequence.Slice(before + known - carried, carried).CopyTo(carry);
            int end = delimiter.FindEnd(carry.AsSpan(0, carried), data[known..], out length);
            return end < 0 ? -1 : known + end;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(carry);
        }
    }

    private void Append(int size)
    {
        InputSegment added = SegmentPool.OfThread.RentInput(size);
        if (_last is null)
        {
            _first = added;
        }
        else
        {
            _last.Link(added);
        }

        _last = added;
    }

    private void Drop(int count)
    {
        _start += count;
        while (_first is not null && _start >= _first.End)
        {
            _start -= _first.End;
            DropFirst();
        }
    }

    private void DropFirst()
    {
        InputSegment first = _first!;
        _first = first.Following;
        if (_first is null)
        {
            _last = null;
            _start = 0;
        }

        SegmentPool.OfThread.Return(first);
    }
}
