using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Toolkit.Tests.Contracts;

/// <summary>However a connection ends: what was promised has left, the protocol is told once, and nothing remains.</summary>
public abstract class TcpCloseContract(LoopUnderTest subject) : StreamContract(subject)
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(200);

    [Fact]
    public void WriteEof_AfterThePeersEndWithADeafPeer_TimesOut() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = p => true };
        Peer peer = await ConnectNarrowPeerAsync(
            loop, protocol, TcpOptions.Default with { LingerTime = TimeSpan.FromMilliseconds(200) });
        peer.ShutdownSend();
        await protocol.Eof.Task;
        protocol.Transport.Write(Pattern(3_000_000));
        protocol.Transport.WriteEof();

        Exception? reason = await protocol.Lost.Task;

        Assert.IsType<ConnectionException>(reason);
        Assert.Equal(CloseReason.Timeout, protocol.Transport.CloseReason);
    });

    [Fact]
    public void Close_BytesQueued_AllOfThemArrive() => Run(async loop =>
    {
        byte[] data = Pattern(3_000_000);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        protocol.Transport.Write(data);
        protocol.Transport.Close();
        Assert.True(protocol.Transport.UnsentBytes > 0);
        byte[] received = await peer.ReadToEndAsync();
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, received);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ConnectionLost"], protocol.Callbacks);
        peer.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Close_PeerGoesOnSending_AllThatWasWrittenArrives(bool readingPaused) => Run(async loop =>
    {
        byte[] data = Pattern(300_000);
        var protocol = new TestProtocol { KeepsData = false };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        if (readingPaused)
        {
            protocol.Transport.PauseReading();
        }

        // The peer sends more than all the kernel's buffers hold, and reads not one byte before we are done.
        Task sending = peer.SendAsync(new byte[20_000_000]);
        if (!readingPaused)
        {
            await protocol.FirstData.Task;
        }

        protocol.Transport.Write(data);
        protocol.Transport.Close();
        await sending;
        byte[] received = await peer.ReadToEndAsync();
        peer.ShutdownSend();

        AssertSame(data, received);
        Assert.Null(await protocol.Lost.Task);
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Close_UnreadInput_DoesNotResetThePeer() => Run(async loop =>
    {
        RequireTcp("A Unix socket takes less than this counts on.");
        byte[] data = Pattern(300_000);
        var protocol = new TestProtocol { OnMade = p => p.Transport.PauseReading() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync(new byte[100_000]);
        protocol.Transport.Write(data);
        protocol.Transport.Close();
        await UntilAsync(loop, () => protocol.Transport.UnsentBytes == 0);
        await protocol.Lost.Task;
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();

        AssertSame(data, received);
        Assert.DoesNotContain("DataReceived", protocol.Callbacks);
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Close_DataArrivesAfterwards_IsNotTold() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnData = (p, _) => p.Transport.Close() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync(new byte[5_000_000]);
        await protocol.Lost.Task;
        peer.ShutdownSend();
        await UntilDesertedAsync(loop);

        Assert.Equal(["ConnectionMade", "DataReceived", "ConnectionLost"], protocol.Outline);
        Assert.Equal(SocketError.Success, await EndOfAsync(peer));
    });

    [Fact]
    public void Close_PeerDoesNotRead_IsBoundedByTheLingerTime() => Run(async loop =>
    {
        RequireTcp(NoReset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, TcpOptions.Default with { LingerTime = s_short });
        protocol.Transport.Write(new byte[3_000_000]);
        TimeSpan closed = loop.Time;
        protocol.Transport.Close();
        Exception? reason = await protocol.Lost.Task;

        Assert.True(loop.Time - closed >= s_short);
        Assert.Equal(CloseReason.Timeout, Assert.IsType<ConnectionException>(reason).Reason);
        Assert.Equal(CloseReason.Timeout, protocol.Transport.CloseReason);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Close_PeerReadsSlowly_LingerTimeBeginsAnewWithEveryByte() => Run(async loop =>
    {
        RequireVirtualTime();
        byte[] data = Pattern(1_000_000);
        TimeSpan lingerTime = TimeSpan.FromSeconds(1);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, TcpOptions.Default with { LingerTime = lingerTime });
        protocol.Transport.Write(data);
        TimeSpan closed = loop.Time;
        protocol.Transport.Close();
        using var received = new MemoryStream();
        while (loop.Time - closed < lingerTime * 1.5)
        {
            received.Write(await peer.ReadAsync(10_000));
            await Task.Delay(TimeSpan.FromMilliseconds(20), loop.TimeProvider);
        }

        Assert.True(protocol.Transport.UnsentBytes > 0, "It was to be slow.");
        received.Write(await peer.ReadToEndAsync());
        Assert.Null(await protocol.Lost.Task);
        AssertSame(data, received.ToArray());
    });

    [Fact]
    public void Close_PeerDoesNotEnd_DescriptorIsGivenBackAfterTheLingerTime() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol, TcpOptions.Default with { LingerTime = s_short });
        TimeSpan closed = loop.Time;
        protocol.Transport.Write("bye"u8);
        protocol.Transport.Close();
        Assert.Null(await protocol.Lost.Task);
        Assert.True(loop.Host.ResidentCount > 0);
        await UntilDesertedAsync(loop);

        Assert.True(loop.Time - closed >= s_short);
        Assert.Equal(3, (await peer.ReadToEndAsync()).Length);
    });

    [Fact]
    public void Close_PeerSendsBeyondTheDiscardLimit_IsCutOff() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol, TcpOptions.Default with { DiscardLimit = 100_000 });
        protocol.Transport.Close();
        await protocol.Lost.Task;
        byte[] chunk = new byte[64 * 1024];
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (true)
            {
                await peer.SendAsync(chunk);
            }
        });
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Abort_PeerSeesAReset() => Run(async loop =>
    {
        RequireTcp(NoReset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        FillUp(protocol.Transport);
        protocol.Transport.Abort();
        Assert.Equal(CloseReason.LocalAbort, protocol.Transport.CloseReason);
        Assert.True(protocol.Transport.IsClosing);
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
        await UntilAsync(loop, () => protocol.Transport.UnsentBytes == 0); // a send in flight has them until it ends
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Abort_WhileClosing_DropsWhatIsUnsent() => Run(async loop =>
    {
        RequireTcp(NoReset);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        protocol.Transport.Write(new byte[3_000_000]);
        protocol.Transport.Close();
        await NextIterationAsync(loop);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
        protocol.Transport.Abort();
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(CloseReason.LocalAbort, protocol.Transport.CloseReason);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ConnectionLost_NeverComesWithinACall(bool abort) => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        for (int i = 0; i < 3; i++)
        {
            End();
            Assert.DoesNotContain("ConnectionLost", protocol.Callbacks);
        }

        await protocol.Lost.Task;
        for (int i = 0; i < 3; i++)
        {
            End();
            await NextIterationAsync(loop);
        }

        Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
        Assert.Equal(abort ? CloseReason.LocalAbort : CloseReason.LocalClose, protocol.Transport.CloseReason);
        peer.Dispose();

        void End()
        {
            if (abort)
            {
                protocol.Transport.Abort();
            }
            else
            {
                protocol.Transport.Close();
            }
        }
    });

    [Theory]
    [MemberData(nameof(EveryCallback))]
    public void CloseAndAbort_FromEveryCallbackManyTimes_EndOnce(string callback) => Run(async loop =>
    {
        foreach (string order in (string[])["C", "A", "CC", "CA", "AC", "CACA"])
        {
            var protocol = new TestProtocol();
            protocol.OnEvery(here => At(here, protocol.Transport));
            Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
            if (!protocol.Transport.IsClosing)
            {
                FillUp(protocol.Transport);
            }

            try
            {
                await peer.SendAsync("x"u8.ToArray());
                Task<long> draining = DrainAsync(peer);
                await UntilAsync(loop, () => protocol.Lost.Task.IsCompleted || protocol.Resumed.Task.IsCompleted);
                peer.ShutdownSend();
                await draining;
            }
            catch (SocketException)
            {
                // Aborted before.
            }

            await protocol.Lost.Task;
            Assert.Contains(callback, protocol.Callbacks);
            Assert.Single(protocol.Callbacks, "ConnectionLost");
            peer.Dispose();
            await UntilDesertedAsync(loop);

            void At(string here, Transport transport)
            {
                if (here != callback)
                {
                    return;
                }

                CloseReason first = transport.CloseReason;
                foreach (char end in order)
                {
                    (end == 'C' ? (Action)transport.Close : transport.Abort)();
                    first = first == CloseReason.None ? transport.CloseReason : first;

                    // Only an abort may still cut a close short.
                    Assert.True(transport.CloseReason == first || (first, end) == (CloseReason.LocalClose, 'A'));
                    first = transport.CloseReason;
                }
            }
        }
    });

    [Fact]
    public void CloseReason_EveryEnd_HasItsOwn() => Run(async loop =>
    {
        RequireTcp(NoReset);
        await RequireAsync(CloseReason.LocalClose, (transport, _) => transport.Close());
        await RequireAsync(CloseReason.LocalAbort, (transport, _) => transport.Abort());
        await RequireAsync(CloseReason.PeerEnd, (_, peer) => peer.ShutdownSend());
        await RequireAsync(CloseReason.Reset, (_, peer) => peer.Reset());
        await RequireAsync(CloseReason.WriteOverflow, (transport, _) =>
        {
            transport.WriteLimits = new WriteLimits(0, 0, 0);
            transport.Write(new byte[10_000_000]);
            transport.Write("x"u8);
        });
        await RequireAsync(CloseReason.Timeout, (transport, _) =>
        {
            transport.Write(new byte[10_000_000]);
            transport.Close();
        });
        await RequireAsync(CloseReason.ProtocolError, (_, peer) => peer.SendNow("throw"u8));
        Assert.IsType<TransportError>(TakeError());

        async Task RequireAsync(CloseReason expected, Action<Transport, Peer> end)
        {
            bool hasException = expected is not (CloseReason.LocalClose or CloseReason.LocalAbort or CloseReason.PeerEnd);
            var protocol = new TestProtocol { OnData = (_, _) => throw new ArithmeticException() };
            CloseReason toldReason = CloseReason.None;
            protocol.OnLost = (p, _) => toldReason = p.Transport.CloseReason;
            Peer peer = await ConnectNarrowPeerAsync(loop, protocol, TcpOptions.Default with { LingerTime = s_short });
            end(protocol.Transport, peer);
            Exception? reason = await protocol.Lost.Task;
            peer.Dispose();
            await UntilDesertedAsync(loop);

            Assert.Equal(expected, toldReason);
            Assert.Equal(expected, protocol.Transport.CloseReason);
            Assert.Equal(hasException, reason is not null);
            Assert.True(reason is null or ArithmeticException || (reason is ConnectionException told && told.Reason == expected));
            Assert.Equal(expected == CloseReason.Reset, reason?.InnerException is SocketException);
        }
    });

    [Fact]
    public void LoopDisposal_OpenConnection_IsLost()
    {
        var protocol = new TestProtocol();
        Peer? peer = null;
        Run(async loop =>
        {
            peer = await ConnectPeerAsync(loop, protocol);
            FillUp(protocol.Transport);
        });

        Assert.True(protocol.Lost.Task.IsCompletedSuccessfully);
        Assert.Equal(CloseReason.LoopShutdown, Assert.IsType<ConnectionException>(protocol.Lost.Task.Result).Reason);
        Assert.Equal(CloseReason.LoopShutdown, protocol.Transport.CloseReason);
    }

    [Fact]
    public void LoopDisposal_ClosingConnectionAndReadingPeer_SendsTheRest()
    {
        byte[] data = Pattern(3_000_000);
        var protocol = new TestProtocol();
        byte[]? received = null;
        Run(
            async loop =>
            {
                Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
                protocol.Transport.Write(data);
                protocol.Transport.Close();
                _ = ReadAsync(peer); // the loop is disposed meanwhile, and waits for its end
            },
            new EventLoopOptions { ShutdownTimeout = TimeSpan.FromSeconds(30) });

        AssertSame(data, received);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);

        async Task ReadAsync(Peer peer)
        {
            received = await peer.ReadToEndAsync();
            peer.Dispose();
        }
    }

    [Fact]
    public void LoopDisposal_ClosingConnectionAndDeafPeer_IsBounded()
    {
        var protocol = new TestProtocol();
        Run(
            async loop =>
            {
                await ConnectNarrowPeerAsync(loop, protocol);
                protocol.Transport.Write(new byte[3_000_000]);
                protocol.Transport.Close();
            },
            new EventLoopOptions { ShutdownTimeout = s_short });

        Assert.Equal(CloseReason.LoopShutdown, protocol.Transport.CloseReason);
        Assert.IsType<ConnectionException>(protocol.Lost.Task.Result);
    }

    [Fact]
    public void LoopDisposal_AbortJustBefore_StillTellsConnectionLost()
    {
        var protocol = new TestProtocol();
        Run(async loop =>
        {
            await ConnectPeerAsync(loop, protocol);
            protocol.Transport.Abort();
        });

        Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
        Assert.Equal(CloseReason.LocalAbort, protocol.Transport.CloseReason);
    }

    [Theory]
    [InlineData("close")]
    [InlineData("abort")]
    [InlineData("peer")]
    [InlineData("linger")]
    [InlineData("paused")]
    public void Protocol_AfterConnectionLost_IsCollectable(string end) => Run(
        async loop =>
        {
            var tracked = new WeakReference(null);
            Server server = await ServeTrackedAsync(loop, tracked);
            Peer peer = await Network.ConnectAsync(server.EndPoints[0]);
            await UntilAsync(loop, () => tracked.Target is TestProtocol { Grammar.IsMade: true });
            EndTracked(tracked, end, peer);
            await UntilAsync(loop, () => !IsAlive(tracked));

            // With "close" the peer is still there, and so is the descriptor that waits for its end.
            // Otherwise it has ended, or that is on its way.
            int left = end is "close" or "paused" ? 2 : 1;
            await UntilAsync(loop, () => loop.Host.ResidentCount <= left);
            Assert.Equal(left, loop.Host.ResidentCount);
            peer.Dispose();
            server.Close();
            await UntilDesertedAsync(loop);
        });

    [Fact]
    public void Everything_AfterManyConnections_IsBackWhereItBegan() => Run(async loop =>
    {
        int lost = 0;
        var protocols = new List<TestProtocol>();
        Server server = await ServeAsync(loop, () =>
        {
            var protocol = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data), OnLost = (_, _) => lost++ });
            protocols.Add(protocol);
            return protocol;
        });
        int before = loop.Host.ResidentCount;
        for (int i = 0; i < 200; i++)
        {
            Peer peer = Network.ConnectNow(server.EndPoints[0]);
            peer.SendNow("x"u8);
            await UntilAsync(loop, () => protocols.Count >= i + 1 && protocols[i].ReceivedLength > 0);
            switch (i % 4)
            {
                case 0:
                    peer.Reset();
                    break;
                case 1:
                    peer.Dispose();
                    break;
                case 2:
                    protocols[i].Transport.Abort();
                    break;
                default:
                    protocols[i].Transport.Close();
                    peer.ShutdownSend();
                    break;
            }

            peer.Dispose();
        }

        await UntilAsync(loop, () => lost >= 200 && loop.Host.ResidentCount == before);
        Assert.Equal(0, server.ConnectionCount);
        Assert.Equal(200, server.AcceptedCount);
        server.Close();
        await UntilDesertedAsync(loop);
    });

    // Neither a frame nor a closure of the scenario's may hold the protocol.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Task<Server> ServeTrackedAsync(EventLoop loop, WeakReference tracked)
        => ServeAsync(loop, () =>
        {
            var protocol = new TestProtocol();
            tracked.Target = protocol;
            return protocol;
        });

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EndTracked(WeakReference tracked, string end, Peer peer)
    {
        Transport transport = ((TestProtocol)tracked.Target!).Transport;
        switch (end)
        {
            case "close":
                transport.Close();
                break;
            case "abort":
                transport.Abort();
                break;
            case "peer":
                peer.ShutdownSend();
                break;
            case "linger":
                transport.Write(new byte[100_000]);
                transport.Close();
                peer.Dispose();
                break;
            default:
                transport.PauseReading(); // has the hang-up watched
                transport.Write("x"u8);
                transport.Close();
                break;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool IsAlive(WeakReference tracked)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return tracked.IsAlive;
    }
}
