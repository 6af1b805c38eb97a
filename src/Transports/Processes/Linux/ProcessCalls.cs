using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports.Linux;

/// <summary>The system calls that child processes take, of glibc or musl and the kernel.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class ProcessCalls
{
    public const int ErrorNoEntry = 2;
    public const int ErrorNoSuchProcess = 3;
    public const int ErrorInterrupted = 4;
    public const int ErrorTooBig = 7;
    public const int ErrorNoExec = 8;
    public const int ErrorNoChild = 10;
    public const int ErrorAgain = 11;
    public const int ErrorNoMemory = 12;
    public const int ErrorAccess = 13;
    public const int ErrorInvalid = 22;
    public const int ErrorTooManyInSystem = 23;
    public const int ErrorTooMany = 24;
    public const int ErrorNotPermitted = 1;
    public const int ErrorIsDirectory = 21;

    public const int CloseOnExec = 0x80000;
    public const int NonBlocking = 0x800;
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int SetStatusFlags = 4;
    public const int DuplicateCloseOnExec = 1030;
    public const int MayExecute = 1;

    public const short SpawnSetGroup = 0x02;
    public const short SpawnSetSignalDefaults = 0x04;
    public const short SpawnSetSignalMask = 0x08;
    public const short SpawnSetSession = 0x80;

    public const int SignalKill = 9;
    public const int SignalTerminate = 15;
    public const uint SignalToGroup = 4; // Linux 6.9

    public const int ExitOnly = 4;
    public const int DoNotWait = 1;
    public const int ByDescriptor = 3;
    public const int ByPid = 1;
    public const int HasExited = 1;
    public const int WasKilled = 2;
    public const int HasDumpedCore = 3;

    /// <summary>Larger than any C library's attributes, file actions and signal sets.</summary>
    public const int OpaqueSize = 1024;

    /// <summary>The signals of Linux, 64 of them, in a set of the C library.</summary>
    public const int SignalSetSize = 128;

    private const int SendSignalNumber = 424;
    private const int OpenProcessNumber = 434;

    private const nuint GetInfo = 0xC040FF0B; // PIDFD_GET_INFO, Linux 6.13
    private const ulong InfoOfExit = 1 << 3; // Linux 6.15

    [LibraryImport("libc", EntryPoint = "posix_spawn")]
    public static partial int Spawn(int* pid, byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    public static partial int InitAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    public static partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    public static partial int SetFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setpgroup")]
    public static partial int SetGroup(byte* attributes, int group);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    public static partial int SetSignalDefaults(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    public static partial int SetSignalMask(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    public static partial int InitActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    public static partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    public static partial int AddDuplicate(byte* actions, int fd, int target);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen")]
    public static partial int AddOpen(byte* actions, int target, byte* path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addclose")]
    public static partial int AddClose(byte* actions, int target);

    /// <summary>Since glibc 2.34; musl has none.</summary>
    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addclosefrom_np")]
    public static partial int AddCloseFrom(byte* actions, int from);

    /// <summary>Since glibc 2.29.</summary>
    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addchdir_np")]
    public static partial int AddChangeDirectory(byte* actions, byte* path);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    public static partial int MakePipe(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(int fd, int command, int argument);

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Access(string path, int mode);

    /// <summary>A descriptor of a process, close-on-exec.</summary>
    public static int OpenProcess(int pid) => (int)Call(OpenProcessNumber, pid, 0, 0, 0);

    public static int SendSignal(SafeFileHandle process, int signal, uint flags)
    {
        bool held = false;
        try
        {
            process.DangerousAddRef(ref held);
            return (int)Call(SendSignalNumber, process.DangerousGetHandle(), signal, 0, (nint)flags);
        }
        finally
        {
            if (held)
            {
                process.DangerousRelease();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "waitid", SetLastError = true)]
    public static partial int Wait(int what, uint id, SignalInfo* info, int options);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollEntry* entries, nuint count, int milliseconds);

    /// <summary>The status of a process that somebody else has reaped, in the form of wait(2).</summary>
    public static int? StatusOfReaped(SafeFileHandle process)
    {
        ProcessInfo info = new() { Mask = InfoOfExit };
        return ControlInfo(process, GetInfo, &info) == 0 && (info.Mask & InfoOfExit) != 0 ? info.ExitCode : null;
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint Call(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "ioctl")]
    private static partial int ControlInfo(SafeFileHandle process, nuint request, ProcessInfo* info);

    /// <summary>siginfo_t, as waitid fills it.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    public struct SignalInfo
    {
        [FieldOffset(8)]
        public int Code;

        [FieldOffset(16)]
        public int Pid;

        [FieldOffset(24)]
        public int Status;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollEntry
    {
        public int Fd;
        public short Events;
        public short Happened;
    }

    /// <summary>struct pidfd_info in its first version.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct ProcessInfo
    {
        [FieldOffset(0)]
        public ulong Mask;

        [FieldOffset(60)]
        public int ExitCode;
    }
}
