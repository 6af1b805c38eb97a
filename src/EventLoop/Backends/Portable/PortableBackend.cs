using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <summary>Completions over .NET's own sockets, on whatever system it runs.</summary>
/// <remarks>
/// <para>
/// <b>What completes, completes elsewhere</b>: on a thread of the pool, or within the very call that started it. Either
/// way it is only queued, and told from <see cref="Poll"/>. So a pool that is held up holds up this loop's I/O as well,
/// and each completion that has to be waited for costs a hop from thread to thread: the price of portability. Whoever
/// queues something wakes the loop only when it sleeps.
/// </para>
/// <para>
/// <b>A receive is a wait and a try.</b> The wait is a receive of zero bytes, which completes when there is something
/// to receive and takes none of it; then the loop receives, without waiting, into the buffer that all connections
/// share. That is why cancelling a receive needs nothing but not to look: the wait stays with .NET, has nothing in it
/// that could be lost, and serves again when the receive is submitted again. An accept that completes after its
/// cancellation keeps its newcomer for the next.
/// </para>
/// <para>
/// <b>A send that has to wait sends a copy.</b> It cannot be called back, neither by a cancellation nor, on every
/// system, by closing the socket, while its owner takes the memory back at once; sending on from it then could show one
/// peer what is meant for another. A copy of 16 KiB costs a microsecond, on a path that waits anyway.
/// </para>
/// <para>
/// <b>Nothing in .NET waits for a hang-up.</b> While a receive is waited for, that wait sees it. The others that are
/// watched are looked at four times a second.
/// </para>
/// <para>
/// <b>Nothing can be mistaken for a successor's.</b> What .NET completes names the handle object, not a number that the
/// system may have given to a stranger meanwhile; when the handle was released it is thrown away.
/// </para>
/// </remarks>
internal sealed partial class PortableBackend : IoBackend
{
    private const int InitialReceiveBuffer = 64 * 1024;

    /// <summary>Beyond this a larger buffer gained nothing, and one connection would hold up the others.</summary>
    private const int MaxReceiveBuffer = 1024 * 1024;

    /// <summary>
    /// The most that one send takes. It completes when all of it has left, so this is also how finely its owner sees
    /// that the peer still reads.
    /// </summary>
    private const int MaxSend = 16 * 1024;

    /// <summary>Buffers of one vectored send; the rest takes another call. Each costs a pin.</summary>
    private const int MaxVectors = 64;

    // Who is later than the first was halted, and has between the others to catch up; see Wait.
    private const long HaltTicks = 100 * TimeSpan.TicksPerMillisecond;
    private const long MinGraceTicks = 20 * TimeSpan.TicksPerMillisecond;
    private const long MaxGraceTicks = TimeSpan.TicksPerSecond;

    private const long HangUpInterval = 250 * TimeSpan.TicksPerMillisecond;

    /// <summary>The longest single wait. Deadlines further off take several.</summary>
    private const long MaxWaitTicks = TimeSpan.TicksPerDay;

    // Values of _state.
    private const int Awake = 0;
    private const int Asleep = 1;
    private const int Woken = 2;

    // Loop thread only.
    private readonly HashSet<PortableHandle> _handles = [];
    private readonly HashSet<HangUpOperation> _watches = [];
    private readonly List<ArraySegment<byte>> _segments = new(MaxVectors);
    private byte[] _receiveBuffer = GC.AllocateUninitializedArray<byte>(InitialReceiveBuffer, pinned: true);
    private long _nextLook;

    // Any thread.
    private readonly ConcurrentQueue<PortableRequest> _completed = new();
    private readonly AutoResetEvent _signal = new(initialState: false);
    private volatile bool _disposed;
    private int _state;

    public override string Name => "portable";

    public override IoClock Clock => IoClock.System;

    public override void Attach()
    {
        // Nothing here is bound to a thread.
    }

    public override int Poll(long untilTicks)
    {
        LookForHangUps();
        int told = TellPendingEnds() + TellBlocked();
        if (told > 0)
        {
            untilTicks = 0;
        }

        bool timedOut = Wait(untilTicks);
        if (told == 0)
        {
            told = TellPendingEnds(); // what was noticed while waiting
        }

        timedOut &= told == 0 && !HasCompleted;

        // A count first: what completes on the spot is queued again, and must not keep this poll from returning.
        for (int count = Math.Min(_completed.Count, CompletionsPerPoll);
            count > 0 && _completed.TryDequeue(out PortableRequest? request);
            count--)
        {
            told += Complete(request);
        }

        if (OperatingSystem.IsLinux() && !_readyPipes.IsEmpty)
        {
            told += TellPipes();
        }

        LastPoll = HasCompleted ? PollEnding.HasMore : timedOut ? PollEnding.TimedOut : PollEnding.ToldAll;
        return told;
    }

    public override void Wake()
    {
        if (Interlocked.Exchange(ref _state, Woken) == Asleep)
        {
            _signal.Set();
        }
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
        => spec.IsDatagram ? OpenDatagram(spec, out error)
            : spec.AddressFamily == AddressFamily.Unix ? OpenUnix(spec, out error)
            : PortableSocket.Open(spec, out error) is { } socket
                ? TryAddHandle(socket, out error, isListening: spec.Backlog is not null)
                : null;

    public override IoHandle? Adopt(Socket socket, bool isListening, out SocketError error)
        => PortableSocket.Adopt(socket, isListening, out error) is { } adopted
            ? TryAddHandle(adopted, out error, isListening)
            : null;

    public override SocketError SetOption(IoHandle handle, IoOption option, int value)
        => handle.Kind != IoHandleKind.Socket ? SocketError.ProtocolOption
            : Own(handle).Datagrams is null ? PortableSocket.SetOption(Own(handle).Socket, option, value)
            : PortableSocket.SetDatagramOption(Own(handle).Socket, option, value);

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        if (OperatingSystem.IsLinux() && handle is PortablePipe pipe)
        {
            return LinuxFile.TryWrite(pipe, data, out error);
        }

        PortableHandle sender = Own(handle);
        if (sender.IsWriting)
        {
            error = SocketError.WouldBlock; // what a cancelled send has left behind goes first
            return 0;
        }

        int sent = sender.Socket.Send(data, SocketFlags.None, out error);
        CheckSent(sender, sent, data.Length, ref error);
        return sent;
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        if (OperatingSystem.IsLinux() && handle is PortablePipe pipe)
        {
            return LinuxFile.TryWrite(pipe, buffers, out error);
        }

        long total = 0;
        error = SocketError.Success;
        while (buffers.Length > 0 && error == SocketError.Success)
        {
            int count = Gather(buffers, out int wanted);
            if (count > 1 && !Own(handle).IsWriting)
            {
                int sent = Own(handle).Socket.Send(_segments, SocketFlags.None, out error);
                CheckSent(Own(handle), sent, wanted, ref error);
                total += sent;
            }
            else
            {
                count = 1;
                total += TrySend(handle, buffers[0].Span, out error);
            }

            buffers = buffers[count..];
        }

        _segments.Clear();
        return total;
    }

    public override SocketError ShutdownSend(IoHandle handle)
        => handle.Kind == IoHandleKind.Socket ? Own(handle).ShutdownSend() : SocketError.Success;

    /// <summary>Something that was started has completed. Any thread.</summary>
    internal void OnCompleted(PortableRequest request)
    {
        _completed.Enqueue(request);
        if (Interlocked.CompareExchange(ref _state, Woken, Asleep) == Asleep)
        {
            _signal.Set();
        }

        if (_disposed)
        {
            DiscardCompleted();
        }
    }

    protected override void Arm(IoOperation operation)
    {
        if (OperatingSystem.IsLinux() && operation.Handle is PortablePipe pipe)
        {
            ArmPipe(pipe);
            return;
        }

        var handle = (PortableHandle)operation.Handle;
        switch (operation)
        {
            case HangUpOperation watch:
                _watches.Add(watch);
                break;
            case DatagramReceiveOperation when handle.Datagrams!.TakeError() is var error and not SocketError.Success:
                EndLater(operation, error);
                break;
            case ReadableOperation when handle.Datagrams is { HasError: true } || handle is { HasNewcomer: true }:
                EndLater(operation, SocketError.Success);
                break;
            case ReceiveOperation or AcceptOperation or DatagramReceiveOperation or ReadableOperation when handle.IsReading:
                break; // what was started for an earlier arming serves this one
            case SendOperation or ConnectOperation or DatagramSendOperation or WritableOperation when handle.IsWriting:
                break; // what is left of a cancelled one comes first
            default:
                Start(operation);
                break;
        }
    }

    protected override void Disarm(IoOperation operation)
    {
        if (operation is SendOperation { Handles: not null } or WritableOperation)
        {
            _blocked.Remove(operation); // nothing of it is in flight
        }
        else if (operation is SendOperation or ConnectOperation or DatagramSendOperation
            && operation.Handle.Kind == IoHandleKind.Socket)
        {
            ((PortableHandle)operation.Handle).Writing.IsOrphan = true;
        }

        EndLater(operation, SocketError.OperationAborted);
    }

    protected override void Close(IoHandle handle, bool reset)
    {
        if (OperatingSystem.IsLinux() && handle is PortablePipe pipe)
        {
            ClosePipe(pipe);
            return;
        }

        var closed = (PortableHandle)handle;
        _handles.Remove(closed);
        if (OperatingSystem.IsLinux())
        {
            CloseWait(closed);
        }

        closed.Close(reset);
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
        {
            return;
        }

        if (OperatingSystem.IsLinux())
        {
            DisposePipes();
        }

        foreach (PortableHandle handle in _handles)
        {
            handle.Close(reset: false);
        }

        _handles.Clear();
        _watches.Clear();

        // Whoever completes something queues it and then looks at the flag; we set the flag and then look at the queue.
        _disposed = true;
        Interlocked.MemoryBarrier();
        DiscardCompleted();
        _signal.Dispose();
    }

    private static PortableHandle Own(IoHandle handle)
    {
        Debug.Assert(!handle.IsReleased, "A released handle's socket is closed.");
        return (PortableHandle)handle;
    }

    private static void CheckSent(PortableHandle handle, int sent, int wanted, ref SocketError error)
    {
        handle.NoteFailure(error);
        if (error == SocketError.Success && sent < wanted)
        {
            error = SocketError.WouldBlock;
        }
    }

    // Those from the front that are arrays, as many as one call takes.
    private int Gather(ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out int wanted)
    {
        _segments.Clear();
        wanted = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers[..Math.Min(MaxVectors, buffers.Length)])
        {
            if (!MemoryMarshal.TryGetArray(buffer, out ArraySegment<byte> segment)
                || wanted > int.MaxValue - segment.Count)
            {
                break;
            }

            _segments.Add(segment);
            wanted += segment.Count;
        }

        return _segments.Count;
    }

    // Until there is something to tell, somebody calls Wake, or the time has come, which is true.
    private bool Wait(long untilTicks)
    {
        bool timedOut = false;
        bool waits = untilTicks > Clock.Now;
        while (!HasPendingEnds && !HasCompleted && untilTicks > 0 && NextTry > Clock.Now)
        {
            long now = Clock.Now;
            long until = _watches.Count > 0 ? Math.Min(untilTicks, _nextLook) : untilTicks;
            until = Math.Min(until, NextTry);
            timedOut = untilTicks <= now;
            if (timedOut || (until > now && Sleep(Math.Min(until - now, MaxWaitTicks))))
            {
                break;
            }

            LookForHangUps();
        }

        // Nobody is that late but a process that was halted, or a callback that was slow. What has arrived meanwhile may have
        // yet to be queued by a thread of the runtime, and is to be told before those are timed out who have sent it. A halt
        // within the wait has held up those threads as well, so they have as long again.
        long late = untilTicks > 0 && !HasCompleted ? Clock.Now - untilTicks : 0;
        if (late > HaltTicks)
        {
            Sleep(waits ? Math.Min(late, MaxGraceTicks) : MinGraceTicks);
        }

        // A wake-up that came when there was no need of it is this poll's, not the next one's.
        if (Volatile.Read(ref _state) != Awake)
        {
            Interlocked.Exchange(ref _state, Awake);
        }

        return timedOut;
    }

    // Whoever queues something looks afterwards whether we sleep; we look at the queue after we have said so. One sees
    // the other, so no wake-up is lost. True when the wait was ended.
    private bool Sleep(long ticks)
    {
        if (Interlocked.CompareExchange(ref _state, Asleep, Awake) == Woken)
        {
            return true;
        }

        // Up, never down: a timer must not find that it is still early, and the loop must not spin until it is due.
        long milliseconds = (ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;
        bool signalled = !HasCompleted && _signal.WaitOne((int)milliseconds);
        if (Interlocked.Exchange(ref _state, Awake) == Asleep)
        {
            return false;
        }

        // Whoever changed the state sets the signal, and may not have come to it; left over, it would end a later wait.
        if (!signalled)
        {
            _signal.WaitOne();
        }

        return true;
    }

    private void LookForHangUps()
    {
        if (_watches.Count == 0 || Clock.Now < _nextLook)
        {
            return;
        }

        foreach (HangUpOperation watch in _watches)
        {
            // Those that were cancelled are forgotten only here, which makes pausing and resuming cheap.
            var handle = (PortableHandle)watch.Handle;
            if (!IsListening(watch))
            {
                _watches.Remove(watch);
            }
            else if (!handle.IsReading && handle.HasHungUp(out SocketError error))
            {
                _watches.Remove(watch);
                EndLater(watch, error);
            }
        }

        _nextLook = Clock.Now + HangUpInterval;
    }

    private void Start(IoOperation operation)
    {
        var handle = (PortableHandle)operation.Handle;
        try
        {
            switch (operation)
            {
                case WritableOperation writable when OperatingSystem.IsLinux():
                    WaitForRoom(handle, writable);
                    break;
                case WritableOperation:
                    TryLater(operation);
                    break;
                case ReadableOperation when handle.IsListening:
                    Started(handle.Reading, handle.Socket.AcceptAsync(handle.Reading));
                    break;
                case ReceiveOperation or DatagramReceiveOperation or ReadableOperation:
                    Started(handle.Reading, handle.Socket.ReceiveAsync(handle.Reading));
                    break;
                case AcceptOperation:
                    // A newcomer of an earlier arming comes first.
                    bool isFree = handle.Reading.AcceptSocket is null;
                    Started(handle.Reading, isFree && handle.Socket.AcceptAsync(handle.Reading));
                    break;
                case SendOperation { Handles: not null } send:
                    TryLater(send);
                    break;
                case SendOperation send:
                    handle.Writing.FillBuffer(send.Data.Span[..Math.Min(MaxSend, send.Data.Length)]);
                    Started(handle.Writing, handle.Socket.SendAsync(handle.Writing));
                    break;
                case ConnectOperation { RemoteEndPoint: var remote }
                    when remote.AddressFamily == handle.Socket.AddressFamily:
                    handle.Writing.RemoteEndPoint = remote;
                    Started(handle.Writing, handle.Socket.ConnectAsync(handle.Writing));
                    break;
                case DatagramSendOperation send:
                    StartSend(handle, send);
                    break;
                default:
                    EndLater(operation, SocketError.AddressFamilyNotSupported);
                    break;
            }
        }
        catch (SocketException exception)
        {
            EndLater(operation, exception.SocketErrorCode);
        }
    }

    private void Started(PortableRequest request, bool isPending)
    {
        request.IsInFlight = true;
        request.IsOrphan = false;
        if (!isPending)
        {
            _completed.Enqueue(request);
        }
    }

    private int Complete(PortableRequest request)
    {
        request.IsInFlight = false;
        PortableHandle handle = request.Handle;
        if (handle.IsReleased)
        {
            request.Discard();
            return 0;
        }

        return request.LastOperation switch
        {
            SocketAsyncOperation.Receive => CompleteWait(handle, request),
            SocketAsyncOperation.Accept => CompleteAccept(handle, request),
            _ => CompleteWriteSide(handle, request),
        };
    }

    private int CompleteWait(PortableHandle handle, PortableRequest request)
    {
        if (handle.Datagrams is { } datagrams)
        {
            return CompleteDatagramWait(handle, datagrams, request.SocketError);
        }

        handle.NoteFailure(request.SocketError);
        return handle.ReadSide is ReceiveOperation { State: IoOperationState.Armed } receive
            ? Receive(handle, receive)
            : TellReadable(handle);
    }

    // A wait has ended: with something to read, with the end, or with an error that was kept.
    private static int TellReadable(PortableHandle handle)
    {
        if (handle.ReadSide is not ReadableOperation { State: IoOperationState.Armed } readable)
        {
            return 0;
        }

        End(readable, SocketError.Success);
        return 1;
    }

    private int Receive(PortableHandle handle, ReceiveOperation receive)
    {
        bool provided = receive.Receiver.ProvidesBuffer;
        Memory<byte> memory = _receiveBuffer;
        if (provided && !TryGetBuffer(receive, out memory))
        {
            return 1;
        }

        int received = Receive(handle, memory.Span, out SocketError error);
        if (received > 0)
        {
            if (provided ? DeliverFilled(receive, received) : DeliverLent(receive, received))
            {
                Start(receive);
            }

            return 1;
        }

        handle.NoteFailure(error);
        if (handle.Failure != SocketError.Success)
        {
            error = handle.Failure;
        }

        if (error == SocketError.WouldBlock)
        {
            Start(receive);
            return 0;
        }

        End(receive, error);
        return 1;
    }

    private bool DeliverLent(ReceiveOperation receive, int received)
    {
        byte[] buffer = _receiveBuffer;
        bool staysArmed = Deliver(receive, buffer.AsSpan(0, received));

        // A full buffer is bulk traffic, which gains from fewer and larger receives.
        if (received == buffer.Length && buffer == _receiveBuffer && buffer.Length < MaxReceiveBuffer)
        {
            _receiveBuffer = GC.AllocateUninitializedArray<byte>(buffer.Length * 2, pinned: true);
        }

        return staysArmed;
    }

    private int CompleteAccept(PortableHandle listener, PortableRequest request)
    {
        if (listener.ReadSide is not AcceptOperation { State: IoOperationState.Armed } accept)
        {
            return TellReadable(listener); // the newcomer stays in the request until somebody wants it
        }

        Socket? newcomer = request.TakeNewcomer();
        switch (request.SocketError)
        {
            case SocketError.Success when PortableSocket.IsWithinReserve(newcomer!):
                newcomer!.Dispose();
                DeliverShed(accept);
                break;
            case SocketError.Success:
                if (TryAddHandle(newcomer!, out _) is { } connection && !Deliver(accept, connection))
                {
                    return 1;
                }

                break;
            case SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.Interrupted:
                newcomer?.Dispose(); // it left before its turn; there may be others
                break;
            default:
                newcomer?.Dispose();
                End(accept, request.SocketError);
                return 1;
        }

        if (IsListening(accept))
        {
            Start(accept);
        }

        return 1;
    }

    private int CompleteWriteSide(PortableHandle handle, PortableRequest request)
    {
        request.ReturnBuffer();
        handle.NoteFailure(request.SocketError);
        if (handle.WriteSide is not { State: IoOperationState.Armed } operation)
        {
            return 0;
        }

        if (request.IsOrphan)
        {
            Start(operation);
            return 0;
        }

        if (operation is SendOperation send && request.SocketError == SocketError.Success)
        {
            EndSend(send, request.BytesTransferred);
            return 1;
        }

        if (operation is ConnectOperation && request.SocketError == SocketError.Success)
        {
            handle.RefreshNames();
        }

        End(operation, request.SocketError);
        return 1;
    }

    // Null when the system will have nothing more to do with the socket, which is closed then.
    private PortableHandle? TryAddHandle(Socket socket, out SocketError error, bool isListening = false)
    {
        try
        {
            var handle = new PortableHandle(this, socket) { IsListening = isListening };
            _handles.Add(handle);
            error = SocketError.Success;
            return handle;
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            error = exception.SocketErrorCode;
            return null;
        }
    }

    private void DiscardCompleted()
    {
        while (_completed.TryDequeue(out PortableRequest? request))
        {
            request.Discard();
        }
    }
}
