using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text;

namespace Toolkit.Backends.Linux;

/// <summary>
/// The file that a bound Unix datagram socket has in the file system. It is removed when the socket is closed, if it is still the
/// one that was made: a successor may have replaced it meanwhile.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class UnixSocketFile
{
    private const uint OwnerOnly = 0x180; // 0600
    private const ushort TypeMask = 0xf000;
    private const ushort SocketType = 0xc000;

    private readonly byte[] _path; // ends with a NUL
    private readonly ulong _inode;
    private readonly ulong _device;

    private UnixSocketFile(byte[] path, in Libc.FileStatus status)
    {
        _path = path;
        _inode = status.Inode;
        _device = status.Device;
    }

    /// <summary>
    /// Binds a socket to a path, for its owner alone to send to (mode 0600, set before there is a file, so that nobody comes in
    /// between). A file that a killed process has left behind is replaced: a socket, of the same user, that nobody has open.
    /// </summary>
    /// <param name="fd">The socket.</param>
    /// <param name="address">Its path, or abstract name, which has no file.</param>
    /// <param name="file">The file; null of an abstract name.</param>
    public static SocketError Bind(int fd, in IoAddress address, out UnixSocketFile? file)
    {
        file = null;
        byte* native = stackalloc byte[NativeAddress.MaxLength];
        int length = NativeAddress.Write(address, new Span<byte>(native, NativeAddress.MaxLength));
        if (length == 0)
        {
            return SocketError.AddressFamilyNotSupported;
        }

        bool isAbstract = address.Path![0] == '\0';
        if (!isAbstract && Libc.ChangeMode(fd, OwnerOnly) != 0)
        {
            return Errno.ToSocketError(Errno.Last);
        }

        byte[] path = isAbstract ? [] : [.. Encoding.UTF8.GetBytes(address.Path), 0];
        bool isBound = Libc.Bind(fd, native, (uint)length) == 0;
        int errno = isBound ? 0 : Errno.Last;
        if (errno == Errno.AddressInUse && !isAbstract && IsStale(path, native, length))
        {
            fixed (byte* start = path)
            {
                _ = Libc.Unlink(start);
            }

            isBound = Libc.Bind(fd, native, (uint)length) == 0;
            errno = isBound ? 0 : Errno.Last;
        }

        if (isBound && !isAbstract && TryGetStatus(path, out Libc.FileStatus status))
        {
            file = new UnixSocketFile(path, status);
        }

        return NativeAddress.ErrorOf(errno);
    }

    /// <summary>The socket is closed: its file goes with it, unless it is somebody else's by now.</summary>
    public void Remove()
    {
        if (TryGetStatus(_path, out Libc.FileStatus status) && status.Inode == _inode && status.Device == _device)
        {
            fixed (byte* start = _path)
            {
                _ = Libc.Unlink(start);
            }
        }
    }

    private static bool TryGetStatus(byte[] path, out Libc.FileStatus status)
    {
        fixed (byte* start = path)
        fixed (Libc.FileStatus* target = &status)
        {
            return Libc.Status(Libc.CurrentDirectory, start, Libc.StatNoFollow, Libc.StatBasic, target) == 0;
        }
    }

    // A link is not followed, and nothing but a socket of our own is ever removed.
    private static bool IsStale(byte[] path, byte* native, int length)
    {
        if (!TryGetStatus(path, out Libc.FileStatus status)
            || (status.Mode & TypeMask) != SocketType
            || status.User != Libc.EffectiveUser())
        {
            return false;
        }

        int probe = Libc.Socket(1, Libc.SocketDatagram | Libc.SocketNonBlocking | Libc.SocketCloseOnExec, 0);
        if (probe < 0)
        {
            return false;
        }

        bool isRefused = Libc.Connect(probe, native, (uint)length) != 0 && Errno.Last == Errno.ConnectionRefused;
        _ = Libc.Close(probe);
        return isRefused;
    }
}
