using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Layers;

/// <summary>Times, to the tick of virtual time.</summary>
public sealed class TimeoutLayerTests
{
    private static readonly ConnectionTimeouts s_idle = new() { Idle = TimeSpan.FromSeconds(10) };
    private static readonly ConnectionTimeouts s_read = new() { Read = TimeSpan.FromSeconds(10) };
    private static readonly ConnectionTimeouts s_write = new() { Write = TimeSpan.FromSeconds(10) };

    [Fact]
    public void Idle_NoByte_ClosesInGoodOrderAtTheMoment() => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_idle);
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Idle, 10);
        Assert.Equal(CloseReason.Timeout, protocol.Transport.CloseReason);
        Assert.Null(await peer.Lost);
        Assert.Equal(CloseReason.PeerEnd, peer.Transport.CloseReason);
    });

    [Theory]
    [InlineData("receive")]
    [InlineData("write")]
    [InlineData("write several")]
    public void Idle_AByteInEitherDirection_BeginsAnew(string what) => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_idle);
        await DelayAsync(loop, 4);
        Pass();
        await DelayAsync(loop, 9);
        Pass();
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Idle, 10);

        void Pass() => _ = what switch
        {
            "receive" => peer.Transport.Write("x"u8),
            "write" => protocol.Transport.Write("x"u8),
            _ => protocol.Transport.WriteVectored([default, "x"u8.ToArray()]),
        };
    });

    [Fact]
    public void Read_WhileReadingIsPaused_DoesNotCount() => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_read);
        await DelayAsync(loop, 3);
        protocol.Transport.PauseReading();
        await DelayAsync(loop, 25);
        protocol.Transport.ResumeReading();
        await DelayAsync(loop, 9);
        protocol.Transport.ResumeReading(); // which it is
        protocol.Transport.Write("x"u8); // which is nothing received
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Read, 1);
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await peer.Lost).Reason);
    });

    [Fact]
    public void Read_AfterTheEndOfTheStream_DoesNotCount() => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_read);
        protocol.OnEof = _ => true;
        peer.Transport.WriteEof();
        await DelayAsync(loop, 100);
        Assert.False(protocol.Transport.IsClosing);
        protocol.Transport.Close();
        await protocol.Lost;
    });

    [Fact]
    public void Read_BytesGivenBack_AreNoneOfThePeers() => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_read);
        bool given = false;
        protocol.OnData = (p, data) =>
        {
            if (!given)
            {
                given = true;
                p.Transport.PauseReading();
                p.Transport.Unread(data);
                loop.CallLater(TimeSpan.FromSeconds(3), p.Transport.ResumeReading);
                loop.CallLater(TimeSpan.FromSeconds(5), p.Transport.PauseReading);
                loop.CallLater(TimeSpan.FromSeconds(5), p.Transport.ResumeReading);
            }
        };
        peer.Transport.Write("x"u8);
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Read, 15); // since reading was resumed last
    });

    [Fact]
    public void Write_NoByteLeaves_AbortsAtTheMoment() => Run(async loop =>
    {
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, s_write);
        await DelayAsync(loop, 100); // nothing is unsent
        peer.Transport.PauseReading();
        protocol.Transport.Write(new byte[3_000]);
        await DelayAsync(loop, 4);
        protocol.Transport.Write("more"u8);
        await DelayAsync(loop, 3);
        peer.Transport.ResumeReading(); // some leaves
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(0, protocol.Transport.UnsentBytes);
        peer.Transport.PauseReading();
        await DelayAsync(loop, 50);
        protocol.Transport.Write(new byte[3_000]);
        await DelayAsync(loop, 9);
        peer.OnData = (p, _) => p.Transport.PauseReading();
        peer.Transport.ResumeReading(); // a window's worth
        await MemoryLoop.SettleAsync(loop);
        Assert.NotEqual(0, protocol.Transport.UnsentBytes);
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Write, 10);
    });

    [Fact]
    public void TimedOut_ThatKeepsTheConnection_IsAskedAgain() => Run(async loop =>
    {
        var asked = new List<double>();
        TimeSpan began = default;
        var peer = new RecordingProtocol();
        var protocol = new RecordingProtocol();
        var layer = new TimeoutLayer(protocol, new ConnectionTimeouts { Read = TimeSpan.FromSeconds(10) })
        {
            OnTimeout = (of, which) =>
            {
                Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
                asked.Add((loop.Time - began).TotalSeconds);
                of.Protocol.Transport.Write("ping"u8);
                return asked.Count < 3;
            },
        };
        await MemoryConnection.CreateAsync(loop, layer, peer);
        began = loop.Time;
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Read, 30);
        Assert.Equal([10, 20, 30], asked);
        await peer.Lost;
        Assert.StartsWith("pingping", peer.ReceivedText, StringComparison.Ordinal);
    });

    [Fact]
    public void TimedOut_ThatThrows_AbortsTheConnection() => MemoryLoop.Run(async (loop, errors) =>
    {
        var protocol = new RecordingProtocol();
        var thrown = new ArithmeticException();
        var layer = new TimeoutLayer(protocol, s_idle) { OnTimeout = (_, _) => throw thrown };
        await MemoryConnection.CreateAsync(loop, layer, new RecordingProtocol());
        Assert.Same(thrown, await protocol.Lost);
        Assert.Same(thrown, Assert.Single(errors).Exception);
        errors.Clear();
    }, LoopKind.Simulated);

    [Fact]
    public void Times_OfSeveral_TheFirstThatIsOverCounts() => Run(async loop =>
    {
        var times = new ConnectionTimeouts
        {
            Idle = TimeSpan.FromSeconds(30),
            Read = TimeSpan.FromSeconds(20),
            Write = TimeSpan.FromSeconds(5),
        };
        (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, times);
        await DelayAsync(loop, 10);
        peer.Transport.PauseReading();
        protocol.Transport.Write(new byte[3_000]); // the timer is set for later
        RequireTimeout(await EndOfAsync(loop, protocol), ConnectionTimeout.Write, 5);
    });

    [Fact]
    public void Replaced_ByAnother_NoTimeIsKept() => Run(async loop =>
    {
        var former = new RecordingProtocol();
        var next = new RecordingProtocol();
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, new TimeoutLayer(former, s_idle), new RecordingProtocol());
        next.Grammar.TakeOver(former.Grammar);
        connection.First.Protocol = next;
        await DelayAsync(loop, 100);
        Assert.False(connection.First.IsClosing);
        connection.First.Close();
        await next.Lost;
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Replaced_WhileATimeIsOver_NoTimeIsKept(bool keeps) => Run(async loop =>
    {
        var former = new RecordingProtocol();
        var next = new RecordingProtocol();
        MemoryConnection? connection = null;
        int asked = 0;
        var layer = new TimeoutLayer(former, new ConnectionTimeouts { Idle = TimeSpan.FromSeconds(10), Read = TimeSpan.FromSeconds(10) })
        {
            OnTimeout = (_, _) =>
            {
                asked++;
                next.Grammar.TakeOver(former.Grammar);
                connection!.First.Protocol = next;
                return keeps;
            },
        };
        connection = await MemoryConnection.CreateAsync(loop, layer, new RecordingProtocol());
        await DelayAsync(loop, 100);
        Assert.Equal((1, false), (asked, connection.First.IsClosing));

        // Back in its place it begins anew.
        former.Grammar.TakeOver(next.Grammar);
        connection.First.Protocol = layer;
        await DelayAsync(loop, 9);
        Assert.Equal(1, asked);
        next = new RecordingProtocol();
        await DelayAsync(loop, 2);
        Assert.Equal((2, false), (asked, connection.First.IsClosing));
        connection.First.Close();
        await next.Lost;
    });

    [Fact]
    public void Times_NoneOrForEver_EndNothing() => Run(async loop =>
    {
        ConnectionTimeouts[] harmless = [new(), new() { Idle = TimeSpan.MaxValue, Read = TimeSpan.MaxValue }];
        foreach (ConnectionTimeouts times in harmless)
        {
            (RecordingProtocol protocol, RecordingProtocol peer) = await ConnectAsync(loop, times);
            await DelayAsync(loop, 1e6);
            Assert.False(protocol.Transport.IsClosing);
            peer.Transport.Close();
            await protocol.Lost;
        }
    });

    [Fact]
    public void Create_MistakesOfTheCaller_AreNamed()
    {
        Assert.Throws<ArgumentNullException>("times", () => new TimeoutLayer(new RecordingProtocol(), null!));
        Assert.Throws<ArgumentOutOfRangeException>(
            "Idle", () => new TimeoutLayer(new RecordingProtocol(), new ConnectionTimeouts { Idle = TimeSpan.Zero }));
        Assert.Throws<ArgumentOutOfRangeException>(
            "Write", () => new TimeoutLayer(new RecordingProtocol(), new ConnectionTimeouts { Write = TimeSpan.FromTicks(-1) }));
    }

    private static async Task<(RecordingProtocol Protocol, RecordingProtocol Peer)> ConnectAsync(
        EventLoop loop, ConnectionTimeouts times)
    {
        var protocol = new RecordingProtocol();
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(
            loop, new TimeoutLayer(protocol, times), peer, new MemoryConnectionOptions { Window = 1_000 });
        return (protocol, peer);
    }

    /// <summary>How long it took from now on, and why.</summary>
    private static async Task<(double Seconds, Exception? Reason)> EndOfAsync(EventLoop loop, RecordingProtocol protocol)
    {
        TimeSpan began = loop.Time;
        Exception? reason = await protocol.Lost;
        return ((loop.Time - began).TotalSeconds, reason);
    }

    private static void RequireTimeout((double Seconds, Exception? Reason) end, ConnectionTimeout which, double after)
    {
        ConnectionTimeoutException reason = Assert.IsType<ConnectionTimeoutException>(end.Reason);
        Assert.Equal((which, CloseReason.Timeout), (reason.Timeout, reason.Reason));
        Assert.Equal(after, end.Seconds);
    }

    private static void Run(Func<EventLoop, Task> scenario) => MemoryLoop.Run(scenario, LoopKind.Simulated);

    private static Task DelayAsync(EventLoop loop, double seconds)
        => Task.Delay(TimeSpan.FromSeconds(seconds), loop.TimeProvider);
}
