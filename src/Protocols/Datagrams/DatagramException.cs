using System.Net.Sockets;

namespace Toolkit;

/// <summary>What is wrong with a datagram, or with the way that it takes.</summary>
public enum DatagramFault
{
    /// <summary>Nobody has the port at the peer: it has answered by ICMP (RFC 1122, 4.1.3.1), or the path is nobody's.</summary>
    Refused,

    /// <summary>There is no way to the address.</summary>
    Unreachable,

    /// <summary>The datagram is longer than the socket or the way takes whole.</summary>
    TooLong,

    /// <summary>
    /// The system does not allow it: a filter, or a broadcast address without <c>DatagramOptions.Broadcast</c>.
    /// </summary>
    NotAllowed,

    /// <summary>The system has no memory for it at the moment.</summary>
    NoResources,

    /// <summary>Something else; the inner exception says what.</summary>
    Other,
}

/// <summary>
/// What the system says of a datagram that was sent or could not be. The end point goes on. The
/// <see cref="SocketException"/> is inside.
/// </summary>
public sealed class DatagramException : IOException
{
    /// <summary>Creates the exception.</summary>
    public DatagramException(DatagramFault fault, DatagramAddress peer, string message, SocketException? innerException = null)
        : base(message, innerException)
    {
        Fault = fault;
        Peer = peer;
    }

    /// <summary>The kind of fault.</summary>
    public DatagramFault Fault { get; }

    /// <summary>Whom it was to reach; no address when the system does not say.</summary>
    public DatagramAddress Peer { get; }
}
