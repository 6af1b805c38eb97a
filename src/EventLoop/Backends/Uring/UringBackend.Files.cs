using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <content>Pipes and terminals, which are waited for by a poll and then read and written by system calls.</content>
/// <remarks>
/// A read as an entry would save a call, but what the kernel does with it depends on the file: with one that was opened as
/// non-blocking it may answer "would block" instead of waiting, and with one that was not, and that it cannot try (a terminal),
/// it waits on a thread of its own, one for each. A poll is the same for all, takes nothing that a cancellation would have to
/// give back, and has no memory of ours.
/// </remarks>
internal sealed unsafe partial class UringBackend
{
    private const int ReadSize = 64 * 1024; // what a pipe holds

    private byte[]? _readBuffer; // made with the first pipe

    private int CompleteReadable(UringHandle handle, int result)
    {
        if (handle.IsReleased)
        {
            return 0;
        }

        if (handle.ReadSide is not { State: IoOperationState.Armed } operation)
        {
            Start(handle.HangUp); // nobody reads, so nobody else sees it
            return 0;
        }

        if (result < 0 && !IsPassing(result))
        {
            End(operation, Errno.ToSocketError(-result));
            return 1;
        }

        int told = 0;
        if (result >= 0)
        {
            if (operation is not ReceiveOperation receive)
            {
                End(operation, SocketError.Success);
                Start(handle.HangUp);
                return 1;
            }

            told = ReadFile(handle, receive);
        }

        if (!handle.IsReleased)
        {
            Start(handle.ReadSide);
        }

        return told;
    }

    private int ReadFile(UringHandle handle, ReceiveOperation receive)
    {
        bool provided = receive.Receiver.ProvidesBuffer;
        Memory<byte> memory = _readBuffer ??= GC.AllocateUninitializedArray<byte>(ReadSize, pinned: true);
        if (provided && !TryGetBuffer(receive, out memory))
        {
            return 1;
        }

        nint count;
        fixed (byte* start = memory.Span)
        {
            count = LinuxFile.Read(handle, start, (nuint)memory.Length);
        }

        if (count > 0)
        {
            _ = provided ? DeliverFilled(receive, (int)count) : Deliver(receive, memory.Span[..(int)count]);
            return 1;
        }

        int errno = count == 0 ? 0 : Errno.Last;
        if (errno is Errno.Again or Errno.Interrupted)
        {
            return 0;
        }

        End(receive, Errno.ToSocketError(errno));
        return 1;
    }

    private int CompleteWritable(UringHandle handle, int result)
    {
        if (handle.IsReleased || handle.WriteSide is not SendOperation { State: IoOperationState.Armed } send)
        {
            return 0;
        }

        SocketError error = result < 0 && !IsPassing(result) ? Errno.ToSocketError(-result) : SocketError.WouldBlock;
        int sent = result >= 0 ? LinuxFile.TryWrite(handle, send.Data.Span, out error) : 0;
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
