using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Listening, accepting, counting and closing.</summary>
public abstract class ServerContract(LoopUnderTest subject) : ServerSuite(subject)
{
    private static readonly AsyncLocal<string?> s_local = new();

    [Fact]
    public void EndPoints_Several_AllAccept() => Run(async loop =>
    {
        IPEndPoint[] wanted = [AnyPort, new(IPAddress.IPv6Loopback, 0), new(IPAddress.Parse("127.0.0.2"), 0)];
        Server server = await loop.CreateServerAsync(MakeProtocol, wanted);

        Assert.Equal(wanted.Select(e => e.Address), server.EndPoints.Select(e => e.Address));
        Assert.All(server.EndPoints, endPoint => Assert.NotEqual(0, endPoint.Port));
        Assert.True(server.IsListening);
        Assert.True(server.IsServing);
        foreach (IPEndPoint endPoint in server.EndPoints)
        {
            Peer peer = await ConnectAndEchoAsync(endPoint);
            Transport transport = Protocols[^1].Transport;
            Assert.Equal(endPoint, transport.LocalEndPoint);
            Assert.Equal(peer.LocalEndPoint, transport.RemoteEndPoint);
        }

        Assert.Equal(3, server.AcceptedCount);
    });

    [Fact]
    public void EndPoints_OnePortInUse_NothingListens() => Run(async loop =>
    {
        IPEndPoint taken = Network.Listen().LocalEndPoint;
        var free = new IPEndPoint(IPAddress.Parse("127.0.0.2"), taken.Port);

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, [free, taken]));

        Assert.Equal(taken, exception.EndPoint);
        Assert.Equal(SocketError.AddressAlreadyInUse, exception.Error);
        Assert.Contains($"{taken}: the port is in use", exception.Message, StringComparison.Ordinal);
        Assert.IsType<SocketException>(exception.InnerException);
        await RequireRefusedAsync(free);
        Server server = await loop.CreateServerAsync(MakeProtocol, free);
        await ConnectAndEchoAsync(server.EndPoints[0]);
    });

    [Fact]
    public void Lookup_OfTheLoop_SaysWhereToListen() => Run(async loop =>
    {
        loop.Host.Lookup = host => host == "service.example" ? [IPAddress.Parse("127.0.0.2")] : [];

        Server server = await loop.CreateServerAsync(MakeProtocol, "service.example", 0);

        Assert.Equal(IPAddress.Parse("127.0.0.2"), Assert.Single(server.EndPoints).Address);
        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, "other.example", 0));
        Assert.Equal(SocketError.HostNotFound, exception.Error);
    });

    [Fact]
    public void Lookup_Hangs_TheLoopGoesOnAndCancellationEndsTheCall() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        using HangingLookup lookup = HangingLookup.InstallOn(loop);
        using var source = new CancellationTokenSource();
        Task listening = loop.CreateServerAsync(MakeProtocol, "service.example", 0, null, source.Token);
        await lookup.Entered.Task;
        await SettleAsync(loop);
        Assert.False(listening.IsCompleted);

        source.Cancel();

        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
        Assert.True(lookup.IsHanging);
        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.Equal(0, loop.Host.ResidentCount);
    });

    [Fact]
    public void Lookup_Hangs_DisposingTheLoopDoesNotWaitForIt()
    {
        RequireRealMachine(NoOtherThread);
        HangingLookup lookup = null!;
        Task listening = null!;
        Run(async loop =>
        {
            lookup = HangingLookup.InstallOn(loop);
            listening = loop.CreateServerAsync(MakeProtocol, "service.example", 0);
            await lookup.Entered.Task;
        });
        bool hangs = lookup.IsHanging;
        lookup.Dispose();

        Assert.True(hangs, "The loop waited for the resolver.");
        Assert.True(listening.IsCanceled);
    }

    [Fact]
    public void EndPoints_SameOneTwice_CountsAsOne() => Run(async loop =>
    {
        Server any = await loop.CreateServerAsync(MakeProtocol, [AnyPort, new IPEndPoint(IPAddress.Loopback, 0)]);
        IPEndPoint one = Assert.Single(any.EndPoints);
        any.Close();

        Server same = await loop.CreateServerAsync(MakeProtocol, [one, new IPEndPoint(one.Address, one.Port)]);

        Assert.Equal(one, Assert.Single(same.EndPoints));
        await ConnectAndEchoAsync(one);
    });

    [Fact]
    public void Host_Null_IsLoopbackOfBothFamilies() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, null, 0);

        Assert.Equal([IPAddress.Loopback, IPAddress.IPv6Loopback], server.EndPoints.Select(e => e.Address));
        await ConnectAndEchoAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[1]);
    });

    [Fact]
    public void Host_Name_ListensOnItsAddresses() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, "localhost", 0);

        Assert.NotEmpty(server.EndPoints);
        Assert.All(server.EndPoints, endPoint => Assert.True(IPAddress.IsLoopback(endPoint.Address)));
        Assert.Equal(server.EndPoints.Distinct(), server.EndPoints);
        foreach (IPEndPoint endPoint in server.EndPoints)
        {
            await ConnectAndEchoAsync(endPoint);
        }
    });

    [Theory]
    [InlineData("0.0.0.0", "127.0.0.1")]
    [InlineData("::", "::1")]
    public void Host_AllAddresses_AcceptsOnLoopbackOfItsOwnFamilyAlone(string host, string reached) => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, host, 0);
        int port = Assert.Single(server.EndPoints).Port;

        await ConnectAndEchoAsync(new IPEndPoint(IPAddress.Parse(reached), port));
        await RequireRefusedAsync(new IPEndPoint(reached == "::1" ? IPAddress.Loopback : IPAddress.IPv6Loopback, port));

        Assert.Equal(new IPEndPoint(IPAddress.Parse(reached), port), Protocols[0].Transport.LocalEndPoint);
    });

    [Fact]
    public void StartServing_Later_NewcomersWaitForIt() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { StartServing = false });
        Peer peer = await ConnectAsync(server.EndPoints[0]);
        await SettleAsync(loop);
        Assert.True(server.IsListening);
        Assert.False(server.IsServing);
        Assert.Equal(0, server.AcceptedCount);

        server.StartServing();
        server.StartServing();

        Assert.True(server.IsServing);
        await EchoAsync(peer);
        Assert.Equal(1, server.AcceptedCount);
    });

    [Fact]
    public void StartServing_AfterClose_Throws() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { StartServing = false });
        server.Close();

        Assert.Throws<InvalidOperationException>(server.StartServing);
        await Assert.ThrowsAsync<InvalidOperationException>(() => server.RunAsync());
        Assert.False(server.IsServing);
    });

    [Fact]
    public void Close_WithConnections_KeepsThemAndRefusesNewcomers() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);

        server.Close();
        server.Close();

        Assert.False(server.IsListening);
        Assert.False(server.IsServing);
        Assert.Equal(1, server.ConnectionCount);
        await RequireRefusedAsync(server.EndPoints[0]);
        await EchoAsync(peer);
        Assert.False(server.WaitClosedAsync().IsCompleted);
        peer.Dispose();
        await server.WaitClosedAsync();
        Assert.Equal(0, server.ConnectionCount);
    });

    [Fact]
    public void Close_WithinConnectionMade_TheOthersInTheQueueAreTurnedAway() => Run(async loop =>
    {
        Server server = null!;
        server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => server.Close();
                return protocol;
            },
            AnyPort,
            new ServerOptions { StartServing = false });
        var peers = new List<Peer>();
        for (int i = 0; i < 5; i++)
        {
            peers.Add(await ConnectAsync(server.EndPoints[0]));
        }

        server.StartServing();
        await EchoAsync(peers[0]);

        foreach (Peer peer in peers[1..])
        {
            await RequireResetAsync(peer);
        }

        Assert.Single(Protocols);
        Assert.Equal(1, server.AcceptedCount);
    });

    [Fact]
    public void Close_WithinFactory_TheNewcomerIsTurnedAway() => Run(async loop =>
    {
        Server server = null!;
        server = await loop.CreateServerAsync(
            () =>
            {
                server.Close();
                return MakeProtocol();
            },
            AnyPort);

        await RequireTurnedAwayAsync(server.EndPoints[0]);
        await server.WaitClosedAsync();

        Assert.Equal(0, server.ConnectionCount);
        Assert.False(Assert.Single(Protocols).Grammar.IsMade);
    });

    [Fact]
    public void Close_WithNewcomersInTheQueue_ResetsThem() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        var peers = new List<Peer>();
        for (int i = 0; i < 5; i++)
        {
            peers.Add(Network.ConnectNow(server.EndPoints[0])); // no poll comes in between
        }

        server.Close();

        await server.WaitClosedAsync();
        foreach (Peer peer in peers)
        {
            await RequireResetAsync(peer);
        }

        Assert.Empty(Protocols);
        Assert.Equal(0, server.AcceptedCount);
    });

    [Fact]
    public void CloseConnections_Several_PeersReadTheEndAndTheServerGoesOn() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer[] peers = [await ConnectAndEchoAsync(server.EndPoints[0]), await ConnectAndEchoAsync(server.EndPoints[0])];

        server.CloseConnections();

        foreach (Peer peer in peers)
        {
            Assert.Empty(await peer.ReadToEndAsync());
        }

        Assert.All(Protocols, protocol => Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason));
        await ConnectAndEchoAsync(server.EndPoints[0]);
        Assert.Equal(1, server.ConnectionCount);
    });

    [Fact]
    public void AbortConnections_Several_PeersSeeAResetAndTheServerGoesOn() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer[] peers = [await ConnectAndEchoAsync(server.EndPoints[0]), await ConnectAndEchoAsync(server.EndPoints[0])];

        server.AbortConnections();

        foreach (Peer peer in peers)
        {
            await RequireResetAsync(peer);
        }

        Assert.All(Protocols, protocol => Assert.Equal(CloseReason.LocalAbort, protocol.Transport.CloseReason));
        await ConnectAndEchoAsync(server.EndPoints[0]);
    });

    [Fact]
    public void Connections_AreACopy() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Assert.Empty(server.Connections);
        Peer first = await ConnectAndEchoAsync(server.EndPoints[0]);
        IReadOnlyList<Transport> one = server.Connections;
        await ConnectAndEchoAsync(server.EndPoints[0]);

        Assert.Same(Protocols[0].Transport, Assert.Single(one));
        Assert.Equal(Protocols.Select(p => p.Transport), server.Connections);
        first.Dispose();
        await Protocols[0].Lost.Task;
        await UntilAsync(loop, () => server.ConnectionCount == 1);
        Assert.Same(Protocols[1].Transport, Assert.Single(server.Connections));
        Assert.Equal(2, server.AcceptedCount);
        Assert.Equal(0, server.ShedCount);
    });

    [Fact]
    public void MaxConnections_Reached_PausesUntilASlotIsFree() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { MaxConnections = 2 });
        Peer first = await ConnectAndEchoAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer third = await ConnectAsync(server.EndPoints[0]);
        Peer fourth = await ConnectAsync(server.EndPoints[0]);
        await SettleAsync(loop);
        Assert.Equal(2, server.AcceptedCount);
        Assert.True(server.IsServing);

        first.Dispose();
        await EchoAsync(third);
        await SettleAsync(loop);
        Assert.Equal(3, server.AcceptedCount);

        third.Reset();
        await EchoAsync(fourth);
        Assert.Equal(2, server.ConnectionCount);
    });

    [Fact]
    public void MaxConnections_SeveralEndPoints_IsOneBoundForAll() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, null, 0, new ServerOptions { MaxConnections = 1 });
        Peer first = await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer second = await ConnectAsync(server.EndPoints[1]);
        await SettleAsync(loop);
        Assert.Equal(1, server.AcceptedCount);

        first.Dispose();
        await EchoAsync(second);

        Assert.Equal(1, server.ConnectionCount);
    });

    [Fact]
    public void MaxConnections_ThousandsOfQuickConnections_AreNeverMoreThanThree() => Run(async loop =>
    {
        const int Clients = 8;
        const int ConnectionsEach = 250;
        int live = 0;
        int peak = 0;
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => peak = Math.Max(peak, ++live);
                protocol.OnLost = (_, _) => live--;
                return protocol;
            },
            null,
            0,
            new ServerOptions { MaxConnections = 3 });

        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            for (int i = 0; i < ConnectionsEach; i++)
            {
                Peer peer = await ConnectAsync(server.EndPoints[(client + i) % 2]);
                if (i % 3 != 0)
                {
                    await EchoAsync(peer);
                }

                peer.Reset();
            }
        }));
        await UntilAsync(loop, () => server.ConnectionCount == 0 && live == 0);

        Assert.Equal(3, peak);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        Assert.Equal(1, server.ConnectionCount);
    });

    [Fact]
    public void MaxConnections_FactoryThrows_TakesNoSlot() => Run(async loop =>
    {
        int calls = 0;
        Server server = await loop.CreateServerAsync(
            () => ++calls <= 4 ? throw new InvalidDataException($"call {calls}") : MakeProtocol(),
            AnyPort,
            new ServerOptions { MaxConnections = 1 });
        for (int i = 0; i < 4; i++)
        {
            await RequireTurnedAwayAsync(server.EndPoints[0]);
        }

        await ConnectAndEchoAsync(server.EndPoints[0]);

        Assert.Equal("call 1 call 2 call 3 call 4", string.Join(' ', Errors.Select(error => error.Exception.Message)));
        Assert.Equal(1, server.AcceptedCount);
        Assert.Equal(1, server.ConnectionCount);
        Errors.Clear();
    });

    [Fact]
    public void Factory_ReturnsNull_IsReportedOnceAndAcceptingGoesOn() => Run(async loop =>
    {
        bool first = true;
        Server server = await loop.CreateServerAsync(
            () =>
            {
                bool isFirst = first;
                first = false;
                return isFirst ? null! : MakeProtocol();
            },
            AnyPort);

        await RequireTurnedAwayAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[0]);

        Assert.IsType<InvalidOperationException>(TakeError().Exception);
        Assert.Equal(1, server.AcceptedCount);
    });

    [Fact]
    public void ConnectionMade_Throws_FreesTheSlotOnce() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                if (Protocols.Count <= 3)
                {
                    protocol.OnMade = _ => throw new InvalidDataException("made");
                }

                return protocol;
            },
            AnyPort,
            new ServerOptions { MaxConnections = 1 });
        for (int i = 0; i < 3; i++)
        {
            await RequireTurnedAwayAsync(server.EndPoints[0]);
        }

        // A slot that was freed twice would let two in.
        Peer fourth = await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer fifth = await ConnectAsync(server.EndPoints[0]);
        await SettleAsync(loop);
        Assert.Equal(4, server.AcceptedCount);
        Assert.Equal(1, server.ConnectionCount);
        fourth.Dispose();
        await EchoAsync(fifth);

        Assert.Equal(3, Errors.Count);
        Assert.All(Errors, error => Assert.IsType<InvalidDataException>(error.Exception));
        Errors.Clear();
        Assert.All(Protocols[..3], protocol =>
        {
            Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
            Assert.Equal(CloseReason.ProtocolError, protocol.Transport.CloseReason);
        });
    });

    [Fact]
    public void Accept_AThousandAtOnce_AllAreServed() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(
            MakeProtocol, AnyPort, new ServerOptions { Backlog = 2048, StartServing = false });
        int backlog = Math.Min(1000, MaxBacklog());
        Peer[] peers = await Task.WhenAll(Enumerable.Range(0, backlog).Select(_ => ConnectAsync(server.EndPoints[0])));

        server.StartServing();
        await Task.WhenAll(peers.Select(EchoAsync));

        Assert.Equal(backlog, server.ConnectionCount);
        Assert.Equal(backlog, server.AcceptedCount);
        server.AbortConnections();
        server.Close();
        await server.WaitClosedAsync();
    });

    [Fact]
    public void Accept_QueueOverflows_ServesOnAndRecovers() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { Backlog = 1 });
        Peer existing = await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer[] burst = [.. Enumerable.Range(0, 500).Select(_ => Network.BeginConnect(server.EndPoints[0]))];

        await EchoAsync(existing);
        await UntilAsync(loop, () => burst.Any(peer => peer.Connected.IsCompleted));
        foreach (Peer peer in burst)
        {
            peer.Reset();
        }

        await UntilAsync(loop, () => burst.All(peer => peer.Connected.IsCompleted));

        await ConnectAndEchoAsync(server.EndPoints[0]);
        await EchoAsync(existing);
        await UntilAsync(loop, () => server.ConnectionCount == 2);
    });

    [Fact]
    public void Accept_NewcomersGoneBeforeTheirTurn_ServesTheNext() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { StartServing = false });
        for (int i = 0; i < 20; i++)
        {
            (await ConnectAsync(server.EndPoints[0])).Reset();
        }

        Peer good = await ConnectAsync(server.EndPoints[0]);
        server.StartServing();
        await EchoAsync(good);

        await UntilAsync(loop, () => server.ConnectionCount == 1);
        Assert.All(Protocols[..^1], protocol => Assert.True(protocol.Grammar.IsLost));
    });

    [Fact]
    public void Accept_DescriptorsRunOut_ShedsAndRecovers() => Run(async loop =>
    {
        RequireRealMachine("The process's descriptors run out.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Descriptor numbers are limited on Unix.");
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer existing = await ConnectAndEchoAsync(server.EndPoints[0]);
        Socket[] peers = [.. Enumerable.Range(0, 40).Select(_ => ((RealPeers)Network).NewSocket())];
        using (DescriptorLimit.LeaveBeforeReserve(5))
        {
            foreach (Socket peer in peers)
            {
                await peer.ConnectAsync(server.EndPoints[0]);
            }

            await UntilAsync(loop, () => server.AcceptedCount + server.ShedCount >= 41);
            Assert.True(server.ShedCount > 0, $"{server.AcceptedCount} were accepted and none shed.");
            await EchoAsync(existing);

            ListenFailedException listen = await Assert.ThrowsAsync<ListenFailedException>(
                () => loop.CreateServerAsync(MakeProtocol, AnyPort));
            Assert.Equal(SocketError.TooManyOpenSockets, listen.Error);
            ConnectFailedException connect = await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(MakeProtocol, server.EndPoints[0]));
            Assert.Equal(SocketError.TooManyOpenSockets, Assert.Single(connect.Failures).Error.SocketErrorCode);
        }

        await ConnectAndEchoAsync(server.EndPoints[0]);
        await EchoAsync(existing);
    });

    [Fact]
    public void ReuseAddress_ConnectionsLinger_ListensAgain() => Run(async loop =>
    {
        RequireRealMachine("TIME_WAIT is looked up in /proc.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "TIME_WAIT is looked up in /proc.");
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        IPEndPoint endPoint = server.EndPoints[0];
        Peer peer = await ConnectAndEchoAsync(endPoint);
        server.CloseConnections();
        Assert.Empty(await peer.ReadToEndAsync());
        peer.Dispose();
        server.Close();
        await server.WaitClosedAsync();
        await UntilAsync(loop, () => IsInTimeWait(endPoint));

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, endPoint, new ServerOptions { ReuseAddress = false }));
        Server again = await loop.CreateServerAsync(MakeProtocol, endPoint);

        Assert.Equal(SocketError.AddressAlreadyInUse, exception.Error);
        await ConnectAndEchoAsync(again.EndPoints[0]);
    });

    [Fact]
    public void ReusePort_Off_SecondServerIsRefused() => Run(async loop =>
    {
        Server first = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, first.EndPoints[0]));

        Assert.Equal(SocketError.AddressAlreadyInUse, exception.Error);
        await ConnectAndEchoAsync(first.EndPoints[0]);
    });

    [Fact]
    public void ReusePort_OnForOneAlone_SecondServerIsRefused() => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated || OperatingSystem.IsLinux(), "SO_REUSEPORT is not everywhere.");
        Server first = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { ReusePort = true });

        await Assert.ThrowsAsync<ListenFailedException>(() => loop.CreateServerAsync(MakeProtocol, first.EndPoints[0]));
    });

    [Fact]
    public void ReusePort_OnForBoth_BothServe() => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated || OperatingSystem.IsLinux(), "SO_REUSEPORT is not everywhere.");
        var options = new ServerOptions { ReusePort = true };
        Server first = await loop.CreateServerAsync(MakeProtocol, AnyPort, options);
        Server second = await loop.CreateServerAsync(MakeProtocol, first.EndPoints[0], options);

        // The kernel spreads them by a hash of the ports: that all of 64 go one way is as good as impossible.
        for (int i = 0; i < 64; i++)
        {
            await ConnectAndEchoAsync(first.EndPoints[0]);
        }

        Assert.Equal(64, first.AcceptedCount + second.AcceptedCount);
        Assert.NotEqual(0, first.AcceptedCount);
        Assert.NotEqual(0, second.AcceptedCount);
    });

    [Fact]
    public void AsyncLocal_AtCreation_FlowsIntoCallbacksAndNotBetweenThem() => Run(async loop =>
    {
        var seen = new List<string?>();
        s_local.Value = "server";
        Server server = await loop.CreateServerAsync(
            () =>
            {
                Note("factory");
                return Watch(new TestProtocol
                {
                    OnMade = _ => Note("made"),
                    OnData = (p, data) =>
                    {
                        Note("data");
                        p.Transport.Write(data);
                    },
                    OnEof = _ =>
                    {
                        Note("eof");
                        return false;
                    },
                    OnLost = (_, _) => Note("lost"),
                });
            },
            AnyPort);
        s_local.Value = "elsewhere";

        for (int i = 0; i < 2; i++)
        {
            Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);
            peer.ShutdownSend();
            Assert.Empty(await peer.ReadToEndAsync());
        }

        server.Close();
        await server.WaitClosedAsync();

        Assert.Equal("elsewhere", s_local.Value);
        string[] one = ["factory: server", "made: server", "data: server", "eof: server", "lost: server"];
        Assert.Equal([.. one, .. one], seen);

        void Note(string callback)
        {
            seen.Add($"{callback}: {s_local.Value}");
            s_local.Value = callback;
        }
    });

    [Fact]
    public void LoopDisposed_WithLiveServer_EndsConnectionsAndServer()
    {
        Server server = null!;
        Task closed = null!;
        Task running = null!;
        Run(async loop =>
        {
            server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
            await ConnectAndEchoAsync(server.EndPoints[0]);
            closed = server.WaitClosedAsync();
            running = server.RunAsync();
        });

        Assert.True(closed.IsCanceled);
        Assert.True(running.IsCanceled);
        Assert.False(server.IsListening);
        Assert.Equal(CloseReason.LoopShutdown, Protocols[0].Transport.CloseReason);
        Assert.Throws<ObjectDisposedException>(server.Close);
        Assert.Throws<ObjectDisposedException>(server.StartServing);
        Assert.Throws<ObjectDisposedException>(() => server.Connections);
    }

    [Fact]
    public void Members_OnAnotherThread_Throw() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        RequireRealMachine(NoOtherThread);
        await loop.RunInThreadAsync(() =>
        {
            Assert.Throws<InvalidOperationException>(server.Close);
            Assert.Throws<InvalidOperationException>(server.StartServing);
            Assert.Throws<InvalidOperationException>(server.CloseConnections);
            Assert.Throws<InvalidOperationException>(server.AbortConnections);
            Assert.Throws<InvalidOperationException>(() => server.Connections);
            Assert.Throws<InvalidOperationException>(() => { _ = server.WaitClosedAsync(); });
            Assert.IsType<InvalidOperationException>(server.DrainAsync(TimeSpan.Zero).Exception?.InnerException);
            Assert.IsType<InvalidOperationException>(server.RunAsync().Exception?.InnerException);
            Assert.IsType<InvalidOperationException>(server.DisposeAsync().AsTask().Exception?.InnerException);
        });

        Assert.True(server.IsServing);
        await ConnectAndEchoAsync(server.EndPoints[0]);
    });

    private static int MaxBacklog()
        => OperatingSystem.IsLinux() ? int.Parse(File.ReadAllText("/proc/sys/net/core/somaxconn")) : 128;

    // The lines are "sl local remote state ...", addresses in hexadecimal; 06 is TIME_WAIT.
    private static bool IsInTimeWait(IPEndPoint local)
        => File.ReadLines("/proc/net/tcp").Any(line =>
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields[1].EndsWith($":{local.Port:X4}", StringComparison.Ordinal) && fields[3] == "06";
        });
}
