using System.Diagnostics;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The sending side.</summary>
internal sealed partial class DatagramSocketTransport : IDatagramSender, IFlushable
{
    /// <summary>So many are sent by one call, and at the latest so many wait for the others of their batch.</summary>
    private const int BatchSize = 64;

    /// <summary>The kernel cuts into so many at most (UDP_MAX_SEGMENTS, as it was before Linux 6.9).</summary>
    private const int MaxSegments = 64;

    /// <summary>So many errors wait to be told; more are only counted.</summary>
    private const int MaxUntoldErrors = 64;

    // Where nothing tells that there is room again, it is looked for.
    private static readonly TimeSpan s_retryTime = TimeSpan.FromMilliseconds(1);

    private static readonly Action<object?> s_tellResumed = static self => ((DatagramSocketTransport)self!).ResumeIfLow();
    private static readonly Action<object?> s_tellErrors = static self => ((DatagramSocketTransport)self!).TellErrors();
    private static readonly Action<object?> s_retrySending = static self => ((DatagramSocketTransport)self!).OnRetry();

    [ThreadStatic]
    private static OutgoingDatagram[]? s_batch;

    // Loop thread only.
    private readonly DatagramQueue _queue = new();
    private DatagramSendOperation? _send;
    private object? _sendingBlock; // what the operation in flight sends from
    private TimerHandle? _retry;
    private bool _isRetrying; // the timer runs
    private Queue<DatagramException>? _untoldErrors;
    private bool _offloads;
    private bool _wasRefused; // the first in the queue, once
    private bool _writingPaused;
    private bool _isDirty; // the loop will flush
    private long _sent;
    private long _bytesSent;
    private long _dropped;

    public override int UnsentDatagrams => _queue.Count + (_sendingBlock is null ? 0 : 1);

    public override long UnsentBytes
        => _queue.Bytes + (_sendingBlock is null ? 0 : DatagramQueue.CostOf(_send!.Datagram.Data.Length));

    public override DatagramQueueLimits QueueLimits => _options.QueueLimits;

    private bool IsSending => _send is { IsArmed: true } || _isRetrying;

    private bool HasUnsent => !_queue.IsEmpty || _sendingBlock is not null;

    public override DatagramSendStatus Send(ReadOnlySpan<byte> data)
    {
        VerifyAccess();
        return _peer.IsNone
            ? throw new InvalidOperationException(
                $"This end point is not connected, so a datagram needs an address. Use {nameof(SendTo)}, or set "
                + $"{nameof(DatagramOptions)}.{nameof(DatagramOptions.RemoteEndPoint)}.")
            : Send(data, default, segmentSize: 0);
    }

    public override DatagramSendStatus SendTo(ReadOnlySpan<byte> data, in DatagramAddress to)
    {
        VerifyAccess();
        return Send(data, Target(to), segmentSize: 0);
    }

    public override DatagramSendStatus SendSegments(ReadOnlySpan<byte> data, int segmentSize, in DatagramAddress to = default)
    {
        VerifyAccess();
        ArgumentOutOfRangeException.ThrowIfLessThan(segmentSize, 1);
        IoAddress target = to.IsNone && !_peer.IsNone ? default : Target(to);
        if (segmentSize > _maxLength)
        {
            return Refuse();
        }

        int chunk = _offloads ? Math.Min(MaxSegments, MaxLengthV4 / segmentSize) * segmentSize : segmentSize;
        DatagramSendStatus worst = DatagramSendStatus.Accepted;
        do
        {
            int length = Math.Min(Math.Max(chunk, segmentSize), data.Length);
            DatagramSendStatus status = Send(data[..length], target, length > segmentSize ? (ushort)segmentSize : (ushort)0);
            worst = (DatagramSendStatus)Math.Max((int)worst, (int)status);
            data = data[length..];
        }
        while (!data.IsEmpty && worst != DatagramSendStatus.Closed);
        return worst;
    }

    void IFlushable.Flush()
    {
        _isDirty = false;
        if (!IsSending && _state != State.Lost)
        {
            Flush();
        }
    }

    void IDatagramSender.OnSent(SocketError error)
    {
        object block = _sendingBlock!;
        OutgoingDatagram datagram = _send!.Datagram;
        _sendingBlock = null;
        _send.Datagram = default;
        if (_state == State.Lost)
        {
            _queue.Return(block);
            return;
        }

        if (error == SocketError.Success)
        {
            CountSent(datagram);
        }
        else
        {
            _dropped += DatagramQueue.DatagramsOf(datagram.Data.Length, datagram.SegmentSize);
            NoteError(error, datagram.To);
        }

        _queue.Return(block);
        _linger?.Reschedule(_options.LingerTime);
        Flush();
        ResumeIfLow();
    }

    private IoAddress Target(in DatagramAddress to)
    {
        if (!_peer.IsNone)
        {
            return to == _peer ? default : throw new ArgumentException(
                $"This end point is connected to {_peer}, and sends to nobody else, not to {to} either.", nameof(to));
        }

        if (!DatagramAddresses.IsShortEnough(to))
        {
            throw new ArgumentException($"The path {to} is longer than the 107 bytes that a Unix socket takes.", nameof(to));
        }

        return to.AddressFamily == _family ? DatagramAddresses.ToSeam(to) : throw new ArgumentException(
            to.IsNone
                ? $"A datagram needs an address. {nameof(DatagramProtocol.DatagramReceived)} is told the sender's."
                : $"{to} is of {to.AddressFamily}, and this end point of {_family}.",
            nameof(to));
    }

    private DatagramSendStatus Send(ReadOnlySpan<byte> data, in IoAddress to, ushort segmentSize)
    {
        if (_state != State.Open)
        {
            return DatagramSendStatus.Closed;
        }

        if (data.Length > _maxLength)
        {
            return Refuse();
        }

        if (!MakeRoom(DatagramQueue.CostOf(data.Length)))
        {
            _dropped += DatagramQueue.DatagramsOf(data.Length, segmentSize);
            return DatagramSendStatus.Dropped;
        }

        _queue.Add(data, to, segmentSize);
        PauseIfHigh();
        if (_queue.Count >= BatchSize && !IsSending)
        {
            Flush();
        }

        if (!_isDirty && !IsSending && !_queue.IsEmpty)
        {
            _isDirty = true;
            _loop.Host.FlushSoon(this);
        }

        // A close within PauseWriting still sends what was just taken; an abort drops it.
        return _state == State.Lost && _closeReason != CloseReason.LocalClose ? DatagramSendStatus.Closed
            : _writingPaused ? DatagramSendStatus.AcceptedOverHighWater
            : DatagramSendStatus.Accepted;
    }

    private DatagramSendStatus Refuse()
    {
        if (_state != State.Open)
        {
            return DatagramSendStatus.Closed;
        }

        _dropped++;
        return DatagramSendStatus.TooLong;
    }

    // Whether a datagram of so many bytes has a place, for which others may have to go. What is in flight is out of reach.
    private bool MakeRoom(long cost)
    {
        int capacity = _options.QueueLimits.Capacity;
        if (UnsentBytes + cost <= capacity || !HasUnsent)
        {
            return true;
        }

        if (!IsSending)
        {
            Flush(); // the capacity is for what the system does not take
        }

        while (UnsentBytes + cost > capacity && HasUnsent)
        {
            if (_options.DropPolicy == DatagramDropPolicy.Newest || _queue.IsEmpty)
            {
                return false;
            }

            _wasRefused = false;
            _dropped += _queue.DropFirst();
        }

        return true;
    }

    // The one place that calls user code from a call of the user's.
    private void PauseIfHigh()
    {
        if (_writingPaused || UnsentBytes <= _options.QueueLimits.High)
        {
            return;
        }

        // The mark is about what the operating system would not take, so it is asked first.
        if (!IsSending)
        {
            Flush();
            if (UnsentBytes <= _options.QueueLimits.High || _state != State.Open)
            {
                return;
            }
        }

        _writingPaused = true;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.PauseWriting));
            Protocol.PauseWriting();
        }
        catch (Exception exception)
        {
            Report(exception, nameof(DatagramProtocol.PauseWriting));
        }
    }

    private void ResumeIfLow()
    {
        if (!_writingPaused || _state != State.Open || UnsentBytes > _options.QueueLimits.Low)
        {
            return;
        }

        _writingPaused = false;
        try
        {
            using CallbackScope scope = EnterUserCode(nameof(DatagramProtocol.ResumeWriting));
            Protocol.ResumeWriting();
        }
        catch (Exception exception)
        {
            Report(exception, nameof(DatagramProtocol.ResumeWriting));
        }
    }

    // Sends until all have left or the operating system takes no more. Calls no user code.
    private void Flush()
    {
        Debug.Assert(!IsSending, "Datagrams would overtake each other.");
        OutgoingDatagram[] batch = s_batch ??= new OutgoingDatagram[BatchSize];
        while (!_queue.IsEmpty)
        {
            int wanted = _queue.Peek(batch);
            int sent = _handle.Backend.TrySendTo(_handle, batch.AsSpan(0, wanted), out SocketError error);
            for (int i = 0; i < sent; i++)
            {
                CountSent(batch[i]);
            }

            IoAddress next = sent < wanted ? batch[sent].To : default;
            bool nextIsCut = sent < wanted && batch[sent].SegmentSize > 0;
            _queue.Remove(sent);
            _wasRefused &= sent == 0;
            if (sent == wanted)
            {
                continue;
            }

            if (error is SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable)
            {
                AwaitRoom(error);
                break;
            }

            OnSendError(error, next, nextIsCut);
        }

        if (_queue.IsEmpty)
        {
            EndIfSent();
        }
    }

    private void OnSendError(SocketError error, in IoAddress to, bool isCut)
    {
        if (isCut && error is SocketError.OperationNotSupported or SocketError.InvalidArgument or SocketError.MessageSize)
        {
            _offloads = false; // the way out has no part in it, or a segment does not fit its frames
            _queue.CutsSegments = true;
            return;
        }

        // What was refused is an earlier one, mostly: the system tells at the first occasion, and takes this one at the next.
        if (error == SocketError.ConnectionRefused && to.IsNone && !_wasRefused)
        {
            _wasRefused = true;
            NoteError(error, to);
            return;
        }

        if (!_wasRefused)
        {
            NoteError(error, to);
        }

        _wasRefused = false;
        _dropped += _queue.DropFirst();
    }

    private void AwaitRoom(SocketError error)
    {
        // To a Unix socket that is not connected the system says at any time that there is room, for it does not know whose; and
        // so it does when it is short of memory.
        if (error == SocketError.NoBufferSpaceAvailable || (_family == AddressFamily.Unix && _peer.IsNone))
        {
            _isRetrying = true;
            _retry = _loop.UnsafeCallLater(s_retryTime, s_retrySending, this);
            return;
        }

        _send ??= new DatagramSendOperation(_handle, this);
        _send.Datagram = _queue.Take(out _sendingBlock);
        _handle.Backend.Submit(_send);
    }

    private void OnRetry()
    {
        _isRetrying = false;
        if (_state == State.Lost)
        {
            return;
        }

        long before = _sent;
        Flush();
        if (_sent > before)
        {
            _linger?.Reschedule(_options.LingerTime);
        }

        ResumeIfLow();
    }

    private void EndIfSent()
    {
        if (_state == State.Closing && !HasUnsent)
        {
            Lose();
        }
    }

    private void DropUnsent()
    {
        while (!_queue.IsEmpty)
        {
            _dropped += _queue.DropFirst();
        }

        if (_sendingBlock is not null)
        {
            _dropped++;
        }
    }

    private void CountSent(in OutgoingDatagram datagram)
    {
        _sent += DatagramQueue.DatagramsOf(datagram.Data.Length, datagram.SegmentSize);
        _bytesSent += datagram.Data.Length;
        _loop.Host.Traffic.OnSent(datagram.Data.Length);
    }

    private void NoteError(SocketError error, in IoAddress to)
    {
        Queue<DatagramException> untold = _untoldErrors ??= new();
        if (untold.Count == MaxUntoldErrors)
        {
            _errors++;
            return;
        }

        untold.Enqueue(DatagramFaults.ToException(error, to.IsNone ? DatagramAddresses.ToSeam(_peer) : to));
        if (untold.Count == 1)
        {
            _loop.UnsafeCallSoon(s_tellErrors, this);
        }
    }

    private void TellErrors()
    {
        for (int count = _untoldErrors!.Count; count > 0 && _state == State.Open; count--)
        {
            TellError(_untoldErrors.Dequeue());
        }

        if (_state != State.Open)
        {
            _errors += _untoldErrors.Count;
            _untoldErrors.Clear();
        }
        else if (_untoldErrors.Count > 0)
        {
            _loop.UnsafeCallSoon(s_tellErrors, this);
        }
    }
}
