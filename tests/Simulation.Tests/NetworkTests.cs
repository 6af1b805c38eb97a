using System.Net;
using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>What the simulated network does when nothing breaks: distances, windows, segments, names and limits.</summary>
public sealed class NetworkTests
{
    [Fact]
    public void Connect_TakesARoundTrip()
    {
        using var hosts = new TwoHosts(link: new LinkConditions { Latency = TimeSpan.FromMilliseconds(20) });
        hosts.Serve();

        TestProtocol client = hosts.Connect();

        Assert.Equal(TimeSpan.FromMilliseconds(40), hosts.ConnectedAt);
        TimeSpan written = hosts.World.Time;
        client.Transport.Write("hello"u8);
        hosts.World.RunUntil(() => client.ReceivedText == "hello");
        Assert.InRange(hosts.World.Time - written, TimeSpan.FromMilliseconds(40), TimeSpan.FromMilliseconds(41));
        Assert.Equal(hosts.Address, client.Transport.RemoteEndPoint);
        Assert.Equal(IPAddress.Parse("10.0.0.2"), ((IPEndPoint)client.Transport.LocalEndPoint!).Address);
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public void Data_InRandomSegments_ArrivesWholeAndInOrder(ulong seed)
    {
        using var hosts = new TwoHosts(
            new SimulationOptions { Seed = seed },
            new LinkConditions
            {
                Latency = TimeSpan.FromMilliseconds(1),
                Jitter = TimeSpan.FromMilliseconds(5),
                Fragmentation = 1,
                MaxSegment = 700,
            });
        byte[] sent = new byte[300_000];
        new SeededRandom(seed).NextBytes(sent);
        hosts.Serve();
        TestProtocol client = hosts.Connect();

        client.Transport.Write(sent);
        client.Transport.WriteEof();
        hosts.World.RunUntil(() => client.Lost.Task.IsCompleted);

        Assert.True(sent.AsSpan().SequenceEqual(client.Received));
        Assert.Null(client.Lost.Task.Result);
    }

    [Fact]
    public void Bandwidth_BoundsWhatArrives()
    {
        using var hosts = new TwoHosts(link: new LinkConditions { Bandwidth = 100_000 });
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();
        client.Transport.WriteLimits = new WriteLimits(1_000_000);

        client.Transport.Write(new byte[500_000]);
        hosts.World.RunFor(TimeSpan.FromSeconds(2));

        Assert.InRange(hosts.Served[0].ReceivedLength, 190_000, 200_000);
        hosts.World.RunFor(TimeSpan.FromSeconds(4));
        Assert.Equal(500_000, hosts.Served[0].ReceivedLength);
    }

    [Fact]
    public void Window_ReaderPauses_StopsTheWriterAndLosesNothing()
    {
        using var hosts = new TwoHosts();
        hosts.Serve(() => new TestProtocol { OnMade = self => self.Transport.PauseReading() });
        TestProtocol client = hosts.Connect();

        client.Transport.Write(new byte[1_000_000]);
        hosts.World.RunFor(TimeSpan.FromMinutes(10));

        Assert.Equal(0, hosts.Served[0].ReceivedLength);
        Assert.True(client.Paused.Task.IsCompleted);
        Assert.False(client.Resumed.Task.IsCompleted);
        Assert.InRange(client.Transport.UnsentBytes, 1_000_000 - (2 * 256 * 1024), 1_000_000);

        hosts.Served[0].Transport.ResumeReading();
        hosts.World.RunUntil(() => hosts.Served[0].ReceivedLength == 1_000_000);
        Assert.True(client.Resumed.Task.IsCompleted);
    }

    [Fact]
    public void Close_PeerHasNotRead_LosesNothing()
    {
        using var hosts = new TwoHosts();
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();

        hosts.Served[0].Transport.Write(new byte[300_000]);
        client.Transport.Write(new byte[300_000]); // which nobody is going to read
        hosts.Served[0].Transport.Close();
        hosts.World.RunUntil(() => client.Lost.Task.IsCompleted && hosts.Served[0].Lost.Task.IsCompleted);

        Assert.Equal(300_000, client.ReceivedLength);
    }

    [Fact]
    public void Connect_NobodyListens_IsRefusedAfterARoundTrip()
    {
        using var hosts = new TwoHosts();

        ConnectFailedException failure = ConnectAndFail(hosts, hosts.Address);

        Assert.Equal(SocketError.ConnectionRefused, failure.Failures[0].Error.SocketErrorCode);
        Assert.Equal(TimeSpan.FromMilliseconds(2), hosts.World.Time);
    }

    [Fact]
    public void Connect_UnknownAddress_IsUnreachable()
    {
        using var hosts = new TwoHosts();

        ConnectFailedException failure = ConnectAndFail(hosts, new IPEndPoint(IPAddress.Parse("10.9.9.9"), 80));

        Assert.Equal(SocketError.HostUnreachable, failure.Failures[0].Error.SocketErrorCode);
    }

    [Fact]
    public void Connect_SilentAddress_TimesOut()
    {
        using var hosts = new TwoHosts();
        hosts.World.AddSilentAddress(IPAddress.Parse("10.9.9.9"));

        ConnectFailedException failure = ConnectAndFail(
            hosts,
            new IPEndPoint(IPAddress.Parse("10.9.9.9"), 80),
            new ConnectOptions { Timeout = TimeSpan.FromHours(1) });

        Assert.Equal(SocketError.TimedOut, failure.Failures[0].Error.SocketErrorCode);
        Assert.Equal(TimeSpan.FromSeconds(127), hosts.World.Time);
    }

    [Fact]
    public void Connect_BacklogIsFull_IsLetInOnceThereIsRoom()
    {
        using var hosts = new TwoHosts();
        SimulatedPeerListener listener = hosts.Server.ListenAsPeer(TwoHosts.Any, backlog: 0);
        Task first = hosts.Client.Start(loop => loop.CreateConnectionAsync(() => new TestProtocol(), hosts.Address));
        hosts.World.RunUntilComplete(first);
        Task second = hosts.Client.Start(loop => loop.CreateConnectionAsync(() => new TestProtocol(), hosts.Address));
        hosts.World.RunFor(TimeSpan.FromMilliseconds(500));
        Assert.False(second.IsCompleted);

        using SimulatedPeer accepted = hosts.World.RunUntilComplete(listener.AcceptAsync());
        hosts.World.RunUntilComplete(second);

        Assert.InRange(hosts.World.Time, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1.1)); // the first repetition
        listener.Dispose();
    }

    [Fact]
    public void Names_HostsAndEntries_AreResolvedWithDelaysAndFailures()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        hosts.World.Names.Add("slow.example", IPAddress.Parse("10.0.0.1"));
        hosts.World.Names.Delay("slow.example", TimeSpan.FromSeconds(3));
        hosts.World.Names.Fail("gone.example");
        var took = new List<double>();
        Task all = hosts.Client.Start(async loop =>
        {
            await loop.CreateConnectionAsync(() => new TestProtocol(), "SERVER", TwoHosts.Port);
            took.Add(loop.Time.TotalSeconds);
            await loop.CreateConnectionAsync(() => new TestProtocol(), "slow.example", TwoHosts.Port);
            took.Add(loop.Time.TotalSeconds);
            await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(() => new TestProtocol(), "gone.example", TwoHosts.Port));
            await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(() => new TestProtocol(), "unheard-of", TwoHosts.Port));
            await Assert.ThrowsAsync<ConnectFailedException>(() => loop.CreateConnectionAsync(
                () => new TestProtocol(),
                "slow.example",
                TwoHosts.Port,
                new ConnectOptions { Timeout = TimeSpan.FromSeconds(1) }));
        });

        hosts.World.RunUntilComplete(all);

        Assert.InRange(took[0], 0.001, 0.1);
        Assert.InRange(took[1] - took[0], 3, 3.1);
        Assert.Throws<ArgumentException>(() => hosts.World.Names.Add("nothing"));
        Assert.Throws<ArgumentOutOfRangeException>(() => hosts.World.Names.Delay("x", TimeSpan.FromTicks(-1)));
    }

    [Fact]
    public void DescriptorLimit_Newcomers_AreShedAndTheOthersServed()
    {
        using var hosts = new TwoHosts();
        hosts.Server.DescriptorLimit = 4; // the listener, and three connections
        hosts.Serve();
        var clients = new List<TestProtocol>();
        for (int i = 0; i < 5; i++)
        {
            clients.Add(hosts.Connect());
        }

        hosts.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Equal(3, hosts.Served.Count);
        Assert.Equal(2, clients.Count(client => client.Lost.Task.IsCompleted));
        Assert.Equal(4, hosts.Server.DescriptorCount);
        clients.ForEach(client => client.Transport.Abort());
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal(1, hosts.Server.DescriptorCount);
        hosts.Client.DescriptorLimit = 0;
        Assert.Equal(SocketError.TooManyOpenSockets, ConnectAndFail(hosts, hosts.Address).Failures[0].Error.SocketErrorCode);
    }

    [Fact]
    public void Loops_Several_ShareAHost()
    {
        using var world = new SimulatedWorld();
        SimulatedHost host = world.AddHost("both");
        host.Start(async loop =>
        {
            Server server = await loop.CreateServerAsync(
                () => new TestProtocol { OnData = (self, data) => self.Transport.Write(data) },
                new IPEndPoint(IPAddress.Loopback, 80));
            await server.WaitClosedAsync();
        });
        world.RunUntilIdle();
        Task client = host.Start(async loop =>
        {
            Connection<TestProtocol> connection = await loop.CreateConnectionAsync(() => new TestProtocol(), "localhost", 80);
            connection.Transport.Write("hello"u8);
            await connection.Protocol.FirstData.Task;
            Assert.Same(loop, EventLoop.Current);
        });

        world.RunUntilComplete(client);
    }

    [Fact]
    public void DrivenFromWithin_ALoopRunsTheWorldWhileItWaits()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        using EventLoop loop = hosts.Client.CreateLoop();

        string answer = loop.RunUntilComplete(async () =>
        {
            Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
                () => new TestProtocol(), "server", TwoHosts.Port);
            connection.Transport.Write("hello"u8);
            await Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider);
            return connection.Protocol.ReceivedText;
        });

        Assert.Equal("hello", answer);
        Assert.Same(hosts.World, SimulatedWorld.Of(loop));
        Assert.Same(hosts.Client, SimulatedWorld.HostOf(loop));
    }

    private static ConnectFailedException ConnectAndFail(TwoHosts hosts, IPEndPoint target, ConnectOptions? options = null)
    {
        ConnectFailedException? failure = null;
        Task connecting = hosts.Client.Start(async loop => failure = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(() => new TestProtocol(), target, options)));
        hosts.World.RunUntilComplete(connecting);
        return failure!;
    }
}
