using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <summary>
/// A pair of queues shared with the kernel. Belongs to the thread that made it: the kernel is told so
/// (<c>SINGLE_ISSUER</c>) and does its part of the work only when this thread enters (<c>DEFER_TASKRUN</c>), instead of
/// interrupting it, which costs a quarter of the time of a message.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class Ring : IDisposable
{
    private const int Protection = 3; // read and write
    private const int SharedPopulated = 0x8001;

    private readonly SafeFileHandle _handle;
    private readonly int _fd;
    private readonly byte* _rings;
    private readonly nuint _ringsSize;
    private readonly SubmissionEntry* _entries;
    private readonly nuint _entriesSize;

    private readonly uint* _submissionHead;
    private readonly uint* _submissionTail;
    private readonly uint* _submissionFlags;
    private readonly uint _submissionMask;
    private readonly uint _submissionCount;

    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly uint* _completionOverflow;
    private readonly CompletionEntry* _completions;
    private readonly uint _completionMask;

    private SubmissionEntry[] _spilled = new SubmissionEntry[16]; // what the queue has no room for
    private int _spilledCount;
    private uint _nextSubmission;
    private uint _nextCompletion;

    /// <summary>Makes a ring on the calling thread.</summary>
    /// <param name="submissions">Room for what is submitted at once; more takes another system call.</param>
    /// <param name="completions">Room for what has completed; what exceeds it waits in the kernel, and nothing is lost.</param>
    /// <exception cref="BackendUnavailableException">The kernel has no io_uring, not enough of it, or forbids it.</exception>
    public Ring(int submissions, int completions)
    {
        IoUring.Parameters parameters = default;
        parameters.Flags = IoUring.SetupCompletionSize | IoUring.SetupClamp | IoUring.SetupSubmitAll | IoUring.SetupTaskRunFlag
            | IoUring.SetupSingleIssuer | IoUring.SetupDeferTaskRun;
        parameters.CompletionEntries = (uint)completions;
        nint fd = IoUring.Setup(IoUring.SetupNumber, submissions, &parameters);
        if (fd < 0)
        {
            throw Unavailable(Errno.Last);
        }

        // The kernel makes it close-on-exec.
        _handle = new SafeFileHandle(fd, ownsHandle: true);
        _fd = (int)fd;
        try
        {
            _ringsSize = Math.Max(
                parameters.Submission.Array + (parameters.SubmissionEntries * sizeof(uint)),
                parameters.Completion.Entries + (parameters.CompletionEntries * (uint)sizeof(CompletionEntry)));
            _rings = Map(_ringsSize, IoUring.MapRings);
            _entriesSize = parameters.SubmissionEntries * (uint)sizeof(SubmissionEntry);
            _entries = (SubmissionEntry*)Map(_entriesSize, IoUring.MapEntries);
        }
        catch
        {
            Dispose();
            throw;
        }

        _submissionHead = (uint*)(_rings + parameters.Submission.Head);
        _submissionTail = (uint*)(_rings + parameters.Submission.Tail);
        _submissionFlags = (uint*)(_rings + parameters.Submission.Flags);
        _submissionCount = parameters.SubmissionEntries;
        _submissionMask = _submissionCount - 1;
        _completionHead = (uint*)(_rings + parameters.Completion.Head);
        _completionTail = (uint*)(_rings + parameters.Completion.Tail);
        _completionOverflow = (uint*)(_rings + parameters.Completion.Overflow);
        _completions = (CompletionEntry*)(_rings + parameters.Completion.Entries);
        _completionMask = parameters.CompletionEntries - 1;

        // The kernel goes through this array to the entries; here the nth is always the nth.
        uint* array = (uint*)(_rings + parameters.Submission.Array);
        for (uint i = 0; i < _submissionCount; i++)
        {
            array[i] = i;
        }
    }

    /// <summary>How many completions the kernel could not keep, which it says it never lets happen.</summary>
    public uint LostCompletions => Volatile.Read(ref *_completionOverflow);

    /// <summary>Whether something has completed that was not taken yet.</summary>
    public bool HasCompletions => Volatile.Read(ref *_completionTail) != _nextCompletion;

    /// <summary>Whether the kernel has work for this thread: entering would bring more completions.</summary>
    public bool HasWork
        => (Volatile.Read(ref *_submissionFlags) & (IoUring.SubmissionTaskRun | IoUring.SubmissionOverflow)) != 0;

    /// <summary>Whether entering would have an effect: something is to be submitted, or the kernel has work.</summary>
    public bool WantsEntering => ToSubmit > 0 || _spilledCount > 0 || HasWork;

    private uint ToSubmit => _nextSubmission - Volatile.Read(ref *_submissionHead);

    /// <summary>The next entry to fill in, cleared, at once. It leaves with the next <see cref="Enter"/>.</summary>
    public ref SubmissionEntry NextEntry()
    {
        if (_spilledCount > 0 || ToSubmit == _submissionCount)
        {
            // Entering here would have the kernel deliver in the middle of a callback.
            if (_spilledCount == _spilled.Length)
            {
                Array.Resize(ref _spilled, _spilledCount * 2);
            }

            ref SubmissionEntry spilled = ref _spilled[_spilledCount++];
            spilled = default;
            return ref spilled;
        }

        ref SubmissionEntry entry = ref _entries[_nextSubmission++ & _submissionMask];
        entry = default;
        return ref entry;
    }

    /// <summary>Submits, has the kernel do its work, and waits for a completion if asked to.</summary>
    /// <param name="wait">Whether to wait for a completion.</param>
    /// <param name="ticks">How long, in units of 100 ns.</param>
    /// <returns>
    /// 0, or an error number that says how the wait ended or that nothing could be submitted for the moment: see
    /// <see cref="IsPassing"/>.
    /// </returns>
    public int Enter(bool wait, long ticks)
    {
        while (_spilledCount > 0)
        {
            int errno = EnterOnce(wait: false, 0);
            if (errno != 0)
            {
                return errno;
            }

            Unspill();
        }

        return EnterOnce(wait, ticks);
    }

    /// <summary>Whether what <see cref="Enter"/> returned is in the run of things.</summary>
    public static bool IsPassing(int errno) => errno is 0
        or Errno.TimerExpired
        or Errno.Interrupted
        or Errno.Again // no memory for the submission: less is asked when something has completed
        or Errno.Busy; // more has completed than the queue holds: it is emptied first

    /// <summary>Throws for what <see cref="Enter"/> returned when the ring cannot go on.</summary>
    public static void Check(int errno)
    {
        if (!IsPassing(errno))
        {
            throw new BackendFailedException(
                "uring", $"io_uring_enter failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).");
        }
    }

    /// <summary>Takes the next completion.</summary>
    public bool TryTake(out CompletionEntry completion)
    {
        if (!HasCompletions)
        {
            completion = default;
            return false;
        }

        completion = _completions[_nextCompletion & _completionMask];
        _nextCompletion++;
        Volatile.Write(ref *_completionHead, _nextCompletion);
        return true;
    }

    /// <summary>Registers something with the kernel.</summary>
    /// <returns>0, or an error number.</returns>
    public int Register(int what, void* argument, int count)
        => IoUring.Register(IoUring.RegisterNumber, _fd, what, argument, count) < 0 ? Errno.Last : 0;

    /// <summary>Closes the ring. What is in flight on it goes on to its end in the kernel.</summary>
    public void Dispose()
    {
        if (_entries is not null)
        {
            _ = Libc.Unmap(_entries, _entriesSize);
        }

        if (_rings is not null)
        {
            _ = Libc.Unmap(_rings, _ringsSize);
        }

        _handle.Dispose();
    }

    private static BackendUnavailableException Unavailable(int errno)
    {
        string reason = errno switch
        {
            Errno.NotPermitted => "io_uring is forbidden here, by a seccomp filter or by the sysctl kernel.io_uring_disabled",
            Errno.NoSystemCall => "this kernel has no io_uring",
            Errno.Invalid => "this kernel's io_uring is too old; it takes Linux 6.1",
            _ => Marshal.GetPInvokeErrorMessage(errno),
        };
        return new BackendUnavailableException("uring", $"io_uring_setup failed: {reason} (errno {errno}).");
    }

    private int EnterOnce(bool wait, long ticks)
    {
        Libc.TimeSpec timeout = new()
        {
            Seconds = ticks / TimeSpan.TicksPerSecond,
            Nanoseconds = ticks % TimeSpan.TicksPerSecond * 100,
        };
        IoUring.GetEventsArgument argument = new() { SignalMaskSize = sizeof(ulong), TimeSpec = (ulong)&timeout };
        Volatile.Write(ref *_submissionTail, _nextSubmission);
        nint submitted = IoUring.Enter(
            IoUring.EnterNumber,
            _fd,
            (nint)ToSubmit,
            wait ? 1 : 0,
            (nint)(IoUring.EnterGetEvents | IoUring.EnterExtendedArgument),
            &argument,
            sizeof(IoUring.GetEventsArgument));
        return submitted >= 0 ? 0 : Errno.Last;
    }

    private void Unspill()
    {
        int moved = 0;
        for (; moved < _spilledCount && ToSubmit < _submissionCount; moved++)
        {
            _entries[_nextSubmission++ & _submissionMask] = _spilled[moved];
        }

        _spilledCount -= moved;
        Array.Copy(_spilled, moved, _spilled, 0, _spilledCount);
    }

    private byte* Map(nuint size, nint offset)
    {
        void* address = Libc.Map(null, size, Protection, SharedPopulated, _fd, offset);
        return address != Libc.MapFailed
            ? (byte*)address
            : throw new BackendUnavailableException(
                "uring", $"The ring could not be mapped: {Marshal.GetPInvokeErrorMessage(Errno.Last)}.");
    }
}
