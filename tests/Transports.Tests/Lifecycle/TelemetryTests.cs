using System.Diagnostics;
using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Transports;

/// <summary>What is to be observed of connections.</summary>
public sealed class TelemetryTests
{
    [Fact]
    public void Connections_AreCountedWithTheirBytes()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, Name = "counting connections" });
        using var listener = new LoopListener(loop.Name);
        loop.RunUntilComplete(async () =>
        {
            var client = new RecordingProtocol();
            var server = new RecordingProtocol();
            await MemoryConnection.CreateAsync(loop, client, server);
            client.Transport.Write(new byte[1000]);
            server.Transport.Write(new byte[100]);
            await loop.Delay(TimeSpan.FromSeconds(2));

            listener.Observe();
            Assert.Equal(2, listener.Value("toolkit.connection.active"));
            Assert.Equal(2, listener.Value("toolkit.connection.created"));
            Assert.Equal([1100, 1100], listener.Measured("toolkit.io")); // both ends are this loop's
            client.Transport.Abort();
            await loop.Delay(TimeSpan.FromSeconds(1));
        });

        using var after = new LoopListener(loop.Name);
        after.Observe();
        Assert.Equal(0, after.Value("toolkit.connection.active"));
        Assert.Equal(2, after.Value("toolkit.connection.created"));
        Assert.Equal([2, 2], listener.Measured("toolkit.connection.duration"));
        Assert.Equal(
            ["LocalAbort", "Reset"],
            listener.Tags("toolkit.connection.duration", "toolkit.connection.close_reason").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Connect_WithAListener_IsAnActivity()
    {
        using var log = new ActivityLog();
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        loop.RunUntilComplete(async () =>
        {
            var open = new IPEndPoint(IPAddress.Loopback, 4711);
            SimulatedHost host = SimulatedWorld.HostOf(loop);
            using SimulatedPeerListener peers = host.ListenAsPeer(open);
            Connection<RecordingProtocol> connection = await loop.CreateConnectionAsync(() => new RecordingProtocol(), open);
            await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(() => new RecordingProtocol(), "127.0.0.1", 4712));
            connection.Transport.Abort();
        });

        Activity[] connects = log.Ended(activity => activity.GetTagItem("server.port") is 4711 or 4712);
        Assert.All(connects, connect => Assert.Equal("toolkit.connect", connect.OperationName));
        Assert.Equal(ActivityKind.Client, connects[0].Kind);
        Assert.Equal("127.0.0.1", connects[0].GetTagItem("network.peer.address"));
        Assert.Equal(4711, connects[0].GetTagItem("network.peer.port"));
        Assert.Equal(ActivityStatusCode.Unset, connects[0].Status);
        Assert.Equal("127.0.0.1", connects[1].GetTagItem("server.address"));
        Assert.Equal(ActivityStatusCode.Error, connects[1].Status);
        Assert.Equal(typeof(ConnectFailedException).FullName, connects[1].GetTagItem("error.type"));
    }
}
