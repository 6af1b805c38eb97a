using System.Net.Sockets;

namespace Toolkit;

/// <summary>A socket, pipe or terminal that was made elsewhere cannot be taken over. It is still its owner's.</summary>
public sealed class AdoptFailedException : IOException
{
    /// <summary>Creates the exception for a socket.</summary>
    public AdoptFailedException(SocketError error)
        : this(error, $"The socket cannot be adopted: {Explain(error)}.")
    {
    }

    /// <summary>Creates the exception with a message of its own.</summary>
    public AdoptFailedException(SocketError error, string message)
        : base(message, new SocketException((int)error))
    {
        Error = error;
    }

    /// <summary>Why.</summary>
    public SocketError Error { get; }

    private static string Explain(SocketError error) => error switch
    {
        SocketError.NotSocket => "it is no socket",
        SocketError.SocketNotSupported => "it is no stream socket",
        SocketError.AddressFamilyNotSupported => "its addresses are not of IPv4, IPv6 or Unix",
        SocketError.InvalidArgument => "one that listens was expected and it does not, or the other way round",
        SocketError.NotConnected => "it is not connected",
        SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
        _ => error.ToString(),
    };
}
