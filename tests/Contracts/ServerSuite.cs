using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What the suites about servers have in common: protocols that are remembered, and what is asked of peers.</summary>
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
    protected Task<Peer> ConnectAsync(EndPoint endPoint) => Network.ConnectAsync((IPEndPoint)endPoint);

    /// <summary>A peer whose byte has come back, so that it was accepted.</summary>
    protected async Task<Peer> ConnectAndEchoAsync(EndPoint endPoint)
    {
        Peer peer = await ConnectAsync(endPoint);
        await EchoAsync(peer);
        return peer;
    }

    /// <summary>Has a byte come back.</summary>
    protected static async Task EchoAsync(Peer peer)
    {
        await peer.SendAsync(new byte[] { 42 });
        Assert.Equal([42], await peer.ReadAsync(1));
    }

    /// <summary>Fails unless the peer sees a reset.</summary>
    protected static async Task RequireResetAsync(Peer peer)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(peer.ReadToEndAsync);
        Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
    }

    /// <summary>Fails unless a newcomer is reset, which may overtake the news that it is connected.</summary>
    protected async Task RequireTurnedAwayAsync(EndPoint endPoint)
    {
        SocketException exception = await Assert.ThrowsAsync<SocketException>(
            async () => await (await ConnectAsync(endPoint)).ReadToEndAsync());
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

    /// <summary>Waits until the loop, which lives on, holds no more descriptors than before.</summary>
    protected static Task NothingLeftAsync(EventLoop loop, DescriptorCensus before)
        => UntilAsync(loop, () => DescriptorCensus.Take().GrowthSince(before).Length == 0);
}
