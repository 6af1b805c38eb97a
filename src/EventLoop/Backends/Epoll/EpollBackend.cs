using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Epoll;

/// <summary>Completions over Linux's epoll.</summary>
/// <remarks>
/// <para>
/// <b>Level-triggered, one receive per event, nothing re-armed.</b> A descriptor is told to epoll once, when something is
/// first waited for. Receiving until the kernel says "would block" would cost a call more per message (0.3 us of 4.9
/// measured); edge-triggering gained nothing measurable and would need it. So one event is one receive, into one buffer
/// that all connections share.
/// </para>
/// <para>
/// <b>Interest is widened at once and narrowed late.</b> Pausing and resuming within a moment, as back-pressure does, then
/// costs no system call. When an event arrives that nobody waits for, it is switched off on the spot; errors and
/// hang-ups, which epoll reports unasked, are told to the operation that can make something of them, and when there is
/// none the descriptor is taken out of epoll, or the loop would spin.
/// </para>
/// <para>
/// <b>What epoll keys on</b> is the descriptor together with the open file behind it, and a registration lives as long as
/// the file does. A process that forks at the wrong moment holds a copy of the file; closing our descriptor then leaves
/// the registration in place, reporting events for ever with no descriptor left to switch them off by. So a descriptor is
/// always taken out before it is closed. Its number may be given to a stranger right away, while events for the old
/// holder are still in the batch at hand; so what is registered is not the number but a token of
/// <see cref="HandleTable{THandle}"/>, and an event whose token is nobody's is dropped.
/// </para>
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe partial class EpollBackend : LinuxBackend<EpollHandle>
{
    /// <summary>
    /// Newcomers accepted per event: enough to drain a burst, few enough for the others to be served meanwhile.
    /// </summary>
    private const int AcceptsPerEvent = 64;

    private const int InitialReceiveBuffer = 64 * 1024;

    /// <summary>Beyond this a larger receive buffer gained nothing, and one connection would hold up the others.</summary>
    private const int MaxReceiveBuffer = 1024 * 1024;

    /// <summary>What epoll reports for the wake-up descriptor; no handle has this token.</summary>
    private const ulong WakeToken = ulong.MaxValue;

    /// <summary>Of a wait that a signal has ended.</summary>
    private const int Interrupted = -1;

    // struct epoll_event is packed on x86-64 and nowhere else.
    private static readonly int s_eventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int s_tokenOffset = s_eventSize - sizeof(ulong);

    // Set once.
    private readonly SafeFileHandle _epoll;
    private readonly int _epollFd;
    private readonly byte[] _events = GC.AllocateUninitializedArray<byte>(CompletionsPerPoll * s_eventSize, pinned: true);

    // Loop thread only.
    private byte[] _receiveBuffer = GC.AllocateUninitializedArray<byte>(InitialReceiveBuffer, pinned: true);
    private bool _hasNanosecondWait = true;

    public EpollBackend()
        : base(Libc.EventFdNonBlocking)
    {
        _rearm = (handle, receive) => Rearm(handle, receive);
        int epoll = Libc.EpollCreate(Libc.EpollCloseOnExec);
        if (epoll < 0)
        {
            BackendUnavailableException failure = Unavailable("epoll_create1");
            base.Dispose(disposing: true);
            throw failure;
        }

        _epoll = new SafeFileHandle(epoll, ownsHandle: true);
        _epollFd = epoll;
        if (Control(Libc.EpollAdd, WakeFd, EpollEvents.Readable, WakeToken) != 0)
        {
            BackendUnavailableException failure = Unavailable("epoll_ctl");
            _epoll.Dispose();
            base.Dispose(disposing: true);
            throw failure;
        }
    }

    public override string Name => "epoll";

    public override void Attach()
    {
        // Nothing here is bound to a thread.
    }

    public override int Poll(long untilTicks)
    {
        int told = TellPendingEnds() + TellHeld(_rearm);
        bool waits = told == 0 && !HasPendingEnds && !HasHeldWanted;
        int count = Wait(waits ? untilTicks : 0);
        LastPoll = count switch
        {
            CompletionsPerPoll => PollEnding.HasMore,
            _ when HasHeldWanted => PollEnding.HasMore,
            0 when waits => PollEnding.TimedOut,
            _ => PollEnding.ToldAll,
        };
        fixed (byte* events = _events)
        {
            for (int i = 0; i < count; i++)
            {
                byte* happening = events + (i * s_eventSize);
                told += Dispatch(
                    *(EpollEvents*)happening, Marshal.ReadInt64((nint)happening, s_tokenOffset));
            }
        }

        return told;
    }

    protected override void Arm(IoOperation operation)
    {
        var handle = (EpollHandle)operation.Handle;
        SocketError error = operation switch
        {
            ConnectOperation connect => Connect(handle, connect),
            ReadableOperation when HasHeld(handle) => SocketError.Success,
            ReceiveOperation or AcceptOperation or ReadableOperation => Want(handle, EpollEvents.Readable),
            SendOperation or DatagramSendOperation or WritableOperation => Want(handle, EpollEvents.Writable),
            DatagramReceiveOperation => WantHeld(handle) ? SocketError.InProgress : Want(handle, EpollEvents.Readable),
            _ => Want(handle, EpollEvents.None),
        };
        if (error != SocketError.InProgress)
        {
            EndLater(operation, error);
        }
    }

    protected override void Disarm(IoOperation operation) => EndLater(operation, SocketError.OperationAborted);

    protected override EpollHandle CreateHandle(int fd, StrongBox<SocketName> local, SocketName remote) => new(this, fd, local, remote);

    protected override void Close(IoHandle handle, bool reset)
    {
        var closed = (EpollHandle)handle;
        if (reset)
        {
            LinuxSocket.ResetOnClose(closed.Fd);
        }

        Unregister(closed);
        CloseDatagrams(closed);
        Handles.Remove(closed.Token);
        closed.CloseDescriptor();
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing)
        {
            return;
        }

        foreach (EpollHandle handle in Handles.Snapshot())
        {
            CloseDatagrams(handle);
            Handles.Remove(handle.Token);
            handle.CloseDescriptor();
        }

        _incoming?.Dispose();
        _incoming = null;
        _epoll.Dispose();
        base.Dispose(disposing);
    }

    // A signal may have come with a long halt behind it, after which both data and deadlines are due: looking again, for as
    // long as is left, has the data told first, so that nobody is timed out who has sent in time.
    private int Wait(long untilTicks)
    {
        int count;
        do
        {
            count = TryWait(untilTicks);
        }
        while (count == Interrupted);
        return count;
    }

    private int TryWait(long untilTicks)
    {
        long ticks = untilTicks <= 0 ? 0 : Math.Clamp(untilTicks - Clock.Now, 0, MaxWaitTicks);
        fixed (byte* events = _events)
        {
            if (_hasNanosecondWait)
            {
                Libc.TimeSpec timeout = new()
                {
                    Seconds = ticks / TimeSpan.TicksPerSecond,
                    Nanoseconds = ticks % TimeSpan.TicksPerSecond * 100,
                };
                nint happened = Libc.EpollWaitNanoseconds(
                    Libc.EpollPwait2Number, _epollFd, events, CompletionsPerPoll, &timeout, null, 0);
                if (happened >= 0)
                {
                    return (int)happened;
                }

                int failure = Errno.Last;
                if (failure is not (Errno.NoSystemCall or Errno.NotPermitted))
                {
                    return CheckWait(failure);
                }

                _hasNanosecondWait = false; // an old kernel, or a filter that does not know the call
            }

            // Up, never down: a timer must not find that it is still early, and the loop must not spin until it is due.
            long milliseconds = (ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;
            int count = Libc.EpollWait(_epollFd, events, CompletionsPerPoll, (int)milliseconds);
            return count >= 0 ? count : CheckWait(Errno.Last);
        }
    }

    private static int CheckWait(int errno)
        => errno == Errno.Interrupted
            ? Interrupted
            : throw new BackendFailedException("epoll", $"waiting for events failed (errno {errno}).");

    private int Dispatch(EpollEvents events, long token)
    {
        if ((ulong)token == WakeToken)
        {
            ulong count;
            _ = Libc.Read(WakeFd, &count, sizeof(ulong));
            return 0;
        }

        if (Handles.Find((ulong)token) is not { } handle)
        {
            return 0; // the holder was released, by a callback of this very batch
        }

        // Reads before writes, as ever: what the peer sent may make us write, and what is written now leaves once.
        const EpollEvents Trouble = EpollEvents.Error | EpollEvents.HangUp;
        int told = 0;
        if ((events & (EpollEvents.Readable | Trouble)) != EpollEvents.None)
        {
            told += CompleteReadSide(handle);
        }

        if ((events & (EpollEvents.Writable | Trouble)) != EpollEvents.None && !handle.IsReleased)
        {
            told += CompleteWriteSide(handle);
        }

        if (!handle.IsReleased && (told == 0 || (events & Trouble) != EpollEvents.None))
        {
            told += Subdue(handle, events);
        }

        return told;
    }

    private int CompleteReadSide(EpollHandle handle)
    {
        switch (handle.ReadSide)
        {
            case ReceiveOperation { State: IoOperationState.Armed } receive:
                return Receive(handle, receive);
            case AcceptOperation { State: IoOperationState.Armed } accept:
                return Accept(handle, accept);
            case DatagramReceiveOperation { State: IoOperationState.Armed } datagrams:
                return Receive(handle, datagrams);
            case ReadableOperation { State: IoOperationState.Armed } readable:
                End(readable, SocketError.Success);
                return 1;
            default:
                return 0;
        }
    }

    private int CompleteWriteSide(EpollHandle handle)
    {
        switch (handle.WriteSide)
        {
            case SendOperation { State: IoOperationState.Armed } send:
                int sent = TrySend(handle, send, out SocketError error);
                if (sent > 0)
                {
                    EndSend(send, sent);
                    return 1;
                }

                if (error is SocketError.Success or SocketError.WouldBlock)
                {
                    return 0;
                }

                End(send, error);
                return 1;
            case ConnectOperation { State: IoOperationState.Armed } connect:
                EndConnect(connect);
                return 1;
            case DatagramSendOperation { State: IoOperationState.Armed } datagram:
                return Send(handle, datagram);
            case WritableOperation { State: IoOperationState.Armed } writable:
                End(writable, SocketError.Success);
                return 1;
            default:
                return 0;
        }
    }

    private int Receive(EpollHandle handle, ReceiveOperation receive)
    {
        bool provided = receive.Receiver.ProvidesBuffer;
        Memory<byte> memory = _receiveBuffer;
        if (provided && !TryGetBuffer(receive, out memory))
        {
            return 1;
        }

        nint received;
        SocketError failure = SocketError.Success;
        if (handle.Unix?.Receiver is { } receiver)
        {
            received = UnixSocket.Receive(handle.Fd, memory.Span, receiver, out failure);
        }
        else
        {
            fixed (byte* start = memory.Span)
            {
                received = handle.Kind == IoHandleKind.Socket
                    ? Libc.Receive(handle.Fd, start, (nuint)memory.Length, 0)
                    : LinuxFile.Read(handle, start, (nuint)memory.Length);
            }
        }

        if (received > 0)
        {
            if (provided)
            {
                DeliverFilled(receive, (int)received);
            }
            else
            {
                byte[] buffer = _receiveBuffer;
                Deliver(receive, buffer.AsSpan(0, (int)received));
                if (received == buffer.Length && buffer == _receiveBuffer)
                {
                    GrowReceiveBuffer();
                }
            }

            return 1;
        }

        if (received == 0)
        {
            End(receive, SocketError.Success);
            return 1;
        }

        if (failure == SocketError.Success)
        {
            failure = Errno.ToSocketError(Errno.Last);
        }

        if (failure is SocketError.WouldBlock or SocketError.Interrupted)
        {
            return 0;
        }

        End(receive, failure);
        return 1;
    }

    // A full buffer is bulk traffic, which gains from fewer and larger receives (1 MiB takes half the time of 64 KiB).
    private void GrowReceiveBuffer()
    {
        if (_receiveBuffer.Length < MaxReceiveBuffer)
        {
            _receiveBuffer = GC.AllocateUninitializedArray<byte>(_receiveBuffer.Length * 2, pinned: true);
        }
    }

    private int Accept(EpollHandle listener, AcceptOperation accept)
    {
        long reserve = DescriptorReserve.Threshold;
        for (int accepted = 0; accepted < AcceptsPerEvent; accepted++)
        {
            int fd = LinuxSocket.Accept(listener.Fd, out SocketName peer);
            if (fd < 0)
            {
                switch (-fd)
                {
                    case Errno.Again:
                        return Math.Max(accepted, 1);
                    case Errno.Interrupted or Errno.ConnectionAborted:
                        continue; // the newcomer left before its turn; there may be others
                    default:
                        End(accept, Errno.ToSocketError(-fd));
                        return accepted + 1;
                }
            }

            if (fd >= reserve)
            {
                _ = Libc.Close(fd);
                DeliverShed(accept);
                if (!IsListening(accept))
                {
                    return accepted + 1; // cancelled, or its listener released and closed
                }

                continue;
            }

            if (!Deliver(accept, AddAccepted(listener, fd, peer)))
            {
                return accepted + 1;
            }
        }

        return AcceptsPerEvent;
    }

    private static SocketError ToArmed(SocketError error)
        => error == SocketError.Success ? SocketError.InProgress : error;

    private SocketError Connect(EpollHandle handle, ConnectOperation connect)
    {
        SocketError error = BeginConnect(connect);
        return error == SocketError.InProgress ? Want(handle, EpollEvents.Writable) : error;
    }

    // InProgress when epoll will report it.
    private SocketError Want(EpollHandle handle, EpollEvents events)
    {
        EpollEvents interest = handle.Interest | events;
        if (handle.IsRegistered && interest == handle.Interest)
        {
            return SocketError.InProgress;
        }

        return ToArmed(SetInterest(handle, interest));
    }

    private SocketError SetInterest(EpollHandle handle, EpollEvents interest)
    {
        int operation = handle.IsRegistered ? Libc.EpollModify : Libc.EpollAdd;
        if (Control(operation, handle.Fd, interest, handle.Token) != 0)
        {
            return Errno.ToSocketError(Errno.Last);
        }

        handle.IsRegistered = true;
        handle.Interest = interest;
        return SocketError.Success;
    }

    // Events arrived that no operation took: they would arrive again at once, for ever.
    private int Subdue(EpollHandle handle, EpollEvents events)
    {
        bool readAwaited = handle.ReadSide is not null;
        bool writeAwaited = handle.WriteSide is not null;
        if ((events & (EpollEvents.Error | EpollEvents.HangUp)) != EpollEvents.None && !readAwaited && !writeAwaited)
        {
            Unregister(handle);
            if (handle.HangUp is { State: IoOperationState.Armed } watch)
            {
                End(watch, LinuxFile.HangUpOf(handle));
                return 1;
            }

            return 0;
        }

        EpollEvents wanted = handle.Interest;
        if (!readAwaited)
        {
            wanted &= ~EpollEvents.Readable;
        }

        if (!writeAwaited)
        {
            wanted &= ~EpollEvents.Writable;
        }

        if (wanted != handle.Interest && SetInterest(handle, wanted) != SocketError.Success)
        {
            Unregister(handle);
        }

        return 0;
    }

    private void Unregister(EpollHandle handle)
    {
        if (handle.IsRegistered)
        {
            _ = Control(Libc.EpollDelete, handle.Fd, EpollEvents.None, 0);
            handle.IsRegistered = false;
            handle.Interest = EpollEvents.None;
        }
    }

    private int Control(int operation, int fd, EpollEvents events, ulong token)
    {
        byte* happening = stackalloc byte[16];
        *(EpollEvents*)happening = events;
        Marshal.WriteInt64((nint)happening, s_tokenOffset, (long)token);
        return Libc.EpollControl(_epollFd, operation, fd, happening);
    }
}
