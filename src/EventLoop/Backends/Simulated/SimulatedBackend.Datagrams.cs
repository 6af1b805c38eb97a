using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>Datagrams.</content>
internal sealed partial class SimulatedBackend
{
    public override int TrySendTo(IoHandle handle, ReadOnlySpan<OutgoingDatagram> datagrams, out SocketError error)
    {
        SimulatedDatagrams socket = Own(handle).Datagrams!;
        error = SocketError.Success;
        int sent = 0;
        while (sent < datagrams.Length)
        {
            error = socket.Send(datagrams[sent]);
            if (error != SocketError.Success)
            {
                break;
            }

            sent++;
        }

        return sent;
    }

    public override SocketError SetMembership(IoHandle handle, IPAddress group, int interfaceIndex, bool isMember)
        => Own(handle).Datagrams!.SetMembership(group, isMember);

    private SimulatedHandle? OpenDatagram(in HandleSpec spec, out SocketError error)
    {
        error = Host.CheckDatagramBinding(spec, out IPEndPoint? local);
        if (error != SocketError.Success)
        {
            return null;
        }

        if (!Host.TryTakeDescriptor())
        {
            error = SocketError.TooManyOpenSockets;
            return null;
        }

        var handle = new SimulatedHandle(this, local);
        handle.Hold(Host.AddDatagrams(local!, (IPEndPoint?)spec.RemoteEndPoint, spec.ReuseAddress || spec.ReusePort));
        _handles.Add(handle);
        return handle;
    }

    private static int Receive(DatagramReceiveOperation receive, SimulatedDatagrams socket)
    {
        int told = 0;
        while (told < CompletionsPerPoll / 2 && IsListening(receive) && socket.TryReceive(out byte[] data, out IoAddress from))
        {
            told++;
            bool isTruncated = data.Length > receive.ReceiveSize;
            Deliver(receive, isTruncated ? data.AsSpan(0, receive.ReceiveSize) : data, from, isTruncated);
        }

        if (told == 0 && socket.TakeError() is var error and not SocketError.Success)
        {
            End(receive, error);
            told++;
        }

        return told;
    }
}
