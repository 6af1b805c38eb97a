using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>
/// The system calls that the Linux backends make, as they are. A negative result is a failure, whose number is read by
/// <see cref="Errno.Last"/> on the spot: having the marshaller save it would cost 14 ns on every call.
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class Libc
{
    public const int SocketStream = 1;
    public const int SocketNonBlocking = 0x800;
    public const int SocketCloseOnExec = 0x80000;
    public const int MessageDoNotWait = 0x40;
    public const int MessageNoSignal = 0x4000;
    public const int ShutdownWrite = 1;
    public const int GetStatusFlags = 3;
    public const int SetStatusFlags = 4;
    public const int DuplicateCloseOnExec = 1030;

    public const int EventFdNonBlocking = 0x800;
    public const int EventFdCloseOnExec = 0x80000;
    public const int EpollCloseOnExec = 0x80000;
    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const int EpollModify = 3;

    [LibraryImport("libc", EntryPoint = "socket")]
    public static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind")]
    public static partial int Bind(int fd, byte* address, uint length);

    [LibraryImport("libc", EntryPoint = "listen")]
    public static partial int Listen(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "accept4")]
    public static partial int Accept(int fd, byte* address, uint* length, int flags);

    [LibraryImport("libc", EntryPoint = "connect")]
    public static partial int Connect(int fd, byte* address, uint length);

    [LibraryImport("libc", EntryPoint = "recv")]
    public static partial nint Receive(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "send")]
    public static partial nint Send(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg")]
    public static partial nint SendMessage(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    public static partial int Shutdown(int fd, int how);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    public static partial int GetSocketName(int fd, byte* address, uint* length);

    [LibraryImport("libc", EntryPoint = "getpeername")]
    public static partial int GetPeerName(int fd, byte* address, uint* length);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    public static partial int GetSocketOption(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    public static partial int SetSocketOption(int fd, int level, int option, void* value, uint length);

    /// <summary>fcntl, of whose commands each takes one number here. Variable arguments are passed like others on Linux.</summary>
    [LibraryImport("libc", EntryPoint = "fcntl")]
    public static partial int Control(int fd, int command, int argument);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "isatty")]
    public static partial int IsTerminal(int fd);

    /// <summary>statx, which is the same on every architecture, as the C library's other calls of the kind are not.</summary>
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Status(int directory, string path, int flags, uint mask, FileStatus* status);

    /// <summary>AT_EMPTY_PATH: the descriptor itself is asked about.</summary>
    public const int StatusOfDescriptor = 0x1000;

    /// <summary>STATX_BASIC_STATS.</summary>
    public const uint StatusBasic = 0x7FF;

    [LibraryImport("libc", EntryPoint = "read")]
    public static partial nint Read(int fd, void* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write")]
    public static partial nint Write(int fd, void* buffer, nuint length);

    /// <summary>The offset is an off_t, which has 64 bits where a pointer has.</summary>
    [LibraryImport("libc", EntryPoint = "sendfile")]
    public static partial nint SendFile(int fd, int file, long* offset, nuint count);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    public static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    public static partial int EpollControl(int epoll, int operation, int fd, void* happening);

    [LibraryImport("libc", EntryPoint = "epoll_wait")]
    public static partial int EpollWait(int epoll, void* events, int maxEvents, int milliseconds);

    // By number: the C library has a wrapper only since glibc 2.35, and the kernel has the call since 5.11.
    [LibraryImport("libc", EntryPoint = "syscall")]
    public static partial nint EpollWaitNanoseconds(
        nint number, nint epoll, void* events, nint maxEvents, TimeSpec* timeout, void* signalMask, nuint signalMaskSize);

    /// <summary>epoll_pwait2, the same number on every architecture.</summary>
    public const int EpollPwait2Number = 441;

    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial void* Map(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(void* address, nuint length);

    /// <summary>What <see cref="Map"/> returns on failure.</summary>
    public static void* MapFailed => (void*)-1;

    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>struct statx, as far as it is looked at.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        [FieldOffset(20)]
        public uint User;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        /// <summary>The device that a device file stands for.</summary>
        [FieldOffset(128)]
        public uint OwnMajor;

        [FieldOffset(132)]
        public uint OwnMinor;

        /// <summary>The device that the file is on.</summary>
        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
