using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The write side of a <see cref="LoopSocket"/>: what is left of a send, and the one who waits for its end.</summary>
/// <remarks>
/// What the system does not take at once is not handed to it, but tried again when there is room. So no memory of the caller's is
/// ever lent out: a cancelled send is over on the spot, and it is known to the byte what has left.
/// </remarks>
internal sealed class SocketOutput(EventLoop loop, IoHandle handle) : IWritableWatcher, IPendingWaitOwner
{
    private WritableOperation? _writable; // made when first needed
    private PendingWait<bool> _wait;
    private ReadOnlyMemory<byte> _data; // what is left
    private IoAddress _to;
    private bool _isDatagram;

    public long BytesSent { get; private set; }

    public ValueTask SendAllAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        RequireFree();
        _isDatagram = false;
        return SendAsync(data, cancellationToken);
    }

    public ValueTask SendToAsync(ReadOnlyMemory<byte> data, IoAddress to, CancellationToken cancellationToken)
    {
        RequireFree();
        _isDatagram = true;
        _to = to;
        return SendAsync(data, cancellationToken);
    }

    public void RequireFree()
    {
        if (_wait.IsWaiting)
        {
            throw new InvalidOperationException(
                "Another send waits on this socket: await it first. A socket has one writer at a time.");
        }
    }

    /// <summary>The socket is being closed.</summary>
    public void Close()
    {
        if (_wait.IsWaiting)
        {
            _data = default;
            _wait.Fail(new ObjectDisposedException(nameof(LoopSocket), "The socket was closed while somebody waited to send."));
        }
    }

    void IPendingWaitOwner.OnWaitCancelled()
    {
        _wait.Forget();
        _data = default;
        if (_writable is { } writable)
        {
            handle.Backend.Cancel(writable);
        }
    }

    string IPendingWaitOwner.DescribeWait()
        => $"to send to {(_to.IsNone ? handle.RemoteEndPoint : _to.ToEndPoint())?.ToString() ?? "a peer"}";

    void IWritableWatcher.OnWritable(SocketError error)
    {
        if (!_wait.IsWaiting)
        {
            return;
        }

        Exception? failure = null;
        bool isDone = error == SocketError.Success
            ? TrySend(out failure)
            : error != SocketError.OperationAborted && Failed(error, out failure);
        if (failure is not null)
        {
            _wait.Fail(failure);
        }
        else if (isDone)
        {
            _wait.Complete(result: true);
        }
        else
        {
            handle.Backend.Submit(_writable!); // also for whoever has begun to wait before a cancellation had come through
        }
    }

    private ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        _data = data;
        if (TrySend(out Exception? failure))
        {
            return failure is null ? default : ValueTask.FromException(failure);
        }

        ValueTask wait = _wait.BeginWithoutResult(loop, this, cancellationToken);
        if (_wait.IsWaiting)
        {
            _writable ??= new WritableOperation(handle, this);
            if (!_writable.IsArmed)
            {
                handle.Backend.Submit(_writable);
            }
        }

        return wait;
    }

    // Whether it is over: all has left, or it has failed.
    private bool TrySend(out Exception? failure)
    {
        int length = _data.Length;
        int sent = 0;
        SocketError error;
        if (_isDatagram)
        {
            var datagram = new OutgoingDatagram(_data, _to);
            bool isTaken = handle.Backend.TrySendTo(handle, new ReadOnlySpan<OutgoingDatagram>(in datagram), out error) == 1;
            sent = isTaken ? length : 0;
            error = isTaken ? SocketError.Success : error;
        }
        else
        {
            error = SocketError.Success;
            sent = length > 0 ? handle.Backend.TrySend(handle, _data.Span, out error) : 0;
        }

        BytesSent += sent;
        loop.Host.Traffic.OnSent(sent);
        failure = null;
        if (error == SocketError.WouldBlock)
        {
            _data = _data[sent..];
            return false;
        }

        _data = default;
        return error == SocketError.Success || Failed(error, out failure);
    }

    private bool Failed(SocketError error, out Exception? failure)
    {
        failure = _isDatagram
            ? DatagramFaults.ToException(error, _to.IsNone ? IoAddress.FromEndPoint(handle.RemoteEndPoint) : _to)
            : ConnectionFault.ToException(error);
        return true;
    }
}
