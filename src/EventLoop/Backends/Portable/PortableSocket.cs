using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends.Portable;

/// <summary>What is done with a socket of .NET on the spot, with its exceptions made values.</summary>
internal static partial class PortableSocket
{
    private static readonly LingerOption s_reset = new(enable: true, seconds: 0);

    // SOL_SOCKET, SO_REUSEADDR and SO_REUSEPORT: Linux has numbers of its own, the other Unixes have BSD's.
    private const int LinuxSocketLevel = 1;
    private const int LinuxReuseAddress = 2;
    private const int LinuxReusePort = 15;
    private const int BsdSocketLevel = 0xffff;
    private const int BsdReuseAddress = 4;
    private const int BsdReusePort = 0x200;

    private const int LinuxTcpLevel = 6;
    private const int LinuxUserTimeout = 18;

    public static SocketError Try(Socket socket, Action<Socket> action)
    {
        try
        {
            action(socket);
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    /// <summary>Makes a socket as the specification says.</summary>
    public static Socket? Open(in HandleSpec spec, out SocketError error)
    {
        if (spec.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
            || spec.LocalEndPoint is not (null or IPEndPoint)
            || (spec.LocalEndPoint is { } local && local.AddressFamily != spec.AddressFamily))
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        Socket? socket = null;
        try
        {
            // The protocol is left to the system, which knows but one: of a socket that is said to be TCP, .NET itself
            // lets the address be reused when it is bound on a Unix.
            socket = new Socket(spec.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            error = IsWithinReserve(socket) ? SocketError.TooManyOpenSockets : Configure(socket, spec);
        }
        catch (SocketException exception)
        {
            error = exception.SocketErrorCode;
        }

        if (error == SocketError.Success)
        {
            return socket;
        }

        socket?.Dispose();
        return null;
    }

    /// <summary>Makes a Unix socket as the specification says, where .NET's own way is the only one.</summary>
    public static Socket? OpenUnix(in HandleSpec spec, out SocketError error)
    {
        if (spec.LocalEndPoint is not (null or UnixDomainSocketEndPoint))
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        Socket? socket = null;
        try
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            error = IsWithinReserve(socket) ? SocketError.TooManyOpenSockets : SocketError.Success;
            if (error == SocketError.Success && spec.LocalEndPoint is { } local)
            {
                socket.Bind(local);
                if (spec.UnixMode is { } mode && !OperatingSystem.IsWindows())
                {
                    File.SetUnixFileMode(local.ToString()!, mode); // it does not listen yet, so nobody can connect
                }
            }

            if (error == SocketError.Success && spec.Backlog is { } backlog)
            {
                socket.Listen(backlog);
            }
        }
        catch (SocketException exception)
        {
            error = exception.SocketErrorCode;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            error = SocketError.AccessDenied;
        }

        if (error == SocketError.Success)
        {
            return socket;
        }

        socket?.Dispose();
        return null;
    }

    /// <summary>Makes another socket over what somebody else's stands for.</summary>
    public static Socket? Adopt(Socket theirs, bool isListening, out SocketError error)
        => Adopt(theirs, theirs => CheckAdoption(theirs, isListening), out error);

    /// <summary>The same of a socket of datagrams.</summary>
    public static Socket? AdoptDatagrams(Socket theirs, out SocketError error)
        => Adopt(
            theirs,
            static theirs => TypeOf(theirs) == SocketType.Dgram ? SocketError.Success : SocketError.SocketNotSupported,
            out error);

    private static Socket? Adopt(Socket theirs, Func<Socket, SocketError> check, out SocketError error)
    {
        Socket? socket = null;
        try
        {
            error = check(theirs);
            if (error != SocketError.Success)
            {
                return null;
            }

            socket = Duplicate(theirs);
            error = IsWithinReserve(socket) ? SocketError.TooManyOpenSockets : SocketError.Success;
        }
        catch (SocketException exception)
        {
            error = exception.SocketErrorCode;
        }

        if (error == SocketError.Success)
        {
            return socket;
        }

        socket?.Dispose();
        return null;
    }

    public static bool IsWithinReserve(Socket socket)
        => DescriptorReserve.Contains(socket.SafeHandle.DangerousGetHandle());

    public static SocketError SetOption(Socket socket, IoOption option, int value)
    {
        (SocketOptionLevel level, SocketOptionName name) = option switch
        {
            IoOption.NoDelay => (SocketOptionLevel.Tcp, SocketOptionName.NoDelay),
            IoOption.KeepAlive => (SocketOptionLevel.Socket, SocketOptionName.KeepAlive),
            IoOption.KeepAliveTime => (SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime),
            IoOption.KeepAliveInterval => (SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval),
            IoOption.KeepAliveRetryCount => (SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount),
            IoOption.SendBufferSize => (SocketOptionLevel.Socket, SocketOptionName.SendBuffer),
            IoOption.ReceiveBufferSize => (SocketOptionLevel.Socket, SocketOptionName.ReceiveBuffer),
            _ => default,
        };
        try
        {
            if (name != default)
            {
                socket.SetSocketOption(level, name, value);
                return SocketError.Success;
            }

            if (option == IoOption.UserTimeout && OperatingSystem.IsLinux())
            {
                SetRaw(socket, LinuxTcpLevel, LinuxUserTimeout, value);
                return SocketError.Success;
            }

            return SocketError.ProtocolOption;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    /// <summary>Has the coming close send a reset.</summary>
    public static void ResetOnClose(Socket socket) => Try(socket, static socket => socket.LingerState = s_reset);

    private static SocketType TypeOf(Socket socket)
        => (SocketType)(int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Type)!;

    private static SocketError CheckAdoption(Socket socket, bool isListening)
    {
        if (TypeOf(socket) != SocketType.Stream)
        {
            return SocketError.SocketNotSupported;
        }

        if (socket.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 or AddressFamily.Unix))
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if ((int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection)! != 0 != isListening)
        {
            return SocketError.InvalidArgument;
        }

        return isListening || socket.RemoteEndPoint is not null ? SocketError.Success : SocketError.NotConnected;
    }

    // .NET has this for Windows alone, where the original is closed with it.
    private static Socket Duplicate(Socket theirs)
    {
        if (OperatingSystem.IsWindows())
        {
            return new Socket(theirs.DuplicateAndClose(Environment.ProcessId));
        }

        SafeSocketHandle handle = theirs.SafeHandle;
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            return new Socket(new SafeSocketHandle(UnixDescriptor.Duplicate((int)handle.DangerousGetHandle()), ownsHandle: true));
        }
        finally
        {
            if (held)
            {
                handle.DangerousRelease();
            }
        }
    }

    private static SocketError Configure(Socket socket, in HandleSpec spec)
    {
        if (spec.AddressFamily == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = false; // :: means IPv6 only, as everywhere here; both families are two sockets
        }

        if (spec.ReuseAddress)
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

        if (spec.Backlog is { } backlog)
        {
            socket.Listen(backlog);
        }

        return SocketError.Success;
    }

    // Not by .NET's option of the name, which on a Unix sets SO_REUSEPORT as well.
    private static void ReuseAddress(Socket socket)
    {
        if (OperatingSystem.IsWindows())
        {
            socket.ExclusiveAddressUse = true;
        }
        else if (OperatingSystem.IsLinux())
        {
            SetRaw(socket, LinuxSocketLevel, LinuxReuseAddress, 1);
        }
        else
        {
            SetRaw(socket, BsdSocketLevel, BsdReuseAddress, 1);
        }
    }

    private static bool TryReusePort(Socket socket)
    {
        if (OperatingSystem.IsWindows())
        {
            return false;
        }

        if (OperatingSystem.IsLinux())
        {
            SetRaw(socket, LinuxSocketLevel, LinuxReusePort, 1);
        }
        else
        {
            SetRaw(socket, BsdSocketLevel, BsdReusePort, 1);
        }

        return true;
    }

    private static void SetRaw(Socket socket, int level, int name, int value)
        => socket.SetRawSocketOption(level, name, BitConverter.GetBytes(value));
}
