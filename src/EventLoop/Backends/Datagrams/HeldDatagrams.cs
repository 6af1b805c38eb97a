using System.Buffers;
using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>Datagrams that a backend had taken when nobody wanted them, in their order, in copies.</summary>
internal sealed class HeldDatagrams
{
    private readonly Queue<Entry> _entries = new();

    public int Count => _entries.Count;

    /// <summary>Keeps a datagram, and so all that come later.</summary>
    public void Add(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
    {
        byte[] copy = ArrayPool<byte>.Shared.Rent(data.Length);
        data.CopyTo(copy);
        _entries.Enqueue(new Entry(copy, data.Length, from, isTruncated));
    }

    /// <summary>Takes the one that came first. It is freed by whoever takes it.</summary>
    public bool TryTake(out Entry entry) => _entries.TryDequeue(out entry);

    /// <summary>Nobody will want them any more.</summary>
    public void Clear()
    {
        while (_entries.TryDequeue(out Entry entry))
        {
            entry.Free();
        }
    }

    [StructLayout(LayoutKind.Auto)]
    public readonly struct Entry(byte[] copy, int length, IoAddress from, bool isTruncated)
    {
        private readonly IoAddress _from = from;

        public ReadOnlySpan<byte> Data => copy.AsSpan(0, length);

        public IoAddress From => _from;

        public bool IsTruncated => isTruncated;

        public void Free() => ArrayPool<byte>.Shared.Return(copy);
    }
}
