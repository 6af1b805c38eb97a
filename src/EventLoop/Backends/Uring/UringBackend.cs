using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <summary>Completions over Linux's io_uring.</summary>
/// <remarks>
/// <para>
/// <b>One entry into the kernel per poll</b>, which submits what has gathered, has the kernel do its part and waits; none
/// when there is nothing to submit, to do or to wait for. A receive is submitted once per connection and then goes on
/// (multishot), into buffers that all connections share (<see cref="ProvidedBuffers"/>).
/// </para>
/// <para>
/// <b>Sends are tried by <c>send(2)</c></b>, and only what the kernel does not take becomes an entry: sends as entries cost
/// a third more at 16 KiB, and a reader who keeps up never needs one.
/// </para>
/// <para>
/// <b>Stopping to read is cheap and late.</b> The receive goes on in the kernel. What arrives that nobody wants is kept
/// (<see cref="Leftovers"/>), and only then is the kernel's receive cancelled, so that the peer is held back. Resuming
/// within a moment costs nothing. An accept is cancelled at once, because a newcomer that nobody wants believes itself
/// served.
/// </para>
/// <para>
/// <b>Accepting.</b> A multishot accept can take every descriptor of the process within one entry into the kernel, the
/// runtime's reserve included, and a limit may be lowered while it waits. So a listener that waits has a single accept in
/// flight. Newcomers who come in a burst are taken by a multishot, armed when the limit has just been looked at and is far,
/// and cancelled when the burst is over.
/// </para>
/// <para>
/// <b>Nothing can be mistaken for a successor's.</b> A descriptor's number is free as soon as it is closed, while what is in
/// flight still holds the file behind it, and with it the end of the stream that the peer is to see, until it is cancelled
/// in the next entry. What completes does not name the number but a place in <see cref="HandleTable{THandle}"/>, which is
/// given to nobody else before all that was in flight has ended.
/// </para>
/// <para>
/// <b>The ring lives while the loop runs</b>: it belongs to a thread, and a loop may be disposed on another. When the run
/// ends, everything in flight is called back, with what had come of it kept for the next run. So nothing is in flight
/// between runs, and nothing is left for the kernel to write into when memory is freed.
/// </para>
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class UringBackend : LinuxBackend<UringHandle>
{
    /// <summary>A multishot accept is armed only with so many descriptors to spare: more than any backlog that is usual.</summary>
    private const int PlentifulDescriptors = 8192;

    /// <summary>How long the end of a run waits for the kernel to give back what is in flight; it takes microseconds.</summary>
    private const long MaxRecallTicks = 5 * TimeSpan.TicksPerSecond;

    private static readonly Work[] s_works = [Work.Receive, Work.Accept, Work.Send, Work.Connect, Work.HangUp];

    // Kinds of work that belong to no handle.
    private const byte WakeWork = 0x80;
    private const byte CancelWork = 0x81;

    // Set once.
    private readonly UringOptions _options;
    private readonly ProvidedBuffers _buffers;
    private readonly ulong* _wakeCount; // outside of the collected heap: the kernel writes there

    // Loop thread only.
    private readonly Queue<UringHandle> _wanted = new(); // somebody wants leftovers again
    private readonly Queue<UringHandle> _starved = new(); // their receive found no buffer
    private readonly Queue<CompletionEntry> _recalled = new(); // came at the end of a run
    private readonly List<UringHandle> _bursting = []; // listeners with a multishot accept
    private Ring? _ring;
    private int _inFlight;
    private long _polls;
    private bool _isBroken;

    public UringBackend(UringOptions options)
        : base(wakeFlags: 0) // the kernel waits with it: a non-blocking one would be answered with "would block"
    {
        _options = options;
        try
        {
            _buffers = ProbeBuffers(options);
        }
        catch (BackendUnavailableException)
        {
            base.Dispose(disposing: true);
            throw;
        }

        _wakeCount = (ulong*)NativeMemory.AllocZeroed(sizeof(ulong));
    }

    public override string Name => "uring";

    public override void Attach()
    {
        if (_isBroken)
        {
            throw new BackendFailedException(Name, "it has not given back what was in flight at the end of the last run.");
        }

        var ring = new Ring(_options.Submissions, _options.Completions);
        int errno = _buffers.TryRegister(ring);
        if (errno != 0)
        {
            ring.Dispose();
            throw new BackendUnavailableException("uring", $"the buffers could not be registered (errno {errno}).");
        }

        _ring = ring;
        WaitForWake();
        foreach (UringHandle handle in Handles.Snapshot())
        {
            Start(handle.ReadSide);
            Start(handle.WriteSide);
            Start(handle.HangUp);
        }
    }

    public override void Detach()
    {
        if (_ring is not { } ring)
        {
            return;
        }

        Recall(ring);
        _ring = null;
        ring.Dispose();
    }

    public override int Poll(long untilTicks)
    {
        Ring ring = _ring!;
        _polls++;
        int told = TellPendingEnds() + TellLeftovers() + TellRecalled();
        Enter(ring, told > 0 || HasPendingEnds || _wanted.Count > 0 ? 0 : untilTicks);
        for (int i = 0; i < CompletionsPerPoll && ring.TryTake(out CompletionEntry completion); i++)
        {
            told += Complete(completion);
        }

        // Every piece that was told is back by now, so there are buffers.
        for (int count = _starved.Count; count > 0; count--)
        {
            UringHandle starved = _starved.Dequeue();
            Start(starved.ReadSide);
            Start(starved.HangUp);
        }

        if (_bursting.Count > 0)
        {
            EndBursts();
        }

        return told;
    }

    protected override void Arm(IoOperation operation)
    {
        SocketError error = operation is ConnectOperation connect ? BeginConnect(connect) : SocketError.InProgress;
        if (error == SocketError.InProgress)
        {
            Start(operation);
        }
        else
        {
            EndLater(operation, error);
        }
    }

    protected override void Disarm(IoOperation operation)
    {
        var handle = (UringHandle)operation.Handle;
        switch (operation)
        {
            case SendOperation when handle.HasInFlight(Work.Send):
                Cancel(handle, Work.Send); // its memory is the kernel's until it has ended
                return;
            case AcceptOperation:
                Cancel(handle, Work.Accept);
                break;
        }

        EndLater(operation, SocketError.OperationAborted);
    }

    protected override UringHandle CreateHandle(int fd, SocketName local, SocketName remote) => new(this, fd, local, remote);

    protected override void Close(IoHandle handle, bool reset)
    {
        var closed = (UringHandle)handle;
        if (reset)
        {
            LinuxSocket.ResetOnClose(closed.Fd);
        }

        closed.Leftovers?.Discard(_buffers);
        bool wasAccepting = closed.HasInFlight(Work.Accept);
        foreach (Work work in s_works)
        {
            Cancel(closed, work);
        }

        _ = Libc.Close(closed.Fd);
        if (closed.InFlight == Work.None)
        {
            Handles.Remove(closed.Token);
        }
        else if (wasAccepting && _ring is { } ring)
        {
            ring.Enter(wait: false, 0); // what fails here fails again in the next poll
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing || IsDisposed)
        {
            return;
        }

        Detach();
        while (_recalled.TryDequeue(out CompletionEntry completion))
        {
            if (WorkOf(completion) == Work.Accept && completion.Result >= 0)
            {
                _ = Libc.Close(completion.Result);
            }
        }

        foreach (UringHandle handle in Handles.Snapshot())
        {
            if (!handle.IsReleased)
            {
                handle.Leftovers?.Discard(_buffers);
                _ = Libc.Close(handle.Fd);
            }

            Handles.Remove(handle.Token);
            if (!_isBroken)
            {
                handle.SendPin.Dispose();
            }
        }

        base.Dispose(disposing);
        if (!_isBroken)
        {
            // Otherwise the kernel may still write there: better to lose the memory than what lives in it next.
            _buffers.Dispose();
            NativeMemory.Free(_wakeCount);
        }
    }

    // Makes a ring to see whether the kernel gives one, and takes buffers.
    private static ProvidedBuffers ProbeBuffers(UringOptions options)
    {
        using var probe = new Ring(options.Submissions, options.Completions);
        var buffers = new ProvidedBuffers(options);
        int errno = buffers.TryRegister(probe);
        if (errno == 0)
        {
            return buffers;
        }

        buffers.Dispose();
        return errno == Errno.Invalid && !options.WholeBuffers
            ? ProbeBuffers(options with { WholeBuffers = true })
            : throw new BackendUnavailableException("uring", $"the kernel takes no buffers (errno {errno}).");
    }

    private static ulong UserDataOf(byte work, ulong token) => ((ulong)work << HandleTable<UringHandle>.TokenBits) | token;

    private static Work WorkOf(in CompletionEntry completion)
        => (Work)(byte)(completion.UserData >>> HandleTable<UringHandle>.TokenBits);

    private static bool IsPassing(int result) => -result is Errno.Canceled or Errno.Interrupted or Errno.Again or Errno.NoBuffers;

    // Submits, and waits until something has completed or the time has come.
    private void Enter(Ring ring, long untilTicks)
    {
        if (untilTicks <= 0 || ring.HasCompletions)
        {
            if (ring.WantsEntering)
            {
                EnterOnce(ring, wait: false, 0);
            }

            return;
        }

        // A signal may have come with a long halt behind it, after which both data and deadlines are due: looking again has
        // the data told first, so that nobody is timed out who has sent in time.
        int errno;
        do
        {
            long ticks = Math.Clamp(untilTicks - Clock.Now, 0, MaxWaitTicks);
            errno = EnterOnce(ring, wait: true, ticks);
        }
        while (!ring.HasCompletions && errno is not (Errno.Again or Errno.Busy)
            && (errno == Errno.Interrupted || Clock.Now < untilTicks));

        // When the time has come, the kernel returns with what has happened meanwhile left undone. That is told first, too.
        if (!ring.HasCompletions && ring.WantsEntering)
        {
            EnterOnce(ring, wait: false, 0);
        }
    }

    private int EnterOnce(Ring ring, bool wait, long ticks)
    {
        int errno = ring.Enter(wait, ticks);
        if (!Ring.IsPassing(errno) && !ring.HasCompletions)
        {
            _isBroken = true;
            Ring.Check(errno);
        }

        return errno;
    }

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
            Work.Receive => CompleteReceive(handle, completion),
            Work.Accept => CompleteAccept(handle, completion.Result),
            Work.Send => CompleteSend(handle, completion.Result),
            Work.Connect => CompleteConnect(handle, completion.Result),
            _ => CompleteHangUp(handle, completion.Result),
        };
        if (wasReleased && handle.InFlight == Work.None)
        {
            Handles.Remove(handle.Token);
        }

        return told;
    }

    private int CompleteReceive(UringHandle handle, in CompletionEntry completion)
    {
        int told = 0;
        if (completion.HasBuffer)
        {
            told += TellReceived(handle, _buffers.Take(completion));
        }

        if (completion.Result <= 0 && !handle.IsReleased)
        {
            if (-completion.Result == Errno.NoBuffers)
            {
                _starved.Enqueue(handle);
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
        => Deliver(accept, AddHandle(fd, listener.LocalNameOf(fd), LinuxSocket.GetPeerName(fd)));

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

    private int CompleteConnect(UringHandle handle, int result)
    {
        if (handle.WriteSide is not ConnectOperation { State: IoOperationState.Armed } connect)
        {
            return 0;
        }

        if (result < 0)
        {
            Start(connect);
            return 0;
        }

        EndConnect(connect);
        return 1;
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

        End(watch, LinuxSocket.TakeError(handle.Fd));
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
            case ReceiveOperation:
                StartReceive(handle);
                break;
            case AcceptOperation:
                StartAccept(handle, multishot: false);
                break;
            case SendOperation send:
                StartSend(handle, send);
                break;
            case ConnectOperation:
                StartPoll(handle, Work.Connect, IoUring.PollWritable, multishot: false);
                break;
            case HangUpOperation when !handle.HasInFlight(Work.Receive):
                StartPoll(handle, Work.HangUp, 0, multishot: true);
                break;
        }
    }

    private void StartReceive(UringHandle handle)
    {
        if (handle.HasInFlight(Work.Receive))
        {
            return; // when it is being cancelled, its end starts it again
        }

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

    // Calls back all that is in flight, and keeps what comes of it.
    private void Recall(Ring ring)
    {
        long until = Clock.Now + MaxRecallTicks;
        while (_inFlight > 0 && !_isBroken)
        {
            ref SubmissionEntry entry = ref ring.NextEntry();
            entry.Operation = IoUring.AsyncCancel;
            entry.Flags = IoUring.EntrySkipSuccess;
            entry.OperationFlags = IoUring.CancelAny | IoUring.CancelAll;
            entry.UserData = UserDataOf(CancelWork, 0);
            int errno = ring.Enter(wait: true, TimeSpan.TicksPerMillisecond);
            _isBroken = !Ring.IsPassing(errno) || Clock.Now > until;
            while (ring.TryTake(out CompletionEntry completion))
            {
                KeepRecalled(completion);
            }
        }
    }

    private void KeepRecalled(in CompletionEntry completion)
    {
        Note(completion, out byte work);
        if (work is WakeWork or CancelWork)
        {
            return;
        }

        if (Handles.Find(completion.UserData & HandleTable<UringHandle>.TokenMask) is { IsReleased: true })
        {
            Complete((Work)work, completion); // tells nobody, and frees the place
        }
        else
        {
            _recalled.Enqueue(completion);
        }
    }
}
