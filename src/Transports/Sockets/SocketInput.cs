using System.Diagnostics;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>The read side of a <see cref="LoopSocket"/>: the one who waits there, and what is armed for them.</summary>
/// <remarks>
/// An operation is armed for as long as somebody waits, and no longer. A cancelled wait cancels it, and since the seam tells
/// nothing between a cancellation and its end, nothing can come that nobody wants: it stays with the backend. Who waits anew
/// before that end has come has the operation armed again by it.
/// </remarks>
internal sealed class SocketInput(EventLoop loop, IoHandle handle)
    : IReceiver, IDatagramReceiver, IAcceptor, IReadableWatcher, IPendingWaitOwner
{
    // Made when first needed; a socket needs one, and perhaps the wait that takes nothing.
    private ReceiveOperation? _receive;
    private DatagramReceiveOperation? _receiveDatagram;
    private AcceptOperation? _accept;
    private ReadableOperation? _readable;

    private PendingWait<int> _countWait;
    private PendingWait<ReceivedDatagram> _datagramWait;
    private PendingWait<LoopSocket> _socketWait;

    private IoOperation? _wanted; // what ends the wait
    private Memory<byte> _buffer; // of the one who waits
    private SocketError? _end; // of the stream, which stays; or an error of datagrams that nobody was told of

    bool IReceiver.ProvidesBuffer => true;

    private bool IsWaiting => _countWait.IsWaiting || _datagramWait.IsWaiting || _socketWait.IsWaiting;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        RequireFree();
        if (_end is { } end)
        {
            Exception? failure = loop.Host.RefusalOfWait(cancellationToken)
                ?? (end == SocketError.Success ? null : ConnectionFault.ToException(end));
            return failure is null ? new ValueTask<int>(0) : ValueTask.FromException<int>(failure);
        }

        ValueTask<int> wait = _countWait.Begin(loop, this, cancellationToken);
        if (_countWait.IsWaiting)
        {
            _buffer = buffer;
            Want(buffer.IsEmpty
                ? _readable ??= new ReadableOperation(handle, this)
                : _receive ??= new ReceiveOperation(handle, this));
        }

        return wait;
    }

    public ValueTask<ReceivedDatagram> ReceiveFromAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        RequireFree();
        if (_end is { } error)
        {
            if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
            {
                return ValueTask.FromException<ReceivedDatagram>(refusal);
            }

            _end = null;
            return ValueTask.FromException<ReceivedDatagram>(ToDatagramException(error));
        }

        ValueTask<ReceivedDatagram> wait = _datagramWait.Begin(loop, this, cancellationToken);
        if (_datagramWait.IsWaiting)
        {
            _buffer = buffer;
            Want(_receiveDatagram
                ??= new DatagramReceiveOperation(handle, this, DatagramReceiveOperation.MaxReceiveSize));
        }

        return wait;
    }

    public ValueTask<LoopSocket> AcceptAsync(CancellationToken cancellationToken)
    {
        RequireFree();
        ValueTask<LoopSocket> wait = _socketWait.Begin(loop, this, cancellationToken);
        if (_socketWait.IsWaiting)
        {
            Want(_accept ??= new AcceptOperation(handle, this));
        }

        return wait;
    }

    /// <summary>The socket is being closed.</summary>
    public void Close()
    {
        if (IsWaiting)
        {
            Fail(new ObjectDisposedException(nameof(LoopSocket), "The socket was closed while somebody waited for it."));
        }
    }

    void IPendingWaitOwner.OnWaitCancelled()
    {
        _countWait.Forget();
        _datagramWait.Forget();
        _socketWait.Forget();
        Stop();
    }

    string IPendingWaitOwner.DescribeWait()
        => _socketWait.IsWaiting ? $"to accept at {handle.LocalEndPoint}"
            : $"to receive from {handle.RemoteEndPoint?.ToString() ?? "a socket"}";

    Memory<byte> IReceiver.GetBuffer() => _buffer;

    bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        => throw new UnreachableException("A receive fills the buffer of whoever waits.");

    bool IReceiver.OnBufferFilled(int count)
    {
        loop.Host.Traffic.OnReceived(count);
        End(ref _countWait, count);
        return false;
    }

    void IReceiver.OnReceiveEnded(SocketError error)
    {
        if (error != SocketError.OperationAborted)
        {
            _end = error;
        }

        if (error == SocketError.OperationAborted || _wanted is not ReceiveOperation)
        {
            Arm();
        }
        else if (error == SocketError.Success)
        {
            End(ref _countWait, 0);
        }
        else
        {
            Fail(ConnectionFault.ToException(error));
        }
    }

    void IReadableWatcher.OnReadable(SocketError error)
    {
        if (error == SocketError.OperationAborted || _wanted is not ReadableOperation)
        {
            Arm();
        }
        else if (error == SocketError.Success)
        {
            End(ref _countWait, 0);
        }
        else
        {
            Fail(ConnectionFault.ToException(error));
        }
    }

    bool IDatagramReceiver.OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
    {
        loop.Host.Traffic.OnReceived(data.Length);
        int length = Math.Min(data.Length, _buffer.Length);
        data[..length].CopyTo(_buffer.Span);
        DatagramFlags flags = isTruncated || length < data.Length ? DatagramFlags.Truncated : DatagramFlags.None;
        End(ref _datagramWait, new ReceivedDatagram(length, DatagramAddresses.FromSeam(from), flags));
        return false;
    }

    void IDatagramReceiver.OnReceiveEnded(SocketError error)
    {
        if (error == SocketError.OperationAborted)
        {
            Arm();
        }
        else if (_datagramWait.IsWaiting)
        {
            Fail(ToDatagramException(error));
        }
        else
        {
            _end = error; // it is told once
        }
    }

    bool IAcceptor.OnAccepted(IoHandle connection)
    {
        TcpOptions.Default.ApplyTo(connection, connection.LocalEndPoint?.AddressFamily ?? AddressFamily.Unix);
        End(ref _socketWait, new LoopSocket(loop, connection, LoopSocketKind.Connection));
        return false;
    }

    void IAcceptor.OnShed()
    {
        if (_socketWait.IsWaiting)
        {
            IoOperation accept = _accept!;
            Fail(new LoopSocketException(
                SocketError.TooManyOpenSockets,
                $"A newcomer at {handle.LocalEndPoint} was closed at once: the last descriptors of the process are kept free."));
            handle.Backend.Cancel(accept);
        }
    }

    void IAcceptor.OnAcceptEnded(SocketError error)
    {
        if (error == SocketError.OperationAborted)
        {
            Arm();
        }
        else
        {
            Fail(new LoopSocketException(error, $"Accepting at {handle.LocalEndPoint} failed: {error}."));
        }
    }

    private DatagramException ToDatagramException(SocketError error)
        => DatagramFaults.ToException(error, IoAddress.FromEndPoint(handle.RemoteEndPoint));

    private void RequireFree()
    {
        if (IsWaiting)
        {
            throw new InvalidOperationException(
                "Another receive or accept waits on this socket: await it first. A socket has one reader at a time.");
        }
    }

    private void Want(IoOperation operation)
    {
        _wanted = operation;
        Arm();
    }

    // Now, or when the end of an earlier arming is told.
    private void Arm()
    {
        if (_wanted is { } operation && handle.ReadSide is null)
        {
            handle.Backend.Submit(operation);
        }
    }

    private void Stop()
    {
        _buffer = default;
        if (_wanted is { } operation)
        {
            _wanted = null;
            handle.Backend.Cancel(operation);
        }
    }

    private void End<T>(ref PendingWait<T> wait, T result)
    {
        _wanted = null;
        _buffer = default;
        wait.Complete(result);
    }

    private void Fail(Exception failure)
    {
        _wanted = null;
        _buffer = default;
        if (_countWait.IsWaiting)
        {
            _countWait.Fail(failure);
        }
        else if (_datagramWait.IsWaiting)
        {
            _datagramWait.Fail(failure);
        }
        else if (_socketWait.IsWaiting)
        {
            _socketWait.Fail(failure);
        }
    }
}
