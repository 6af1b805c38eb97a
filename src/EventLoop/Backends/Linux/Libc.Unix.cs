using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <content>What Unix sockets, their names in the file system and passed descriptors need.</content>
internal static unsafe partial class Libc
{
    public const int FamilyUnix = 1;
    public const int ControlTruncated = 0x8;
    public const int ControlCloseOnExec = 0x40000000;
    public const int AtCurrentDirectory = -100;
    public const int AtDoNotFollow = 0x100;
    public const int LockExclusive = 2;
    public const int LockWithoutWaiting = 4;
    public const int OpenDirectory = 0x90000; // O_RDONLY, O_CLOEXEC and O_DIRECTORY, whose bit is another on ARM
    public const int OpenDirectoryOnArm = 0x84000;

    [LibraryImport("libc", EntryPoint = "recvmsg")]
    public static partial nint ReceiveMessage(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod")]
    public static partial int ChangeMode(int fd, uint mode);

    [LibraryImport("libc", EntryPoint = "chmod", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeMode(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "unlink", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "flock")]
    public static partial int Lock(int fd, int operation);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();
}
