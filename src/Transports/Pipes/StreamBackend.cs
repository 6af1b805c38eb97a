using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// Streams of .NET's as a backend, on any loop and any system: for named pipes, which Windows has no other way to wait for, and
/// for the pipes of a child that <see cref="System.Diagnostics.Process"/> has started, which hands out nothing else. Where they
/// complete is .NET's business; it is told on the loop.
/// </summary>
internal sealed class StreamBackend(EventLoop loop) : TurnBackend(loop)
{
    private readonly List<StreamHandle> _handles = [];

    public override string Name => "stream";

    public StreamHandle Add(Stream stream, IoHandleKind kind)
    {
        var handle = new StreamHandle(this, stream, kind);
        _handles.Add(handle);
        return handle;
    }

    /// <summary>Has something done on the loop, and looks what there is to tell. Any thread.</summary>
    public void Post(Action change) => Loop.Host.TryPost(
        static state =>
        {
            var (backend, change) = ((StreamBackend, Action))state!;
            change();
            backend.PostTurn();
        },
        (this, change));

    /// <summary>Nobody reads what is written here any more. Loop thread only.</summary>
    public void HangUp(StreamHandle handle)
    {
        handle.HasHungUp = true;
        PostTurn();
    }

    public override int Poll(long untilTicks)
    {
        int told = TellPendingEnds();
        foreach (StreamHandle handle in _handles.ToArray())
        {
            told += ServeReceive(handle) + ServeSend(handle) + ServeHangUp(handle);
        }

        LastPoll = HasPendingEnds ? PollEnding.HasMore : PollEnding.ToldAll;
        return told;
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => SocketError.ProtocolOption;

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        error = SocketError.WouldBlock; // a stream has no try
        return 0;
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        error = SocketError.WouldBlock;
        return 0;
    }

    public override SocketError ShutdownSend(IoHandle handle) => SocketError.Success;

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
        var closed = (StreamHandle)handle;
        _handles.Remove(closed);
        closed.CloseStream();
        PostTurn();
    }

    private static int ServeReceive(StreamHandle handle)
    {
        if (handle.IsReading || handle.IsReleased
            || handle.ReadSide is not ReceiveOperation { State: IoOperationState.Armed } receive)
        {
            return 0;
        }

        int told = 0;
        if (!handle.Unread.IsEmpty)
        {
            handle.Told += DeliverTaken(receive, handle.Unread);
            told = 1;
            if (!IsListening(receive) || handle.IsReleased)
            {
                return told;
            }
        }

        if (handle.InputEnd is { } end)
        {
            End(receive, end);
            return told + 1;
        }

        handle.BeginRead();
        return told;
    }

    private static int ServeSend(StreamHandle handle)
    {
        if (handle.IsWriting || handle.IsReleased || handle.WriteSide is not SendOperation { State: IoOperationState.Armed } send)
        {
            return 0;
        }

        switch (handle.Written)
        {
            case null:
                handle.BeginWrite(send.Data);
                return 0;
            case SocketError.Success:
                handle.Written = null;
                EndSend(send, handle.Sent);
                return 1;
            case { } error:
                End(send, error);
                return 1;
        }
    }

    private static int ServeHangUp(StreamHandle handle)
    {
        if (handle is not { HasHungUp: true, IsReleased: false, HangUp: { State: IoOperationState.Armed } watch })
        {
            return 0;
        }

        End(watch, SocketError.Shutdown);
        return 1;
    }
}
