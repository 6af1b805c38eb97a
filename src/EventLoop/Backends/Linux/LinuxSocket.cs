using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>What the Linux backends do with a socket in the same way: everything but waiting for it.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class LinuxSocket
{
    private const int SocketLevel = 1;
    private const int SocketReuseAddress = 2;
    private const int SocketTypeOption = 3;
    private const int SocketErrorOption = 4;
    private const int SocketSendBuffer = 7;
    private const int SocketReceiveBuffer = 8;
    private const int SocketKeepAlive = 9;
    private const int SocketLinger = 13;
    private const int SocketReusePort = 15;
    private const int SocketAcceptsConnections = 30;

    private const int TcpLevel = 6;
    private const int TcpNoDelay = 1;
    private const int TcpKeepIdle = 4;
    private const int TcpKeepInterval = 5;
    private const int TcpKeepCount = 6;
    private const int TcpUserTimeout = 18;

    private const int IPv6Level = 41;
    private const int IPv6Only = 26;

    /// <summary>
    /// Buffers of one vectored send; the rest takes another call. The kernel would take 1,024, but each costs a pin.
    /// </summary>
    private const int MaxVectors = 64;

    /// <summary>Makes a non-blocking, close-on-exec socket as the specification says.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int Open(in HandleSpec spec, out SocketError error)
    {
        int domain = spec.AddressFamily switch
        {
            AddressFamily.InterNetwork => 2,
            AddressFamily.InterNetworkV6 => 10,
            _ => -1,
        };
        if (domain < 0)
        {
            error = SocketError.AddressFamilyNotSupported;
            return -1;
        }

        int fd = Libc.Socket(domain, Libc.SocketStream | Libc.SocketNonBlocking | Libc.SocketCloseOnExec, 0);
        if (fd < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return -1;
        }

        error = DescriptorReserve.Contains(fd) ? SocketError.TooManyOpenSockets : Configure(fd, spec);
        if (error != SocketError.Success)
        {
            _ = Libc.Close(fd);
            return -1;
        }

        return fd;
    }

    /// <summary>Makes another descriptor, non-blocking and close-on-exec, of somebody else's socket.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int Adopt(int theirs, bool isListening, out SocketError error)
    {
        error = CheckAdoption(theirs, isListening);
        return error == SocketError.Success ? Duplicate(theirs, out error) : -1;
    }

    // A descriptor of our own, close-on-exec, on which no call blocks.
    private static int Duplicate(int theirs, out SocketError error)
    {
        error = SocketError.Success;
        int fd = Libc.Control(theirs, Libc.DuplicateCloseOnExec, 0);
        if (fd < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return -1;
        }

        int flags = Libc.Control(fd, Libc.GetStatusFlags, 0);
        if (DescriptorReserve.Contains(fd))
        {
            error = SocketError.TooManyOpenSockets;
        }
        else if (flags < 0 || Libc.Control(fd, Libc.SetStatusFlags, flags | Libc.SocketNonBlocking) < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
        }

        if (error != SocketError.Success)
        {
            _ = Libc.Close(fd);
            return -1;
        }

        return fd;
    }

    /// <summary>Sends what can be sent now.</summary>
    public static int TrySend(int fd, ReadOnlySpan<byte> data, out SocketError error)
    {
        fixed (byte* start = data)
        {
            while (true)
            {
                nint sent = Libc.Send(fd, start, (nuint)data.Length, Libc.MessageNoSignal | Libc.MessageDoNotWait);
                if (sent >= 0)
                {
                    error = sent == data.Length ? SocketError.Success : SocketError.WouldBlock;
                    return (int)sent;
                }

                int errno = Errno.Last;
                if (errno != Errno.Interrupted)
                {
                    error = Errno.ToSocketError(errno);
                    return 0;
                }
            }
        }
    }

    /// <summary>The same for several buffers.</summary>
    public static long TrySend(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        long total = 0;
        error = SocketError.Success;
        while (buffers.Length > 0)
        {
            ReadOnlySpan<ReadOnlyMemory<byte>> batch = buffers[..Math.Min(MaxVectors, buffers.Length)];
            long wanted = 0;
            foreach (ReadOnlyMemory<byte> buffer in batch)
            {
                wanted += buffer.Length;
            }

            long sent = wanted == 0 ? 0 : SendVector(fd, batch, out error);
            total += sent;
            if (error != SocketError.Success)
            {
                return total;
            }

            if (sent < wanted)
            {
                error = SocketError.WouldBlock;
                return total;
            }

            buffers = buffers[batch.Length..];
        }

        return total;
    }

    public static SocketError ShutdownSend(int fd)
        => Libc.Shutdown(fd, Libc.ShutdownWrite) == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);

    /// <summary>Starts to connect. <see cref="SocketError.InProgress"/> when it takes time.</summary>
    public static SocketError Connect(int fd, EndPoint remote)
    {
        byte* native = stackalloc byte[SocketName.MaxNativeLength];
        int length = SocketName.Write(remote, new Span<byte>(native, SocketName.MaxNativeLength));
        if (length == 0)
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if (Libc.Connect(fd, native, (uint)length) == 0)
        {
            return SocketError.Success;
        }

        // An interrupted connect goes on in the background, exactly like one that would block.
        int errno = Errno.Last;
        return errno is Errno.Interrupted or Errno.InProgress or Errno.Again
            ? SocketError.InProgress
            : Errno.ToSocketError(errno);
    }

    /// <summary>Takes the error that is pending on the socket.</summary>
    public static SocketError TakeError(int fd)
    {
        int value;
        uint length = sizeof(int);
        return Libc.GetSocketOption(fd, SocketLevel, SocketErrorOption, &value, &length) == 0
            ? Errno.ToSocketError(value)
            : Errno.ToSocketError(Errno.Last);
    }

    public static SocketName GetLocalName(int fd)
    {
        byte* native = stackalloc byte[SocketName.MaxNativeLength];
        uint length = SocketName.MaxNativeLength;
        return Libc.GetSocketName(fd, native, &length) == 0
            ? SocketName.Read(new ReadOnlySpan<byte>(native, (int)Math.Min(length, SocketName.MaxNativeLength)))
            : default;
    }

    public static SocketName GetPeerName(int fd)
    {
        byte* native = stackalloc byte[SocketName.MaxNativeLength];
        uint length = SocketName.MaxNativeLength;
        return Libc.GetPeerName(fd, native, &length) == 0
            ? SocketName.Read(new ReadOnlySpan<byte>(native, (int)Math.Min(length, SocketName.MaxNativeLength)))
            : default;
    }

    /// <summary>Accepts one connection.</summary>
    /// <returns>The descriptor, or the negated error number.</returns>
    public static int Accept(int listener, out SocketName peer)
    {
        byte* native = stackalloc byte[SocketName.MaxNativeLength];
        uint length = SocketName.MaxNativeLength;
        int fd = Libc.Accept(listener, native, &length, Libc.SocketNonBlocking | Libc.SocketCloseOnExec);
        if (fd < 0)
        {
            peer = default;
            return -Errno.Last;
        }

        peer = SocketName.Read(new ReadOnlySpan<byte>(native, (int)Math.Min(length, SocketName.MaxNativeLength)));
        return fd;
    }

    public static SocketError SetOption(int fd, IoOption option, int value)
    {
        (int level, int name) = option switch
        {
            IoOption.NoDelay => (TcpLevel, TcpNoDelay),
            IoOption.KeepAlive => (SocketLevel, SocketKeepAlive),
            IoOption.KeepAliveTime => (TcpLevel, TcpKeepIdle),
            IoOption.KeepAliveInterval => (TcpLevel, TcpKeepInterval),
            IoOption.KeepAliveRetryCount => (TcpLevel, TcpKeepCount),
            IoOption.UserTimeout => (TcpLevel, TcpUserTimeout),
            IoOption.SendBufferSize => (SocketLevel, SocketSendBuffer),
            IoOption.ReceiveBufferSize => (SocketLevel, SocketReceiveBuffer),
            _ => (-1, -1),
        };
        return level < 0 ? SocketError.ProtocolOption : Set(fd, level, name, value);
    }

    /// <summary>Has the coming close send a reset.</summary>
    public static void ResetOnClose(int fd)
    {
        int* linger = stackalloc int[] { 1, 0 };
        _ = Libc.SetSocketOption(fd, SocketLevel, SocketLinger, linger, 2 * sizeof(int));
    }

    private static SocketError CheckAdoption(int fd, bool isListening)
    {
        SocketError error = Get(fd, SocketTypeOption, out int type);
        if (error != SocketError.Success)
        {
            return error;
        }

        if (type != Libc.SocketStream)
        {
            return SocketError.SocketNotSupported;
        }

        if (GetLocalName(fd) == default)
        {
            return SocketError.AddressFamilyNotSupported;
        }

        error = Get(fd, SocketAcceptsConnections, out int accepts);
        if (error != SocketError.Success)
        {
            return error;
        }

        if (accepts != 0 != isListening)
        {
            return SocketError.InvalidArgument;
        }

        return isListening || GetPeerName(fd) != default ? SocketError.Success : SocketError.NotConnected;
    }

    private static SocketError Get(int fd, int option, out int value)
    {
        int result;
        uint length = sizeof(int);
        int outcome = Libc.GetSocketOption(fd, SocketLevel, option, &result, &length);
        value = outcome == 0 ? result : 0;
        return outcome == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);
    }

    private static SocketError Configure(int fd, in HandleSpec spec)
    {
        SocketError error = PrepareBinding(fd, spec);
        if (error == SocketError.Success && spec.LocalEndPoint is { } local)
        {
            byte* native = stackalloc byte[SocketName.MaxNativeLength];
            int length = SocketName.Write(local, new Span<byte>(native, SocketName.MaxNativeLength));
            if (length == 0)
            {
                return SocketError.AddressFamilyNotSupported;
            }

            error = Libc.Bind(fd, native, (uint)length) == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);
        }

        if (error == SocketError.Success && spec.Backlog is { } backlog)
        {
            error = Libc.Listen(fd, backlog) == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);
        }

        return error;
    }

    // What is to be said before a socket is bound.
    private static SocketError PrepareBinding(int fd, in HandleSpec spec)
    {
        SocketError error = SocketError.Success;

        // :: means IPv6 only, as everywhere here; both families are two sockets. A system without the option has no IPv4
        // behind its IPv6 either.
        if (spec.AddressFamily == AddressFamily.InterNetworkV6)
        {
            error = Set(fd, IPv6Level, IPv6Only, 1);
        }

        if (error == SocketError.Success && spec.ReuseAddress)
        {
            error = Set(fd, SocketLevel, SocketReuseAddress, 1);
        }

        if (error == SocketError.Success && spec.ReusePort)
        {
            error = Set(fd, SocketLevel, SocketReusePort, 1);
        }

        return error;
    }

    private static SocketError Set(int fd, int level, int name, int value)
        => Libc.SetSocketOption(fd, level, name, &value, sizeof(int)) == 0
            ? SocketError.Success
            : Errno.ToSocketError(Errno.Last);

    private static long SendVector(int fd, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        Debug.Assert(buffers.Length <= MaxVectors, "The caller cuts it into batches.");
        Libc.IoVector* vectors = stackalloc Libc.IoVector[buffers.Length];
        var pins = new PinBatch();
        int pinned = 0;
        try
        {
            for (; pinned < buffers.Length; pinned++)
            {
                pins[pinned] = buffers[pinned].Pin();
                vectors[pinned].Base = (byte*)pins[pinned].Pointer;
                vectors[pinned].Length = (nuint)buffers[pinned].Length;
            }

            var message = new Libc.MessageHeader { Vectors = vectors, VectorCount = (nuint)buffers.Length };
            while (true)
            {
                nint sent = Libc.SendMessage(fd, &message, Libc.MessageNoSignal | Libc.MessageDoNotWait);
                if (sent >= 0)
                {
                    error = SocketError.Success;
                    return sent;
                }

                int errno = Errno.Last;
                if (errno != Errno.Interrupted)
                {
                    error = Errno.ToSocketError(errno);
                    return 0;
                }
            }
        }
        finally
        {
            for (int i = 0; i < pinned; i++)
            {
                pins[i].Dispose();
            }
        }
    }

    [System.Runtime.CompilerServices.InlineArray(MaxVectors)]
    private struct PinBatch
    {
        private MemoryHandle _first;
    }
}
