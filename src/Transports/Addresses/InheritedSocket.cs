using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports;

/// <summary>
/// A socket by the number of its descriptor, which stays open, whatever becomes of this, until it is closed for good: it is
/// nobody's to close before the loop has taken it.
/// </summary>
internal sealed class InheritedSocket : IDisposable
{
    private readonly int _descriptor;

    private InheritedSocket(int descriptor, Socket socket)
    {
        _descriptor = descriptor;
        Socket = socket;
    }

    public Socket Socket { get; }

    /// <exception cref="AdoptFailedException">It is no socket, or not open.</exception>
    /// <exception cref="PlatformNotSupportedException">There are no such numbers here.</exception>
    public static InheritedSocket Open(DescriptorAddress address)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException($"{address}: sockets are not inherited by number on Windows.");
        }

        return TryOpen(address.Descriptor, ownsHandle: false) is { } socket
            ? new InheritedSocket(address.Descriptor, socket)
            : throw new AdoptFailedException(SocketError.NotSocket, $"{address} is no socket, or not open.");
    }

    /// <summary>The socket that a descriptor is; null when it is none, or not open, and then it stays as it is.</summary>
    public static Socket? TryOpen(int descriptor, bool ownsHandle)
    {
        var handle = new SafeSocketHandle(descriptor, ownsHandle);
        try
        {
            var socket = new Socket(handle);
            _ = socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Type); // the first to notice that it is none
            return socket;
        }
        catch (Exception exception) when (exception is SocketException or ArgumentException)
        {
            handle.SetHandleAsInvalid();
            return null;
        }
    }

    /// <summary>Closes the descriptor, since the loop has one of its own.</summary>
    public void Close()
    {
        Socket.Dispose();
        using var own = new SafeFileHandle(_descriptor, ownsHandle: true);
    }

    /// <summary>Lets go of it. Unless it was closed, it is as it was.</summary>
    public void Dispose() => Socket.Dispose();
}
