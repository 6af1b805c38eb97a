using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>A datagram end point that was made: the transport, and the protocol that it calls.</summary>
/// <param name="Transport">The transport.</param>
/// <param name="Protocol">The protocol.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DatagramEndpoint<TProtocol>(DatagramTransport Transport, TProtocol Protocol)
    where TProtocol : DatagramProtocol;

/// <summary>No datagram end point could be made: the address is taken or not ours, or an option is not to be had here.</summary>
public sealed class DatagramEndpointFailedException : IOException
{
    /// <summary>Creates the exception.</summary>
    public DatagramEndpointFailedException(SocketError error, string message, Exception? innerException = null)
        : base(message, innerException ?? new SocketException((int)error))
    {
        Error = error;
    }

    /// <summary>Why.</summary>
    public SocketError Error { get; }
}

/// <summary>A callback of a datagram protocol threw.</summary>
/// <param name="Message">What was being done, and what becomes of the end point.</param>
/// <param name="Exception">What was thrown.</param>
/// <param name="Transport">The transport that made the call.</param>
/// <param name="Protocol">The protocol that was called.</param>
public sealed record DatagramTransportError(
    string Message, Exception Exception, DatagramTransport Transport, DatagramProtocol Protocol)
    : LoopError(Message, Exception);
