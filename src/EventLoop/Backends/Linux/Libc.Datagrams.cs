using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <content>The calls for datagrams.</content>
internal static unsafe partial class Libc
{
    public const int SocketDatagram = 2;
    public const int MessageTruncated = 0x20;

    [LibraryImport("libc", EntryPoint = "recvmmsg")]
    public static partial int ReceiveMessages(int fd, MultiMessageHeader* messages, uint count, int flags, TimeSpec* timeout);

    [LibraryImport("libc", EntryPoint = "sendmmsg")]
    public static partial int SendMessages(int fd, MultiMessageHeader* messages, uint count, int flags);

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
}
