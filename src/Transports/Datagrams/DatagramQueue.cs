using System.Diagnostics;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// Datagrams that were accepted and have not left, in their order. Their bytes lie in pinned blocks, which a batch of them is
/// sent from as it is; an end point that has nothing to send has none.
/// </summary>
internal sealed class DatagramQueue
{
    /// <summary>A block, and so the longest datagram.</summary>
    public const int BlockSize = 64 * 1024;

    private const int BlocksKept = 16;

    [ThreadStatic]
    private static Stack<Block>? s_blocks;

    private Entry[] _entries = [];
    private int _first;
    private int _count;
    private Block? _last; // which is filled

    public int Count => _count;

    public bool IsEmpty => _count == 0;

    /// <summary>What is in it: the bytes, and the overhead of each.</summary>
    public long Bytes { get; private set; }

    /// <summary>Whether what the kernel was to cut is cut here.</summary>
    public bool CutsSegments { get; set; }

    public static long CostOf(int length) => length + DatagramQueueLimits.Overhead;

    /// <summary>Adds a copy of a datagram, or of several that are to be cut.</summary>
    public void Add(ReadOnlySpan<byte> data, in IoAddress to, ushort segmentSize)
    {
        if (_last is null || BlockSize - _last.Used < data.Length)
        {
            _last = RentBlock();
        }

        Grow();
        ref Entry entry = ref At(_count++);
        entry = new Entry { Block = _last, Offset = _last.Used, Length = data.Length, To = to, SegmentSize = segmentSize };
        data.CopyTo(_last.Array.AsSpan(_last.Used));
        _last.Used += data.Length;
        _last.Live++;
        Bytes += CostOf(data.Length);
    }

    /// <summary>Shows the first datagrams.</summary>
    /// <returns>How many.</returns>
    public int Peek(Span<OutgoingDatagram> target)
    {
        int filled = 0;
        for (int i = 0; i < _count && filled < target.Length; i++)
        {
            Entry entry = At(i);
            do
            {
                int length = PieceOf(entry);
                target[filled++] = new OutgoingDatagram(
                    entry.Block.Memory.Slice(entry.Offset, length), entry.To, CutsSegments ? (ushort)0 : entry.SegmentSize);
                entry.Offset += length;
                entry.Length -= length;
            }
            while (entry.Length > 0 && filled < target.Length);
        }

        return filled;
    }

    /// <summary>Removes the first datagrams of what <see cref="Peek"/> has shown.</summary>
    public void Remove(int count)
    {
        for (; count > 0; count--)
        {
            ref Entry entry = ref At(0);
            int length = PieceOf(entry);
            Bytes -= length;
            entry.Offset += length;
            entry.Length -= length;
            if (entry.Length == 0)
            {
                Bytes -= DatagramQueueLimits.Overhead;
                Release(entry.Block);
                RemoveFirst();
            }
        }
    }

    /// <summary>
    /// Takes the first datagram out, for a send that will use its memory: the block lives until
    /// <see cref="Return"/>.
    /// </summary>
    public OutgoingDatagram Take(out object block)
    {
        ref Entry entry = ref At(0);
        int length = PieceOf(entry);
        var taken = new OutgoingDatagram(
            entry.Block.Memory.Slice(entry.Offset, length), entry.To, CutsSegments ? (ushort)0 : entry.SegmentSize);
        block = entry.Block;
        entry.Block.Live++;
        Remove(1);
        return taken;
    }

    /// <summary>Gives back the block of a datagram that was taken out.</summary>
    public void Return(object block) => Release((Block)block);

    /// <summary>Drops the one that has waited longest.</summary>
    /// <returns>How many datagrams that was.</returns>
    public int DropFirst()
    {
        Entry entry = At(0);
        int count = DatagramsOf(entry.Length, entry.SegmentSize);
        Bytes -= CostOf(entry.Length);
        Release(entry.Block);
        RemoveFirst();
        return count;
    }

    public static int DatagramsOf(int length, int segmentSize)
        => segmentSize == 0 || length == 0 ? 1 : (length + segmentSize - 1) / segmentSize;

    private int PieceOf(in Entry entry)
        => CutsSegments && entry.SegmentSize > 0 ? Math.Min(entry.SegmentSize, entry.Length) : entry.Length;

    private ref Entry At(int index) => ref _entries[(_first + index) & (_entries.Length - 1)];

    private void RemoveFirst()
    {
        At(0) = default;
        _first = (_first + 1) & (_entries.Length - 1);
        _count--;
    }

    private void Grow()
    {
        if (_count < _entries.Length)
        {
            return;
        }

        var larger = new Entry[Math.Max(16, _entries.Length * 2)];
        for (int i = 0; i < _count; i++)
        {
            larger[i] = At(i);
        }

        _entries = larger;
        _first = 0;
    }

    private void Release(Block block)
    {
        Debug.Assert(block.Live > 0, "A datagram gives its block back once.");
        if (--block.Live > 0)
        {
            return;
        }

        if (block == _last)
        {
            _last = null;
        }

        block.Used = 0;
        Stack<Block> kept = s_blocks ??= new();
        if (kept.Count < BlocksKept)
        {
            kept.Push(block);
        }
    }

    private static Block RentBlock() => s_blocks is { } kept && kept.TryPop(out Block? block) ? block : new Block();

    [StructLayout(LayoutKind.Auto)]
    private struct Entry
    {
        public Block Block;
        public IoAddress To;
        public int Offset;
        public int Length;
        public ushort SegmentSize;
    }

    private sealed class Block
    {
        public Block()
        {
            Array = GC.AllocateUninitializedArray<byte>(BlockSize, pinned: true);
            Memory = MemoryMarshal.CreateFromPinnedArray(Array, 0, BlockSize);
        }

        public byte[] Array { get; }

        public Memory<byte> Memory { get; }

        public int Used { get; set; }

        public int Live { get; set; }
    }
}
