using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>A datagram socket of a simulated host.</summary>
/// <remarks>
/// Kept is what applications can see of UDP: that a datagram arrives whole, once, twice or never, and later than one that was
/// sent after it; that a buffer which is full loses what comes; that a slow way holds a sender back; that nobody's port is
/// answered by a refusal, of which a connected socket is told.
/// </remarks>
internal sealed class SimulatedDatagrams(SimulatedHost host, IPEndPoint local, IPEndPoint? remote, bool sharesPort)
{
    private const int MaxLengthV4 = 65_507;
    private const int MaxLengthV6 = 65_527;
    private const int DefaultBuffer = 208 * 1024; // that of Linux
    private const int Overhead = 512; // of each in the receive buffer, about as in Linux, so that empty ones fill it too

    private readonly Queue<(byte[] Data, IoAddress From)> _received = new();
    private readonly List<IPAddress> _groups = [];
    private long _receivedBytes;
    private long _leaving; // bytes that a slow way has not taken yet
    private int _receiveCapacity = DefaultBuffer;
    private int _sendCapacity = DefaultBuffer;
    private bool _broadcasts;
    private bool _loops = true;
    private SocketError _error;
    private bool _isClosed;

    public IPEndPoint Local { get; } = local;

    public IPEndPoint? Remote { get; } = remote;

    public bool SharesPort { get; } = sharesPort;

    public ISocketHolder? Holder { get; set; }

    public bool IsReadable => _received.Count > 0 || _error != SocketError.Success;

    private SimulatedWorld World => host.World;

    /// <summary>
    /// Whether any datagram would be taken: a wait that ended with less could be followed by another at once, for ever.
    /// </summary>
    public bool IsWritable => _error != SocketError.Success || HasRoom(MaxLengthV6);

    public bool HasRoom(int length) => _leaving == 0 || _leaving + length <= _sendCapacity;

    public bool IsMember(IPAddress group) => _groups.Contains(group);

    /// <summary>Whether what comes from there is taken.</summary>
    public bool Hears(IPEndPoint from) => Remote is null || Remote.Equals(from);

    public SocketError TakeError()
    {
        SocketError error = _error;
        _error = SocketError.Success;
        return error;
    }

    public bool TryReceive(out byte[] data, out IoAddress from)
    {
        bool any = _received.TryDequeue(out (byte[] Data, IoAddress From) first);
        (data, from) = first;
        _receivedBytes -= any ? data.Length + Overhead : 0;
        return any;
    }

    public SocketError Send(in OutgoingDatagram datagram)
    {
        // What the system has to tell comes out of a send, too, as from Linux.
        if (TakeError() is var earlier and not SocketError.Success)
        {
            return earlier;
        }

        IPEndPoint? to = datagram.To.IsNone ? Remote : (IPEndPoint?)datagram.To.ToEndPoint();
        if (to is null || to.AddressFamily != Local.AddressFamily)
        {
            return to is null ? SocketError.DestinationAddressRequired : SocketError.AddressFamilyNotSupported;
        }

        int length = datagram.Data.Length;
        if (length > (Local.AddressFamily == AddressFamily.InterNetwork ? MaxLengthV4 : MaxLengthV6))
        {
            return SocketError.MessageSize;
        }

        if (!HasRoom(length))
        {
            return SocketError.WouldBlock;
        }

        bool isBroadcast = to.Address.Equals(IPAddress.Broadcast);
        if (isBroadcast && !_broadcasts)
        {
            return SocketError.AccessDenied;
        }

        byte[] data = datagram.Data.ToArray();
        if (isBroadcast || IsGroup(to.Address))
        {
            foreach (SimulatedHost each in World.Hosts)
            {
                if (each != host || _loops)
                {
                    SendTo(each, to, data);
                }
            }

            return SocketError.Success;
        }

        SimulatedHost? target = World.FindHost(host, to.Address);
        if (target is null)
        {
            return World.IsSilent(to.Address) ? SocketError.Success : SocketError.NetworkUnreachable;
        }

        SendTo(target, to, data);
        return SocketError.Success;
    }

    public SocketError SetOption(IoOption option, int value)
    {
        switch (option)
        {
            case IoOption.Broadcast:
                _broadcasts = value != 0;
                return SocketError.Success;
            case IoOption.MulticastLoopback:
                _loops = value != 0;
                return SocketError.Success;
            case IoOption.SendBufferSize:
                _sendCapacity = value;
                return SocketError.Success;
            case IoOption.ReceiveBufferSize:
                _receiveCapacity = value;
                return SocketError.Success;
            case IoOption.TimeToLive or IoOption.MulticastTimeToLive or IoOption.MulticastInterface:
                return SocketError.Success; // there are no routers, and one interface
            default:
                return SocketError.ProtocolOption;
        }
    }

    public SocketError SetMembership(IPAddress group, bool isMember)
    {
        if (_groups.Contains(group) == isMember)
        {
            return isMember ? SocketError.AddressAlreadyInUse : SocketError.AddressNotAvailable;
        }

        if (isMember)
        {
            _groups.Add(group);
        }
        else
        {
            _groups.Remove(group);
        }

        return SocketError.Success;
    }

    /// <summary>A datagram has arrived.</summary>
    public void OnArrived(byte[] data, IPEndPoint from)
    {
        if (_receivedBytes > 0 && _receivedBytes + data.Length + Overhead > _receiveCapacity)
        {
            World.Note($"{host.Name} {Local} has no room for {data.Length} bytes from {from}");
            return;
        }

        _receivedBytes += data.Length + Overhead;
        _received.Enqueue((data, IoAddress.FromEndPoint(from)));
        Holder?.OnSocketChanged();
    }

    public void Close()
    {
        _isClosed = true;
        Holder = null;
        _received.Clear();
        host.Forget(this);
    }

    private static bool IsGroup(IPAddress address)
        => address.AddressFamily == AddressFamily.InterNetworkV6
            ? address.IsIPv6Multicast
            : (address.GetAddressBytes()[0] & 0xf0) == 0xe0;

    private void SendTo(SimulatedHost target, IPEndPoint to, byte[] data)
    {
        var from = new IPEndPoint(host.DatagramSourceFor(Local, to.Address, target), Local.Port);
        SimulatedLink link = World.LinkBetween(host, target);
        SeededRandom random = World.Network;
        int copies = link.Conditions.Duplication > 0 && random.Chance(link.Conditions.Duplication) ? 2 : 1;
        for (int i = 0; i < copies; i++)
        {
            if (!link.TryPass(World.Now, data.Length, random, out long arrival))
            {
                World.Note($"{host.Name} {from} loses {data.Length} bytes to {to}");
                continue;
            }

            if (link.Conditions.Reordering > 0 && random.Chance(link.Conditions.Reordering))
            {
                arrival += random.NextInt64(link.Conditions.ReorderDelay.Ticks + 1);
            }

            link.SendDatagram(World, arrival, () => target.OnDatagram(this, from, to, data));
        }

        if (link.BusyUntil > World.Now)
        {
            _leaving += data.Length;
            World.ScheduleInNetwork(link.BusyUntil, () =>
            {
                _leaving -= data.Length;
                Holder?.OnSocketChanged();
            });
        }
    }

    /// <summary>Nobody has the port, which the peer's host has said; a socket that is open to all is not told.</summary>
    public void OnRefused(IPEndPoint by)
    {
        if (!_isClosed && Remote is not null && Remote.Equals(by))
        {
            _error = SocketError.ConnectionRefused;
            Holder?.OnSocketChanged();
        }
    }
}
