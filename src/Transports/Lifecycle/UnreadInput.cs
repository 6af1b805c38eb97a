using System.Buffers;

namespace Toolkit.Transports;

/// <summary>
/// What a protocol was handed and gave back, until it is told again. Empty, it holds no memory but its own.
/// </summary>
/// <remarks>
/// A protocol that pauses after each message gives the same rest back again and again. It is then the end of what it was lent
/// from here, and stays where it is; copied each time, a buffer of small messages would cost the square of its length.
/// </remarks>
internal sealed class UnreadInput
{
    private byte[] _bytes = [];
    private int _start;
    private int _end;
    private int _added; // the end of what was given back since the last was told, which comes before the rest of that
    private bool _isLent;

    /// <summary>Whether nothing is held.</summary>
    public bool IsEmpty => _start == _end;

    /// <summary>How many bytes are held.</summary>
    public int Length => _end - _start;

    /// <summary>Whether the loop is going to tell what is held; the owner's own.</summary>
    public bool IsPosted { get; set; }

    /// <summary>Adds bytes after those that were added since the last <see cref="Lend()"/> or <see cref="MoveTo"/>.</summary>
    public void Add(ReadOnlySpan<byte> data)
    {
        if (_isLent && IsEmpty && _bytes.AsSpan(0, _end).Overlaps(data, out int offset) && offset + data.Length == _end)
        {
            _start = offset;
            _added = _end;
            return;
        }

        ReadOnlySpan<byte> held = _bytes.AsSpan(_start, _end - _start);
        int before = _added - _start;
        byte[] joined = ArrayPool<byte>.Shared.Rent(held.Length + data.Length);
        held[..before].CopyTo(joined);
        data.CopyTo(joined.AsSpan(before));
        held[before..].CopyTo(joined.AsSpan(before + data.Length));
        (int end, int added) = (held.Length + data.Length, before + data.Length);
        Clear();
        _bytes = joined;
        _end = end;
        _added = added;
    }

    /// <summary>Takes everything out; it stays where it is until <see cref="EndLoan"/>.</summary>
    public ReadOnlySpan<byte> Lend() => Lend(Length);

    /// <summary>Takes the first bytes out; they stay where they are until <see cref="EndLoan"/>.</summary>
    public ReadOnlySpan<byte> Lend(int count)
    {
        ReadOnlySpan<byte> first = _bytes.AsSpan(_start, count);
        _isLent = true;
        _start += count;
        _added = _start;
        return first;
    }

    /// <summary>Nobody looks any more at what was lent.</summary>
    public void EndLoan()
    {
        _isLent = false;
        if (IsEmpty)
        {
            Clear();
        }
    }

    /// <summary>Takes as much out as has room.</summary>
    /// <returns>How many bytes.</returns>
    public int MoveTo(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _end - _start);
        _bytes.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        _added = _start;
        if (IsEmpty)
        {
            Clear();
        }

        return count;
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        // What is lent is left to the collector: somebody still looks at it.
        if (!_isLent && _bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = [];
        _start = _end = _added = 0;
        _isLent = false;
    }
}
