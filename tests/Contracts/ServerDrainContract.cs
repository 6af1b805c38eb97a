using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>How a server comes to its end.</summary>
public abstract class ServerDrainContract(LoopUnderTest subject) : ServerSuite(subject)
{
    /// <summary>What runs into it hangs, and the watchdog says so first.</summary>
    private static readonly TimeSpan s_longGrace = TimeSpan.FromHours(1);

    [Fact]
    public void DrainAsync_AllEndByThemselves_CompletesBeforeTheGraceIsOver() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer[] peers = [await ConnectAndEchoAsync(server.EndPoints[0]), await ConnectAndEchoAsync(server.EndPoints[0])];

        await server.DrainAsync(s_longGrace);

        Assert.Equal(0, server.ConnectionCount);
        Assert.False(server.IsListening);
        Assert.All(Protocols, protocol => Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason));
        foreach (Peer peer in peers)
        {
            Assert.Empty(await peer.ReadToEndAsync());
        }

        await RequireRefusedAsync(server.EndPoints[0]);
    });

    [Fact]
    public void DrainAsync_NoConnections_Completes() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        await server.DrainAsync(s_longGrace);

        Assert.False(server.IsListening);
    });

    [Fact]
    public void DrainAsync_UnsentBytes_AreSentFirst() => Run(async loop =>
    {
        byte[] data = Pattern(2_000_000);
        Server server = await loop.CreateServerAsync(() => Writer(data), AnyPort);
        Peer peer = await ConnectAsync(server.EndPoints[0]);
        await UntilAsync(loop, () => Protocols.Count >= 1);

        Task draining = server.DrainAsync(s_longGrace);
        byte[] received = await peer.ReadToEndAsync();
        await draining;

        Assert.Equal(data, received);
        Assert.Equal(CloseReason.LocalClose, Protocols[0].Transport.CloseReason);
    });

    [Fact]
    public void DrainAsync_OneNeverReads_IsAbortedAtTheEndOfTheGrace() => Run(async loop =>
    {
        (Server server, Peer peer) = await ServeOneThatNeverReadsAsync(loop);
        Peer good = await ConnectAndEchoAsync(server.EndPoints[0]);

        await server.DrainAsync(TimeSpan.FromMilliseconds(100));

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
        Assert.Equal(CloseReason.LocalClose, Protocols[1].Transport.CloseReason);
        Assert.Empty(await good.ReadToEndAsync());
        await RequireResetAsync(peer);
    });

    [Fact]
    public void DrainAsync_GraceOfZero_AbortsInTheNextIteration() => Run(async loop =>
    {
        (Server server, _) = await ServeOneThatNeverReadsAsync(loop);

        await server.DrainAsync(TimeSpan.Zero);

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DrainAsync_TokenCancelled_EndsTheGrace(bool beforehand) => Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        (Server server, _) = await ServeOneThatNeverReadsAsync(loop);
        if (beforehand)
        {
            source.Cancel();
        }

        Task draining = server.DrainAsync(s_longGrace, source.Token);
        await SettleAsync(loop);
        Assert.Equal(beforehand, draining.IsCompleted);
        await loop.RunInThreadAsync(source.Cancel);
        await draining;

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
    });

    [Fact]
    public void DrainAsync_NegativeGrace_ThrowsAndChangesNothing() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => server.DrainAsync(TimeSpan.FromTicks(-1)));

        await ConnectAndEchoAsync(server.EndPoints[0]);
    });

    [Fact]
    public void DrainAsync_GraceWithoutEnd_IsAllowed() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);

        await server.DrainAsync(TimeSpan.MaxValue);

        Assert.Equal(0, server.ConnectionCount);
    });

    [Fact]
    public void DrainAsync_SeveralAtOnce_TheShortestGraceCounts() => Run(async loop =>
    {
        (Server server, _) = await ServeOneThatNeverReadsAsync(loop);

        await Task.WhenAll(
            server.DrainAsync(s_longGrace), server.DrainAsync(TimeSpan.FromMilliseconds(20)), server.DrainAsync(s_longGrace));
        await server.DrainAsync(s_longGrace);

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ConnectionLost"], Protocols[0].Callbacks);
    });

    [Fact]
    public void DrainAsync_AfterClose_EndsTheConnections() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        server.Close();

        await server.DrainAsync(s_longGrace);

        Assert.Equal(0, server.ConnectionCount);
    });

    [Fact]
    public void DrainAsync_ConnectionLostThrows_CompletesAndReportsEach() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnLost = (_, _) => throw new InvalidOperationException("lost");
                return protocol;
            },
            AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[0]);

        await server.DrainAsync(s_longGrace);

        Assert.Equal(0, server.ConnectionCount);
        Assert.Equal(2, Errors.Count);
        Assert.All(Errors, error => Assert.Equal("lost", error.Exception.Message));
        Errors.Clear();
    });

    [Fact]
    public void DrainAsync_BegunWhileNewcomersAreAccepted_EndsAllOfThem() => Run(async loop =>
    {
        Server server = null!;
        Task drained = null!;
        server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = p =>
                {
                    p.Transport.Write("x"u8);
                    if (Protocols.Count == 3)
                    {
                        drained = server.DrainAsync(s_longGrace);
                    }
                };
                return protocol;
            },
            AnyPort);
        Peer[] peers = [.. Enumerable.Range(0, 8).Select(_ => Network.ConnectNow(server.EndPoints[0]))];

        await UntilAsync(loop, () => drained is not null);
        await drained;

        // Whoever has a protocol has all that it wrote; the others are turned away.
        Assert.Equal(3, server.AcceptedCount);
        Assert.Equal(0, server.ConnectionCount);
        int served = 0;
        foreach (Peer peer in peers)
        {
            try
            {
                Assert.Equal("x"u8.ToArray(), await peer.ReadToEndAsync());
                served++;
            }
            catch (SocketException exception)
            {
                Assert.Equal(SocketError.ConnectionReset, exception.SocketErrorCode);
            }
        }

        Assert.Equal(3, served);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DrainAsync_ScopeCancelled_AbortsAndCompletes(bool beforehand) => Run(async loop =>
    {
        (Server server, Peer peer) = await ServeOneThatNeverReadsAsync(loop);

        bool completed = await CancelScope.RunAsync(async scope =>
        {
            if (beforehand)
            {
                scope.Cancel();
            }
            else
            {
                loop.CallLater(TimeSpan.FromMilliseconds(5), () => scope.Cancel());
            }

            await server.DrainAsync(s_longGrace);
        });

        Assert.False(completed);
        Assert.Equal(0, server.ConnectionCount);
        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
        await RequireResetAsync(peer);
        await server.DrainAsync(s_longGrace);
    });

    [Fact]
    public void DrainAsync_ProtocolsThatGoOnWriting_AreCutOffAtTheEndOfTheGrace() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = p => Write(loop, p);
                return protocol;
            },
            AnyPort,
            new ServerOptions { Tcp = new TcpOptions { SendBufferSize = 16 * 1024 } });
        await Network.ConnectAsync(server.EndPoints[0], new PeerOptions { ReceiveBufferSize = 16 * 1024 });
        await UntilAsync(loop, () => Protocols.Count == 1 && Protocols[0].Transport.UnsentBytes > 0);

        await server.DrainAsync(TimeSpan.FromMilliseconds(20));

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);

        static void Write(EventLoop loop, TestProtocol protocol)
        {
            if (protocol.Transport.UnsentBytes < 1_000_000)
            {
                protocol.Transport.Write(new byte[100_000]);
            }

            if (!protocol.Grammar.IsLost)
            {
                loop.CallLater(TimeSpan.FromMilliseconds(1), () => Write(loop, protocol));
            }
        }
    });

    [Fact]
    public void WaitClosedAsync_LastConnectionEnds_CompletesAfterItsConnectionLost() => Run(async loop =>
    {
        var order = new List<string>();
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        Task closed = server.WaitClosedAsync();
        foreach (TestProtocol protocol in Protocols)
        {
            protocol.OnLost = (_, _) => order.Add($"lost {closed.IsCompleted}");
        }

        server.Close();
        Protocols[0].Transport.Abort();
        await SettleAsync(loop);
        Assert.False(closed.IsCompleted);
        Protocols[1].Transport.Abort();
        await closed;
        order.Add("closed");

        Assert.Equal(["lost False", "lost False", "closed"], order);
    });

    [Fact]
    public void WaitClosedAsync_CloseWithoutConnections_CompletesByAPost() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Task closed = server.WaitClosedAsync();

        server.Close();
        bool atOnce = closed.IsCompleted;
        await closed;

        Assert.False(atOnce);
    });

    [Fact]
    public void WaitClosedAsync_CloseWithinTheLastConnectionLost_CompletesOnce() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);
        bool within = true;
        Protocols[0].OnLost = (_, _) =>
        {
            server.Close();
            server.Close();
            within = server.WaitClosedAsync().IsCompleted;
        };

        peer.Dispose();
        await server.WaitClosedAsync();

        Assert.False(within);
        Assert.Equal(0, server.ConnectionCount);
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void WaitClosedAsync_CloseRacesWithTheLastConnectionLost_CompletesOnce(int iterations) => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        await ConnectAndEchoAsync(server.EndPoints[0]);

        Protocols[0].Transport.Abort();
        for (int i = 0; i < iterations; i++)
        {
            await NextIterationAsync(loop);
        }

        server.Close();
        await server.WaitClosedAsync();

        Assert.True(Protocols[0].Grammar.IsLost);
    });

    [Fact]
    public void RunAsync_TokenCancelled_DrainsAndReturns() => Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { StartServing = false });
        Task running = server.RunAsync(source.Token);
        Assert.True(server.IsServing);
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);
        Assert.False(running.IsCompleted);

        await loop.RunInThreadAsync(source.Cancel);
        await running;

        Assert.Empty(await peer.ReadToEndAsync());
        Assert.Equal(CloseReason.LocalClose, Protocols[0].Transport.CloseReason);
        await RequireRefusedAsync(server.EndPoints[0]);
    });

    [Fact]
    public void RunAsync_TokenCancelledBeforehand_DrainsAndReturns() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);

        await server.RunAsync(new CancellationToken(canceled: true));

        Assert.False(server.IsListening);
    });

    [Fact]
    public void RunAsync_ServerClosed_ReturnsWhenTheLastConnectionHasEnded() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        Task running = server.RunAsync();
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);

        server.Close();
        await EchoAsync(peer);
        Assert.False(running.IsCompleted);
        peer.Dispose();
        await running;

        Assert.Equal(CloseReason.PeerEnd, Protocols[0].Transport.CloseReason);
    });

    [Fact]
    public void RunAsync_DrainTime_BoundsTheEnd() => Run(async loop =>
    {
        (Server server, _) = await ServeOneThatNeverReadsAsync(
            loop, new ServerOptions { DrainTime = TimeSpan.FromMilliseconds(20) });

        await server.RunAsync(new CancellationToken(canceled: true));

        Assert.Equal(CloseReason.LocalAbort, Protocols[0].Transport.CloseReason);
    });

    [Fact]
    public void DisposeAsync_WithConnections_Drains() => Run(async loop =>
    {
        IPEndPoint endPoint;
        Peer peer;
        await using (Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort))
        {
            endPoint = server.EndPoints[0];
            peer = await ConnectAndEchoAsync(endPoint);
            await server.DisposeAsync();
        }

        Assert.Empty(await peer.ReadToEndAsync());
        Assert.True(Protocols[0].Grammar.IsLost);
        await RequireRefusedAsync(endPoint);
    });

    [Fact]
    public void DisposeAsync_WithinConnectionMade_Drains() => Run(async loop =>
    {
        Task disposed = Task.CompletedTask;
        Server server = null!;
        server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => disposed = server.DisposeAsync().AsTask();
                return protocol;
            },
            AnyPort);
        Peer peer = await ConnectAsync(server.EndPoints[0]);

        Assert.Empty(await peer.ReadToEndAsync());
        await disposed;

        Assert.Equal(["ConnectionMade", "ConnectionLost"], Protocols[0].Callbacks);
    });

    private async Task<(Server Server, Peer Peer)> ServeOneThatNeverReadsAsync(
        EventLoop loop, ServerOptions? options = null)
    {
        // More than the kernel's buffers of both sides take; what comes after it is an echo.
        Server server = await loop.CreateServerAsync(
            () => Protocols.Count == 0 ? Writer(Pattern(4_000_000)) : MakeProtocol(),
            AnyPort,
            (options ?? ServerOptions.Default) with { Tcp = new TcpOptions { SendBufferSize = 16 * 1024 } });
        Peer peer = await Network.ConnectAsync(server.EndPoints[0], new PeerOptions { ReceiveBufferSize = 16 * 1024 });
        await UntilAsync(loop, () => Protocols.Count >= 1);
        return (server, peer);
    }

    private TestProtocol Writer(byte[] data)
    {
        TestProtocol protocol = MakeProtocol();
        protocol.OnMade = p => p.Transport.Write(data);
        return protocol;
    }
}
