using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
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
internal sealed unsafe partial class UringBackend : LinuxBackend<UringHandle>
{
    /// <summary>
    /// A multishot accept is armed only with so many descriptors to spare: more than any backlog that is usual.
    /// </summary>
    private const int PlentifulDescriptors = 8192;

    /// <summary>How long the end of a run waits for the kernel to give back what is in flight; it takes microseconds.</summary>
    private const long MaxRecallTicks = 5 * TimeSpan.TicksPerSecond;

    private static readonly Work[] s_works = [
        Work.Receive, Work.Accept, Work.Send, Work.WritePoll, Work.HangUp, Work.ReceiveDatagrams, Work.SendDatagram,
    ];

    // Kinds of work that belong to no handle.
    private const byte WakeWork = 0x80;
    private const byte CancelWork = 0x81;

    // Set once.
    private readonly UringOptions _options;
    private readonly ProvidedBuffers _buffers;
    private readonly ulong* _wakeCount; // outside of the collected heap: the kernel writes there

    // Loop thread only.
    private readonly Queue<UringHandle> _wanted = new(); // somebody wants leftovers again
    private readonly Queue<UringHandle> _starved = new(); // their receive found no buffer at all
    private readonly Queue<UringHandle> _fed = new(); // theirs found some, and then no more
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
        _rearm = (_, receive) => Start(receive);
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
        RegisterDatagramBuffers(ring);
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
        int told = TellPendingEnds() + TellLeftovers() + TellHeld(_rearm) + TellRecalled();
        bool waits = told == 0 && !HasPendingEnds && _wanted.Count == 0 && !HasHeldWanted;
        Enter(ring, waits ? untilTicks : 0);
        int taken = 0;
        for (; taken < CompletionsPerPoll && ring.TryTake(out CompletionEntry completion); taken++)
        {
            told += Complete(completion);
        }

        LastPoll = ring.HasCompletions || ring.HasWork || HasHeldWanted ? PollEnding.HasMore
            : waits && taken == 0 ? PollEnding.TimedOut
            : PollEnding.ToldAll;

        // Every piece that was told is back by now, so there are buffers. Who got none comes first, or a flood would take them
        // all each time.
        Restart(_starved);
        Restart(_fed);
        if (_bursting.Count > 0)
        {
            EndBursts();
        }

        return told;
    }

    private void Restart(Queue<UringHandle> waiting)
    {
        for (int count = waiting.Count; count > 0; count--)
        {
            UringHandle handle = waiting.Dequeue();
            Start(handle.ReadSide);
            Start(handle.HangUp);
        }
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
            case SendOperation when handle.Kind == IoHandleKind.Socket && handle.HasInFlight(Work.Send):
                Cancel(handle, Work.Send); // its memory is the kernel's until it has ended
                return;
            case AcceptOperation:
                Cancel(handle, Work.Accept);
                break;
        }

        EndLater(operation, SocketError.OperationAborted);
    }

    protected override UringHandle CreateHandle(int fd, StrongBox<SocketName> local, SocketName remote) => new(this, fd, local, remote);

    protected override void Close(IoHandle handle, bool reset)
    {
        var closed = (UringHandle)handle;
        if (reset)
        {
            LinuxSocket.ResetOnClose(closed.Fd);
        }

        closed.Leftovers?.Discard(_buffers);
        CloseDatagrams(closed);
        bool wasAccepting = closed.HasInFlight(Work.Accept);
        foreach (Work work in s_works)
        {
            Cancel(closed, work);
        }

        closed.CloseDescriptor();
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
                CloseDatagrams(handle);
                handle.CloseDescriptor();
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
            FreeDatagramBuffers();
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
