using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <summary>
/// The buffers into which the kernel receives, whichever connection has data: an idle connection holds none. The kernel
/// takes them in the order in which they were given.
/// </summary>
/// <remarks>
/// <para>
/// Since Linux 6.12 the kernel takes a buffer piece by piece, a message after the other, so few and large buffers serve
/// small messages and bulk alike and stay within the cache. Before that, each completion takes a whole buffer: there are
/// more and smaller ones then.
/// </para>
/// <para>
/// A piece that was taken is given back once. The ledger that sees to it is the count of pieces that are out: a buffer goes
/// back to the kernel when the kernel has ended with it and all its pieces are in.
/// </para>
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class ProvidedBuffers : IDisposable
{
    /// <summary>The number of the streams' group within its ring.</summary>
    public const ushort Group = 0;

    private const int IncrementalCount = 16;
    private const int IncrementalSize = 64 * 1024;
    private const int WholeCount = 256;
    private const int WholeSize = 16 * 1024;

    private readonly IoUring.ProvidedBuffer* _ring;
    private readonly byte* _memory;
    private readonly Buffer[] _buffers;
    private readonly int _size;
    private readonly bool _incremental;
    private readonly ushort _group;
    private ushort _tail;

    public ProvidedBuffers(UringOptions options)
        : this(
            Group,
            options.Buffers ?? (options.WholeBuffers ? WholeCount : IncrementalCount),
            options.BufferSize ?? (options.WholeBuffers ? WholeSize : IncrementalSize),
            !options.WholeBuffers)
    {
    }

    /// <param name="group">The group's number within its ring.</param>
    /// <param name="count">How many buffers: a power of two.</param>
    /// <param name="size">How long each is.</param>
    /// <param name="incremental">Whether the kernel takes a buffer piece by piece.</param>
    public ProvidedBuffers(ushort group, int count, int size, bool incremental)
    {
        _group = group;
        _incremental = incremental;
        _buffers = new Buffer[count];
        _size = size;

        // Outside of the collected heap: the kernel writes here whenever data arrives.
        nuint page = (nuint)Environment.SystemPageSize;
        _ring = (IoUring.ProvidedBuffer*)NativeMemory.AlignedAlloc(
            (nuint)(_buffers.Length * sizeof(IoUring.ProvidedBuffer)), page);
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)_buffers.Length * (nuint)_size, page);
    }

    /// <summary>How many buffers the kernel has.</summary>
    public int Available { get; private set; }

    /// <summary>Whether few buffers are left: what is held for later is copied then.</summary>
    public bool AreScarce => Available <= _buffers.Length / 4;

    /// <summary>Gives the buffers to a new ring; of the former one nothing is in flight any more.</summary>
    /// <returns>0, or an error number.</returns>
    public int TryRegister(Ring ring)
    {
        IoUring.BufferRegistration registration = new()
        {
            RingAddress = (ulong)_ring,
            RingEntries = (uint)_buffers.Length,
            Group = _group,
            Flags = _incremental ? IoUring.ProvidedBuffersIncremental : (ushort)0,
        };
        _ring[0].Tail = 0;
        int errno = ring.Register(IoUring.RegisterProvidedBuffers, &registration, 1);
        if (errno != 0)
        {
            return errno;
        }

        _tail = 0;
        Available = 0;
        for (ushort id = 0; id < _buffers.Length; id++)
        {
            _buffers[id].IsWithKernel = false;
            if (_buffers[id].PiecesOut == 0)
            {
                Provide(id);
            }
        }

        return 0;
    }

    /// <summary>Takes note of what the kernel has received.</summary>
    public Piece Take(in CompletionEntry completion)
    {
        Debug.Assert(completion.HasBuffer && completion.BufferId < _buffers.Length, "The kernel knows no other buffers.");
        ref Buffer buffer = ref _buffers[completion.BufferId];
        Debug.Assert(buffer.IsWithKernel, "The kernel has received into a buffer that it did not have.");
        int length = Math.Max(completion.Result, 0);
        var piece = new Piece(
            _memory + ((nuint)completion.BufferId * (nuint)_size) + buffer.Offset, length, completion.BufferId);
        buffer.Offset += length;
        buffer.PiecesOut++;
        if (!completion.BufferHasMore)
        {
            buffer.IsWithKernel = false;
            Available--;
        }

        return piece;
    }

    /// <summary>Gives a piece back. Its memory is the kernel's from here on.</summary>
    public void Return(Piece piece)
    {
        ref Buffer buffer = ref _buffers[piece.BufferId];
        Debug.Assert(buffer.PiecesOut > 0, "A piece is given back once.");
        buffer.PiecesOut--;
        if (buffer is { PiecesOut: 0, IsWithKernel: false })
        {
            Provide(piece.BufferId);
        }
    }

    /// <summary>Frees the memory. The kernel must have nothing in flight.</summary>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_ring);
        NativeMemory.AlignedFree(_memory);
    }

    private void Provide(ushort id)
    {
        ref Buffer buffer = ref _buffers[id];
        buffer.Offset = 0;
        buffer.IsWithKernel = true;
        Available++;
        IoUring.ProvidedBuffer* place = &_ring[_tail & (_buffers.Length - 1)];
        place->Address = (ulong)(_memory + ((nuint)id * (nuint)_size));
        place->Length = (uint)_size;
        place->Id = id;
        Volatile.Write(ref _ring[0].Tail, ++_tail);
    }

    /// <summary>Received bytes, in a buffer that is not given to the kernel again before they are given back.</summary>
    [StructLayout(LayoutKind.Auto)]
    public readonly struct Piece(byte* start, int length, ushort bufferId)
    {
        public ReadOnlySpan<byte> Bytes => new(start, length);

        public ushort BufferId => bufferId;

        /// <summary>The piece without its first bytes. One of the two is given back, not both.</summary>
        public Piece Skip(int count) => new(start + count, length - count, bufferId);
    }

    [StructLayout(LayoutKind.Auto)]
    private struct Buffer
    {
        public int Offset;
        public int PiecesOut;
        public bool IsWithKernel;
    }
}
