using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>Pooled segments in which small writes are joined. Empty, it holds none.</summary>
internal sealed class SegmentQueue
{
    // The first segment stands here, and most queues have no other; the others are in a ring.
    private Segment _first;
    private Segment[]? _others;
    private int _othersHead;
    private int _othersCount;

    /// <summary>How many bytes are held.</summary>
    public long Length { get; private set; }

    /// <summary>The bytes to send next. Valid, and in place, until they are consumed or cleared.</summary>
    public ReadOnlyMemory<byte> First => new(_first.Array, _first.Start, _first.End - _first.Start);

    /// <summary>Copies bytes to the end.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="isSending">Whether <see cref="First"/> is being sent, and must stay where it is.</param>
    public void Append(ReadOnlySpan<byte> data, bool isSending)
    {
        Length += data.Length;
        while (!data.IsEmpty)
        {
            ref Segment last = ref LastWithRoom(data.Length, isSending);
            int taken = Math.Min(last.Array!.Length - last.End, data.Length);
            data[..taken].CopyTo(last.Array.AsSpan(last.End));
            last.End += taken;
            data = data[taken..];
        }
    }

    /// <summary>The first bytes have been sent.</summary>
    public void Consume(int count)
    {
        Debug.Assert(count <= _first.End - _first.Start, "No more is sent than was given.");
        Length -= count;
        _first.Start += count;
        if (_first.Start == _first.End)
        {
            DropFirst();
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        while (_first.Array is not null)
        {
            DropFirst();
        }

        Length = 0;
    }

    private ref Segment LastWithRoom(int wanted, bool isSending)
    {
        if (_first.Array is null)
        {
            _first.Array = SegmentPool.OfThread.Rent(wanted);
            return ref _first;
        }

        // Many small writes are to leave by one send, so they move together into something larger.
        if (_first.Array.Length == SegmentPool.Small && wanted > SegmentPool.Small - _first.End && _othersCount == 0 && !isSending)
        {
            _first.MoveTo(SegmentPool.OfThread.Rent(SegmentPool.Medium));
            return ref _first;
        }

        ref Segment last = ref (_othersCount == 0 ? ref _first : ref Other(_othersCount - 1));
        if (last.End < last.Array!.Length)
        {
            return ref last;
        }

        if (_othersCount == (_others?.Length ?? 0))
        {
            Grow();
        }

        ref Segment added = ref Other(_othersCount++);
        added.Array = SegmentPool.OfThread.Rent(Math.Max(wanted, SegmentPool.Medium));
        return ref added;
    }

    private ref Segment Other(int index) => ref _others![(_othersHead + index) % _others.Length];

    private void Grow()
    {
        var larger = new Segment[Math.Max(4, _othersCount * 2)];
        for (int i = 0; i < _othersCount; i++)
        {
            larger[i] = Other(i);
        }

        _others = larger;
        _othersHead = 0;
    }

    private void DropFirst()
    {
        SegmentPool.OfThread.Return(_first.Array!);
        if (_othersCount == 0)
        {
            _first = default;
            return;
        }

        ref Segment next = ref Other(0);
        _first = next;
        next = default;
        _othersHead = (_othersHead + 1) % _others!.Length;
        _othersCount--;
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Segment
    {
        public byte[]? Array;
        public int Start;
        public int End;

        public void MoveTo(byte[] larger)
        {
            Array.AsSpan(Start..End).CopyTo(larger);
            SegmentPool.OfThread.Return(Array!);
            (Array, Start, End) = (larger, 0, End - Start);
        }
    }
}
