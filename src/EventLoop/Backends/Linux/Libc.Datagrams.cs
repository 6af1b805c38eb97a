using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <content>The calls for datagrams, and for the paths of Unix sockets.</content>
internal static unsafe partial class Libc
{
    public const int SocketDatagram = 2;
    public const int MessageTruncated = 0x20;
    public const int CurrentDirectory = -100;
    public const int StatNoFollow = 0x100;
    public const uint StatBasic = 0x7ff;

    [LibraryImport("libc", EntryPoint = "recvmmsg")]
    public static partial int ReceiveMessages(int fd, MultiMessageHeader* messages, uint count, int flags, TimeSpec* timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg")]
    public static partial int SendMessages(int fd, MultiMessageHeader* messages, uint count, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod")]
    public static partial int ChangeMode(int fd, uint mode);

    [LibraryImport("libc", EntryPoint = "unlink")]
    public static partial int Unlink(byte* path);

    /// <summary>statx, whose layout is the same on every architecture, unlike stat's. glibc has it since 2.28.</summary>
    [LibraryImport("libc", EntryPoint = "statx")]
    public static partial int Status(int directory, byte* path, int flags, uint mask, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    /// <summary>struct mmsghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct MultiMessageHeader
    {
        public MessageHeader Header;
        public uint Length;
    }

    /// <summary>struct cmsghdr with the one number that is used here behind it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 24)]
    public struct ControlMessage
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Value;
    }

    /// <summary>struct statx, as far as it is needed.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        [FieldOffset(20)]
        public uint User;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(136)]
        public ulong Device;
    }
}
