using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends;

/// <content>
/// Datagrams. The rules are those of streams, with these of their own: a datagram is told whole or as truncated, and never joined
/// with another; an error ends the arming and not the socket; an empty datagram is one like any other. A kind of backend that has
/// no datagrams need not know of them.
/// </content>
public abstract partial class IoBackend
{
    /// <summary>
    /// Sends as many datagrams as can be sent at this moment, in their order, as few system calls as it takes. Must not be called
    /// while a send is in flight on the handle.
    /// </summary>
    /// <returns>
    /// How many of the first were taken. When that is not all, <paramref name="error"/> is why the next was not:
    /// <see cref="SocketError.WouldBlock"/>, or what is wrong with it; or what the system has to tell of an earlier one, in which
    /// case the next try takes it. A backend that has no try always answers that it would block.
    /// </returns>
    public virtual int TrySendTo(IoHandle handle, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return 0;
    }

    /// <summary>
    /// Makes a handle of a datagram socket that was made elsewhere, as <see cref="Adopt(Socket, bool, out SocketError)"/> does of
    /// a stream's: bound, connected, or neither.
    /// </summary>
    /// <param name="socket">The socket, on which nothing may be in flight.</param>
    /// <param name="error">
    /// Why it cannot be had: <see cref="SocketError.SocketNotSupported"/> when it is not one of datagrams;
    /// <see cref="SocketError.AddressFamilyNotSupported"/>; <see cref="SocketError.OperationNotSupported"/> where there are no
    /// sockets, as in a simulation; or what the system says.
    /// </param>
    /// <returns>The handle, or null.</returns>
    public virtual IoHandle? AdoptDatagrams(Socket socket, out SocketError error)
    {
        error = SocketError.OperationNotSupported;
        return null;
    }

    /// <summary>The names of a socket that was made elsewhere, which may have none, or none that .NET knows.</summary>
    private protected static EndPoint? NameOf(Socket socket, bool isRemote)
    {
        try
        {
            EndPoint? name = isRemote ? socket.RemoteEndPoint : socket.LocalEndPoint;
            return IoAddress.FromEndPoint(name).IsNone ? null : name;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    /// <summary>Joins a multicast group, or leaves it.</summary>
    /// <param name="handle">The handle of a datagram socket.</param>
    /// <param name="group">A multicast address of its family.</param>
    /// <param name="interfaceIndex">The interface; 0 leaves it to the system.</param>
    /// <param name="isMember">Whether to join.</param>
    public virtual SocketError SetMembership(IoHandle handle, IPAddress group, int interfaceIndex, bool isMember)
        => SocketError.OperationNotSupported;

    /// <summary>Tells of a received datagram that the backend lends.</summary>
    /// <returns>Whether the operation is still armed.</returns>
    protected static bool Deliver(
        DatagramReceiveOperation operation, ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
    {
        ArgumentNullException.ThrowIfNull(operation);
        operation.State = IoOperationState.Delivering;
        return Settle(operation, operation.Receiver.OnDatagram(data, from, isTruncated));
    }

    /// <summary>Tells of what was kept, until there is nothing or the owner wants no more.</summary>
    /// <returns>How many datagrams were told.</returns>
    private protected static int DeliverHeld(DatagramReceiveOperation operation, HeldDatagrams held)
    {
        int told = 0;
        while (told < CompletionsPerPoll && IsListening(operation) && held.TryTake(out HeldDatagrams.Entry entry))
        {
            told++;
            Deliver(operation, entry.Data, entry.From, entry.IsTruncated);
            entry.Free();
        }

        return told;
    }
}
