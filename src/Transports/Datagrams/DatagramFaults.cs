using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>What the network's error codes mean for a datagram: the one place that says so.</summary>
internal static class DatagramFaults
{
    /// <summary>Whether the system tells it once, of a datagram, and has nothing against the next.</summary>
    public static bool IsOfOneDatagram(SocketError error)
        => FaultOf(error) is not (DatagramFault.Other or DatagramFault.NoResources);

    public static DatagramException ToException(SocketError error, in IoAddress peer)
    {
        DatagramFault fault = FaultOf(error);
        DatagramAddress address = DatagramAddresses.FromSeam(peer);
        string whom = address.IsNone ? "the peer" : address.ToString();
        string message = fault switch
        {
            DatagramFault.Refused => $"Nobody takes datagrams at {whom}.",
            DatagramFault.Unreachable => $"There is no way to {whom}.",
            DatagramFault.TooLong => $"A datagram to {whom} was longer than the way takes whole.",
            DatagramFault.NotAllowed
                => $"The system does not allow a datagram to {whom}. If that is a broadcast address, set "
                    + $"{nameof(DatagramOptions)}.{nameof(DatagramOptions.Broadcast)}.",
            DatagramFault.NoResources => $"The system has no memory for a datagram to {whom}.",
            _ => $"A datagram to {whom} failed: {error}.",
        };
        return new DatagramException(fault, address, message, new SocketException((int)error));
    }

    private static DatagramFault FaultOf(SocketError error) => error switch
    {
        SocketError.ConnectionRefused or SocketError.ConnectionReset => DatagramFault.Refused,
        SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.HostDown or SocketError.NetworkDown
            or SocketError.TimedOut or SocketError.AddressNotAvailable => DatagramFault.Unreachable,
        SocketError.MessageSize => DatagramFault.TooLong,
        SocketError.AccessDenied => DatagramFault.NotAllowed,
        SocketError.NoBufferSpaceAvailable => DatagramFault.NoResources,
        _ => DatagramFault.Other,
    };
}
