using System.IO.Pipelines;

namespace Toolkit.Transports;

/// <summary>The same as a <see cref="PipeReader"/>: the reader looks, and says what it has consumed and seen.</summary>
internal sealed partial class StreamInput
{
    private int _examined; // how many of the unread bytes the pipe's reader has seen
    private bool _isPipeReading; // between a result and AdvanceTo
    private bool _isPipeCancelled;
    private bool _isCompleted;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        VerifyFree();
        if (_loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<ReadResult>(refusal);
        }

        if (TryReadPipe(out ReadResult result, out Exception? failure))
        {
            return failure is null ? new(result) : ValueTask.FromException<ReadResult>(failure);
        }

        if (_buffer.Unread >= _options.MaxUnconsumed)
        {
            return ValueTask.FromException<ReadResult>(Note(new FramingException(
                FramingError.TooLong,
                $"{_buffer.Unread} bytes are unconsumed, and more are asked for; the limit is {_options.MaxUnconsumed}.")));
        }

        _kind = Kind.Pipe;
        ValueTask<ReadResult> wait = _pipeWait.Begin(_loop, this, cancellationToken);
        OnWaiting(_pipeWait.IsWaiting);
        return wait;
    }

    public override bool TryRead(out ReadResult result)
    {
        bool hasResult = TryReadPipe(out result, out Exception? failure);
        return failure is null ? hasResult : throw failure;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        _loop.VerifyAccess();
        if (!_isPipeReading)
        {
            throw new InvalidOperationException("Nothing was read that could be given back.");
        }

        long seen = _buffer.OffsetOf(examined);
        long used = _buffer.OffsetOf(consumed);
        if (used < 0 || used > seen || seen > _buffer.Unread)
        {
            throw new ArgumentOutOfRangeException(
                nameof(consumed), "What is consumed was seen before, and what was seen was in the buffer that was returned.");
        }

        _isPipeReading = false;
        _examined = (int)(seen - used);
        _buffer.Consume((int)used);
        UpdateReading();
    }

    public override void CancelPendingRead()
    {
        _loop.VerifyAccess();
        _isPipeCancelled = true;
        Settle();
    }

    public override void Complete(Exception? exception = null)
    {
        _loop.VerifyAccess();
        if (_kind != Kind.None)
        {
            throw new InvalidOperationException("A read is under way: cancel it first.");
        }

        if (!_isCompleted)
        {
            _isCompleted = true;
            _isPipeReading = false;
            _buffer.EndLoan();
            _buffer.Clear();
            UpdateReading();
        }
    }

    private bool TryReadPipe(out ReadResult result, out Exception? failure)
    {
        VerifyFree();
        _buffer.EndLoan();
        bool isOver = TryFinishPipe(out result, out failure);
        if (isOver)
        {
            UpdateReading();
        }

        return isOver;
    }

    private void SettlePipe()
    {
        if (TryFinishPipe(out ReadResult result, out Exception? failure))
        {
            EndRead();
            End(ref _pipeWait, result, failure);
        }
    }

    private bool TryFinishPipe(out ReadResult result, out Exception? failure)
    {
        bool hasNews = _buffer.Unread > _examined;
        bool isCancelled = _isPipeCancelled;
        failure = hasNews || isCancelled ? null : _error;
        if (hasNews || isCancelled || _hasEnded)
        {
            _isPipeCancelled = false;
            _isPipeReading = true;
            result = new ReadResult(_buffer.Sequence, isCancelled, isCompleted: _hasEnded);
            return true;
        }

        result = default;
        return failure is not null;
    }
}
