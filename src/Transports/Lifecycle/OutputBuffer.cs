using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>
/// What a transport has accepted and not sent. Empty, as nearly all are at any moment, it is one null reference: the queue
/// behind it is lent from the thread's pool for as long as there is something to hold.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct OutputBuffer
{
    /// <summary>A write of this size is not worth joining with others.</summary>
    public const int JoinLimit = SegmentPool.Medium;

    private SegmentQueue? _queue;

    /// <summary>How many bytes are held.</summary>
    public readonly long Length => _queue?.Length ?? 0;

    /// <summary>Whether nothing is held.</summary>
    public readonly bool IsEmpty => _queue is null;

    /// <summary>The bytes to send next. Valid, and in place, until they are consumed or cleared.</summary>
    public readonly ReadOnlyMemory<byte> First => _queue?.First ?? default;

    /// <summary>Copies bytes to the end.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="isSending">Whether <see cref="First"/> is being sent, and must stay where it is.</param>
    public void Append(ReadOnlySpan<byte> data, bool isSending)
    {
        if (!data.IsEmpty)
        {
            _queue ??= SegmentPool.OfThread.RentQueue();
            _queue.Append(data, isSending);
        }
    }

    /// <summary>The first bytes have been sent.</summary>
    public void Consume(int count)
    {
        _queue!.Consume(count);
        if (_queue.Length == 0)
        {
            ReturnQueue();
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear()
    {
        if (_queue is not null)
        {
            _queue.Clear();
            ReturnQueue();
        }
    }

    private void ReturnQueue()
    {
        SegmentPool.OfThread.Return(_queue!);
        _queue = null;
    }
}
