using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends.Linux;

/// <content>Unix sockets: their names, who is at the other end, and the descriptors that are passed over them.</content>
internal abstract unsafe partial class LinuxBackend<THandle>
{
    public override bool CanPassHandles => true;

    public override int TrySend(
        IoHandle handle, ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles, out SocketError error)
        => UnixSocket.TrySend(FdOf(handle), data, handles, out error);

    public override SocketError ReceiveHandles(IoHandle handle, IHandleReceiver receiver)
    {
        if (((LinuxHandle)handle).Unix is not { } unix)
        {
            return SocketError.OperationNotSupported;
        }

        unix.Receiver = receiver;
        return SocketError.Success;
    }

    /// <summary>Sends what was asked for, with its descriptors.</summary>
    protected int TrySend(THandle handle, SendOperation send, out SocketError error)
        => send.Handles is { } handles
            ? UnixSocket.TrySend(handle.Fd, send.Data.Span, [.. handles], out error)
            : TrySend(handle, send.Data.Span, out error);

    /// <summary>Makes a handle of a connection that a listener has accepted.</summary>
    protected THandle AddAccepted(LinuxHandle listener, int fd, SocketName peer)
        => listener.Unix is null
            ? AddHandle(fd, listener.LocalNameOf(fd), peer)
            : AddUnixHandle(fd, UnixSocket.NamesOf(fd, isConnected: true, listener.Unix.Local));

    private THandle? OpenUnix(in HandleSpec spec, out SocketError error)
    {
        int fd = UnixSocket.Open(spec, out UnixPath? path, out error);
        if (fd < 0)
        {
            return null;
        }

        UnixNames names = UnixSocket.NamesOf(fd, isConnected: false);
        names.Path = path;
        return AddUnixHandle(fd, names);
    }

    private THandle AddUnixHandle(int fd, UnixNames names)
    {
        THandle handle = CreateHandle(fd, names, default);
        handle.Token = Handles.Add(handle);
        return handle;
    }
}
