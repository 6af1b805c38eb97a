using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// A server could not listen on one of its end points, and so listens on none. The <see cref="SocketException"/> is inside.
/// </summary>
public sealed class ListenFailedException : IOException
{
    /// <summary>Creates the exception.</summary>
    public ListenFailedException(IPEndPoint endPoint, SocketError error)
        : base($"Cannot listen on {endPoint}: {Explain(error)}.", new SocketException((int)error))
    {
        EndPoint = endPoint;
        Error = error;
    }

    /// <summary>Creates the exception for a Unix socket.</summary>
    public ListenFailedException(UnixDomainSocketEndPoint endPoint, SocketError error)
        : base($"Cannot listen on {LogText.Escape($"{endPoint}")}: {ExplainPath(error)}.", new SocketException((int)error))
    {
        UnixEndPoint = endPoint;
        Error = error;
    }

    /// <summary>Creates the exception for a host that has no address.</summary>
    public ListenFailedException(string host, SocketException resolverError)
        : base(
            $"Cannot listen on {LogText.Escape(host)}: the name could not be resolved ({resolverError?.SocketErrorCode}).",
            resolverError)
    {
        Error = resolverError?.SocketErrorCode ?? SocketError.SocketError;
    }

    /// <summary>The end point that failed; null when the host had no address, and of a Unix socket.</summary>
    public IPEndPoint? EndPoint { get; }

    /// <summary>The Unix socket that failed; null of all others.</summary>
    public UnixDomainSocketEndPoint? UnixEndPoint { get; }

    /// <summary>Why.</summary>
    public SocketError Error { get; }

    private static string Explain(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => "the port is in use",
        SocketError.AddressNotAvailable => "the address is not one of this machine's",
        SocketError.AccessDenied => "the system does not allow it; ports below 1024 may need a privilege",
        SocketError.AddressFamilyNotSupported => "this machine has no such kind of address",
        SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
        _ => error.ToString(),
    };

    private static string ExplainPath(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => "the address is in use: a server listens there",
        SocketError.NotSocket => "what is there is no socket, and is left alone",
        SocketError.AddressNotAvailable => "its directory does not exist",
        SocketError.AccessDenied => "the system does not allow it, or what is there was left behind by another user",
        SocketError.AddressFamilyNotSupported => "this machine has no such sockets",
        SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
        _ => error.ToString(),
    };
}
