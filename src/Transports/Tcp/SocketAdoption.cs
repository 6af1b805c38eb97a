using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Makes a handle of somebody else's socket, which stays as it is until its owner closes it.</summary>
internal static class SocketAdoption
{
    /// <exception cref="AdoptFailedException">It is not what is wanted.</exception>
    /// <exception cref="NotSupportedException">The backend has no sockets.</exception>
    public static IoHandle Adopt(EventLoop loop, Socket socket, bool isListening)
    {
        IoBackend backend = loop.Host.Backend;
        try
        {
            return backend.Adopt(socket, isListening, out SocketError error) ?? throw NewFailure(backend, error);
        }
        catch (ObjectDisposedException)
        {
            throw NewClosed();
        }
    }

    /// <summary>The same of a socket of whatever kind a <see cref="LoopSocket"/> can be.</summary>
    /// <inheritdoc cref="Adopt" path="/exception"/>
    public static (IoHandle Handle, LoopSocketKind Kind) AdoptAny(EventLoop loop, Socket socket)
    {
        IoBackend backend = loop.Host.Backend;
        SocketError error = SocketError.SocketNotSupported;
        try
        {
            SocketType type = (SocketType)Ask(socket, SocketOptionName.Type);
            if (type == SocketType.Stream)
            {
                bool isListening = Ask(socket, SocketOptionName.AcceptConnection) != 0;
                LoopSocketKind kind = isListening ? LoopSocketKind.Listener : LoopSocketKind.Connection;
                return (backend.Adopt(socket, isListening, out error) ?? throw NewFailure(backend, error, socket, type), kind);
            }

            IoHandle? handle = type == SocketType.Dgram ? backend.AdoptDatagrams(socket, out error) : null;
            return (handle ?? throw NewFailure(backend, error, socket, type), LoopSocketKind.Datagrams);
        }
        catch (ObjectDisposedException)
        {
            throw NewClosed();
        }
        catch (SocketException exception)
        {
            throw new AdoptFailedException(exception.SocketErrorCode);
        }
    }

    private static int Ask(Socket socket, SocketOptionName name)
        => (int)socket.GetSocketOption(SocketOptionLevel.Socket, name)!;

    private static Exception NewFailure(IoBackend backend, SocketError error)
        => error == SocketError.OperationNotSupported
            ? new NotSupportedException(
                $"A loop with the {backend.Name} backend cannot adopt sockets, since it has none. Use another kind of loop.")
            : new AdoptFailedException(error);

    private static Exception NewFailure(IoBackend backend, SocketError error, Socket socket, SocketType type)
        => error switch
        {
            SocketError.SocketNotSupported or SocketError.AddressFamilyNotSupported => new AdoptFailedException(
                error,
                $"The socket cannot be adopted: it is of the type {type} and the family {socket.AddressFamily}, which is not "
                + "known here. Wait for it by loop.WatchReadable(socket.SafeHandle, ...), and use it yourself."),
            SocketError.NotConnected => new AdoptFailedException(
                error,
                "The socket cannot be adopted: it neither listens nor is it connected. Connect it first, or connect another by "
                + "loop.ConnectSocketAsync."),
            _ => NewFailure(backend, error),
        };

    private static AdoptFailedException NewClosed()
        => new(SocketError.NotSocket, "The socket cannot be adopted: it is closed.");
}
