using System.Diagnostics;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// The receiving side of a <see cref="StreamConnection"/>: what has arrived, the one who waits for it, and the back-pressure.
/// </summary>
/// <remarks>
/// <para>
/// A read says what it wants, and waits here, not in a coroutine that would be woken for every piece: each arrival looks whether
/// the read has come to its end (<see cref="TryFinish"/>), and only then does anybody resume. So a waiting connection costs
/// no state machine, and what a read takes it takes at the moment at which it ends. Cancelled before, it has taken nothing.
/// </para>
/// <para>
/// It is a <see cref="PipeReader"/> of its own, since System.IO.Pipelines' pipe has a lock, which one thread does not need, and a
/// copy into it, which a transport that receives straight into the buffer does not need.
/// </para>
/// </remarks>
internal sealed partial class StreamInput : PipeReader, IPendingWaitOwner
{
    // A receive straight into a destination of the reader's own is worth it from here on.
    private const int DirectLimit = SegmentPool.Small;

    private readonly EventLoop _loop;
    private readonly StreamConnection _connection;
    private readonly StreamOptions _options;

    private InputBuffer _buffer;
    private PendingWait<ReadOnlyMemory<byte>> _bytesWait;
    private PendingWait<ReadOnlyMemory<byte>?> _lineWait;
    private PendingWait<int> _countWait;
    private PendingWait<ReadResult> _pipeWait;

    // The read that is under way.
    private Kind _kind;
    private int _wanted;
    private int _searched;
    private int _filled;
    private LineDelimiter? _delimiter;
    private Memory<byte> _destination;

    private Exception? _error;
    private bool _hasEnded;
    private bool _isPaused;
    private bool _isReceivedDirectly;

    public StreamInput(EventLoop loop, StreamConnection connection, StreamOptions options)
    {
        _loop = loop;
        _connection = connection;
        _options = options;
    }

    /// <summary>What a read wants.</summary>
    private enum Kind : byte
    {
        None,
        Some,
        Copy,
        Fill,
        Exactly,
        Separator,
        Line,
        ToEnd,
        Pipe,
    }

    public int Unread => _buffer.Unread;

    public bool IsAtEnd => _hasEnded && _buffer.Unread == 0;

    /// <summary>What the last read failed with that was wrong with what the peer has sent.</summary>
    public FramingException? Fault { get; private set; }

    public ValueTask<ReadOnlyMemory<byte>> ReadSomeAsync(CancellationToken cancellationToken)
        => ReadBytesAsync(Kind.Some, cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>> ReadExactlyAsync(int count, CancellationToken cancellationToken)
    {
        VerifyFree();
        _wanted = count;
        return ReadBytesAsync(Kind.Exactly, cancellationToken);
    }

    public ValueTask<ReadOnlyMemory<byte>> ReadToEndAsync(CancellationToken cancellationToken)
        => ReadBytesAsync(Kind.ToEnd, cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>> ReadUntilAsync(LineDelimiter separator, CancellationToken cancellationToken)
    {
        VerifyFree();
        _delimiter = separator;
        return ReadBytesAsync(Kind.Separator, cancellationToken);
    }

    public ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(LineDelimiter delimiter, CancellationToken cancellationToken)
    {
        VerifyFree();
        _delimiter = delimiter;
        if (Begin(Kind.Line, cancellationToken, out Outcome outcome))
        {
            return outcome.Failure is { } failure
                ? ValueTask.FromException<ReadOnlyMemory<byte>?>(failure)
                : new(outcome.Line);
        }

        ValueTask<ReadOnlyMemory<byte>?> wait = _lineWait.Begin(_loop, this, cancellationToken);
        OnWaiting(_lineWait.IsWaiting);
        return wait;
    }

    public ValueTask<int> CopyAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        VerifyFree();
        _destination = destination;
        if (Begin(Kind.Copy, cancellationToken, out Outcome outcome))
        {
            return outcome.Failure is { } failure ? ValueTask.FromException<int>(failure) : new(outcome.Count);
        }

        ValueTask<int> wait = _countWait.Begin(_loop, this, cancellationToken);
        OnWaiting(_countWait.IsWaiting);
        return wait;
    }

    public ValueTask FillAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        VerifyFree();
        _destination = destination;
        if (Begin(Kind.Fill, cancellationToken, out Outcome outcome))
        {
            return outcome.Failure is { } failure ? ValueTask.FromException(failure) : default;
        }

        ValueTask wait = _countWait.BeginWithoutResult(_loop, this, cancellationToken);
        OnWaiting(_countWait.IsWaiting);
        return wait;
    }

    /// <summary>Where the transport is to receive.</summary>
    public Memory<byte> Reserve()
    {
        _isReceivedDirectly = _kind is Kind.Copy or Kind.Fill
            && _buffer.Unread == 0
            && _destination.Length - _filled >= DirectLimit;
        return _isReceivedDirectly ? _destination[_filled..] : _buffer.Reserve();
    }

    /// <summary>It has received so much there.</summary>
    public void OnReceived(int count)
    {
        if (_isReceivedDirectly)
        {
            _filled += count;
        }
        else
        {
            _buffer.Fill(count);
            if (_isCompleted)
            {
                _buffer.Clear();
            }
        }

        Settle();
    }

    /// <summary>The peer has ended its side.</summary>
    public void OnEnded()
    {
        _hasEnded = true;
        Settle();
    }

    /// <summary>Nothing will come any more, and this is why. What has arrived can be read.</summary>
    public void Break(Exception error)
    {
        if (!_hasEnded && _error is null)
        {
            _error = error;
            Settle();
        }
    }

    void IPendingWaitOwner.OnWaitCancelled() => Abandon();

    string IPendingWaitOwner.DescribeWait()
        => $"to read from {_connection.Transport.RemoteEndPoint?.ToString() ?? "a connection"}";

    private ValueTask<ReadOnlyMemory<byte>> ReadBytesAsync(Kind kind, CancellationToken cancellationToken)
    {
        if (Begin(kind, cancellationToken, out Outcome outcome))
        {
            return outcome.Failure is { } failure
                ? ValueTask.FromException<ReadOnlyMemory<byte>>(failure)
                : new(outcome.Bytes);
        }

        ValueTask<ReadOnlyMemory<byte>> wait = _bytesWait.Begin(_loop, this, cancellationToken);
        OnWaiting(_bytesWait.IsWaiting);
        return wait;
    }

    /// <summary>Gives all that nobody has read back to the transport. No read is under way, and the end has not come.</summary>
    public void GiveBack()
    {
        _buffer.EndLoan();
        foreach (ReadOnlyMemory<byte> piece in _buffer.Sequence)
        {
            _connection.Transport.Unread(piece.Span);
        }

        _buffer.Clear();
        _examined = 0;
        UpdateReading();
    }

    /// <summary>Fails unless a read can begin.</summary>
    /// <exception cref="InvalidOperationException">One is under way, or the reader was completed.</exception>
    public void VerifyFree()
    {
        _loop.VerifyAccess();
        if (_kind != Kind.None)
        {
            throw new InvalidOperationException(
                "Another read is under way on this connection: await it first. A stream has one reader at a time.");
        }

        if (_isCompleted || _isPipeReading)
        {
            throw new InvalidOperationException(
                _isCompleted
                    ? "The reader of the connection was completed: nothing can be read any more."
                    : "What the pipe reader has returned is not given back: call AdvanceTo first.");
        }
    }

    // False when the read is to wait.
    private bool Begin(Kind kind, CancellationToken cancellationToken, out Outcome outcome)
    {
        VerifyFree();
        if (_loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            EndRead();
            outcome = new Outcome { Failure = refusal };
            return true;
        }

        _buffer.EndLoan();
        _examined = 0; // a pipe's reader who comes next has not seen what is left
        _kind = kind;
        if (!TryFinish(out outcome))
        {
            return false;
        }

        EndRead();
        UpdateReading();
        return true;
    }

    private void OnWaiting(bool isWaiting)
    {
        if (isWaiting)
        {
            UpdateReading();
        }
        else if (_kind != Kind.None)
        {
            Abandon(); // refused: scope or token are cancelled
        }
    }

    // The read takes nothing, and what it took goes back.
    private void Abandon()
    {
        _bytesWait.Forget();
        _lineWait.Forget();
        _countWait.Forget();
        _pipeWait.Forget();
        PutBack();
        EndRead();
        UpdateReading();
    }

    private void PutBack()
    {
        Debug.Assert(_filled == 0 || _buffer.Unread == 0, "A destination takes all that there is.");
        _buffer.Add(_destination.Span[.._filled]);
        _filled = 0;
    }

    private void EndRead()
    {
        _kind = Kind.None;
        _wanted = 0;
        _searched = 0;
        _filled = 0;
        _delimiter = null;
        _destination = default;
        _isReceivedDirectly = false;
    }

    // Something has happened: a read may be over.
    private void Settle()
    {
        if (_kind == Kind.Pipe)
        {
            SettlePipe();
        }
        else if (_kind != Kind.None && TryFinish(out Outcome outcome))
        {
            EndRead();
            Hand(outcome);
        }

        UpdateReading();
    }

    private void Hand(in Outcome outcome)
    {
        if (_bytesWait.IsWaiting)
        {
            End(ref _bytesWait, outcome.Bytes, outcome.Failure);
        }
        else if (_lineWait.IsWaiting)
        {
            End(ref _lineWait, outcome.Line, outcome.Failure);
        }
        else
        {
            End(ref _countWait, outcome.Count, outcome.Failure);
        }
    }

    private static void End<T>(ref PendingWait<T> wait, T result, Exception? failure)
    {
        if (failure is null)
        {
            wait.Complete(result);
        }
        else
        {
            wait.Fail(failure);
        }
    }

    // Whoever waits for more gets more, however much there is that he cannot use: his limit is another one.
    private void UpdateReading()
    {
        bool wantsMore = _kind != Kind.None || (!_isCompleted && _buffer.Unread < (_options.InputHighWater + 1) / 2);
        if (_isPaused && wantsMore)
        {
            _isPaused = false;
            _connection.Transport.ResumeReading();
        }
        else if (!_isPaused && _kind == Kind.None && !_hasEnded && (_isCompleted || _buffer.Unread > _options.InputHighWater))
        {
            _isPaused = true;
            _connection.Transport.PauseReading();
        }
    }

    private bool TryFinish(out Outcome outcome)
    {
        outcome = default;
        switch (_kind)
        {
            case Kind.Some when _buffer.Unread > 0:
                outcome.Bytes = _buffer.LendFirst();
                return true;
            case Kind.Copy:
                _filled += _buffer.CopyTo(_destination.Span[_filled..]);
                outcome.Count = _filled;
                return _filled > 0 || (_destination.IsEmpty && _buffer.Unread > 0) || IsOver(ref outcome);
            case Kind.Fill:
                return TryFill(ref outcome);
            case Kind.Exactly when _wanted > _options.MaxLength:
                outcome.Failure = Note(NewTooLong($"{_wanted} bytes were asked for"));
                return true;
            case Kind.Exactly when _buffer.Unread >= _wanted:
                outcome.Bytes = _buffer.Lend(_wanted);
                return true;
            case Kind.Exactly:
                return IsOver(ref outcome) && EndIncomplete(ref outcome, _wanted);
            case Kind.Separator or Kind.Line:
                return TryFind(ref outcome);
            case Kind.ToEnd when _buffer.Unread > _options.MaxLength:
                outcome.Failure = Note(NewTooLong("the stream goes on"));
                return true;
            case Kind.ToEnd when _hasEnded:
                outcome.Bytes = _buffer.Lend(_buffer.Unread);
                return true;
            default:
                return IsOver(ref outcome);
        }
    }

    private bool TryFill(ref Outcome outcome)
    {
        _filled += _buffer.CopyTo(_destination.Span[_filled..]);
        if (_filled == _destination.Length)
        {
            return true;
        }

        if (!IsOver(ref outcome))
        {
            return false;
        }

        if (outcome.Failure is null)
        {
            outcome.Failure = Note(new IncompleteReadException(_destination[.._filled], _destination.Length));
        }
        else
        {
            PutBack();
        }

        return true;
    }

    private bool TryFind(ref Outcome outcome)
    {
        int end = _buffer.Find(_delimiter!, ref _searched, out int length);
        if (end < 0 ? _buffer.Unread - _delimiter!.LongestLength >= _options.MaxLength : end - length > _options.MaxLength)
        {
            outcome.Failure = Note(NewTooLong("there is no end of the line, or of what stands before a separator"));
            return true;
        }

        if (end >= 0)
        {
            bool isLine = _kind == Kind.Line;
            outcome.Bytes = _buffer.Lend(end);
            outcome.Line = isLine ? outcome.Bytes[..^length] : null;
            return true;
        }

        if (!IsOver(ref outcome) || outcome.Failure is not null)
        {
            return outcome.Failure is not null;
        }

        if (_kind == Kind.Separator)
        {
            return EndIncomplete(ref outcome, null);
        }

        if (_buffer.Unread > _options.MaxLength)
        {
            outcome.Failure = Note(NewTooLong("the last line has no end"));
        }
        else if (_buffer.Unread > 0)
        {
            outcome.Line = _buffer.Lend(_buffer.Unread);
        }

        return true;
    }

    // Whether nothing will come any more; why, if it was no end in good order.
    private bool IsOver(ref Outcome outcome)
    {
        outcome.Failure = _error;
        return _hasEnded || _error is not null;
    }

    private bool EndIncomplete(ref Outcome outcome, int? expected)
    {
        if (outcome.Failure is null)
        {
            byte[] partial = new byte[_buffer.Unread];
            _buffer.CopyTo(partial);
            outcome.Failure = Note(new IncompleteReadException(partial, expected));
        }

        return true;
    }

    private FramingException NewTooLong(string what) => new(
        FramingError.TooLong, $"The limit for what a read puts together is {_options.MaxLength} bytes, and {what}.");

    private FramingException Note(FramingException fault) => Fault = fault;

    /// <summary>What a read has come to.</summary>
    [StructLayout(LayoutKind.Auto)]
    private struct Outcome
    {
        public ReadOnlyMemory<byte> Bytes;
        public ReadOnlyMemory<byte>? Line;
        public int Count;
        public Exception? Failure;
    }
}
