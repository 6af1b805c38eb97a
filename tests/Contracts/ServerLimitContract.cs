using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What the peers of a server may cost, and how a connection ends that costs more.</summary>
public abstract class ServerLimitContract(LoopUnderTest subject) : ServerSuite(subject)
{
    /// <summary>Short enough to wait for, and long enough for who keeps up to keep up.</summary>
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(40);

    [Fact]
    public void FirstByte_NeverComes_IsAborted() => Run(async loop =>
    {
        Server server = await ServeAsync(loop, new() { FirstByteTime = s_short });
        Peer talker = await ConnectAndEchoAsync(server.EndPoints[0]);
        Peer silent = await ConnectAsync(server.EndPoints[0]);

        await RequireResetAsync(silent);

        await RequireLimitedAsync(server, Protocols[1], ConnectionLimit.FirstByte);
        await EchoAsync(talker);
        Assert.Equal(1, server.ConnectionCount);
    });

    [Fact]
    public void Idle_AfterTalking_IsClosedInGoodOrder() => Run(async loop =>
    {
        Server server = await ServeAsync(loop, new() { IdleTime = s_short });
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);

        Assert.Empty(await peer.ReadToEndAsync());

        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.Idle);
        Assert.Equal($"No byte went either way for {s_short}.", (await Protocols[0].Lost.Task)!.Message);
    });

    [Fact]
    public void ReceiveRate_OneByteAtATime_IsAborted() => Run(async loop =>
    {
        Server server = await ServeAsync(loop, new() { MinReceiveRate = new MinDataRate(1_000_000, s_short) });
        Peer peer = await ConnectAndEchoAsync(server.EndPoints[0]);

        while (!Protocols[0].Lost.Task.IsCompleted)
        {
            TrySendByte(peer);
            await Task.Delay(TimeSpan.FromMilliseconds(1), loop.TimeProvider);
        }

        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.ReceiveRate);
    });

    [Fact]
    public void WriteStall_PeerNeverReads_IsAborted() => Run(async loop =>
    {
        Server server = await ServeWriterAsync(loop, new() { WriteStallTime = s_short });
        Peer peer = await ConnectDeafAsync(server);

        await RequireLostAsync(loop);

        await RequireResetAsync(peer);
        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.WriteStall);
    });

    [Fact]
    public void SendRate_PeerNeverReads_IsAborted() => Run(async loop =>
    {
        Server server = await ServeWriterAsync(loop, new() { MinSendRate = new MinDataRate(1_000_000, s_short) });
        Peer peer = await ConnectDeafAsync(server);

        await RequireLostAsync(loop);

        await RequireResetAsync(peer);
        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.SendRate);
    });

    [Fact]
    public void Idle_WithUnsentBytes_IsAborted() => Run(async loop =>
    {
        Server server = await ServeWriterAsync(loop, new() { IdleTime = s_short });
        Peer peer = await ConnectDeafAsync(server);

        await RequireLostAsync(loop);

        await RequireResetAsync(peer);
        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.Idle);
    });

    [Fact]
    public void Limits_WhileReadingIsPaused_DoNotCount() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = p => p.Transport.PauseReading();
                return protocol;
            },
            AnyPort,
            new ServerOptions
            {
                Limits = new()
                {
                    FirstByteTime = s_short,
                    IdleTime = s_short,
                    MinReceiveRate = new MinDataRate(1_000_000, s_short),
                },
            });
        Peer peer = await ConnectAsync(server.EndPoints[0]);

        await Task.Delay(s_short * 3, loop.TimeProvider);
        Assert.Equal(0, server.LimitedCount);
        Protocols[0].Transport.ResumeReading();
        await RequireResetAsync(peer);

        Assert.Equal(1, server.LimitedCount);
    });

    [Fact]
    public void Limits_WhileClosing_AreTheLingerTimesBusiness() => Run(async loop =>
    {
        Server server = await ServeWriterAsync(loop, new() { IdleTime = s_short, WriteStallTime = s_short });
        await ConnectDeafAsync(server);
        await UntilAsync(loop, () => Protocols.Count == 1);

        Protocols[0].Transport.Close();
        await Task.Delay(s_short * 3, loop.TimeProvider);

        Assert.False(Protocols[0].Grammar.IsLost);
        Assert.Equal(0, server.LimitedCount);
        Assert.Equal(CloseReason.LocalClose, Protocols[0].Transport.CloseReason);
        Protocols[0].Transport.Abort();
    });

    // A halt is a callback that takes as long: the loop finds every deadline overdue, and bytes that came in time.
    [Fact]
    public void Loop_HeldUp_TimesOutNobodyWhoHasSent() => Run(async loop =>
    {
        RequireRealMachine(TimeStandsStill);
        const int Peers = 100;
        TimeSpan time = TimeSpan.FromMilliseconds(150);
        Server server = await ServeAsync(loop, new() { FirstByteTime = time, IdleTime = time });
        Peer[] peers = [.. Enumerable.Range(0, Peers).Select(_ => Network.ConnectNow(server.EndPoints[0]))];
        Peer silent = Network.ConnectNow(server.EndPoints[0]);
        await UntilAsync(loop, () => server.ConnectionCount == Peers + 1);
        Array.ForEach(peers, peer => peer.SendNow("x"u8));
        long began = TimeProvider.System.GetTimestamp();
        SpinWait.SpinUntil(() => TimeProvider.System.GetElapsedTime(began) > time * 3); // every limit is passed, and the loop stands
        await SettleAsync(loop);

        // Nor who has not, since the silence was ours.
        Assert.Equal(0, server.LimitedCount);
        foreach (Peer peer in peers)
        {
            Assert.Equal("x"u8.ToArray(), await peer.ReadAsync(1));
        }

        await RequireResetAsync(silent);
    });

    [Fact]
    public void PerAddress_OneTooMany_IsTurnedAwayUntilAnotherHasGone() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, null, 0, new ServerOptions { MaxConnectionsPerAddress = 2 });
        EndPoint endPoint = server.EndPoints[0];
        Peer first = await ConnectAndEchoAsync(endPoint);
        Peer second = await ConnectAndEchoAsync(endPoint);

        await RequireTurnedAwayAsync(endPoint);
        await RequireTurnedAwayAsync(endPoint);
        await ConnectAndEchoAsync(server.EndPoints[1]); // from another address
        Assert.Equal(3, server.ConnectionCount);
        Assert.Equal(2, server.CountLimitedBy(ConnectionLimit.PerAddress));
        Assert.Equal(2, server.LimitedCount);

        first.Reset();
        await UntilAsync(loop, () => server.ConnectionCount == 2);
        await ConnectAndEchoAsync(endPoint);
        await EchoAsync(second);
        Assert.Equal(4, server.AcceptedCount);
    });

    [Fact]
    public void Log_OfManyThatPassALimit_IsOneLine()
    {
        using var loggers = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                Server server = await loop.CreateServerAsync(
                    MakeProtocol,
                    AnyPort,
                    new ServerOptions { MaxConnectionsPerAddress = 3, Limits = new() { FirstByteTime = s_short } });
                Peer[] peers = [
                    await ConnectAsync(server.EndPoints[0]),
                    await ConnectAsync(server.EndPoints[0]),
                    await ConnectAsync(server.EndPoints[0])];
                await UntilAsync(loop, () => server.ConnectionCount == 3);
                await RequireTurnedAwayAsync(server.EndPoints[0]);
                await RequireTurnedAwayAsync(server.EndPoints[0]);
                Array.ForEach(peers, peer => Assert.NotNull(peer));
                await UntilAsync(loop, () => server.LimitedCount == 5);
            },
            new EventLoopOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(20), LoggerFactory = loggers });

        LogLine ended = Assert.Single(loggers.Of(3));
        Assert.Matches(@"^The connection from 127\.0\.0\.1:\d+ was ended: The peer sent nothing within 00:00:00\.04", ended.Text);
        LogLine turnedAway = Assert.Single(loggers.Of(4));
        Assert.Matches(@"^A newcomer from 127\.0\.0\.1:\d+ on 127\.0\.0\.1:\d+ was turned away: ", turnedAway.Text);
    }

    [Fact]
    public void Limits_ThatNobodyPasses_LeaveConnectionsAlone() => Run(async loop =>
    {
        RequireVirtualTime();
        Server server = await ServeAsync(loop, new()
        {
            FirstByteTime = TimeSpan.FromSeconds(8),
            IdleTime = TimeSpan.FromSeconds(8),
            WriteStallTime = TimeSpan.FromSeconds(8),
            MinReceiveRate = new MinDataRate(10, TimeSpan.FromSeconds(8)),
            MinSendRate = new MinDataRate(10, TimeSpan.FromSeconds(8)),
        });
        Peer peer = await ConnectAsync(server.EndPoints[0]);

        // Quick enough on the average of eight seconds, and never silent for as long.
        for (int i = 0; i < 100; i++)
        {
            await Task.Delay(TimeSpan.FromSeconds(7.9), loop.TimeProvider);
            await peer.SendAsync(new byte[80]);
            Assert.Equal(80, (await peer.ReadAsync(80)).Length);
        }

        Assert.Equal(0, server.LimitedCount);
    });

    [Fact]
    public void Limits_AreNeverEarlyAndLateByTwoLooksAtMost() => Run(async loop =>
    {
        RequireVirtualTime();
        TimeSpan time = TimeSpan.FromSeconds(8);
        TimeSpan look = TimeSpan.FromSeconds(1);
        var random = new Random(1);
        var ends = new List<TimeSpan>();
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TimeSpan silentSince = TimeSpan.Zero;
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => silentSince = loop.Time;
                protocol.OnData = (_, _) => silentSince = loop.Time;
                protocol.OnLost = (_, _) => ends.Add(loop.Time - silentSince);
                return protocol;
            },
            AnyPort,
            new ServerOptions { Limits = new() { FirstByteTime = time, IdleTime = time } });

        const int Peers = 100;
        for (int i = 0; i < Peers; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(3_000)), loop.TimeProvider);
            Peer peer = await ConnectAsync(server.EndPoints[0]);
            if (i % 2 == 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(7_000)), loop.TimeProvider);
                peer.SendNow("x"u8);
            }
        }

        await UntilAsync(loop, () => ends.Count == Peers);

        Assert.All(ends, end => Assert.InRange(end, time, time + (look * 2)));
        Assert.Equal(Peers / 2, server.CountLimitedBy(ConnectionLimit.FirstByte));
        Assert.Equal(Peers / 2, server.CountLimitedBy(ConnectionLimit.Idle));
    });

    [Theory]
    [InlineData(9, true)]
    [InlineData(11, false)]
    public void ReceiveRate_Average_IsWhatCounts(int bytesPerSecond, bool isTooSlow) => Run(async loop =>
    {
        RequireVirtualTime();
        Server server = await ServeAsync(loop, new() { MinReceiveRate = new MinDataRate(10, TimeSpan.FromSeconds(8)) });
        Peer peer = await ConnectAsync(server.EndPoints[0]);

        // A burst at the beginning is no credit for later.
        await peer.SendAsync(new byte[100_000]);
        await peer.ReadAsync(100_000);
        TimeSpan began = loop.Time;
        for (int i = 0; i < 300 && !Protocols[0].Lost.Task.IsCompleted; i++)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider);
            if (!Protocols[0].Lost.Task.IsCompleted)
            {
                peer.SendNow(new byte[bytesPerSecond]);
            }
        }

        // Of 80 bytes of credit it loses one a second.
        Assert.Equal(isTooSlow, server.LimitedCount == 1);
        if (isTooSlow)
        {
            Assert.InRange(loop.Time - began, TimeSpan.FromSeconds(70), TimeSpan.FromSeconds(85));
        }
    });

    [Fact]
    public void ReceiveRate_OfWhoIsSilent_IsOverAfterTheGracePeriodAndNotBefore() => Run(async loop =>
    {
        RequireVirtualTime();
        TimeSpan grace = TimeSpan.FromSeconds(8);
        var random = new Random(2);
        var lives = new List<TimeSpan>();
        Server server = await loop.CreateServerAsync(
            () =>
            {
                TimeSpan began = loop.Time;
                TestProtocol protocol = MakeProtocol();
                protocol.OnLost = (_, _) => lives.Add(loop.Time - began);
                return protocol;
            },
            AnyPort,
            new ServerOptions { Limits = new() { MinReceiveRate = new MinDataRate(10, grace) } });

        const int Peers = 50;
        for (int i = 0; i < Peers; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1_500)), loop.TimeProvider);
            await ConnectAsync(server.EndPoints[0]);
        }

        await UntilAsync(loop, () => lives.Count == Peers);

        Assert.All(lives, life => Assert.InRange(life, grace, grace + TimeSpan.FromSeconds(2)));
        Assert.Equal(Peers, server.CountLimitedBy(ConnectionLimit.ReceiveRate));
    });

    [Fact]
    public void SendRate_PeerReadsSlowly_IsAborted() => Run(async loop =>
    {
        RequireVirtualTime();
        Server server = await ServeWriterAsync(loop, new()
        {
            MinSendRate = new MinDataRate(10_000, TimeSpan.FromSeconds(5)),
            WriteStallTime = TimeSpan.FromSeconds(60),
        });
        Peer peer = await ConnectDeafAsync(server);

        byte[] buffer = new byte[1_000];
        try
        {
            while (await peer.ReceiveAsync(buffer) > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider);
            }
        }
        catch (SocketException)
        {
            // as it should
        }

        await RequireLimitedAsync(server, Protocols[0], ConnectionLimit.SendRate);
        Assert.True(loop.Time < TimeSpan.FromSeconds(30), $"{loop.Time}");
    });

    /// <summary>
    /// A thousand peers of a byte a second, of whom the server is rid when it has a rate, beside one that is as quick as ever.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void SlowPeers_AThousand_DoNotHurtAHealthyOne(bool isLimited) => Run(async loop =>
    {
        RequireVirtualTime();
        const int Slow = 1_000;
        ConnectionLimits limits = isLimited
            ? new() { MinReceiveRate = new MinDataRate(240, TimeSpan.FromSeconds(5)) }
            : ConnectionLimits.None;
        Server server = await loop.CreateServerAsync(
            () => new EchoOf(), AnyPort, new ServerOptions { Backlog = Slow + 1, Limits = limits });
        Peer healthy = await ConnectAndEchoAsync(server.EndPoints[0]);
        var peers = new List<Peer>();
        for (int i = 0; i < Slow; i++)
        {
            peers.Add(Network.ConnectNow(server.EndPoints[0]));
        }

        byte[] message = new byte[300];
        for (int second = 0; second < 8; second++)
        {
            foreach (Peer slow in peers)
            {
                TrySendByte(slow);
            }

            TimeSpan asked = loop.Time;
            await healthy.SendAsync(message);
            Assert.Equal(message.Length, (await healthy.ReadAsync(message.Length)).Length);
            Assert.True(loop.Time - asked < TimeSpan.FromMilliseconds(10), $"{loop.Time - asked}");
            await Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider);
        }

        Assert.Equal(isLimited ? Slow : 0, server.LimitedCount);
        Assert.Equal(isLimited ? 1 : Slow + 1, server.ConnectionCount);
    });

    private static void TrySendByte(Peer peer)
    {
        try
        {
            _ = peer.TrySend("x"u8);
        }
        catch (SocketException)
        {
            // the server has had enough of it
        }
    }

    private async Task RequireLostAsync(EventLoop loop)
    {
        await UntilAsync(loop, () => Protocols.Count > 0);
        await Protocols[0].Lost.Task;
    }

    private static async Task RequireLimitedAsync(Server server, TestProtocol protocol, ConnectionLimit limit)
    {
        var exception = Assert.IsType<ConnectionLimitException>(await protocol.Lost.Task);
        Assert.Equal(limit, exception.Limit);
        Assert.Equal(CloseReason.LimitReached, exception.Reason);
        Assert.Equal(CloseReason.LimitReached, protocol.Transport.CloseReason);
        Assert.Equal(1, server.CountLimitedBy(limit));
        Assert.Equal(1, server.LimitedCount);
    }

    private Task<Server> ServeAsync(EventLoop loop, ConnectionLimits limits)
        => loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { Limits = limits });

    // More than the kernel's buffers of both sides take.
    private Task<Server> ServeWriterAsync(EventLoop loop, ConnectionLimits limits)
        => loop.CreateServerAsync(
            () =>
            {
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = p => p.Transport.Write(new byte[4_000_000]);
                return protocol;
            },
            AnyPort,
            new ServerOptions { Limits = limits, Tcp = new TcpOptions { SendBufferSize = 16 * 1024 } });

    private Task<Peer> ConnectDeafAsync(Server server)
        => Network.ConnectAsync(server.EndPoints[0], new PeerOptions { ReceiveBufferSize = 16 * 1024 });

    /// <summary>An echo of which nothing is kept, for a crowd.</summary>
    private sealed class EchoOf : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data) => Transport.Write(data);
    }
}
