using System.Diagnostics;
using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <content>What the kernel has completed, and whom it is told to.</content>
internal sealed unsafe partial class UringBackend
{
    private int Complete(in CompletionEntry completion)
    {
        Note(completion, out byte work);
        switch (work)
        {
            case CancelWork:
                return 0;
            case WakeWork:
                WaitForWake();
                return 0;
            default:
                return Complete((Work)work, completion);
        }
    }

    // A cancellation is not counted: it completes only when it fails.
    private void Note(in CompletionEntry completion, out byte work)
    {
        work = (byte)WorkOf(completion);
        if (work != CancelWork && !completion.HasMore)
        {
            _inFlight--;
        }
    }

    private int Complete(Work work, in CompletionEntry completion)
    {
        UringHandle? found = Handles.Find(completion.UserData & HandleTable<UringHandle>.TokenMask);
        if (found is not { } handle)
        {
            Debug.Fail("A handle leaves the table when nothing is in flight on it.");
            return 0;
        }

        bool wasReleased = handle.IsReleased; // otherwise Close has seen what was in flight
        if (!completion.HasMore)
        {
            handle.Ended(work);
        }

        int told = work switch
        {
            Work.Receive when IsPolled(handle, completion) => CompleteReadable(handle, completion.Result),
            Work.Receive when handle.Unix?.Receiver is { } receiver => CompleteReadable(handle, receiver, completion.Result),
            Work.Send when handle.Kind != IoHandleKind.Socket => CompleteWritable(handle, completion.Result),
            Work.Receive => CompleteReceive(handle, completion),
            Work.Accept => CompleteAccept(handle, completion.Result),
            Work.Send => CompleteSend(handle, completion.Result),
            Work.WritePoll => CompleteWritePoll(handle, completion.Result),
            Work.ReceiveDatagrams => CompleteReceiveDatagrams(handle, completion),
            Work.SendDatagram => CompleteSendDatagram(handle, completion.Result),
            _ => CompleteHangUp(handle, completion.Result),
        };
        told += TellKept(handle);
        if (wasReleased && handle.InFlight == Work.None)
        {
            Handles.Remove(handle.Token);
        }

        return told;
    }

    // A receive that somebody else has left in flight has a buffer, or has come to an end; a poll has more than nothing to say.
    private static bool IsPolled(UringHandle handle, in CompletionEntry completion)
        => handle.Kind != IoHandleKind.Socket
            || (handle.ReadSide is ReadableOperation && !completion.HasBuffer && completion.Result > 0);

    // Whoever waits until there is something to read has it, when a receive or an accept was still in flight.
    private static int TellKept(UringHandle handle)
    {
        if (handle is not { IsReleased: false, ReadSide: ReadableOperation { State: IoOperationState.Armed } readable }
            || !HasKept(handle))
        {
            return 0;
        }

        End(readable, SocketError.Success);
        return 1;
    }

    private int CompleteReceive(UringHandle handle, in CompletionEntry completion)
    {
        int told = 0;
        if (completion.HasBuffer)
        {
            handle.HasReceived = true;
            told += TellReceived(handle, _buffers.Take(completion));
        }

        if (completion.Result <= 0 && !handle.IsReleased)
        {
            if (-completion.Result == Errno.NoBuffers)
            {
                (handle.HasReceived ? _fed : _starved).Enqueue(handle);
                return told;
            }

            if (!IsPassing(completion.Result))
            {
                return told + TellEnd(handle, Errno.ToSocketError(-completion.Result));
            }
        }

        if (!completion.HasMore)
        {
            Start(handle.ReadSide);
            Start(handle.HangUp);
        }

        return told;
    }

    private int TellReceived(UringHandle handle, ProvidedBuffers.Piece piece)
    {
        if (piece.Bytes.IsEmpty || handle.IsReleased)
        {
            _buffers.Return(piece);
            return 0;
        }

        int told = 0;
        if (handle.ReadSide is ReceiveOperation { State: IoOperationState.Armed } receive
            && handle.Leftovers is not { HasBytes: true })
        {
            told = DeliverTaken(receive, piece.Bytes);
            if (told == piece.Bytes.Length || handle.IsReleased)
            {
                _buffers.Return(piece);
                return 1;
            }
        }

        (handle.Leftovers ??= new Leftovers()).Add(_buffers, piece.Skip(told));
        Cancel(handle, Work.Receive);
        return told > 0 ? 1 : 0;
    }

    private int TellEnd(UringHandle handle, SocketError end)
    {
        if (handle.ReadSide is ReceiveOperation { State: IoOperationState.Armed } receive
            && handle.Leftovers is not { HasBytes: true })
        {
            End(receive, end);
            Start(handle.HangUp);
            return 1;
        }

        (handle.Leftovers ??= new Leftovers()).End = end;
        if (end != SocketError.Success && handle.HangUp is { State: IoOperationState.Armed } watch)
        {
            End(watch, end); // nobody reads, so nobody else sees it
            return 1;
        }

        Start(handle.HangUp);
        return 0;
    }

    private int CompleteAccept(UringHandle listener, int result)
    {
        if (result < 0)
        {
            if (listener.ReadSide is AcceptOperation { State: IoOperationState.Armed } failed)
            {
                if (!IsPassing(result) && -result != Errno.ConnectionAborted)
                {
                    End(failed, Errno.ToSocketError(-result));
                    return 1;
                }

                Start(failed);
            }

            return 0;
        }

        if (listener.IsReleased)
        {
            LinuxSocket.ResetOnClose(result);
            _ = Libc.Close(result);
            return 0;
        }

        long threshold = DescriptorReserve.Threshold;
        if (listener.ReadSide is not AcceptOperation { State: IoOperationState.Armed } accept)
        {
            if (result < threshold)
            {
                (listener.Leftovers ??= new Leftovers()).Newcomers.Enqueue(result);
            }
            else
            {
                _ = Libc.Close(result); // kept, it would hold what the process is to get by with
            }

            return 0;
        }

        if (result < threshold)
        {
            Introduce(listener, accept, result);
        }
        else
        {
            _ = Libc.Close(result);
            DeliverShed(accept);
            Cancel(listener, Work.Accept); // a multishot is too bold now
        }

        if (IsListening(accept))
        {
            bool isBurst = listener.AcceptedAt >= _polls - 1;
            listener.AcceptedAt = _polls;
            StartAccept(listener, multishot: isBurst && threshold - result > PlentifulDescriptors);
        }
        else if (!listener.IsReleased)
        {
            Cancel(listener, Work.Accept);
        }

        return 1;
    }

    private void Introduce(UringHandle listener, AcceptOperation accept, int fd)
        => Deliver(accept, AddAccepted(listener, fd, listener.Unix is null ? LinuxSocket.GetPeerName(fd) : default));

    private int CompleteSend(UringHandle handle, int result)
    {
        handle.SendPin.Dispose();
        handle.SendPin = default;
        if (handle.WriteSide is not SendOperation send)
        {
            Debug.Fail("A send ends when the kernel has ended with its memory.");
            return 0;
        }

        if (handle.IsReleased)
        {
            EndLater(send, SocketError.OperationAborted); // perhaps between runs, when nothing is told
        }
        else if (send.Handles is not null)
        {
            return CompleteWritable(handle, send, result);
        }
        else if (result > 0)
        {
            EndSend(send, result);
        }
        else if (send.State == IoOperationState.Ending)
        {
            End(send, SocketError.OperationAborted);
        }
        else if (IsPassing(result))
        {
            Start(send);
            return 0;
        }
        else
        {
            End(send, Errno.ToSocketError(-result));
        }

        return 1;
    }

    private int CompleteWritePoll(UringHandle handle, int result)
    {
        switch (handle.WriteSide)
        {
            case { State: not IoOperationState.Armed }:
                return 0;
            case WritableOperation writable when result >= 0 || !IsPassing(result):
                End(writable, result >= 0 ? SocketError.Success : Errno.ToSocketError(-result));
                return 1;
            case ConnectOperation connect when result >= 0:
                EndConnect(connect);
                return 1;
            case ConnectOperation or WritableOperation:
                Start(handle.WriteSide);
                return 0;
            default:
                return 0;
        }
    }

    private int CompleteHangUp(UringHandle handle, int result)
    {
        if (handle.HangUp is not { State: IoOperationState.Armed } watch || handle.IsReleased)
        {
            Cancel(handle, Work.HangUp);
            return 0;
        }

        if (result < 0)
        {
            Start(watch);
            return 0;
        }

        // The kernel reports the end of the peer's sending as well, unasked, which is no hang-up.
        if ((result & (IoUring.PollError | IoUring.PollHangUp)) == 0)
        {
            return 0;
        }

        // It is reported once, so it is asked for anew when it is wanted again.
        Cancel(handle, Work.HangUp);
        if (handle.ReadSide is { State: IoOperationState.Armed } || handle.HasInFlight(Work.Receive))
        {
            return 0; // the receive sees it, behind the data
        }

        End(watch, LinuxFile.HangUpOf(handle));
        return 1;
    }

    // Tells what was kept, to those who want it again.
    private int TellLeftovers()
    {
        int told = 0;
        for (int count = _wanted.Count; count > 0; count--)
        {
            UringHandle handle = _wanted.Dequeue();
            Leftovers leftovers = handle.Leftovers!;
            leftovers.IsQueued = false;
            told += handle.ReadSide switch
            {
                ReceiveOperation { State: IoOperationState.Armed } receive => TellLeftovers(handle, receive, leftovers),
                AcceptOperation { State: IoOperationState.Armed } accept => TellNewcomers(handle, accept, leftovers),
                _ => 0,
            };
        }

        return told;
    }

    private int TellLeftovers(UringHandle handle, ReceiveOperation receive, Leftovers leftovers)
    {
        int told = 0;
        while (IsListening(receive) && leftovers.HasBytes)
        {
            Leftovers.Bytes bytes = leftovers.TakeFirst();
            bytes.Skip(DeliverTaken(receive, bytes.Span));
            told++;
            if (bytes.Span.IsEmpty || handle.IsReleased)
            {
                bytes.Free(_buffers);
            }
            else
            {
                leftovers.PutBack(bytes);
            }
        }

        if (IsListening(receive) && leftovers.End is { } end)
        {
            End(receive, end);
            told++;
        }

        Start(handle.ReadSide);
        Start(handle.HangUp);
        return told;
    }

    private int TellNewcomers(UringHandle listener, AcceptOperation accept, Leftovers leftovers)
    {
        int told = 0;
        while (IsListening(accept) && leftovers.Newcomers.TryDequeue(out int fd))
        {
            Introduce(listener, accept, fd);
            told++;
        }

        Start(listener.ReadSide);
        return told;
    }

    private int TellRecalled()
    {
        int told = 0;
        for (int count = _recalled.Count; count > 0; count--)
        {
            CompletionEntry completion = _recalled.Dequeue();
            told += Complete(WorkOf(completion), completion);
        }

        return told;
    }
}
