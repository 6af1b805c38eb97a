using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Toolkit.Tests.Contracts;

/// <summary>Whatever the peer, the network or a protocol does wrong ends that one connection, and is told once.</summary>
public abstract class TcpFaultContract(LoopUnderTest subject) : StreamContract(subject)
{
    [Fact]
    public void Reset_RightAfterConnecting_IsToldOrNobodyIs() => Run(async loop =>
    {
        var protocols = new List<TestProtocol>();
        Server server = await ServeAsync(loop, () =>
        {
            protocols.Add(Watch(new TestProtocol()));
            return protocols[^1];
        });
        for (int i = 0; i < 50; i++)
        {
            Peer peer = Network.ConnectNow(server.EndPoints[0]);
            if (i % 2 == 0)
            {
                await NextIterationAsync(loop);
            }

            peer.Reset();
        }

        // A connection that was reset in the queue may be accepted or not; the one behind it is.
        Peer last = await Network.ConnectAsync(server.EndPoints[0]);
        await last.SendAsync("x"u8.ToArray());
        await UntilAsync(loop, () => protocols.Exists(protocol => protocol.ReceivedLength >= 1));
        last.Dispose();
        await UntilAsync(loop, () => server.ConnectionCount == 0);
        server.Close();

        foreach (TestProtocol protocol in protocols.Where(protocol => protocol.ReceivedLength == 0))
        {
            Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
            RequireReset(protocol);
        }
    });

    [Fact]
    public void Reset_Idle_IsTold() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await NextIterationAsync(loop);
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
        Assert.DoesNotContain("EofReceived", protocol.Callbacks);
    });

    [Fact]
    public void Reset_BeforeOurReplyIsRead_IsToldOnce() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnData = (p, _) => p.Transport.Write(new byte[10_000]) };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("request"u8.ToArray());
        await protocol.FirstData.Task;
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
        Assert.Equal("request", protocol.ReceivedText);
        Assert.Equal(WriteStatus.Closed, protocol.Transport.Write("x"u8));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Reset_WhilePausedForWriting_IsToldWithoutAResumption(bool readingPaused) => Run(async loop =>
    {
        RequireWholeTries();
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        FillUp(protocol.Transport);
        if (readingPaused)
        {
            protocol.Transport.PauseReading();
        }

        await NextIterationAsync(loop);
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
        Assert.DoesNotContain("ResumeWriting", protocol.Callbacks);
        Assert.Equal(0, protocol.Transport.UnsentBytes);
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Reset_WhileClosing_IsTold() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        protocol.Transport.Write(new byte[3_000_000]);
        protocol.Transport.Close();
        await NextIterationAsync(loop);
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
    });

    [Fact]
    public void Reset_WhileReadingIsPausedWithUnreadData_IsTold() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnMade = p => p.Transport.PauseReading() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync(new byte[50_000]);
        await RequireIdleAsync(loop);
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
        Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Reset_AfterThePeersHalfClose_IsToldWithNothingToWriteAndNoSpin(bool eofRead) => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        if (!eofRead)
        {
            protocol.Transport.PauseReading();
        }

        peer.ShutdownSend();
        await (eofRead ? protocol.Eof.Task : NextIterationAsync(loop));
        await RequireIdleAsync(loop);
        Assert.False(protocol.Transport.IsClosing);
        peer.Reset();
        await protocol.Lost.Task;
        RequireReset(protocol);
        await UntilDesertedAsync(loop);
        await RequireIdleAsync(loop);
    });

    [Fact]
    public void HangUp_BothSidesEndedWhileReadingIsPaused_LeavesTheBytesToRead() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnMade = p => p.Transport.PauseReading() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        protocol.Transport.WriteEof();
        await peer.SendAsync("unread"u8.ToArray());
        peer.ShutdownSend();
        _ = await peer.ReadToEndAsync();
        await RequireIdleAsync(loop);
        Assert.False(protocol.Transport.IsClosing);

        protocol.Transport.ResumeReading();
        protocol.Transport.PauseReading();
        await RequireIdleAsync(loop);
        protocol.Transport.ResumeReading();
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal("unread", protocol.ReceivedText);
    });

    [Fact]
    public void Write_PeerIsGoneAndItsLastWordsAreUnread_AreToldBeforeTheLoss() => Run(async loop =>
    {
        byte[] response = Pattern(100_000);
        var protocol = new TestProtocol();
        protocol.OnMade = p => p.Transport.PauseReading();
        protocol.OnData = (p, _) =>
        {
            // Small writes go out with the batch, large ones at once; both meet a peer that is gone.
            p.Transport.Write("ack"u8);
            p.Transport.Write(new byte[50_000]);
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync(response);
        peer.Dispose(); // everything was read there, so this is an end of file, and a reset to whoever writes
        protocol.Transport.ResumeReading();
        Exception? reason = await protocol.Lost.Task;

        AssertSame(response, protocol.Received);
        if (!HasShortTries) // a write that has to wait may fail after the end of file was told
        {
            Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(reason).Reason);
            Assert.DoesNotContain("EofReceived", protocol.Callbacks);
        }
    });

    [Fact]
    public void Write_PeerIsGone_NeverThrows() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        peer.Dispose();
        await protocol.Eof.Task;
        while (!protocol.Lost.Task.IsCompleted)
        {
            protocol.Transport.Write("x"u8);
            protocol.Transport.Write(new byte[30_000]);
            await NextIterationAsync(loop);
        }

        RequireReset(protocol);
    });

    [Theory]
    [MemberData(nameof(EveryCallback))]
    public void Callback_Throws_IsReportedOnceAndEndsThatConnectionOnly(string callback) => Run(async loop =>
    {
        var failure = new ArithmeticException(callback);
        var bystander = new TestProtocol { OnData = (p, data) => p.Transport.Write(data) };
        Peer friend = await ConnectPeerAsync(loop, bystander);
        var protocol = new TestProtocol();
        protocol.OnEvery(here =>
        {
            if (here == callback)
            {
                throw failure;
            }
        });
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        WriteStatus status = protocol.Transport.Write(new byte[1_000_000]);
        try
        {
            await peer.SendAsync("x"u8.ToArray());
            if (callback is not "DataReceived")
            {
                Assert.Equal(1_000_000, (await peer.ReadAsync(1_000_000)).Length);
            }

            peer.ShutdownSend();
        }
        catch (SocketException)
        {
            // Reset, as it must be.
        }

        Exception? reason = await protocol.Lost.Task;
        TransportError error = Assert.IsType<TransportError>(TakeError());
        Assert.Same(failure, error.Exception);
        Assert.Same(protocol, error.Protocol);
        Assert.Same(protocol.Transport, error.Transport);
        Assert.Contains(callback, error.Message, StringComparison.Ordinal);
        Assert.Contains(callback, protocol.Callbacks);
        bool aborts = callback != "ConnectionLost";
        Assert.Same(aborts ? failure : null, reason);
        Assert.Equal(aborts ? CloseReason.ProtocolError : CloseReason.PeerEnd, protocol.Transport.CloseReason);
        Assert.Equal(callback is "ConnectionMade" or "PauseWriting", status == WriteStatus.Closed);

        await friend.SendAsync("still there"u8.ToArray());
        Assert.Equal(11, (await friend.ReadAsync(11)).Length);
        friend.Dispose();
        await bystander.Lost.Task;
        peer.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData("GetBuffer")]
    [InlineData("BufferUpdated")]
    public void BufferedCallback_Throws_IsReportedOnceAndEndsTheConnection(string callback) => Run(async loop =>
    {
        var failure = new ArithmeticException(callback);
        var protocol = new BufferedTestProtocol
        {
            OnGetBuffer = p => callback == "GetBuffer" ? throw failure : p.Buffer,
            OnUpdated = (_, _) => throw failure,
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("x"u8.ToArray());
        Assert.Same(failure, await protocol.Lost.Task);
        TransportError error = Assert.IsType<TransportError>(TakeError());
        Assert.Same(failure, error.Exception);
        Assert.Contains(callback, error.Message, StringComparison.Ordinal);
        Assert.Equal(CloseReason.ProtocolError, protocol.Transport.CloseReason);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
    });

    [Fact]
    public void ConnectionMade_ThrowsAtAClient_ComesOutOfTheConnectCall() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var failure = new ArithmeticException();
        var protocol = Watch(new TestProtocol { OnMade = _ => throw failure });
        ArithmeticException thrown = await Assert.ThrowsAsync<ArithmeticException>(
            () => loop.CreateConnectionAsync(() => protocol, listener.LocalEndPoint));
        Assert.Same(failure, thrown);
        Assert.Same(failure, await protocol.Lost.Task);
        Assert.Same(failure, TakeError().Exception);
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void DescriptorNumber_ReusedWithinABatch_BringsTheStrangerNothing() => Run(async loop =>
    {
        const int Rounds = 500;
        Server greeting = await ServeAsync(loop, () => Watch(new TestProtocol
        {
            OnMade = p => p.Transport.Write("hello"u8),
            OnEof = _ => false,
        }));
        TestProtocol? left = null;
        TestProtocol? right = null;
        Task<Connection<TestProtocol>>? connecting = null;
        Server server = await ServeAsync(loop, () =>
        {
            var protocol = Watch(new TestProtocol());
            protocol.OnData = (p, _) =>
            {
                // Both have data in this very batch. The other's number is free with this, and taken with the next line.
                TestProtocol other = p == left ? right! : left!;
                other.Transport.Abort();
                connecting = loop.CreateConnectionAsync(() => Watch(new TestProtocol()), greeting.EndPoints[0]);
            };
            return left is null ? left = protocol : right = protocol;
        });
        for (int round = 0; round < Rounds; round++)
        {
            left = null;
            right = null;
            connecting = null;
            Peer first = Network.ConnectNow(server.EndPoints[0]);
            Peer second = Network.ConnectNow(server.EndPoints[0]);
            while (right is not { Grammar.IsMade: true })
            {
                await NextIterationAsync(loop);
            }

            await NextIterationAsync(loop); // both are armed
            first.SendNow("1"u8);
            second.SendNow("2"u8);
            while (connecting is null)
            {
                await NextIterationAsync(loop);
            }

            Connection<TestProtocol> stranger = await connecting;
            while (stranger.Protocol.ReceivedLength < 5)
            {
                await NextIterationAsync(loop);
            }

            Assert.Equal("hello", stranger.Protocol.ReceivedText);
            Assert.Equal(1, left!.ReceivedLength + right!.ReceivedLength);
            stranger.Transport.Abort();
            left!.Transport.Abort();
            right!.Transport.Abort();
            first.Dispose();
            second.Dispose();
            await NextIterationAsync(loop);
        }

        server.Close();
        greeting.Close();
        greeting.AbortConnections();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void DescriptorNumber_ReusedForAConnectWithinABatch_DoesNotMakeItSucceed() => Run(async loop =>
    {
        const int Rounds = 1_000;

        // A listener whose queue is full answers nobody: a connect to it goes on until it is given up.
        PeerListener deaf = Network.Listen(backlog: 0);
        Network.ConnectNow(deaf.LocalEndPoint);
        TestProtocol? left = null;
        TestProtocol? right = null;
        Task? connecting = null;
        int strangers = 0;
        CancellationToken giveUp = default;
        Server server = await ServeAsync(loop, () =>
        {
            var protocol = Watch(new TestProtocol());
            protocol.OnData = (p, _) =>
            {
                // The reset of the other is in this very batch. Its number is free with this, and taken with the next line.
                right!.Transport.Abort();
                connecting = loop.CreateConnectionAsync(
                    () => Watch(new TestProtocol { OnMade = _ => strangers++ }),
                    deaf.LocalEndPoint,
                    cancellationToken: giveUp);
            };
            return left is null ? left = protocol : right = protocol;
        });
        for (int round = 0; round < Rounds; round++)
        {
            left = null;
            right = null;
            connecting = null;
            using var roundsEnd = new CancellationTokenSource();
            giveUp = roundsEnd.Token;
            using Peer first = Network.ConnectNow(server.EndPoints[0]);
            Peer second = Network.ConnectNow(server.EndPoints[0]);
            while (right is not { Grammar.IsMade: true })
            {
                await NextIterationAsync(loop);
            }

            await NextIterationAsync(loop); // both are armed
            first.SendNow("1"u8);
            second.Reset();
            while (connecting is null)
            {
                await NextIterationAsync(loop);
            }

            await NextIterationAsync(loop);
            await NextIterationAsync(loop);
            Assert.False(connecting.IsCompleted, $"Round {round}: {connecting.Status}");
            roundsEnd.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
            left!.Transport.Abort();
            while (server.ConnectionCount > 0)
            {
                await NextIterationAsync(loop);
            }
        }

        server.Close();
        await UntilDesertedAsync(loop);
        Assert.Equal(0, strangers);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Log_OfWhatAPeerHasSent_IsEscaped(bool handlerThrows)
    {
        const string Sent = "1\r\nError: all is lost\0 \u001b[2J\u0085\u202e\u2028end";
        using var loggers = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                loop.ExceptionHandler = handlerThrows ? error => throw new InvalidDataException(error.Message) : null;
                var protocol = new TestProtocol();
                protocol.OnData = (p, _) =>
                {
                    if (p.ReceivedText != Sent)
                    {
                        return;
                    }

                    loop.ReportError(new LoopError($"No number: {p.ReceivedText}", new FormatException(p.ReceivedText)));
                    throw new FormatException(p.ReceivedText);
                };
                Peer peer = await ConnectPeerAsync(loop, protocol);
                await peer.SendAsync(Encoding.UTF8.GetBytes(Sent));
                await protocol.Lost.Task;
            },
            new EventLoopOptions { LoggerFactory = loggers });

        LogLine[] lines = [.. loggers.Lines.Where(line => line.Level == LogLevel.Error)];
        Assert.Equal(handlerThrows ? 3 : 2, lines.Length);
        Assert.All(lines, line => Assert.DoesNotContain(line.Text, c => char.IsControl(c) || c is '\u202e' or '\u2028'));
        Assert.Contains(
            lines,
            line => line.Text.EndsWith(
                @"No number: 1\r\nError: all is lost\u0000 \u001B[2J\u0085\u202E\u2028end", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Exception is FormatException { Message: Sent }); // whole, for who can keep it
    }

    [Fact]
    public void UrgentByte_IsLeftOutAndCausesNoSpin() => Run(async loop =>
    {
        RequireRealMachine("A simulation knows no urgent bytes.");
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        peer.SendNow("abc"u8);
        ((SocketPeer)peer).Socket.Send("!"u8, SocketFlags.OutOfBand);
        await UntilAsync(loop, () => protocol.ReceivedLength >= 3);
        await RequireIdleAsync(loop);
        peer.SendNow("def"u8);
        peer.ShutdownSend();
        await protocol.Lost.Task;
        Assert.Equal("abcdef", protocol.ReceivedText);
    });

    [Fact]
    public void Flood_OneConnection_OthersAreServed() => Run(async loop =>
    {
        var flooded = new TestProtocol { KeepsData = false };
        Peer flooder = await ConnectPeerAsync(loop, flooded);
        bool stop = false;
        Task flooding = Network.RunBesideAsync(async () =>
        {
            byte[] chunk = new byte[256 * 1024];
            while (!Volatile.Read(ref stop))
            {
                await flooder.SendAsync(chunk);
            }
        });
        var quiet = new List<Peer>();
        var protocols = new List<TestProtocol>();
        for (int i = 0; i < 20; i++)
        {
            protocols.Add(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });
            quiet.Add(await ConnectPeerAsync(loop, protocols[i]));
        }

        while (flooded.ReceivedLength == 0)
        {
            await NextIterationAsync(loop); // no timer: virtual time would stand still meanwhile
        }

        // Each is answered while the flood goes on; one that starved would be waited for until the watchdog bites.
        for (int turn = 0; turn < 20; turn++)
        {
            foreach (Peer peer in quiet)
            {
                peer.SendNow("ping"u8);
                while (peer.Available < 4)
                {
                    await NextIterationAsync(loop);
                }

                await peer.ReadAsync(4);
            }
        }

        Volatile.Write(ref stop, true);
        await flooding;
        flooder.Dispose();
        quiet.ForEach(peer => peer.Dispose());
        foreach (TestProtocol protocol in protocols.Append(flooded))
        {
            await protocol.Lost.Task;
        }
    });

    [Fact]
    public void HeldUp_ManyHaveSentMeanwhile_NobodyIsTimedOut() => Run(async loop =>
    {
        RequireRealMachine(TimeStandsStill);
        const int Connections = 300; // more than a few polls tell
        TimeSpan idleTime = TimeSpan.FromMilliseconds(50);
        int timedOut = 0;
        var peers = new List<Peer>();
        var protocols = new List<TestProtocol>();
        var timers = new List<TimerHandle>();
        for (int i = 0; i < Connections; i++)
        {
            TimerHandle timer = loop.CallLater(TimeSpan.FromHours(1), () => timedOut++);
            protocols.Add(new TestProtocol { OnData = (_, _) => timer.Reschedule(TimeSpan.FromHours(1)) });
            timers.Add(timer);
            peers.Add(await ConnectPeerAsync(loop, protocols[i]));
        }

        // From here on the loop is held up, until all are overdue and all have sent.
        timers.ForEach(timer => timer.Reschedule(idleTime));
        peers.ForEach(peer => peer.SendNow("x"u8));
        SpinWait.SpinUntil(() => false, idleTime * 3);
        await UntilAsync(loop, () => protocols.TrueForAll(protocol => protocol.ReceivedLength > 0));

        Assert.Equal(0, timedOut);
        timers.ForEach(timer => timer.Cancel());
        peers.ForEach(peer => peer.Dispose());
        foreach (TestProtocol protocol in protocols)
        {
            await protocol.Lost.Task;
        }
    });

    [Fact]
    public void KilledFromOutside_IsTold()
    {
        RequireRealMachine("ss kills what the kernel knows.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ss is Linux's.");
        Assert.SkipUnless(Tool("ss", "-V"), "There is no ss here.");
        Run(async loop =>
        {
            var protocol = new TestProtocol();
            Peer peer = await ConnectPeerAsync(loop, protocol);
            int port = peer.LocalEndPoint.Port;
            await loop.RunInThreadAsync(() => Tool("ss", $"-K dst 127.0.0.1 dport = {port}"));
            await Task.WhenAny(protocol.Lost.Task, Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider));
            bool killed = protocol.Lost.Task.IsCompleted;
            peer.Dispose();
            await protocol.Lost.Task;
            Assert.SkipUnless(killed, "ss -K does nothing here.");

            RequireReset(protocol);
            Assert.Equal(
                SocketError.ConnectionAborted,
                ((SocketException)protocol.Lost.Task.Result!.InnerException!).SocketErrorCode);
        });
    }
}
