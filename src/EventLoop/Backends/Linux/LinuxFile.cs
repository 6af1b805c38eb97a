using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>What a descriptor leads to that is used by <c>read(2)</c> and <c>write(2)</c>.</summary>
internal enum LinuxFileType : byte
{
    /// <summary>A pipe or FIFO, or a device that can be waited for.</summary>
    Pipe,

    /// <summary>A terminal, or the master of a pseudo-terminal.</summary>
    Terminal,

    /// <summary>A socket that stands in for a pipe, as standard input may.</summary>
    Socket,
}

/// <summary>What the Linux backends do with pipes and terminals in the same way: everything but waiting for them.</summary>
/// <remarks>
/// Whether a call may block is a property of the open file, which is shared by all who have inherited it: a program that makes
/// its standard output non-blocking does so to the shell that has started it. So a pipe or a terminal is opened anew by its name
/// below <c>/proc/self/fd</c>, which gives an open file of its own. Where that is refused, and for the master of a
/// pseudo-terminal, of which it would make another, the mode is set, and given back at the end. A socket needs neither, since its
/// calls have a flag.
/// </remarks>
[SupportedOSPlatform("linux")]
internal static unsafe class LinuxFile
{
    private const int NonBlocking = Libc.SocketNonBlocking;
    private const int CloseOnExec = Libc.SocketCloseOnExec;
    private const int NoControllingTerminal = 0x100;
    private const int AccessMask = 3;
    private const int ReadOnly = 0;
    private const int WriteOnly = 1;

    private const int TypeMask = 0xF000;
    private const int TypePipe = 0x1000;
    private const int TypeDevice = 0x2000;
    private const int TypeSocket = 0xC000;

    /// <summary>Makes a descriptor of the backend's own, close-on-exec, on which no call blocks.</summary>
    /// <returns>The descriptor, or -1.</returns>
    public static int Adopt(
        int theirs, IoHandleKind kind, out LinuxFileType type, out bool restoresBlocking, out SocketError error)
    {
        restoresBlocking = false;
        error = Check(theirs, kind, out type, out bool mayReopen, out int flags);
        if (error != SocketError.Success)
        {
            return -1;
        }

        bool isBlocking = type != LinuxFileType.Socket && kind != IoHandleKind.Event && (flags & NonBlocking) == 0;
        int fd = isBlocking && mayReopen ? Reopen(theirs, flags) : -1;
        if (fd < 0)
        {
            fd = Libc.Control(theirs, Libc.DuplicateCloseOnExec, 0);
            restoresBlocking = isBlocking && fd >= 0;
        }

        if (fd < 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return -1;
        }

        if (DescriptorReserve.Contains(fd))
        {
            _ = Libc.Close(fd);
            error = SocketError.TooManyOpenSockets;
            return -1;
        }

        if (restoresBlocking)
        {
            SetBlocking(fd, isBlocking: false);
        }

        return fd;
    }

    public static void SetBlocking(int fd, bool isBlocking)
    {
        int flags = Libc.Control(fd, Libc.GetStatusFlags, 0);
        if (flags >= 0)
        {
            _ = Libc.Control(fd, Libc.SetStatusFlags, isBlocking ? flags & ~NonBlocking : flags | NonBlocking);
        }
    }

    /// <summary>Reads what there is. A terminal whose other side was closed is at its end.</summary>
    /// <returns>How many bytes; zero at the end; negative with <see cref="Errno.Last"/>.</returns>
    public static nint Read(LinuxHandle handle, byte* buffer, nuint length)
    {
        nint count = handle.FileType == LinuxFileType.Socket
            ? Libc.Receive(handle.Fd, buffer, length, Libc.MessageDoNotWait)
            : Libc.Read(handle.Fd, buffer, length);
        return count < 0 && handle.FileType == LinuxFileType.Terminal && Errno.Last == Errno.InputOutput ? 0 : count;
    }

    /// <summary>Writes what can be written now.</summary>
    public static int TryWrite(LinuxHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        if (handle.FileType == LinuxFileType.Socket)
        {
            return LinuxSocket.TrySend(handle.Fd, data, out error);
        }

        error = SocketError.Success;
        int total = 0;
        fixed (byte* start = data)
        {
            while (total < data.Length)
            {
                nint written = Libc.Write(handle.Fd, start + total, (nuint)(data.Length - total));
                if (written > 0)
                {
                    total += (int)written; // a terminal takes less than it has room for, and is asked again
                    continue;
                }

                int errno = written == 0 ? Errno.Again : Errno.Last;
                if (errno != Errno.Interrupted)
                {
                    // Written to a terminal whose other side was closed.
                    error = errno == Errno.InputOutput ? SocketError.Shutdown : Errno.ToSocketError(errno);
                    break;
                }
            }
        }

        return total;
    }

    /// <summary>
    /// The same for several buffers, one after the other: what is written to a pipe is small, or comes in one piece.
    /// </summary>
    public static long TryWrite(LinuxHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        if (handle.FileType == LinuxFileType.Socket)
        {
            return LinuxSocket.TrySend(handle.Fd, buffers, out error);
        }

        long total = 0;
        error = SocketError.Success;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            total += TryWrite(handle, buffer.Span, out error);
            if (error != SocketError.Success)
            {
                break;
            }
        }

        return total;
    }

    /// <summary>
    /// Has the kernel send a part of a file. The runtime has SIGPIPE ignored, which the call has no flag against.
    /// </summary>
    public static long TrySendFile(int fd, int file, long offset, long count, out SocketError error)
    {
        if (nint.Size < sizeof(long))
        {
            error = SocketError.OperationNotSupported;
            return 0;
        }

        while (true)
        {
            long from = offset;
            nint sent = Libc.SendFile(fd, file, &from, (nuint)count);
            if (sent >= 0)
            {
                // Where the file ends the call ends too, and where the room does; only the file's end is nothing to wait for.
                error = sent == 0 || sent == count ? SocketError.Success : SocketError.WouldBlock;
                return sent;
            }

            switch (Errno.Last)
            {
                case Errno.Interrupted:
                    continue;
                case var errno and (Errno.Again or Errno.BrokenPipe or (>= Errno.NetworkDown and <= Errno.HostUnreachable)):
                    error = Errno.ToSocketError(errno);
                    return 0;
                default:
                    error = SocketError.OperationNotSupported; // something is with the file: whoever reads it is told what
                    return 0;
            }
        }
    }

    /// <summary>
    /// What a hang-up means: that a pipe's reader is gone is an error to whoever writes, and otherwise it is an end.
    /// </summary>
    public static SocketError HangUpOf(LinuxHandle handle)
        => handle.Kind switch
        {
            IoHandleKind.Socket => LinuxSocket.TakeError(handle.Fd),
            IoHandleKind.PipeWriter => SocketError.Shutdown,
            _ => SocketError.Success,
        };

    private static SocketError Check(int fd, IoHandleKind kind, out LinuxFileType type, out bool mayReopen, out int flags)
    {
        type = LinuxFileType.Pipe;
        mayReopen = true;
        flags = 0;
        var status = default(Libc.FileStatus);
        if (Libc.Status(fd, "", Libc.StatusOfDescriptor, Libc.StatusBasic, &status) != 0)
        {
            return Errno.Last == Errno.BadDescriptor ? SocketError.NotSocket : Errno.ToSocketError(Errno.Last);
        }

        if (kind == IoHandleKind.Event)
        {
            // What has no type, as a process or an event counter, is made to be waited for.
            return (status.Mode & TypeMask) is 0 or TypePipe or TypeSocket || CanBeWaitedFor(fd)
                ? SocketError.Success
                : SocketError.SocketNotSupported;
        }

        flags = Libc.Control(fd, Libc.GetStatusFlags, 0);
        switch (status.Mode & TypeMask)
        {
            case TypePipe:
                break;
            case TypeSocket:
                type = LinuxFileType.Socket;
                break;
            case TypeDevice when Libc.IsTerminal(fd) == 1:
                type = LinuxFileType.Terminal;
                mayReopen = !IsMaster(status);
                break;
            case TypeDevice when CanBeWaitedFor(fd):
                mayReopen = false;
                break;
            default:
                // A regular file is always ready, and blocks all the same.
                return SocketError.SocketNotSupported;
        }

        int access = flags & AccessMask;
        bool fits = kind switch
        {
            IoHandleKind.PipeReader => access != WriteOnly,
            IoHandleKind.PipeWriter => access != ReadOnly,
            _ => type == LinuxFileType.Terminal && access is not (ReadOnly or WriteOnly),
        };
        return fits ? SocketError.Success : SocketError.InvalidArgument;
    }

    // /dev/ptmx, or a number of a master's own as old kernels have it.
    private static bool IsMaster(in Libc.FileStatus status)
        => status is { OwnMajor: 5, OwnMinor: 2 } or { OwnMajor: >= 128 and < 136 };

    // /dev/null and /dev/zero are never waited for, and epoll refuses them.
    private static bool CanBeWaitedFor(int fd)
    {
        int epoll = Libc.EpollCreate(Libc.EpollCloseOnExec);
        if (epoll < 0)
        {
            return false;
        }

        byte* happening = stackalloc byte[16];
        new Span<byte>(happening, 16).Clear();
        bool isTaken = Libc.EpollControl(epoll, Libc.EpollAdd, fd, happening) == 0;
        _ = Libc.Close(epoll);
        return isTaken;
    }

    private static int Reopen(int fd, int flags) => Libc.Open(
        string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}"),
        (flags & AccessMask) | NonBlocking | CloseOnExec | NoControllingTerminal);
}
