using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Epoll;

/// <content>
/// Datagrams. One event is one receive of up to <see cref="DatagramBatch.ReceiveCount"/> of them: a flood at one socket costs a
/// system call for as many, and the others get their turn in between.
/// </content>
internal sealed unsafe partial class EpollBackend
{
    private readonly Action<EpollHandle, DatagramReceiveOperation> _rearm;
    private DatagramBatch? _incoming;

    private int Receive(EpollHandle handle, DatagramReceiveOperation receive)
    {
        LinuxDatagrams datagrams = handle.Datagrams!;
        if (datagrams.Held.Count > 0)
        {
            WantHeld(handle); // first what came first
            return 0;
        }

        _incoming ??= new DatagramBatch(DatagramBatch.ReceiveCount, DatagramReceiveOperation.MaxReceiveSize);
        int count = _incoming.Receive(handle.Fd, receive.ReceiveSize, datagrams.Coalesces);
        if (count < 0)
        {
            if (-count == Errno.Again)
            {
                return 0;
            }

            End(receive, NativeAddress.ErrorOf(-count));
            return 1;
        }

        int told = 0;
        for (int i = 0; i < count && !handle.IsReleased; i++)
        {
            ReadOnlySpan<byte> data = _incoming.Received(
                i, out ReadOnlySpan<byte> name, out bool isTruncated, out int segmentSize);
            told += TellDatagrams(handle, data, name, isTruncated, segmentSize, receive.ReceiveSize);
        }

        return Math.Max(told, 1);
    }

    private int Send(EpollHandle handle, DatagramSendOperation send)
    {
        if (TrySendTo(handle, [send.Datagram], out SocketError error) == 0 && error == SocketError.WouldBlock)
        {
            return 0;
        }

        End(send, error);
        return 1;
    }

    private void Rearm(EpollHandle handle, DatagramReceiveOperation receive)
    {
        SocketError error = Want(handle, EpollEvents.Readable);
        if (error != SocketError.InProgress)
        {
            EndLater(receive, error);
        }
    }
}
