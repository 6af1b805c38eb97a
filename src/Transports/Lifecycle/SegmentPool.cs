using System.Diagnostics;

namespace Toolkit.Transports;

/// <summary>
/// The memory in which transports join small writes, and keep what the operating system does not take. Each thread has a pool of
/// its own, and so each loop: nothing is locked, and what one connection returned is still in the cache for the next.
/// </summary>
/// <remarks>
/// .NET's shared pool keeps about 32 arrays of a size for a core. A batch of callbacks writes on up to 64 connections before
/// it is flushed, and each holds a segment until then: with the shared pool every batch allocated half of them anew, 2 to 6 KB a
/// message.
/// </remarks>
internal sealed class SegmentPool
{
    /// <summary>The first segment of a connection: what most messages fit into.</summary>
    public const int Small = 2 * 1024;

    /// <summary>The segment in which a flood of small writes is joined.</summary>
    public const int Medium = 16 * 1024;

    /// <summary>The largest segment. What a large write leaves unsent is cut into these, so that its memory goes back as it drains.</summary>
    public const int Large = 256 * 1024;

    /// <summary>The segment into which bulk traffic is received.</summary>
    public const int Bulk = 64 * 1024;

    // How much is kept for later, by size: a megabyte or two of each.
    private const int SmallKept = 512;
    private const int MediumKept = 64;
    private const int BulkKept = 16;
    private const int LargeKept = 8;
    private const int QueuesKept = 1024;
    private const int InputsKept = 1024;

    [ThreadStatic]
    private static SegmentPool? s_ofThread;

    private readonly Stack<byte[]> _small = new();
    private readonly Stack<byte[]> _medium = new();
    private readonly Stack<byte[]> _bulk = new();
    private readonly Stack<byte[]> _large = new();
    private readonly Stack<SegmentQueue> _queues = new();
    private readonly Stack<InputSegment> _inputs = new();

    /// <summary>The calling thread's.</summary>
    public static SegmentPool OfThread => s_ofThread ??= new SegmentPool();

    /// <summary>An array for so many bytes, or, when they are many, for some of them.</summary>
    public byte[] Rent(int wanted) => wanted switch
    {
        <= Small => Take(_small, Small),
        <= Medium => Take(_medium, Medium),
        _ => Take(_large, Large),
    };

    /// <summary>Gives an array back.</summary>
    public void Return(byte[] array)
    {
        Spoil(array);
        (Stack<byte[]> kept, int limit) = array.Length switch
        {
            Small => (_small, SmallKept),
            Medium => (_medium, MediumKept),
            Bulk => (_bulk, BulkKept),
            _ => (_large, LargeKept),
        };
        if (kept.Count < limit)
        {
            kept.Push(array);
        }
    }

    /// <summary>An empty queue.</summary>
    public SegmentQueue RentQueue() => _queues.TryPop(out SegmentQueue? queue) ? queue : new SegmentQueue();

    /// <summary>Gives an empty queue back.</summary>
    public void Return(SegmentQueue queue)
    {
        if (_queues.Count < QueuesKept)
        {
            _queues.Push(queue);
        }
    }

    /// <summary>An empty segment to receive into.</summary>
    /// <param name="size"><see cref="Small"/>, <see cref="Medium"/> or <see cref="Bulk"/>.</param>
    public InputSegment RentInput(int size)
    {
        InputSegment segment = _inputs.TryPop(out InputSegment? kept) ? kept : new InputSegment();
        segment.Array = size == Bulk ? Take(_bulk, Bulk) : Rent(size);
        return segment;
    }

    /// <summary>Gives a segment back, with its array.</summary>
    public void Return(InputSegment segment)
    {
        Return(segment.Array);
        segment.Reset();
        if (_inputs.Count < InputsKept)
        {
            _inputs.Push(segment);
        }
    }

    // So that a segment which is given back too early does not happen to hold the right bytes still.
    [Conditional("DEBUG")]
    private static void Spoil(byte[] array) => Array.Fill(array, (byte)0xDB);

    private static byte[] Take(Stack<byte[]> kept, int size)
        => kept.TryPop(out byte[]? array) ? array : GC.AllocateUninitializedArray<byte>(size);
}
