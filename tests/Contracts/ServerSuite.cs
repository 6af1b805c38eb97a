using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What the suites about servers have in common: protocols that are remembered, and peers of .NET's.</summary>
public abstract class ServerSuite(LoopUnderTest subject) : LoopContract(subject)
{
    /// <summary>A port of the system's choice on the IPv4 loopback address.</summary>
    protected static IPEndPoint AnyPort { get; } = new(IPAddress.Loopback, 0);

    /// <summary>The protocols that <see cref="MakeProtocol"/> made, in order.</summary>
    protected List<TestProtocol> Protocols { get; } = [];

    /// <summary>
    /// Runs the scenario. Peers live until it is over, so that what lingers for their end would hold up every loop's own.
    /// </summary>
    protected void Run(Func<EventLoop, Task> scenario)
        => Run(scenario, new EventLoopOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(20) });

    /// <summary>A factory: an echo whose callbacks are checked.</summary>
    protected TestProtocol MakeProtocol()
    {
        TestProtocol protocol = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });
        Protocols.Add(protocol);
        return protocol;
    }

    /// <summary>A peer that is connected, which says nothing of its having been accepted.</summary>
    protected async Task<Socket> ConnectAsync(EndPoint endPoint)
    {
        Socket peer = NewSocket(endPoint.AddressFamily);
        await peer.ConnectAsync(endPoint);
        return peer;
    }

    /// <summary>A peer whose byte has come back, so that it was accepted.</summary>
    protected async Task<Socket> ConnectAndEchoAsync(EndPoint endPoint)
    {
        Socket peer = await ConnectAsync(endPoint);
        await EchoAsync(peer);
        return peer;
    }

    /// <summary>Has a byte come back.</summary>
    protected static async Task EchoAsync(Socket peer)
    {
        await SendAsync(peer, new byte[] { 42 });
        Assert.Equal([42], await ReadAsync(peer, 1));
    }

    /// <summary>Fails unless the peer sees a reset.</summary>
    protected static async Task RequireResetAsync(Socket peer)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(() => ReadToEndAsync(peer));
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    /// <summary>Fails unless a newcomer is reset, which may overtake the news that it is connected.</summary>
    protected async Task RequireTurnedAwayAsync(EndPoint endPoint)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(
            async () => await ReadToEndAsync(await ConnectAsync(endPoint)));
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    /// <summary>Fails unless nobody listens there.</summary>
    protected async Task RequireRefusedAsync(EndPoint endPoint)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(endPoint));
        Assert.Equal(SocketError.ConnectionRefused, exception.SocketErrorCode);
    }

    /// <summary>Enough polls for everything that the kernel has ready to be told, if anybody asks for it.</summary>
    protected static async Task SettleAsync(EventLoop loop)
    {
        for (int i = 0; i < 20; i++)
        {
            await NextIterationAsync(loop);
        }
    }

    /// <summary>
    /// A listener whose queue is full: the kernel drops what knocks, and it knocks again after a second at the earliest.
    /// </summary>
    protected async Task<IPEndPoint> SilentEndPointAsync()
    {
        Socket listener = NewListener(backlog: 0);
        for (int i = 0; i < 4; i++)
        {
            Socket filler = NewSocket();
            Task connecting = filler.ConnectAsync(listener.LocalEndPoint!);
            _ = connecting.ContinueWith(
                static failed => _ = failed.Exception,
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            if (i == 0)
            {
                await connecting;
            }
        }

        return (IPEndPoint)listener.LocalEndPoint!;
    }

    /// <summary>Waits until the loop, which lives on, holds no more descriptors than before.</summary>
    protected static Task NothingLeftAsync(EventLoop loop, DescriptorCensus before)
        => UntilAsync(loop, () => DescriptorCensus.Take().GrowthSince(before).Length == 0);

    /// <summary>A port on which nobody listens, held by a socket that is bound and no more.</summary>
    protected IPEndPoint DeadEndPoint(IPAddress? address = null, int port = 0)
    {
        IPEndPoint wanted = new(address ?? IPAddress.Loopback, port);
        Socket holder = NewSocket(wanted.AddressFamily);
        holder.Bind(wanted);
        return (IPEndPoint)holder.LocalEndPoint!;
    }
}
