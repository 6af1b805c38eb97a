using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Toolkit.Transports;

/// <summary>
/// The sending side of a <see cref="StreamConnection"/> as a pipe's writer.
/// </summary>
/// <remarks>
/// What is written goes into a segment of its own and not into the transport's output, because the memory of a pipe's writer may
/// be held across a wait, while others write and the transport sends. Flushed, a large one is sent from where it is; a small one
/// is copied, to leave together with other small ones.
/// </remarks>
internal sealed class StreamOutput(StreamConnection connection) : PipeWriter
{
    private byte[]? _segment;
    private int _start; // where the unflushed bytes begin, and where they end
    private int _end;
    private bool _isLent; // between GetMemory and Advance
    private bool _isCancelled;
    private bool _isCompleted;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _end - _start;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        VerifyNotCompleted();
        connection.VerifyWritable();
        int wanted = Math.Max(sizeHint, 1);
        if (_segment is not null && _segment.Length - _end < wanted)
        {
            _isLent = false;
            Commit();
            ReturnSegment();
        }

        _segment ??= wanted <= SegmentPool.Medium
            ? SegmentPool.OfThread.Rent(SegmentPool.Medium)
            : GC.AllocateUninitializedArray<byte>(wanted);
        _isLent = true;
        return _segment.AsMemory(_end);
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        VerifyNotCompleted();
        connection.VerifyWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, (_segment?.Length ?? 0) - _end);
        _end += bytes;
        _isLent = false;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        VerifyNotCompleted();
        connection.VerifyWritable();
        Commit();
        return FinishAsync(cancellationToken);
    }

    public override ValueTask<FlushResult> WriteAsync(
        ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        VerifyNotCompleted();
        connection.Write(source.Span);
        return FinishAsync(cancellationToken);
    }

    public override void CancelPendingFlush()
    {
        _isCancelled = true;
        connection.ReleaseWriters();
    }

    public override void Complete(Exception? exception = null)
    {
        if (_isCompleted)
        {
            return;
        }

        if (exception is null)
        {
            connection.CompleteWrites();
        }
        else
        {
            connection.Abort();
        }

        _isCompleted = true;
        ReturnSegment();
    }

    /// <summary>Writes what was advanced.</summary>
    public void Commit()
    {
        if (_end > _start)
        {
            connection.Transport.Write(_segment.AsSpan(_start, _end - _start));
            _start = _end;
        }

        if (!_isLent)
        {
            ReturnSegment();
        }
    }

    /// <summary>Nothing will be sent any more.</summary>
    public void OnConnectionLost()
    {
        _start = _end;
        if (!_isLent)
        {
            ReturnSegment();
        }
    }

    private ValueTask<FlushResult> FinishAsync(CancellationToken cancellationToken)
        => connection.RefusalOfWait(cancellationToken) is { } refusal ? ValueTask.FromException<FlushResult>(refusal)
            : IsWaitOver(out FlushResult result) ? new(result)
            : WaitAsync(cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> WaitAsync(CancellationToken cancellationToken)
    {
        FlushResult result;
        do
        {
            await connection.WaitReleasedAsync(cancellationToken).ConfigureAwait(false); // so that it is up to the caller
        }
        while (!IsWaitOver(out result));
        return result;
    }

    private bool IsWaitOver(out FlushResult result)
    {
        bool isCancelled = _isCancelled;
        bool isGone = connection.IsClosing;
        _isCancelled = false;
        result = new FlushResult(isCancelled, isGone);
        return isCancelled || isGone || !connection.IsWritingPaused;
    }

    private void VerifyNotCompleted()
    {
        if (_isCompleted)
        {
            throw new InvalidOperationException("The writer of the connection was completed: nothing can be written any more.");
        }
    }

    private void ReturnSegment()
    {
        if (_segment is { Length: SegmentPool.Medium } segment)
        {
            SegmentPool.OfThread.Return(segment);
        }

        _segment = null;
        _start = _end = 0;
        _isLent = false;
    }
}
