using System.Net;
using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests;

/// <summary>Peers on the host of a simulated loop, which live in its world.</summary>
public sealed class SimulatedPeers(SimulatedHost host) : PeerNetwork
{
    /// <summary>Nothing in the suites listens there, and no host gives it to anybody.</summary>
    private const int DeadPort = 1;

    private readonly List<IDisposable> _open = [];

    public override Peer BeginConnect(IPEndPoint remote, PeerOptions? options = null)
        => Adopt(host.ConnectPeer(remote, options?.ReceiveBufferSize, options?.SendBufferSize));

    public override Peer ConnectNow(IPEndPoint remote, PeerOptions? options = null)
    {
        Peer peer = BeginConnect(remote, options);
        Assert.True(peer.Connected.IsCompleted, "Nobody answers.");
        peer.Connected.GetAwaiter().GetResult();
        return peer;
    }

    public override PeerListener Listen(int backlog = 128)
    {
        SimulatedPeerListener listener = host.ListenAsPeer(new IPEndPoint(IPAddress.Loopback, 0), backlog);
        _open.Add(listener);
        return new Listener(this, listener);
    }

    public override IPEndPoint DeadEndPoint(IPAddress? address = null, int port = 0)
        => new(address ?? IPAddress.Loopback, port == 0 ? DeadPort : port);

    public override void Dispose()
    {
        _open.ForEach(open => open.Dispose());
        _open.Clear();
    }

    private SimulatedEnd Adopt(SimulatedPeer peer)
    {
        _open.Add(peer);
        return new SimulatedEnd(peer);
    }

    private sealed class SimulatedEnd : Peer
    {
        private readonly SimulatedPeer _peer;

        public SimulatedEnd(SimulatedPeer peer)
        {
            _peer = peer;
            Connected = peer.ConnectedAsync();
            _ = Connected.ContinueWith(
                static failed => _ = failed.Exception,
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }

        public override Task Connected { get; }

        public override IPEndPoint LocalEndPoint => (IPEndPoint)_peer.LocalEndPoint!;

        public override IPEndPoint RemoteEndPoint => (IPEndPoint)_peer.RemoteEndPoint!;

        public override int Available => _peer.Available;

        public override int TrySend(ReadOnlySpan<byte> data) => _peer.TrySend(data);

        public override Task SendAsync(ReadOnlyMemory<byte> data) => _peer.SendAsync(data);

        public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => new(_peer.ReceiveAsync(buffer));

        public override void ShutdownSend() => _peer.ShutdownSend();

        public override void Reset() => _peer.Reset();

        public override void Dispose() => _peer.Dispose();
    }

    private sealed class Listener(SimulatedPeers network, SimulatedPeerListener listener) : PeerListener
    {
        public override IPEndPoint LocalEndPoint => (IPEndPoint)listener.LocalEndPoint;

        public override bool HasNewcomer => listener.HasNewcomers;

        public override async Task<Peer> AcceptAsync() => network.Adopt(await listener.AcceptAsync());

        public override Peer AcceptNow()
            => network.Adopt(listener.TryAccept() ?? throw new SocketException((int)SocketError.WouldBlock));

        public override void Dispose() => listener.Dispose();
    }
}
