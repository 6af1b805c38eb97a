using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends.Linux;

/// <content>Datagram sockets.</content>
internal static unsafe partial class LinuxSocket
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int SocketBroadcast = 6;
    private const int IPLevel = 0;
    private const int IPTimeToLive = 2;
    private const int IPMulticastInterface = 32;
    private const int IPMulticastTimeToLive = 33;
    private const int IPMulticastLoop = 34;
    private const int IPAddMembership = 35;
    private const int IPDropMembership = 36;
    private const int IPv6UnicastHops = 16;
    private const int IPv6MulticastInterface = 17;
    private const int IPv6MulticastHops = 18;
    private const int IPv6MulticastLoop = 19;
    private const int IPv6AddMembership = 20;
    private const int IPv6DropMembership = 21;
    private const int UdpLevel = 17;
    private const int UdpSegment = 103;
    private const int UdpReceiveOffload = 104;

    /// <summary>Makes a datagram socket, non-blocking and close-on-exec, as the specification says.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int OpenDatagram(in HandleSpec spec, out LinuxDatagrams? datagrams, out SocketError error)
    {
        datagrams = null;
        int domain = spec.AddressFamily switch
        {
            AddressFamily.Unix => Libc.FamilyUnix,
            AddressFamily.InterNetwork => 2,
            AddressFamily.InterNetworkV6 => 10,
            _ => -1,
        };
        if (domain < 0)
        {
            error = SocketError.AddressFamilyNotSupported;
            return -1;
        }

        int fd = Libc.Socket(domain, Libc.SocketDatagram | Libc.SocketNonBlocking | Libc.SocketCloseOnExec, 0);
        if (fd < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return -1;
        }

        UnixPath? file = null;
        error = DescriptorReserve.Contains(fd) ? SocketError.TooManyOpenSockets : ConfigureDatagram(fd, spec, out file);
        if (error != SocketError.Success)
        {
            file?.Remove();
            _ = Libc.Close(fd);
            return -1;
        }

        EndPoint? local = spec.AddressFamily == AddressFamily.Unix ? spec.LocalEndPoint : GetLocalName(fd).ToEndPoint();
        datagrams = new LinuxDatagrams(spec.AddressFamily, local, spec.RemoteEndPoint, file);
        return fd;
    }

    /// <summary>Makes a descriptor of the backend's own of somebody else's datagram socket.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int AdoptDatagrams(int theirs, out SocketError error)
    {
        error = Get(theirs, SocketTypeOption, out int type);
        if (error == SocketError.Success && type != Libc.SocketDatagram)
        {
            error = SocketError.SocketNotSupported;
        }

        return error == SocketError.Success ? Duplicate(theirs, out error) : -1;
    }

    public static SocketError SetDatagramOption(int fd, AddressFamily family, IoOption option, int value)
    {
        bool isV6 = family == AddressFamily.InterNetworkV6;
        (int level, int name) = option switch
        {
            IoOption.SendBufferSize => (SocketLevel, SocketSendBuffer),
            IoOption.ReceiveBufferSize => (SocketLevel, SocketReceiveBuffer),
            _ when family == AddressFamily.Unix => (-1, -1),
            IoOption.Broadcast => (SocketLevel, SocketBroadcast),
            IoOption.TimeToLive => isV6 ? (IPv6Level, IPv6UnicastHops) : (IPLevel, IPTimeToLive),
            IoOption.MulticastTimeToLive => isV6 ? (IPv6Level, IPv6MulticastHops) : (IPLevel, IPMulticastTimeToLive),
            IoOption.MulticastLoopback => isV6 ? (IPv6Level, IPv6MulticastLoop) : (IPLevel, IPMulticastLoop),
            IoOption.MulticastInterface => isV6 ? (IPv6Level, IPv6MulticastInterface) : (IPLevel, IPMulticastInterface),
            IoOption.SegmentationOffload => (UdpLevel, UdpSegment),
            IoOption.ReceiveOffload => (UdpLevel, UdpReceiveOffload),
            _ => (-1, -1),
        };
        if (level < 0)
        {
            return SocketError.ProtocolOption;
        }

        if (option == IoOption.MulticastInterface && !isV6)
        {
            int* request = stackalloc int[] { 0, 0, value }; // struct ip_mreqn
            return Libc.SetSocketOption(fd, level, name, request, 3 * sizeof(int)) == 0
                ? SocketError.Success
                : NativeAddress.ErrorOf(Errno.Last);
        }

        // Each send says how it is to be cut; the socket itself only says that it can.
        return Set(fd, level, name, option == IoOption.SegmentationOffload ? 0 : value);
    }

    public static SocketError SetMembership(int fd, IPAddress group, int interfaceIndex, bool isMember)
    {
        byte* request = stackalloc byte[20]; // struct ip_mreqn or struct ipv6_mreq
        var fields = new Span<byte>(request, 20);
        fields.Clear();
        group.TryWriteBytes(fields, out int length);
        bool isV6 = length == 16;
        int indexOffset = isV6 ? 16 : 8;
        BitConverter.TryWriteBytes(fields[indexOffset..], interfaceIndex);
        int name = (isV6, isMember) switch
        {
            (true, true) => IPv6AddMembership,
            (true, false) => IPv6DropMembership,
            (false, true) => IPAddMembership,
            (false, false) => IPDropMembership,
        };
        return Libc.SetSocketOption(fd, isV6 ? IPv6Level : IPLevel, name, request, (uint)(indexOffset + sizeof(int))) == 0
            ? SocketError.Success
            : NativeAddress.ErrorOf(Errno.Last);
    }

    private static SocketError ConfigureDatagram(int fd, in HandleSpec spec, out UnixPath? file)
    {
        file = null;
        SocketError error = PrepareBinding(fd, spec);
        if (error == SocketError.Success && spec.LocalEndPoint is { } local)
        {
            error = BindDatagram(fd, IoAddress.FromEndPoint(local), spec.UnixMode, out file);
        }

        if (error == SocketError.Success && spec.RemoteEndPoint is { } remote)
        {
            byte* native = stackalloc byte[NativeAddress.MaxLength];
            int length = NativeAddress.Write(IoAddress.FromEndPoint(remote), new Span<byte>(native, NativeAddress.MaxLength));
            error = length == 0 ? SocketError.AddressFamilyNotSupported
                : Libc.Connect(fd, native, (uint)length) == 0 ? SocketError.Success
                : NativeAddress.ErrorOf(Errno.Last);
        }

        return error;
    }

    private static SocketError BindDatagram(int fd, in IoAddress local, UnixFileMode? mode, out UnixPath? file)
    {
        file = null;
        if (local is { AddressFamily: AddressFamily.Unix, Path: [not '\0', ..] path })
        {
            file = UnixPath.Bind(fd, path, mode ?? OwnerOnly, backlog: null, out SocketError error);
            return error;
        }

        byte* native = stackalloc byte[NativeAddress.MaxLength];
        int length = NativeAddress.Write(local, new Span<byte>(native, NativeAddress.MaxLength));
        return length == 0 ? SocketError.AddressFamilyNotSupported
            : Libc.Bind(fd, native, (uint)length) == 0 ? SocketError.Success
            : Errno.ToSocketError(Errno.Last);
    }
}
