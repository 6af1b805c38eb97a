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
            return backend.Adopt(socket, isListening, out SocketError error)
                ?? throw (error == SocketError.OperationNotSupported
                    ? new NotSupportedException(
                        $"A loop with the {backend.Name} backend cannot adopt sockets, since it has none. Use another kind of loop.")
                    : new AdoptFailedException(error));
        }
        catch (ObjectDisposedException)
        {
            throw new AdoptFailedException(SocketError.NotSocket, "The socket cannot be adopted: it is closed.");
        }
    }
}
