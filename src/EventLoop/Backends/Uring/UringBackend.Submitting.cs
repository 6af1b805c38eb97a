using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <content>What the kernel is asked to do, and to leave.</content>
internal sealed unsafe partial class UringBackend
{
    // Has the kernel begin what an operation needs, unless it is at it already or there is something to be told first.
    private void Start(IoOperation? operation)
    {
        if (_ring is null || operation is not { State: IoOperationState.Armed })
        {
            return; // the next run starts it
        }

        var handle = (UringHandle)operation.Handle;
        switch (operation)
        {
            case ReceiveOperation when handle.Leftovers is { } leftovers && (leftovers.HasBytes || leftovers.End is not null):
            case AcceptOperation when handle.Leftovers is { Newcomers.Count: > 0 }:
                if (!handle.Leftovers.IsQueued)
                {
                    handle.Leftovers.IsQueued = true;
                    _wanted.Enqueue(handle);
                }

                break;
            case ReadableOperation when HasKept(handle):
                EndLater(operation, SocketError.Success);
                break;
            case ReceiveOperation when handle.Kind != IoHandleKind.Socket:
            case ReadableOperation:
                StartPoll(handle, Work.Receive, IoUring.PollReadable, multishot: false);
                break;
            case SendOperation when handle.Kind != IoHandleKind.Socket:
                StartPoll(handle, Work.Send, IoUring.PollWritable, multishot: false);
                break;
            case ReceiveOperation:
                StartReceive(handle);
                break;
            case AcceptOperation:
                StartAccept(handle, multishot: false);
                break;
            case SendOperation send:
                StartSend(handle, send);
                break;
            case ConnectOperation or WritableOperation:
                StartPoll(handle, Work.WritePoll, IoUring.PollWritable, multishot: false);
                break;
            case DatagramReceiveOperation when WantHeld(handle):
                break;
            case DatagramReceiveOperation:
                StartReceiveDatagrams(handle);
                break;
            case DatagramSendOperation:
                StartPoll(handle, Work.SendDatagram, IoUring.PollWritable, multishot: false);
                break;
            case HangUpOperation when !handle.HasInFlight(Work.Receive):
                StartPoll(handle, Work.HangUp, 0, multishot: true);
                break;
        }
    }

    // Of what the kernel has delivered. What it is about to deliver ends the wait as well; see TellKept.
    private static bool HasKept(UringHandle handle)
        => handle.Leftovers is { HasBytes: true } or { End: not null } or { Newcomers.Count: > 0 } || HasHeld(handle);

    private void StartReceive(UringHandle handle)
    {
        if (handle.HasInFlight(Work.Receive))
        {
            return; // when it is being cancelled, its end starts it again
        }

        if (handle.Unix?.Receiver is not null)
        {
            StartPoll(handle, Work.Receive, IoUring.PollReadable, multishot: false);
            return;
        }

        handle.HasReceived = false;
        ref SubmissionEntry entry = ref Submit(handle, Work.Receive, IoUring.Receive);
        entry.Flags = IoUring.EntryBufferSelect;
        entry.Priority = IoUring.ReceiveMultishot;
        entry.BufferGroup = ProvidedBuffers.Group;
    }

    private void StartAccept(UringHandle listener, bool multishot)
    {
        if (listener.HasInFlight(Work.Accept))
        {
            return;
        }

        ref SubmissionEntry entry = ref Submit(listener, Work.Accept, IoUring.Accept);
        entry.OperationFlags = Libc.SocketNonBlocking | Libc.SocketCloseOnExec;
        if (multishot)
        {
            entry.Priority = IoUring.AcceptMultishot;
            _bursting.Add(listener);
        }
    }

    private void EndBursts()
    {
        for (int i = _bursting.Count - 1; i >= 0; i--)
        {
            UringHandle listener = _bursting[i];
            if (listener.AcceptedAt < _polls)
            {
                Cancel(listener, Work.Accept);
                _bursting.RemoveAt(i);
            }
        }
    }

    private void StartSend(UringHandle handle, SendOperation send)
    {
        if (handle.HasInFlight(Work.Send))
        {
            return;
        }

        if (send.Handles is not null)
        {
            StartPoll(handle, Work.Send, IoUring.PollWritable, multishot: false);
            return;
        }

        handle.SendPin = send.Data.Pin();
        ref SubmissionEntry entry = ref Submit(handle, Work.Send, IoUring.Send);
        entry.Priority = IoUring.PollFirst; // it would block, which was just tried
        entry.Address = (ulong)handle.SendPin.Pointer;
        entry.Length = (uint)send.Data.Length;
        entry.OperationFlags = Libc.MessageNoSignal;
    }

    // Errors and hang-ups come unasked.
    private void StartPoll(UringHandle handle, Work work, uint events, bool multishot)
    {
        if (handle.HasInFlight(work))
        {
            return;
        }

        ref SubmissionEntry entry = ref Submit(handle, work, IoUring.PollAdd);
        entry.OperationFlags = events;
        entry.Length = multishot ? IoUring.PollMultishot : 0;
    }

    private ref SubmissionEntry Submit(UringHandle handle, Work work, byte operation)
    {
        ref SubmissionEntry entry = ref _ring!.NextEntry();
        entry.Operation = operation;
        entry.Fd = handle.Fd;
        entry.UserData = UserDataOf((byte)work, handle.Token);
        handle.InFlight |= work;
        _inFlight++;
        return ref entry;
    }

    private void WaitForWake()
    {
        ref SubmissionEntry entry = ref _ring!.NextEntry();
        entry.Operation = IoUring.Read;
        entry.Fd = WakeFd;
        entry.Offset = ulong.MaxValue;
        entry.Address = (ulong)_wakeCount;
        entry.Length = sizeof(ulong);
        entry.UserData = UserDataOf(WakeWork, 0);
        _inFlight++;
    }

    // Asks the kernel to end what it is at. It still completes, perhaps with success.
    private void Cancel(UringHandle handle, Work work)
    {
        if (_ring is not { } ring || !handle.HasInFlight(work) || (handle.Cancelled & work) != Work.None)
        {
            return;
        }

        handle.Cancelled |= work;
        ref SubmissionEntry entry = ref ring.NextEntry();
        entry.Operation = IoUring.AsyncCancel;
        entry.Flags = IoUring.EntrySkipSuccess;
        entry.Address = UserDataOf((byte)work, handle.Token);
        entry.UserData = UserDataOf(CancelWork, 0);
    }
}
