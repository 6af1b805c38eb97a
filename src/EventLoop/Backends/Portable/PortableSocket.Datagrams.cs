using System.Net;
using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <content>Datagram sockets.</content>
internal static partial class PortableSocket
{
    // Of Windows, where a refusal would otherwise come out of a receive of a socket that is open to all, whoever it was.
    private const int WindowsConnectionReset = -1744830452;

    /// <summary>Makes a datagram socket as the specification says.</summary>
    public static Socket? OpenDatagram(in HandleSpec spec, out PortableDatagrams? datagrams, out SocketError error)
    {
        datagrams = null;
        if (spec.AddressFamily == AddressFamily.Unix)
        {
            return OpenUnixDatagram(spec, out datagrams, out error);
        }

        if (spec.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
            || spec.LocalEndPoint is not (null or IPEndPoint) || spec.RemoteEndPoint is not (null or IPEndPoint))
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        Socket? socket = null;
        try
        {
            socket = new Socket(spec.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            error = IsWithinReserve(socket) ? SocketError.TooManyOpenSockets : ConfigureDatagram(socket, spec);
        }
        catch (SocketException exception)
        {
            error = exception.SocketErrorCode;
        }

        if (error == SocketError.Success)
        {
            datagrams = new PortableDatagrams(spec.AddressFamily, local: null, spec.RemoteEndPoint, file: null);
            return socket;
        }

        socket?.Dispose();
        return null;
    }

    public static SocketError SetDatagramOption(Socket socket, IoOption option, int value)
    {
        bool isV6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        SocketOptionLevel level = isV6 ? SocketOptionLevel.IPv6 : SocketOptionLevel.IP;
        try
        {
            switch (option)
            {
                case IoOption.SendBufferSize:
                    socket.SendBufferSize = value;
                    return SocketError.Success;
                case IoOption.ReceiveBufferSize:
                    socket.ReceiveBufferSize = value;
                    return SocketError.Success;
                case IoOption.Broadcast:
                    socket.EnableBroadcast = value != 0;
                    return SocketError.Success;
                case IoOption.TimeToLive:
                    socket.Ttl = (short)value;
                    return SocketError.Success;
                case IoOption.MulticastTimeToLive:
                    socket.SetSocketOption(level, SocketOptionName.MulticastTimeToLive, value);
                    return SocketError.Success;
                case IoOption.MulticastLoopback:
                    socket.MulticastLoopback = value != 0;
                    return SocketError.Success;
                case IoOption.MulticastInterface:
                    socket.SetSocketOption(
                        level, SocketOptionName.MulticastInterface, isV6 ? value : IPAddress.HostToNetworkOrder(value));
                    return SocketError.Success;
                default:
                    return SocketError.ProtocolOption;
            }
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    public static SocketError SetMembership(Socket socket, IPAddress group, int interfaceIndex, bool isMember)
    {
        SocketOptionName name = isMember ? SocketOptionName.AddMembership : SocketOptionName.DropMembership;
        try
        {
            if (group.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.SetSocketOption(SocketOptionLevel.IPv6, name, new IPv6MulticastOption(group, interfaceIndex));
            }
            else
            {
                socket.SetSocketOption(SocketOptionLevel.IP, name, new MulticastOption(group, interfaceIndex));
            }

            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    private static SocketError ConfigureDatagram(Socket socket, in HandleSpec spec)
    {
        if (spec.AddressFamily == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = false;
        }

        if (OperatingSystem.IsWindows())
        {
            socket.IOControl(WindowsConnectionReset, [0, 0, 0, 0], null);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, spec.ReuseAddress);
        }
        else if (spec.ReuseAddress)
        {
            ReuseAddress(socket);
        }

        if (spec.ReusePort && !TryReusePort(socket))
        {
            return SocketError.ProtocolOption;
        }

        if (spec.LocalEndPoint is { } local)
        {
            socket.Bind(local);
        }

        if (spec.RemoteEndPoint is { } remote)
        {
            socket.Connect(remote);
        }

        return SocketError.Success;
    }

    // Made by system calls: .NET has no mode for the file, and removes the file of whoever has it when the socket is closed.
    private static Socket? OpenUnixDatagram(in HandleSpec spec, out PortableDatagrams? datagrams, out SocketError error)
    {
        datagrams = null;
        if (!OperatingSystem.IsLinux())
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        int fd = LinuxSocket.OpenDatagram(spec, out LinuxDatagrams? made, out error);
        if (fd < 0)
        {
            return null;
        }

        datagrams = new PortableDatagrams(AddressFamily.Unix, made!.LocalEndPoint, made.RemoteEndPoint, made.File);
        return new Socket(new SafeSocketHandle(fd, ownsHandle: true));
    }
}
