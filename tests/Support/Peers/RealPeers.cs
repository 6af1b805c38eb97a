using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests;

/// <summary>Peers that are sockets of .NET's, on the machine's own loopback interface.</summary>
public sealed class RealPeers : PeerNetwork
{
    private readonly List<Socket> _open = [];

    public override Peer BeginConnect(IPEndPoint remote, PeerOptions? options = null)
    {
        Socket socket = NewSocket(remote.AddressFamily, options);
        return new SocketPeer(socket, socket.ConnectAsync(remote));
    }

    public override Peer ConnectNow(IPEndPoint remote, PeerOptions? options = null)
    {
        Socket socket = NewSocket(remote.AddressFamily, options);
        socket.Connect(remote); // blocks for no longer than the kernel takes to answer itself
        return new SocketPeer(socket, Task.CompletedTask);
    }

    public override Peer ConnectNow(UnixDomainSocketEndPoint remote, PeerOptions? options = null)
    {
        Socket socket = NewSocket(AddressFamily.Unix, options);
        socket.Connect(remote);
        return new SocketPeer(socket, Task.CompletedTask);
    }

    public override PeerListener Listen(int backlog = 128)
    {
        Socket socket = NewSocket(AddressFamily.InterNetwork);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(backlog);
        return new SocketPeerListener(this, socket);
    }

    public override IPEndPoint DeadEndPoint(IPAddress? address = null, int port = 0)
    {
        // Bound and no more.
        var wanted = new IPEndPoint(address ?? IPAddress.Loopback, port);
        Socket holder = NewSocket(wanted.AddressFamily);
        holder.Bind(wanted);
        return (IPEndPoint)holder.LocalEndPoint!;
    }

    public override Task RunBesideAsync(Func<Task> life) => Task.Run(life);

    public override void Dispose()
    {
        _open.ForEach(socket => socket.Dispose());
        _open.Clear();
    }

    /// <summary>A socket that is closed with the network; for scenarios that can only be about sockets.</summary>
    public Socket NewSocket(AddressFamily family = AddressFamily.InterNetwork, PeerOptions? options = null)
    {
        var socket = family == AddressFamily.Unix
            ? new Socket(family, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(family, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        _open.Add(socket);
        if (options?.ReceiveBufferSize is { } receive)
        {
            socket.ReceiveBufferSize = receive;
        }

        if (options?.SendBufferSize is { } send)
        {
            socket.SendBufferSize = send;
        }

        return socket;
    }

    /// <summary>A peer that was accepted.</summary>
    internal SocketPeer Adopt(Socket accepted)
    {
        _open.Add(accepted);
        return new SocketPeer(accepted, Task.CompletedTask);
    }
}

/// <summary>A peer that is a socket of .NET's.</summary>
public sealed class SocketPeer : Peer
{
    internal SocketPeer(Socket socket, Task connected)
    {
        Socket = socket;
        Connected = connected;
        socket.Blocking = false; // for TrySend; what is awaited does not care
        _ = connected.ContinueWith(
            static failed => _ = failed.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    /// <summary>The socket, for what can only be about one.</summary>
    public Socket Socket { get; }

    public override Task Connected { get; }

    public override IPEndPoint LocalEndPoint => (IPEndPoint)Socket.LocalEndPoint!;

    public override IPEndPoint RemoteEndPoint => (IPEndPoint)Socket.RemoteEndPoint!;

    public override int Available => Socket.Available;

    public override int TrySend(ReadOnlySpan<byte> data)
    {
        int sent = Socket.Send(data, SocketFlags.None, out SocketError error);
        return error is SocketError.Success or SocketError.WouldBlock ? sent : throw new SocketException((int)error);
    }

    public override async Task SendAsync(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            data = data[await Socket.SendAsync(data, SocketFlags.None)..];
        }
    }

    public override ValueTask<int> ReceiveAsync(Memory<byte> buffer) => Socket.ReceiveAsync(buffer, SocketFlags.None);

    public override void ShutdownSend() => Socket.Shutdown(SocketShutdown.Send);

    public override void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Dispose();
    }

    public override void Dispose() => Socket.Dispose();
}

/// <summary>A listening socket of .NET's.</summary>
internal sealed class SocketPeerListener(RealPeers network, Socket socket) : PeerListener
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public override IPEndPoint LocalEndPoint => (IPEndPoint)socket.LocalEndPoint!;

    public override bool HasNewcomer => socket.Poll(0, SelectMode.SelectRead);

    public override async Task<Peer> AcceptAsync() => network.Adopt(await socket.AcceptAsync());

    public override Peer AcceptNow()
    {
        Assert.True(socket.Poll(s_patience, SelectMode.SelectRead), "Nobody knocks.");
        return network.Adopt(socket.Accept());
    }

    public override void Dispose() => socket.Dispose();
}
