using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <content>
/// Descriptors beside the bytes: the kernel only says when there is something to receive, or room to send, and the rest is done
/// by <c>recvmsg(2)</c> and <c>sendmsg(2)</c>. A multishot receive has a way to bring them, at the price of a second layout of
/// everything that it delivers, for the few connections that pass any.
/// </content>
internal sealed unsafe partial class UringBackend
{
    private const int HandleReceiveBuffer = 64 * 1024;

    private byte[]? _handleReceiveBuffer; // which those connections share

    private int CompleteReadable(UringHandle handle, IHandleReceiver receiver, int result)
    {
        if (handle.IsReleased)
        {
            return 0;
        }

        if (handle.ReadSide is not ReceiveOperation { State: IoOperationState.Armed } receive)
        {
            Start(handle.HangUp); // nobody reads, and nothing was taken
            return 0;
        }

        if (result < 0)
        {
            Start(receive);
            return 0;
        }

        int told = Receive(handle, receive, receiver);
        Start(handle.ReadSide);
        if (handle.ReadSide is null)
        {
            Start(handle.HangUp);
        }

        return told;
    }

    private int Receive(UringHandle handle, ReceiveOperation receive, IHandleReceiver receiver)
    {
        bool provided = receive.Receiver.ProvidesBuffer;
        Memory<byte> memory = provided ? default : _handleReceiveBuffer ??= new byte[HandleReceiveBuffer];
        if (provided && !TryGetBuffer(receive, out memory))
        {
            return 1;
        }

        int received = UnixSocket.Receive(handle.Fd, memory.Span, receiver, out SocketError error);
        if (received > 0)
        {
            _ = provided ? DeliverFilled(receive, received) : Deliver(receive, memory.Span[..received]);
            return 1;
        }

        if (error == SocketError.WouldBlock)
        {
            return 0;
        }

        End(receive, error);
        return 1;
    }

    private int CompleteWritable(UringHandle handle, SendOperation send, int result)
    {
        if (send.State == IoOperationState.Ending)
        {
            End(send, SocketError.OperationAborted);
            return 1;
        }

        SocketError error = SocketError.WouldBlock;
        int sent = result < 0 ? 0 : TrySend(handle, send, out error);
        if (sent > 0)
        {
            EndSend(send, sent);
            return 1;
        }

        if (error is SocketError.Success or SocketError.WouldBlock)
        {
            Start(send);
            return 0;
        }

        End(send, error);
        return 1;
    }
}
