using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends.Portable;

/// <content>
/// Datagrams. As of a stream, a receive is a wait and a try: the wait peeks, so that it takes nothing, and then the loop receives
/// one datagram after the other for as long as there are some, up to a bound. .NET receives and sends none but singly.
/// </content>
internal sealed partial class PortableBackend
{
    /// <summary>Datagrams told for one wait: a flood at one socket must leave the others their turn.</summary>
    private const int DatagramsPerWait = 32;

    // One byte more than is received of any datagram: of that which is longer .NET says nothing.
    private byte[]? _datagramBuffer;

    public override int TrySendTo(IoHandle handle, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        PortableHandle sender = Own(handle);

        // What a cancelled send has left behind goes first.
        error = sender.IsWriting ? SocketError.WouldBlock : SocketError.Success;
        int sent = 0;
        while (error == SocketError.Success && sent < datagrams.Length)
        {
            error = Send(sender, datagrams[sent]);
            sent += error == SocketError.Success ? 1 : 0;
        }

        return sent;
    }

    public override IoHandle? AdoptDatagrams(Socket socket, out SocketError error)
    {
        AddressFamily family = socket.AddressFamily;
        if (family is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 or AddressFamily.Unix))
        {
            error = SocketError.AddressFamilyNotSupported;
            return null;
        }

        EndPoint? local = NameOf(socket, isRemote: false);
        EndPoint? remote = NameOf(socket, isRemote: true);
        if (PortableSocket.AdoptDatagrams(socket, out error) is not { } adopted
            || TryAddHandle(adopted, out error) is not { } handle)
        {
            return null;
        }

        handle.Datagrams = new PortableDatagrams(family, local, remote, file: null);
        handle.Reading.SocketFlags = SocketFlags.Peek;
        return handle;
    }

    public override SocketError SetMembership(IoHandle handle, IPAddress group, int interfaceIndex, bool isMember)
        => PortableSocket.SetMembership(Own(handle).Socket, group, interfaceIndex, isMember);

    private PortableHandle? OpenDatagram(in HandleSpec spec, out SocketError error)
    {
        if (PortableSocket.OpenDatagram(spec, out PortableDatagrams? datagrams, out error) is not { } socket)
        {
            return null;
        }

        if (TryAddHandle(socket, out error) is not { } handle)
        {
            datagrams!.RemoveFile();
            return null;
        }

        handle.Datagrams = datagrams;
        handle.Reading.SocketFlags = SocketFlags.Peek;
        return handle;
    }

    private static SocketError Send(PortableHandle handle, in OutgoingDatagram datagram)
    {
        if (datagram.To.IsNone)
        {
            handle.Socket.Send(datagram.Data.Span, SocketFlags.None, out SocketError error);
            return error;
        }

        if (handle.Datagrams!.Write(datagram.To) is not { } to)
        {
            return SocketError.AddressFamilyNotSupported;
        }

        try
        {
            handle.Socket.SendTo(datagram.Data.Span, SocketFlags.None, to);
            return SocketError.Success;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }
    }

    private void StartSend(PortableHandle handle, DatagramSendOperation send)
    {
        PortableRequest request = handle.Writing;
        request.FillBuffer(send.Datagram.Data.Span);
        if (send.Datagram.To.IsNone)
        {
            Started(request, handle.Socket.SendAsync(request));
        }
        else
        {
            request.RemoteEndPoint = send.Datagram.To.ToEndPoint();
            Started(request, handle.Socket.SendToAsync(request));
        }
    }

    private int CompleteDatagramWait(PortableHandle handle, PortableDatagrams datagrams, SocketError error)
    {
        // A datagram that the peek has no room for is no error: it is there.
        bool isThere = error is SocketError.Success or SocketError.MessageSize;
        if (handle.ReadSide is not DatagramReceiveOperation { State: IoOperationState.Armed } receive)
        {
            datagrams.KeepError(isThere ? SocketError.Success : error);
            return TellReadable(handle);
        }

        if (!isThere)
        {
            End(receive, error);
            return 1;
        }

        int told = 0;
        while (told < DatagramsPerWait && (told == 0 || HasMore(handle)))
        {
            SocketError failure = ReceiveOne(handle, datagrams, receive);
            if (failure == SocketError.WouldBlock)
            {
                break;
            }

            told++;
            if (failure != SocketError.Success)
            {
                End(receive, failure);
                return told;
            }

            if (!IsListening(receive))
            {
                return told;
            }
        }

        Start(receive);
        return told;
    }

    private static bool HasMore(PortableHandle handle)
    {
        try
        {
            return handle.Socket.Poll(0, SelectMode.SelectRead);
        }
        catch (SocketException)
        {
            return false; // the next wait says why
        }
    }

    private SocketError ReceiveOne(PortableHandle handle, PortableDatagrams datagrams, DatagramReceiveOperation receive)
    {
        byte[] buffer = _datagramBuffer
            ??= GC.AllocateUninitializedArray<byte>(DatagramReceiveOperation.MaxReceiveSize + 1, pinned: true);
        int length;
        bool isTruncated;
        try
        {
            datagrams.PrepareIncoming();
            length = handle.Socket.ReceiveFrom(buffer.AsSpan(0, receive.ReceiveSize + 1), SocketFlags.None, datagrams.Incoming);
            isTruncated = length > receive.ReceiveSize;
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.MessageSize)
        {
            length = receive.ReceiveSize + 1; // on Windows
            isTruncated = true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode;
        }

        Deliver(
            receive, buffer.AsSpan(0, Math.Min(length, receive.ReceiveSize)), datagrams.ReadIncoming(), isTruncated);
        return SocketError.Success;
    }
}
