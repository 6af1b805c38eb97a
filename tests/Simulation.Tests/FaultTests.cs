using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>What breaks, and what the transports make of it, which know nothing of the simulation.</summary>
public sealed class FaultTests
{
    [Fact]
    public void Loss_AlwaysDelaysAndNeverBreaks()
    {
        using var hosts = new TwoHosts(link: new LinkConditions { Latency = TimeSpan.FromMilliseconds(1), Loss = 0.3 });
        hosts.Serve();
        TestProtocol client = hosts.Connect();
        byte[] sent = new byte[200_000];
        hosts.World.Random.NextBytes(sent);

        client.Transport.Write(sent);
        client.Transport.WriteEof();
        hosts.World.RunUntil(() => client.Lost.Task.IsCompleted);

        Assert.True(sent.AsSpan().SequenceEqual(client.Received));
        Assert.Null(client.Lost.Task.Result);
        Assert.True(hosts.World.Time > TimeSpan.FromSeconds(1), $"{hosts.World.Time}");
    }

    [Fact]
    public void Loss_OnANarrowLink_HasOnlyTheLostSentAgain()
    {
        using var hosts = new TwoHosts(link: new LinkConditions { Bandwidth = 10_000, Loss = 0.05 });
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();
        client.Transport.WriteLimits = new WriteLimits(1_000_000);

        client.Transport.Write(new byte[200_000]); // twenty seconds, if all of it goes once
        hosts.World.RunFor(TimeSpan.FromSeconds(25));

        Assert.Equal(200_000, hosts.Served[0].ReceivedLength);
    }

    [Fact]
    public void Partition_Short_IsADelay()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect();

        hosts.World.Partition(hosts.Server, hosts.Client);
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(30));
        Assert.Equal(0, client.ReceivedLength);
        hosts.World.Heal(hosts.Server, hosts.Client);
        hosts.World.RunFor(TimeSpan.FromSeconds(60));

        Assert.Equal("hello", client.ReceivedText);
        Assert.False(client.Transport.IsClosing);
    }

    [Fact]
    public void Partition_Long_KillsTheWriterByTimeout()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect();

        hosts.World.Partition(hosts.Server, hosts.Client);
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromMinutes(30));

        ConnectionException reason = Assert.IsType<ConnectionException>(client.Lost.Task.Result);
        Assert.Equal(CloseReason.Timeout, reason.Reason);
        Assert.False(hosts.Served[0].Lost.Task.IsCompleted); // nobody has told the server

        hosts.World.HealAll();
        hosts.Served[0].Transport.Write("anybody there?"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal(CloseReason.Reset, hosts.Served[0].Transport.CloseReason);
    }

    [Fact]
    public void Partition_UserTimeout_KillsSooner()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect(options: new TcpOptions { UserTimeout = TimeSpan.FromSeconds(10) });

        hosts.World.Partition(hosts.Server, hosts.Client);
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(11));

        Assert.Equal(CloseReason.Timeout, client.Transport.CloseReason);
    }

    [Fact]
    public void Partition_OneWay_DataArrivesAndItsAcknowledgementDoesNot()
    {
        using var hosts = new TwoHosts();
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();

        hosts.World.PartitionOneWay(hosts.Server, hosts.Client);
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal("hello", hosts.Served[0].ReceivedText);

        hosts.World.RunFor(TimeSpan.FromMinutes(30));
        Assert.Equal(CloseReason.Timeout, client.Transport.CloseReason);
        Assert.Equal("hello", hosts.Served[0].ReceivedText);
    }

    [Fact]
    public void Hold_KeepsWhatIsUnderWayUntilItIsReleased()
    {
        using var hosts = new TwoHosts();
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();

        hosts.World.Hold(hosts.Server, hosts.Client);
        client.Transport.Write("hello "u8);
        hosts.World.RunFor(TimeSpan.FromHours(1));
        client.Transport.Write("world"u8);
        hosts.World.RunFor(TimeSpan.FromHours(1));
        Assert.Equal(0, hosts.Served[0].ReceivedLength);

        hosts.World.Release(hosts.Server, hosts.Client);
        hosts.World.RunUntilIdle();
        Assert.Equal("hello world", hosts.Served[0].ReceivedText);
        Assert.False(client.Transport.IsClosing);
    }

    [Fact]
    public void Crash_PeerFindsOutWhenItSends()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect();

        hosts.Server.Crash();
        hosts.World.RunFor(TimeSpan.FromHours(10));
        Assert.False(client.Lost.Task.IsCompleted); // half-open

        hosts.Server.Restart();
        hosts.World.RunUntilIdle();
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal(CloseReason.Reset, client.Transport.CloseReason);
        Assert.False(hosts.Served[0].Lost.Task.IsCompleted); // whoever loses power is told nothing

        TestProtocol again = hosts.Connect();
        again.Transport.Write("hello"u8);
        hosts.World.RunUntil(() => again.ReceivedText == "hello");
    }

    [Fact]
    public void Crash_KeepAlive_FindsOutByItself()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect(options: new TcpOptions { KeepAlive = new TcpKeepAlive() });

        hosts.Server.Crash();
        hosts.World.RunFor(TimeSpan.FromSeconds(119));
        Assert.False(client.Lost.Task.IsCompleted);
        hosts.World.RunFor(TimeSpan.FromSeconds(2)); // 60 s, and six probes of 10

        Assert.Equal(CloseReason.Timeout, client.Transport.CloseReason);
    }

    [Fact]
    public void Crash_WhileConnecting_IsSilence()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        hosts.Server.Crash();
        ConnectFailedException? failure = null;
        Task connecting = hosts.Client.Start(async loop => failure = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(
                () => new TestProtocol(), hosts.Address, new ConnectOptions { Timeout = TimeSpan.FromSeconds(5) })));

        hosts.World.RunUntilComplete(connecting);

        Assert.Equal(SocketError.TimedOut, failure!.Failures[0].Error.SocketErrorCode);
        Assert.Equal(TimeSpan.FromSeconds(5), hosts.World.Time);
        Assert.Throws<InvalidOperationException>(() => hosts.Server.CreateLoop());
        Assert.Throws<InvalidOperationException>(hosts.Server.Crash);
        Assert.Throws<InvalidOperationException>(hosts.Server.Pause);
    }

    [Fact]
    public void Pause_LoopsStandStillAndTheKernelGoesOn()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        TestProtocol client = hosts.Connect();

        hosts.Server.Pause();
        client.Transport.Write("hello"u8);
        hosts.World.RunFor(TimeSpan.FromMinutes(5));
        Assert.Equal(0, client.ReceivedLength);
        Assert.Equal(0, client.Transport.UnsentBytes);

        hosts.Server.Resume();
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal("hello", client.ReceivedText);
    }

    [Fact]
    public void Pause_LongerThanEveryLimit_TimesOutNobodyWhoHasSent()
    {
        TimeSpan time = TimeSpan.FromSeconds(10);
        using var hosts = new TwoHosts();
        hosts.Serve(options: new ServerOptions { Limits = new() { FirstByteTime = time, IdleTime = time } });
        TestProtocol[] clients = [.. Enumerable.Range(0, 10).Select(_ => hosts.Connect())];
        TestProtocol silent = hosts.Connect();

        hosts.Server.Pause();
        Array.ForEach(clients, client => client.Transport.Write("x"u8));
        hosts.World.RunFor(time * 3);
        hosts.Server.Resume();
        hosts.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.All(clients, client => Assert.Equal("x", client.ReceivedText));
        Assert.False(silent.Lost.Task.IsCompleted); // the silence was ours
        hosts.World.RunFor(time * 2);
        Assert.True(silent.Lost.Task.IsCompleted);
    }

    [Theory]
    [InlineData(30)] // the whole silence of the peers, and more
    [InlineData(8)] // a part of it
    public void Pause_BehindATimeoutLayer_TimesOutNobodyWhoHasSent(int seconds)
    {
        TimeSpan time = TimeSpan.FromSeconds(10);
        using var hosts = new TwoHosts();
        hosts.Serve(behind: protocol => new TimeoutLayer(protocol, new ConnectionTimeouts { Idle = time, Read = time }));
        TestProtocol sender = hosts.Connect();
        TestProtocol silent = hosts.Connect();
        hosts.World.RunFor(TimeSpan.FromSeconds(5));

        hosts.Server.Pause();
        sender.Transport.Write("x"u8);
        hosts.World.RunFor(TimeSpan.FromSeconds(seconds));
        hosts.Server.Resume();
        hosts.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Equal("x", sender.ReceivedText);
        Assert.False(silent.Lost.Task.IsCompleted); // the silence was ours
        hosts.World.RunFor(time + TimeSpan.FromSeconds(1));
        Assert.True(silent.Lost.Task.IsCompleted); // and this was not
        Assert.True(sender.Lost.Task.IsCompleted);
        Assert.All(hosts.Served, served => Assert.IsType<ConnectionTimeoutException>(served.Lost.Task.Result));
    }

    [Fact]
    public void Reset_ReachesThePeerBehindWhatWasUnderWay()
    {
        using var hosts = new TwoHosts();
        hosts.Serve(() => new TestProtocol());
        TestProtocol client = hosts.Connect();

        client.Transport.Write("hello"u8);
        hosts.World.RunUntilIdle();
        client.Transport.Abort();
        hosts.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Equal("hello", hosts.Served[0].ReceivedText);
        Assert.Equal(CloseReason.Reset, hosts.Served[0].Transport.CloseReason);
        Assert.Equal(CloseReason.LocalAbort, client.Transport.CloseReason);
    }

    [Fact]
    public void Peer_PlayedByTheTest_SeesWhatAKernelShows()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        using SimulatedPeer peer = hosts.Client.ConnectPeer(hosts.Address);
        Assert.False(peer.IsConnected);
        hosts.World.RunUntilComplete(peer.ConnectedAsync());

        hosts.World.RunUntilComplete(peer.SendAsync("hello"u8.ToArray()));
        byte[] buffer = new byte[100];
        int count = hosts.World.RunUntilComplete(peer.ReceiveAsync(buffer));
        Assert.Equal("hello"u8.ToArray()[..count], buffer[..count]);

        peer.Reset();
        hosts.World.RunFor(TimeSpan.FromSeconds(1));
        Assert.Equal(CloseReason.Reset, hosts.Served[0].Transport.CloseReason);
        Assert.Throws<ObjectDisposedException>(() => peer.TrySend("x"u8));
    }

    [Fact]
    public void Peer_Listening_AcceptsAndRefuses()
    {
        using var hosts = new TwoHosts();
        SimulatedPeerListener listener = hosts.Server.ListenAsPeer(TwoHosts.Any);
        Assert.Equal(
            SocketError.AddressAlreadyInUse,
            Assert.Throws<SocketException>(() => hosts.Server.ListenAsPeer(TwoHosts.Any)).SocketErrorCode);
        TestProtocol client = hosts.Connect();
        using SimulatedPeer accepted = hosts.World.RunUntilComplete(listener.AcceptAsync());
        Assert.Equal(client.Transport.LocalEndPoint, accepted.RemoteEndPoint);

        accepted.ShutdownSend();
        hosts.World.RunUntil(() => client.Lost.Task.IsCompleted);
        Assert.Equal(CloseReason.PeerEnd, client.Transport.CloseReason);

        listener.Dispose();
        Task refused = hosts.Client.Start(loop => Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(() => new TestProtocol(), hosts.Address)));
        hosts.World.RunUntilComplete(refused);
    }
}
