using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>The datagram sockets of the host.</content>
public sealed partial class SimulatedHost
{
    private readonly List<SimulatedDatagrams> _datagramSockets = [];

    internal SocketError CheckDatagramBinding(in HandleSpec spec, out IPEndPoint? local)
    {
        local = spec.LocalEndPoint as IPEndPoint;
        if (spec.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
        {
            return SocketError.AddressFamilyNotSupported;
        }

        IPAddress any = AnyAddress(spec.AddressFamily);
        if (local is null)
        {
            IPAddress? source = spec.RemoteEndPoint is IPEndPoint remote ? SourceAddressFor(remote.Address) : any;
            local = source is null ? null : new IPEndPoint(source, NextDatagramPort());
            return source is null ? SocketError.NetworkUnreachable : SocketError.Success;
        }

        bool isGroup = local.AddressFamily == AddressFamily.InterNetworkV6
            ? local.Address.IsIPv6Multicast
            : (local.Address.GetAddressBytes()[0] & 0xf0) == 0xe0;
        if (!local.Address.Equals(any) && !isGroup && !Owns(local.Address))
        {
            return SocketError.AddressNotAvailable;
        }

        if (local.Port == 0)
        {
            local = new IPEndPoint(local.Address, NextDatagramPort());
            return SocketError.Success;
        }

        IPEndPoint wanted = local;
        bool shares = spec.ReuseAddress || spec.ReusePort;
        return _datagramSockets.Exists(other => Overlaps(other.Local, wanted) && !(shares && other.SharesPort))
            ? SocketError.AddressAlreadyInUse
            : SocketError.Success;
    }

    internal SimulatedDatagrams AddDatagrams(IPEndPoint local, IPEndPoint? remote, bool sharesPort)
    {
        var socket = new SimulatedDatagrams(this, local, remote, sharesPort);
        _datagramSockets.Add(socket);
        World.Note($"{Name} has a datagram socket at {local}");
        return socket;
    }

    internal void Forget(SimulatedDatagrams socket) => _datagramSockets.Remove(socket);

    /// <summary>The address that a datagram of a socket's comes from.</summary>
    internal IPAddress DatagramSourceFor(IPEndPoint local, IPAddress to, SimulatedHost target)
        => !local.Address.Equals(AnyAddress(local.AddressFamily)) ? local.Address
            : SourceAddressFor(target == this && !Owns(to) ? AnyAddress(local.AddressFamily) : to) ?? local.Address;

    /// <summary>A datagram has arrived at the host.</summary>
    internal void OnDatagram(SimulatedDatagrams sender, IPEndPoint from, IPEndPoint to, byte[] data)
    {
        if (IsDown)
        {
            return;
        }

        bool isForOne = Owns(to.Address);
        List<SimulatedDatagrams> takers = _datagramSockets.FindAll(socket => socket.Local.Port == to.Port
            && socket.Local.AddressFamily == to.AddressFamily
            && socket.Hears(from)
            && (isForOne ? Overlaps(socket.Local, to) : socket.IsMember(to.Address) || to.Address.Equals(IPAddress.Broadcast)));
        if (!isForOne)
        {
            takers.ForEach(taker => taker.OnArrived(data, from));
            return;
        }

        if (takers.Count == 0)
        {
            World.Note($"{Name} refuses {data.Length} bytes from {from} to {to}");
            if (World.FindHost(this, from.Address) is { } source
                && World.LinkBetween(this, source) is var back
                && back.TryPass(World.Now, 0, World.Network, out long arrival))
            {
                back.SendDatagram(World, arrival, () => sender.OnRefused(to));
            }

            return;
        }

        // One that is connected to the sender goes before those that are open to all.
        SimulatedDatagrams chosen = takers.Find(taker => taker.Remote is not null)
            ?? takers[takers.Count == 1 ? 0 : World.Network.Next(takers.Count)];
        World.Note($"{Name} {to} gets {data.Length} bytes from {from}");
        chosen.OnArrived(data, from);
    }

    private static bool Overlaps(IPEndPoint first, IPEndPoint second)
        => first.Port == second.Port && first.AddressFamily == second.AddressFamily
            && (first.Address.Equals(second.Address)
                || first.Address.Equals(AnyAddress(first.AddressFamily))
                || second.Address.Equals(AnyAddress(first.AddressFamily)));

    private int NextDatagramPort()
    {
        do
        {
            _lastPort = _lastPort == IPEndPoint.MaxPort ? FirstEphemeralPort : _lastPort + 1;
        }
        while (_datagramSockets.Exists(socket => socket.Local.Port == _lastPort));
        return _lastPort;
    }
}
