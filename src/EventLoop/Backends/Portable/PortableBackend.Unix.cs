using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <content>
/// Unix sockets. On Linux they are bound by the system's own calls, since a socket that .NET has bound deletes whatever is at its
/// path when it is disposed. Elsewhere it is as .NET has it: a path that is taken is in use, whoever has left it there.
/// </content>
internal sealed partial class PortableBackend
{
    /// <summary>
    /// How often a send is tried that would have blocked: .NET has no wait for room without bytes to put there.
    /// </summary>
    private const long TryInterval = 5 * TimeSpan.TicksPerMillisecond;

    // Loop thread only. Sends with descriptors, which are few; and where there is no poller, those who wait for room.
    private readonly List<IoOperation> _blocked = [];
    private long _nextTry;

    public override bool CanPassHandles => OperatingSystem.IsLinux();

    private long NextTry => _blocked.Count > 0 ? _nextTry : long.MaxValue;

    public override int TrySend(
        IoHandle handle, ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles, out SocketError error)
    {
        PortableHandle sender = Own(handle);
        if (!OperatingSystem.IsLinux())
        {
            error = SocketError.OperationNotSupported;
            return 0;
        }

        if (sender.IsWriting)
        {
            error = SocketError.WouldBlock; // what a cancelled send has left behind goes first
            return 0;
        }

        int sent = UnixSocket.TrySend((int)sender.Socket.SafeHandle.DangerousGetHandle(), data, handles, out error);
        sender.NoteFailure(error);
        return sent;
    }

    public override SocketError ReceiveHandles(IoHandle handle, IHandleReceiver receiver)
    {
        PortableHandle own = Own(handle);
        if (!OperatingSystem.IsLinux() || own.Socket.AddressFamily != AddressFamily.Unix)
        {
            return SocketError.OperationNotSupported;
        }

        own.HandleReceiver = receiver;
        return SocketError.Success;
    }

    private PortableHandle? OpenUnix(in HandleSpec spec, out SocketError error)
    {
        if (!OperatingSystem.IsLinux())
        {
            return PortableSocket.OpenUnix(spec, out error) is { } socket
                ? TryAddHandle(socket, out error, isListening: spec.Backlog is not null)
                : null;
        }

        int fd = UnixSocket.Open(spec, out UnixPath? path, out error);
        if (fd < 0)
        {
            return null;
        }

        PortableHandle? handle = TryAddHandle(
            new Socket(new SafeSocketHandle(fd, ownsHandle: true)), out error, isListening: spec.Backlog is not null);
        if (handle is null)
        {
            path?.Remove();
            return null;
        }

        handle.Path = path;
        return handle;
    }

    private static int Receive(PortableHandle handle, Span<byte> buffer, out SocketError error)
        => handle.HandleReceiver is { } receiver && OperatingSystem.IsLinux()
            ? UnixSocket.Receive((int)handle.Socket.SafeHandle.DangerousGetHandle(), buffer, receiver, out error)
            : handle.Socket.Receive(buffer, SocketFlags.None, out error);

    private void TryLater(IoOperation operation)
    {
        if (_blocked.Count == 0)
        {
            _nextTry = Clock.Now + TryInterval;
        }

        _blocked.Add(operation);
    }

    private int TellBlocked()
    {
        if (_blocked.Count == 0 || Clock.Now < _nextTry)
        {
            return 0;
        }

        int told = 0;
        foreach (IoOperation operation in _blocked.ToArray())
        {
            if (!IsListening(operation))
            {
                continue; // a callback of the one before has ended it
            }

            told += operation is SendOperation send ? TryBlocked(send) : TryBlocked(operation);
        }

        _nextTry = Clock.Now + TryInterval;
        return told;
    }

    private int TryBlocked(SendOperation send)
    {
        int sent = TrySend(send.Handle, send.Data.Span, [.. send.Handles!], out SocketError error);
        if (sent > 0)
        {
            _blocked.Remove(send);
            EndSend(send, sent);
            return 1;
        }

        if (error is SocketError.Success or SocketError.WouldBlock)
        {
            return 0;
        }

        _blocked.Remove(send);
        End(send, error);
        return 1;
    }

    private int TryBlocked(IoOperation writable)
    {
        if (!((PortableHandle)writable.Handle).HasRoom())
        {
            return 0;
        }

        _blocked.Remove(writable);
        End(writable, SocketError.Success);
        return 1;
    }
}
