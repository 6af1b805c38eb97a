using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Uring;

/// <summary>
/// io_uring's system calls, constants and layouts, from the kernel's header <c>include/uapi/linux/io_uring.h</c> and the
/// manual pages io_uring_setup(2), io_uring_enter(2) and io_uring_register(2).
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class IoUring
{
    // Of system calls; the same on every architecture.
    public const int SetupNumber = 425;
    public const int EnterNumber = 426;
    public const int RegisterNumber = 427;

    public const uint SetupCompletionSize = 1 << 3;
    public const uint SetupClamp = 1 << 4;
    public const uint SetupSubmitAll = 1 << 7;
    public const uint SetupTaskRunFlag = 1 << 9;
    public const uint SetupSingleIssuer = 1 << 12; // Linux 6.0
    public const uint SetupDeferTaskRun = 1 << 13; // Linux 6.1

    public const uint FeatureSingleMap = 1 << 0;
    public const uint FeatureNoDrop = 1 << 1;

    public const uint EnterGetEvents = 1 << 0;
    public const uint EnterExtendedArgument = 1 << 3;

    public const uint SubmissionOverflow = 1 << 1;
    public const uint SubmissionTaskRun = 1 << 2;

    public const int RegisterProvidedBuffers = 22;
    public const ushort ProvidedBuffersIncremental = 2; // Linux 6.12

    public const nint MapRings = 0;
    public const nint MapEntries = 0x10000000;

    public const byte PollAdd = 6;
    public const byte ReceiveMessage = 10;
    public const byte Accept = 13;
    public const byte AsyncCancel = 14;
    public const byte Read = 22;
    public const byte Send = 26;
    public const byte Receive = 27;

    public const byte EntryBufferSelect = 1 << 5;
    public const byte EntrySkipSuccess = 1 << 6;

    public const ushort PollFirst = 1 << 0;
    public const ushort ReceiveMultishot = 1 << 1;
    public const ushort AcceptMultishot = 1 << 0;

    public const uint CancelAll = 1 << 0;
    public const uint CancelAny = 1 << 2;

    public const uint PollReadable = 1;
    public const uint PollWritable = 4;
    public const int PollError = 8;
    public const int PollHangUp = 16;
    public const uint PollMultishot = 1 << 0;

    [LibraryImport("libc", EntryPoint = "syscall")]
    public static partial nint Setup(nint number, nint entries, Parameters* parameters);

    [LibraryImport("libc", EntryPoint = "syscall")]
    public static partial nint Enter(
        nint number, nint ring, nint toSubmit, nint minComplete, nint flags, GetEventsArgument* argument, nint size);

    [LibraryImport("libc", EntryPoint = "syscall")]
    public static partial nint Register(nint number, nint ring, nint what, void* argument, nint count);

    /// <summary>struct io_uring_params.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Parameters
    {
        public uint SubmissionEntries;
        public uint CompletionEntries;
        public uint Flags;
        public uint ThreadProcessor;
        public uint ThreadIdle;
        public uint Features;
        public uint WorkersFd;
        public fixed uint Reserved[3];
        public SubmissionOffsets Submission;
        public CompletionOffsets Completion;
    }

    /// <summary>struct io_sqring_offsets.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SubmissionOffsets
    {
        public uint Head;
        public uint Tail;
        public uint Mask;
        public uint Count;
        public uint Flags;
        public uint Dropped;
        public uint Array;
        public uint Reserved;
        public ulong UserAddress;
    }

    /// <summary>struct io_cqring_offsets.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CompletionOffsets
    {
        public uint Head;
        public uint Tail;
        public uint Mask;
        public uint Count;
        public uint Overflow;
        public uint Entries;
        public uint Flags;
        public uint Reserved;
        public ulong UserAddress;
    }

    /// <summary>struct io_uring_getevents_arg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct GetEventsArgument
    {
        public ulong SignalMask;
        public uint SignalMaskSize;
        public uint MinWaitMicroseconds;
        public ulong TimeSpec;
    }

    /// <summary>
    /// struct io_uring_recvmsg_out: what a multishot recvmsg puts before the name, the control message and the payload.
    /// </summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ReceivedMessage
    {
        public uint NameLength;
        public uint ControlLength;
        public uint PayloadLength;
        public int Flags;
    }

    /// <summary>struct io_uring_buf_reg.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct BufferRegistration
    {
        public ulong RingAddress;
        public uint RingEntries;
        public ushort Group;
        public ushort Flags;
        public fixed ulong Reserved[3];
    }

    /// <summary>struct io_uring_buf. The ring's tail lies over <see cref="Tail"/> of the first.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ProvidedBuffer
    {
        public ulong Address;
        public uint Length;
        public ushort Id;
        public ushort Tail;
    }
}

/// <summary>struct io_uring_sqe: what the kernel is asked to do.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct SubmissionEntry
{
    public byte Operation;
    public byte Flags;
    public ushort Priority; // of most operations: flags of their own
    public int Fd;
    public ulong Offset;
    public ulong Address;
    public uint Length;
    public uint OperationFlags;
    public ulong UserData;
    public ushort BufferGroup;
}

/// <summary>struct io_uring_cqe: what came of it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CompletionEntry
{
    private const uint HasBufferFlag = 1 << 0;
    private const uint HasMoreFlag = 1 << 1;
    private const uint BufferHasMoreFlag = 1 << 4;

    private readonly ulong _userData;
    private readonly int _result;
    private readonly uint _flags;

    public ulong UserData => _userData;

    /// <summary>What the system call would have returned: an error is negative.</summary>
    public int Result => _result;

    /// <summary>Whether more will come of the same submission.</summary>
    public bool HasMore => (_flags & HasMoreFlag) != 0;

    /// <summary>Whether the kernel has picked a provided buffer.</summary>
    public bool HasBuffer => (_flags & HasBufferFlag) != 0;

    /// <summary>Whether the kernel will put more into the rest of that buffer.</summary>
    public bool BufferHasMore => (_flags & BufferHasMoreFlag) != 0;

    public ushort BufferId => (ushort)(_flags >>> 16);
}
