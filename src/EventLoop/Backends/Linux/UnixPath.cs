using System.Net.Sockets;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>
/// The path of a bound Unix socket, with the file that it was when it was bound. bind(2) makes that file and nothing removes
/// it, so a server that was killed leaves it behind, and its successor finds the address in use.
/// </summary>
/// <remarks>
/// <para>
/// <b>Taking over.</b> A path that is taken is looked at, and connected to. When it is a socket of our own user's that refuses,
/// its owner is dead, and the file is removed. Between bind and listen a living server refuses as well; therefore the
/// directory is locked (flock(2)) from the one to the other, so that two servers that start at once do not take each other for
/// dead. Whoever holds the lock for longer is no such server, and is not waited for.
/// </para>
/// <para>
/// <b>The mode</b> is set on the socket before it is bound, from where bind takes it, so the file never has another. What the
/// umask has taken away is put back before anybody can connect, since nobody can before the socket listens.
/// </para>
/// <para>
/// <b>At the end</b> the path is removed if it is still that file, by device and inode. It is looked at while the socket is open,
/// and so the inode cannot have become a stranger's.
/// </para>
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed unsafe class UnixPath
{
    private const uint TypeModeUserAndInode = 0x1 | 0x2 | 0x8 | 0x100;
    private const int TypeMask = 0xF000;
    private const int SocketType = 0xC000;
    private const int ModeMask = 0xFFF;

    private const int LockTries = 20;

    // Absolute: the working directory may be another by the end. And otherwise as it was given: behind a link, what is before ".."
    // is not what stands there.
    private readonly string _path;
    private (uint Major, uint Minor, ulong Inode)? _file;

    private UnixPath(string path) => _path = Path.Combine(Environment.CurrentDirectory, path);

    /// <summary>Binds a socket to a path, and listens if it is to.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="path">The path.</param>
    /// <param name="mode">Who may connect or send to it; null leaves that to the umask.</param>
    /// <param name="backlog">How many may wait to be accepted; null of a datagram socket.</param>
    /// <param name="error">
    /// <see cref="SocketError.AddressAlreadyInUse"/> when somebody listens there, <see cref="SocketError.NotSocket"/> when it is
    /// something else, <see cref="SocketError.AccessDenied"/> when a dead socket is another user's, or what the system says.
    /// </param>
    /// <returns>The path, to be removed at the end; null when it has failed.</returns>
    public static UnixPath? Bind(int fd, string path, UnixFileMode? mode, int? backlog, out SocketError error)
    {
        if (mode is { } wanted && Libc.ChangeMode(fd, (uint)wanted) != 0)
        {
            error = Errno.ToSocketError(Errno.Last);
            return null;
        }

        var bound = new UnixPath(path);
        int directory = LockDirectory(bound._path);
        try
        {
            error = bound.Bind(fd, path, isDatagram: backlog is null);
            if (error != SocketError.Success)
            {
                return null;
            }

            error = bound.Finish(mode);
            if (error == SocketError.Success && backlog is { } waiting && Libc.Listen(fd, waiting) != 0)
            {
                error = Errno.ToSocketError(Errno.Last);
            }

            if (error == SocketError.Success)
            {
                return bound;
            }

            bound.Remove();
            return null;
        }
        finally
        {
            if (directory >= 0)
            {
                _ = Libc.Close(directory); // and with it the lock is gone
            }
        }
    }

    /// <summary>Removes the path if it is still the socket's own. While the socket is open; a second call does nothing.</summary>
    public void Remove()
    {
        if (_file is { } file && TryLook(out Libc.FileStatus status) && IdentityOf(status) == file)
        {
            _ = Libc.Unlink(_path);
        }

        _file = null;
    }

    private static (uint Major, uint Minor, ulong Inode) IdentityOf(in Libc.FileStatus status)
        => (status.DeviceMajor, status.DeviceMinor, status.Inode);

    // Without a lock in a directory that cannot be read, or whose lock somebody keeps.
    private static int LockDirectory(string path)
    {
        int fd = Libc.Open(Path.GetDirectoryName(path) ?? "/", DirectoryFlags);
        for (int i = 0; fd >= 0 && i < LockTries; i++)
        {
            if (Libc.Lock(fd, Libc.LockExclusive | Libc.LockWithoutWaiting) == 0)
            {
                break;
            }

            Thread.Sleep(1); // another server is within its microseconds
        }

        return fd;
    }

    private static int DirectoryFlags
        => System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
            is System.Runtime.InteropServices.Architecture.Arm64 or System.Runtime.InteropServices.Architecture.Arm
            ? Libc.OpenDirectoryOnArm
            : Libc.OpenDirectory;

    private SocketError Bind(int fd, string path, bool isDatagram)
    {
        SocketError error = UnixSocket.Bind(fd, path);
        if (error != SocketError.AddressAlreadyInUse)
        {
            return error;
        }

        error = RemoveDead(path, isDatagram);
        return error == SocketError.Success ? UnixSocket.Bind(fd, path) : error;
    }

    private SocketError RemoveDead(string path, bool isDatagram)
    {
        if (!TryLook(out Libc.FileStatus found))
        {
            return Errno.Last == Errno.NoEntry ? SocketError.Success : SocketError.AddressAlreadyInUse;
        }

        if ((found.Mode & TypeMask) != SocketType)
        {
            return SocketError.NotSocket;
        }

        // Any other answer than a refusal is that of a living server, or of one that we may not ask.
        SocketError answer = UnixSocket.Probe(path, isDatagram);
        if (answer != SocketError.ConnectionRefused)
        {
            return answer == SocketError.AccessDenied ? answer : SocketError.AddressAlreadyInUse;
        }

        if (found.User != Libc.EffectiveUser())
        {
            return SocketError.AccessDenied;
        }

        if (!TryLook(out Libc.FileStatus still) || IdentityOf(still) != IdentityOf(found))
        {
            return SocketError.AddressAlreadyInUse; // somebody else was faster
        }

        return Libc.Unlink(_path) == 0 ? SocketError.Success : Errno.ToSocketError(Errno.Last);
    }

    // Takes note of the file, and gives it the mode that was asked for where the umask has prevented it.
    private SocketError Finish(UnixFileMode? mode)
    {
        if (!TryLook(out Libc.FileStatus status))
        {
            return Errno.ToSocketError(Errno.Last);
        }

        _file = IdentityOf(status);
        return mode is { } wanted && (status.Mode & ModeMask) != (int)wanted && Libc.ChangeMode(_path, (uint)wanted) != 0
            ? Errno.ToSocketError(Errno.Last)
            : SocketError.Success;
    }

    private bool TryLook(out Libc.FileStatus status)
    {
        Libc.FileStatus found;
        int outcome = Libc.Status(Libc.AtCurrentDirectory, _path, Libc.AtDoNotFollow, TypeModeUserAndInode, &found);
        status = outcome == 0 ? found : default;
        return outcome == 0;
    }
}
