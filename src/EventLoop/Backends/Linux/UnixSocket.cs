using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Backends.Linux;

/// <summary>What is special about Unix sockets on Linux, for every backend that runs there.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe class UnixSocket
{
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int Rights = 1;

    // struct sockaddr_un.
    private const int MaxNativeLength = 110;
    private const int PathOffset = 2;

    // struct cmsghdr with its length, level and type; what follows begins at a multiple of a word.
    private static readonly int s_controlHeader = sizeof(nuint) + (2 * sizeof(int));

    private static readonly UnixDomainSocketEndPoint s_anyEndPoint = new("/");

    /// <summary>Room for as many descriptors as one message can have, so that only want of descriptors cuts them off.</summary>
    private static int ControlSize => Align(s_controlHeader + (IoBackend.MaxHandlesPerSend * sizeof(int)));

    /// <summary>Makes a non-blocking, close-on-exec socket as the specification says.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int Open(in HandleSpec spec, out UnixPath? path, out SocketError error)
    {
        path = null;
        error = spec.LocalEndPoint switch
        {
            null => spec.Backlog is null ? SocketError.Success : SocketError.InvalidArgument,
            UnixDomainSocketEndPoint => SocketError.Success,
            _ => SocketError.AddressFamilyNotSupported,
        };
        if (error != SocketError.Success)
        {
            return -1;
        }

        int fd = Libc.Socket(Libc.FamilyUnix, Libc.SocketStream | Libc.SocketNonBlocking | Libc.SocketCloseOnExec, 0);
        if (fd < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return -1;
        }

        error = DescriptorReserve.Contains(fd) ? SocketError.TooManyOpenSockets : Configure(fd, spec, out path);
        if (error != SocketError.Success)
        {
            _ = Libc.Close(fd);
            return -1;
        }

        return fd;
    }

    public static SocketError Bind(int fd, string path) => Bind(fd, new UnixDomainSocketEndPoint(path));

    /// <summary>Connects, which on one machine takes no time. Nothing goes on in the background.</summary>
    /// <returns><see cref="SocketError.WouldBlock"/> when as many wait to be accepted as may.</returns>
    public static SocketError Connect(int fd, UnixDomainSocketEndPoint remote)
    {
        byte* native = stackalloc byte[MaxNativeLength];
        int length = Write(remote, new Span<byte>(native, MaxNativeLength));
        int errno;
        do
        {
            errno = Libc.Connect(fd, native, (uint)length) == 0 ? 0 : Errno.Last;
        }
        while (errno == Errno.Interrupted);
        return Errno.ToSocketError(errno);
    }

    /// <summary>
    /// Whether somebody listens at a path, or receives datagrams there: success, or <see cref="SocketError.WouldBlock"/>, says so.
    /// </summary>
    public static SocketError Probe(string path, bool isDatagram)
    {
        int type = isDatagram ? Libc.SocketDatagram : Libc.SocketStream;
        int fd = Libc.Socket(Libc.FamilyUnix, type | Libc.SocketNonBlocking | Libc.SocketCloseOnExec, 0);
        if (fd < 0)
        {
            return Errno.ToSocketError(Errno.Last);
        }

        SocketError answer = Connect(fd, new UnixDomainSocketEndPoint(path));
        _ = Libc.Close(fd);
        return answer;
    }

    /// <summary>What the kernel knows of a socket's two ends.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="isConnected">Whether there is a peer.</param>
    /// <param name="local">This end's name, when it is known already.</param>
    public static UnixNames NamesOf(int fd, bool isConnected, EndPoint? local = null)
    {
        byte* native = stackalloc byte[MaxNativeLength];
        uint length = MaxNativeLength;
        if (local is null && Libc.GetSocketName(fd, native, &length) == 0)
        {
            local = Read(new ReadOnlySpan<byte>(native, (int)Math.Min(length, MaxNativeLength)));
        }

        length = MaxNativeLength;
        return new UnixNames
        {
            Value = LinuxSocket.GetLocalName(fd),
            Local = local,
            Remote = isConnected && Libc.GetPeerName(fd, native, &length) == 0
                ? Read(new ReadOnlySpan<byte>(native, (int)Math.Min(length, MaxNativeLength)))
                : null,
            Identity = isConnected ? GetPeerIdentity(fd) : null,
        };
    }

    public static PeerIdentity? GetPeerIdentity(int fd)
    {
        uint* credentials = stackalloc uint[3]; // struct ucred
        uint length = 3 * sizeof(uint);
        return Libc.GetSocketOption(fd, SocketLevel, PeerCredentials, credentials, &length) == 0
            ? new PeerIdentity((int)credentials[0], credentials[1], credentials[2])
            : null;
    }

    /// <summary>Sends what can be sent now, with descriptors beside the first byte.</summary>
    public static int TrySend(int fd, ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles, out SocketError error)
    {
        Debug.Assert(data.Length > 0 && handles.Length is > 0 and <= IoBackend.MaxHandlesPerSend, "The caller sees to that.");
        byte* control = stackalloc byte[ControlSize];
        int used = s_controlHeader + (handles.Length * sizeof(int));
        new Span<byte>(control, ControlSize).Clear();
        *(nuint*)control = (nuint)used;
        *(int*)(control + sizeof(nuint)) = SocketLevel;
        *(int*)(control + sizeof(nuint) + sizeof(int)) = Rights;
        int held = 0;
        try
        {
            for (; held < handles.Length; held++)
            {
                bool isHeld = false;
                handles[held].DangerousAddRef(ref isHeld);
                ((int*)(control + s_controlHeader))[held] = (int)handles[held].DangerousGetHandle();
            }

            fixed (byte* start = data)
            {
                var vector = new Libc.IoVector { Base = start, Length = (nuint)data.Length };
                var message = new Libc.MessageHeader
                {
                    Vectors = &vector,
                    VectorCount = 1,
                    Control = control,
                    ControlLength = (nuint)Align(used),
                };
                return Send(fd, &message, data.Length, out error);
            }
        }
        finally
        {
            while (held > 0)
            {
                handles[--held].DangerousRelease();
            }
        }
    }

    /// <summary>Receives once, with the descriptors that came with the bytes, which the receiver is told of.</summary>
    /// <returns>How many bytes, zero at the end of the stream; or -1 with the error.</returns>
    public static int Receive(int fd, Span<byte> buffer, IHandleReceiver receiver, out SocketError error)
    {
        byte* control = stackalloc byte[ControlSize];
        nint received;
        Libc.MessageHeader message;
        fixed (byte* start = buffer)
        {
            var vector = new Libc.IoVector { Base = start, Length = (nuint)buffer.Length };
            message = new Libc.MessageHeader
            {
                Vectors = &vector,
                VectorCount = 1,
                Control = control,
                ControlLength = (nuint)ControlSize,
            };
            received = Libc.ReceiveMessage(fd, &message, Libc.MessageDoNotWait | Libc.ControlCloseOnExec);
        }

        if (received < 0)
        {
            int errno = Errno.Last;
            error = errno == Errno.Interrupted ? SocketError.WouldBlock : Errno.ToSocketError(errno);
            return -1;
        }

        error = TakeHandles(message, receiver);
        return error == SocketError.Success ? (int)received : -1;
    }

    private static SocketError TakeHandles(in Libc.MessageHeader message, IHandleReceiver receiver)
    {
        var control = new ReadOnlySpan<byte>(message.Control, (int)message.ControlLength);
        List<SafeFileHandle>? handles = null;
        bool isShort = (message.Flags & Libc.ControlTruncated) != 0;
        while (control.Length >= s_controlHeader)
        {
            int length = (int)MemoryMarshal.Read<nuint>(control);
            if (length < s_controlHeader || length > control.Length)
            {
                break;
            }

            if (MemoryMarshal.Read<int>(control[sizeof(nuint)..]) == SocketLevel
                && MemoryMarshal.Read<int>(control[(sizeof(nuint) + sizeof(int))..]) == Rights)
            {
                foreach (int fd in MemoryMarshal.Cast<byte, int>(control[s_controlHeader..length]))
                {
                    isShort |= DescriptorReserve.Contains(fd);
                    (handles ??= []).Add(new SafeFileHandle(fd, ownsHandle: true));
                }
            }

            control = control[Math.Min(Align(length), control.Length)..];
        }

        if (isShort)
        {
            handles?.ForEach(handle => handle.Dispose());
            return SocketError.TooManyOpenSockets;
        }

        if (handles is not null)
        {
            receiver.OnHandlesReceived(CollectionsMarshal.AsSpan(handles));
        }

        return SocketError.Success;
    }

    private static int Send(int fd, Libc.MessageHeader* message, int length, out SocketError error)
    {
        while (true)
        {
            nint sent = Libc.SendMessage(fd, message, Libc.MessageNoSignal | Libc.MessageDoNotWait);
            if (sent >= 0)
            {
                error = sent == length ? SocketError.Success : SocketError.WouldBlock;
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

    private static SocketError Configure(int fd, in HandleSpec spec, out UnixPath? path)
    {
        path = null;
        if (spec.LocalEndPoint is not UnixDomainSocketEndPoint local)
        {
            return SocketError.Success;
        }

        if (spec.Backlog is not { } backlog)
        {
            return Bind(fd, local);
        }

        if (!IsAbstract(local))
        {
            path = UnixPath.Bind(fd, local.ToString(), spec.UnixMode, backlog, out SocketError failure);
            return failure;
        }

        SocketError error = Bind(fd, local);
        return error != SocketError.Success ? error
            : Libc.Listen(fd, backlog) == 0 ? SocketError.Success
            : Errno.ToSocketError(Errno.Last);
    }

    private static SocketError Bind(int fd, UnixDomainSocketEndPoint local)
    {
        byte* native = stackalloc byte[MaxNativeLength];
        int length = Write(local, new Span<byte>(native, MaxNativeLength));
        return Libc.Bind(fd, native, (uint)length) == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);
    }

    private static bool IsAbstract(UnixDomainSocketEndPoint endPoint)
    {
        SocketAddress address = endPoint.Serialize();
        return address.Size > PathOffset && address[PathOffset] == 0;
    }

    private static int Write(UnixDomainSocketEndPoint endPoint, Span<byte> native)
    {
        SocketAddress address = endPoint.Serialize();
        address.Buffer.Span[..address.Size].CopyTo(native);
        return address.Size;
    }

    // Not by way of a string: a peer chooses its own name, and may have chosen bytes that are none.
    private static EndPoint? Read(ReadOnlySpan<byte> native)
    {
        if (native.Length <= PathOffset)
        {
            return null; // it has no name
        }

        var address = new SocketAddress(AddressFamily.Unix, native.Length);
        native.CopyTo(address.Buffer.Span);
        return s_anyEndPoint.Create(address);
    }

    private static int Align(int length) => (length + sizeof(nuint) - 1) & ~(sizeof(nuint) - 1);
}
