namespace Toolkit.Simulation;

/// <summary>Bytes, first in, first out, in a ring that grows.</summary>
internal sealed class ByteQueue
{
    private byte[] _ring = [];
    private int _head;

    public int Length { get; private set; }

    public void Append(ReadOnlySpan<byte> data)
    {
        if (Length + data.Length > _ring.Length)
        {
            Grow(Length + data.Length);
        }

        int tail = (_head + Length) % Math.Max(_ring.Length, 1);
        int first = Math.Min(data.Length, _ring.Length - tail);
        data[..first].CopyTo(_ring.AsSpan(tail));
        data[first..].CopyTo(_ring);
        Length += data.Length;
    }

    /// <summary>Takes as many bytes as there are and fit.</summary>
    public int Take(Span<byte> target)
    {
        int count = Math.Min(target.Length, Length);
        int first = Math.Min(count, _ring.Length - _head);
        _ring.AsSpan(_head, first).CopyTo(target);
        _ring.AsSpan(0, count - first).CopyTo(target[first..]);
        _head = count == Length ? 0 : (_head + count) % _ring.Length;
        Length -= count;
        return count;
    }

    public void Clear()
    {
        _ring = [];
        _head = 0;
        Length = 0;
    }

    private void Grow(int needed)
    {
        byte[] larger = new byte[Math.Max(needed, _ring.Length * 2)];
        int length = Length;
        _ = Take(larger);
        _ring = larger;
        _head = 0;
        Length = length;
    }
}
