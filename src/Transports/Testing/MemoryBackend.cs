using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit.Simulation;

/// <summary>
/// What two ends in memory pass to each other, as a backend: so they carry the same transport as a socket does, and keep the
/// same contract.
/// </summary>
/// <remarks>
/// <para>
/// The loop polls its own backend and no other, so this one polls itself: from a callback that it posts whenever something may
/// be there to tell. It runs as the loop's own poll does: with the synchronization context cleared, in a bounded batch, and
/// with the flush of writes behind it, which follows every batch of callbacks.
/// </para>
/// <para>
/// What the ends do to each other follows TCP. A reset destroys what was not received. A close on unread bytes is a reset. What
/// is sent to an end that is gone leaves, and a reset comes back. After the end of both directions nothing can be reset.
/// </para>
/// </remarks>
internal sealed class MemoryBackend : TurnBackend
{
    private readonly int _window;

    // Loop thread only.
    private byte[] _lent = [];

    public MemoryBackend(EventLoop loop, MemoryConnectionOptions options)
        : base(loop)
    {
        _window = options.Window;
        First = new MemoryHandle(this, options.FirstEndPoint, options.SecondEndPoint, options.Chunking.Begin("to first"));
        Second = new MemoryHandle(this, options.SecondEndPoint, options.FirstEndPoint, options.Chunking.Begin("to second"));
        MemoryHandle.Connect(First, Second);
    }

    public MemoryHandle First { get; }

    public MemoryHandle Second { get; }

    public override string Name => "memory";

    public override int Poll(long untilTicks)
    {
        int told = TellPendingEnds();
        int moved;
        do
        {
            moved = Serve(First) + Serve(Second);
            told += moved;
        }
        while (moved > 0 && told < CompletionsPerPoll);

        LastPoll = moved > 0 || HasPendingEnds ? PollEnding.HasMore : PollEnding.ToldAll;
        return told;
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => SocketError.ProtocolOption;

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
        => Send((MemoryHandle)handle, data, out error);

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        long total = 0;
        error = SocketError.Success;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            total += Send((MemoryHandle)handle, buffer.Span, out error);
            if (error != SocketError.Success)
            {
                break;
            }
        }

        return total;
    }

    public override SocketError ShutdownSend(IoHandle handle)
    {
        var end = (MemoryHandle)handle;
        if (end.WasReset)
        {
            return SocketError.NotConnected;
        }

        end.HasEnded = true;
        PostTurn();
        return SocketError.Success;
    }

    protected override void Arm(IoOperation operation)
    {
        if (operation is not (ReceiveOperation or SendOperation or HangUpOperation))
        {
            EndLater(operation, SocketError.OperationNotSupported);
        }

        PostTurn();
    }

    protected override void Disarm(IoOperation operation)
    {
        EndLater(operation, SocketError.OperationAborted);
        PostTurn();
    }

    protected override void Close(IoHandle handle, bool reset)
    {
        var end = (MemoryHandle)handle;
        bool isOver = end.HasEnded && end.PeerHasEnded;
        if ((reset || end.Unread > end.Lent) && !isOver && end.Kind == IoHandleKind.Socket)
        {
            end.Peer.Reset();
        }

        end.Drop();
        PostTurn();
    }

    private int Serve(MemoryHandle end) => ServeReceive(end) + ServeSend(end) + ServeHangUp(end);

    private int ServeReceive(MemoryHandle end)
    {
        if (end.ReadSide is not ReceiveOperation receive || !IsListening(receive))
        {
            return 0;
        }

        if (end.WasReset)
        {
            End(receive, SocketError.ConnectionReset);
            return 1;
        }

        if (end.Unread > 0)
        {
            // A copy, because whoever is told may have the peer send more meanwhile.
            ReadOnlySpan<byte> chunk = end.NextChunk();
            if (_lent.Length < chunk.Length)
            {
                _lent = new byte[chunk.Length];
            }

            chunk.CopyTo(_lent);
            end.Lent = chunk.Length;
            int told = DeliverTaken(receive, _lent.AsSpan(0, end.Lent));
            end.Lent = 0;
            end.Consume(told);
            return 1;
        }

        if (end.PeerHasEnded)
        {
            End(receive, SocketError.Success);
            return 1;
        }

        return 0;
    }

    private int ServeSend(MemoryHandle end)
    {
        if (end.WriteSide is not SendOperation send || !IsListening(send))
        {
            return 0;
        }

        int count = Send(end, send.Data.Span, out SocketError error);
        if (count > 0)
        {
            EndSend(send, count);
            return 1;
        }

        if (error != SocketError.WouldBlock)
        {
            End(send, error);
            return 1;
        }

        return 0;
    }

    private static int ServeHangUp(MemoryHandle end)
    {
        if (end is { Kind: IoHandleKind.PipeWriter, Peer.IsReleased: true, HangUp: { State: IoOperationState.Armed } left })
        {
            End(left, SocketError.Shutdown);
            return 1;
        }

        if (end.HangUp is not { } watch || !IsListening(watch) || !(end.WasReset || (end.HasEnded && end.PeerHasEnded)))
        {
            return 0;
        }

        End(watch, end.WasReset ? SocketError.ConnectionReset : SocketError.Success);
        return 1;
    }

    private int Send(MemoryHandle end, ReadOnlySpan<byte> data, out SocketError error)
    {
        if (end.WasReset || end.HasEnded)
        {
            error = end.WasReset ? SocketError.ConnectionReset : SocketError.Shutdown;
            return 0;
        }

        if (end.Peer.IsReleased && end.Kind == IoHandleKind.PipeWriter)
        {
            error = SocketError.Shutdown;
            return 0;
        }

        if (end.Peer.IsReleased)
        {
            PostTurn();
            end.Reset();
            error = SocketError.Success;
            return data.Length;
        }

        int count = Math.Min(data.Length, _window - end.Peer.Unread);
        if (count > 0)
        {
            end.Peer.Append(data[..count]);
            PostTurn(); // for nothing it would be turn after turn, and virtual time would stand still
        }

        error = count < data.Length ? SocketError.WouldBlock : SocketError.Success;
        return count;
    }
}
