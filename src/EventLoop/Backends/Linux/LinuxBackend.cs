using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Backends.Linux;

/// <summary>
/// What the backends of Linux have in common: everything but waiting. Sockets are opened, tried and connected by the same calls,
/// a table finds their handles, and other threads wake the loop by an <c>eventfd</c>.
/// </summary>
[SupportedOSPlatform("linux")]
internal abstract unsafe partial class LinuxBackend<THandle> : IoBackend
    where THandle : LinuxHandle
{
    /// <summary>The longest single wait. Deadlines further off take several.</summary>
    protected const long MaxWaitTicks = TimeSpan.TicksPerDay;

    private readonly SafeFileHandle _wake;
    private StrongBox<SocketName> _lastLocal = new();

    /// <param name="wakeFlags">Flags of the <c>eventfd</c> beside close-on-exec.</param>
    protected LinuxBackend(int wakeFlags)
    {
        int wake = Libc.EventFd(0, Libc.EventFdCloseOnExec | wakeFlags);
        if (wake < 0)
        {
            throw Unavailable("eventfd");
        }

        _wake = new SafeFileHandle(wake, ownsHandle: true);
        WakeFd = wake;
    }

    public override IoClock Clock => IoClock.System;

    /// <summary>What becomes readable when the loop is to wake.</summary>
    protected int WakeFd { get; }

    /// <summary>All handles that the kernel may still report something of.</summary>
    protected HandleTable<THandle> Handles { get; } = new();

    protected bool IsDisposed => _wake.IsClosed;

    public override void Wake()
    {
        // The descriptor stays valid for the length of the call even if the loop is disposed meanwhile on its own thread.
        bool held = false;
        try
        {
            _wake.DangerousAddRef(ref held);
            ulong one = 1;
            _ = Libc.Write((int)_wake.DangerousGetHandle(), &one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
            // Nobody is left to wake.
        }
        finally
        {
            if (held)
            {
                _wake.DangerousRelease();
            }
        }
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        if (spec.IsDatagram)
        {
            return OpenDatagram(spec, out error);
        }

        if (spec.AddressFamily == AddressFamily.Unix)
        {
            return OpenUnix(spec, out error);
        }

        int fd = LinuxSocket.Open(spec, out error);
        return fd < 0 ? null : AddHandle(fd, LinuxSocket.GetLocalName(fd), default);
    }

    public override IoHandle? Adopt(Socket socket, bool isListening, out SocketError error)
    {
        SafeSocketHandle theirs = socket.SafeHandle;
        bool held = false;
        try
        {
            theirs.DangerousAddRef(ref held);
            int fd = LinuxSocket.Adopt((int)theirs.DangerousGetHandle(), isListening, out error);
            return fd < 0
                ? null
                : LinuxSocket.GetLocalName(fd).IsUnix ? AddUnixHandle(fd, UnixSocket.NamesOf(fd, isConnected: !isListening))
                : AddHandle(fd, LinuxSocket.GetLocalName(fd), isListening ? default : LinuxSocket.GetPeerName(fd));
        }
        finally
        {
            if (held)
            {
                theirs.DangerousRelease();
            }
        }
    }

    public override IoHandle? Adopt(SafeHandle file, IoHandleKind kind, out SocketError error)
    {
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            int fd = LinuxFile.Adopt(
                (int)file.DangerousGetHandle(), kind, out LinuxFileType type, out bool restoresBlocking, out error);
            if (fd < 0)
            {
                return null;
            }

            THandle handle = AddHandle(fd, default, default);
            handle.Kind = kind;
            handle.FileType = type;
            handle.RestoresBlocking = restoresBlocking;
            return handle;
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.NotSocket;
            return null;
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    public override SocketError SetOption(IoHandle handle, IoOption option, int value)
        => ((THandle)handle).Datagrams is null
            ? LinuxSocket.SetOption(FdOf(handle), option, value)
            : SetDatagramOption((THandle)handle, option, value);

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
        => handle.Kind == IoHandleKind.Socket
            ? LinuxSocket.TrySend(FdOf(handle), data, out error)
            : LinuxFile.TryWrite((LinuxHandle)handle, data, out error);

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
        => handle.Kind == IoHandleKind.Socket
            ? LinuxSocket.TrySend(FdOf(handle), buffers, out error)
            : LinuxFile.TryWrite((LinuxHandle)handle, buffers, out error);

    public override long TrySendFile(IoHandle handle, SafeFileHandle file, long offset, long count, out SocketError error)
    {
        if (handle.Kind != IoHandleKind.Socket && ((LinuxHandle)handle).FileType == LinuxFileType.Socket)
        {
            // The call has no flag against blocking, and such a socket may be of those that block.
            error = SocketError.OperationNotSupported;
            return 0;
        }

        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            return LinuxFile.TrySendFile(FdOf(handle), (int)file.DangerousGetHandle(), offset, count, out error);
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    public override SocketError ShutdownSend(IoHandle handle)
        => handle.Kind == IoHandleKind.Socket
            ? LinuxSocket.ShutdownSend(FdOf(handle))
            : SocketError.Success; // what has one direction ends with its close

    /// <summary>
    /// Begins to connect. <see cref="SocketError.InProgress"/> when the handle becomes writable at the end of it.
    /// </summary>
    protected static SocketError BeginConnect(ConnectOperation connect)
    {
        var handle = (LinuxHandle)connect.Handle;
        SocketError error = connect.RemoteEndPoint is UnixDomainSocketEndPoint unix
            ? UnixSocket.Connect(handle.Fd, unix)
            : LinuxSocket.Connect(handle.Fd, connect.RemoteEndPoint);
        if (error == SocketError.Success)
        {
            handle.RefreshNames();
        }

        return error;
    }

    /// <summary>Ends a connect whose handle has become writable.</summary>
    protected static void EndConnect(ConnectOperation connect)
    {
        var handle = (LinuxHandle)connect.Handle;
        SocketError outcome = LinuxSocket.TakeError(handle.Fd);
        if (outcome == SocketError.Success)
        {
            handle.RefreshNames();
        }

        End(connect, outcome);
    }

    /// <summary>Makes a handle and gives it a place in the table.</summary>
    protected THandle AddHandle(int fd, SocketName local, SocketName remote)
    {
        // A server's connections nearly all have the same name at this end, so they share it.
        if (_lastLocal.Value != local)
        {
            _lastLocal = new(local);
        }

        THandle handle = CreateHandle(fd, _lastLocal, remote);
        handle.Token = Handles.Add(handle);
        return handle;
    }

    protected abstract THandle CreateHandle(int fd, StrongBox<SocketName> local, SocketName remote);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _wake.Dispose();
            _outgoing?.Dispose();
            _outgoing = null;
        }
    }

    /// <summary>The call that failed just now is one that this backend cannot do without.</summary>
    protected BackendUnavailableException Unavailable(string call)
        => new(Name, $"{call} failed: {Marshal.GetPInvokeErrorMessage(Errno.Last)}.");

    private static int FdOf(IoHandle handle)
    {
        Debug.Assert(!handle.IsReleased, "A released handle's descriptor may be a stranger's.");
        return ((LinuxHandle)handle).Fd;
    }
}
