using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Layers;

/// <summary>Rates, to the tick of virtual time.</summary>
public sealed class ThrottlingLayerTests
{
    [Theory]
    [InlineData(10_000, 1_000, 1_000)]
    [InlineData(100_000, 7_777, 1)]
    [InlineData(1_000_000, 123_457, 50_000)]
    [InlineData(100, 7, 3)]
    [InlineData(50, 1_000, 100)]
    public void Bytes_AtARate_TakeExactlyThatTime(int bytes, long rate, long burst) => Run(async loop =>
    {
        // Each direction, and both kinds of protocol.
        foreach ((bool reading, bool buffered) in ((bool, bool)[])[(false, false), (true, false), (true, true)])
        {
            byte[] data = MemoryLoop.Pattern(bytes);
            int received = 0;
            TimeSpan ended = default;
            StreamProtocol receiver = buffered
                ? new RecordingBufferedProtocol(500)
                {
                    OnUpdated = (_, count) => Note(count),
                }
                : new RecordingProtocol { OnData = (_, data) => Note(data.Length) };
            var sender = new RecordingProtocol();
            var throttle = new Throttle(rate, burst);
            await MemoryConnection.CreateAsync(
                loop,
                reading ? sender : new ThrottlingLayer(sender, writing: throttle),
                reading ? new ThrottlingLayer(receiver, throttle) : receiver,
                new MemoryConnectionOptions { Tcp = new TcpOptions { WriteLimits = new WriteLimits(1000, hardCap: null) } });
            TimeSpan began = loop.Time;
            sender.Transport.Write(data);
            sender.Transport.Close();
            await sender.Lost;
            while (received < bytes)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), loop.TimeProvider);
            }

            Assert.Equal(data, (receiver as RecordingProtocol)?.Received ?? ((RecordingBufferedProtocol)receiver).Received);
            Assert.Equal(TimeOf(Math.Max(0, bytes - burst), rate), ended - began);

            void Note(int count)
            {
                received += count;
                ended = loop.Time;
            }
        }
    });

    [Fact]
    public void Bytes_AfterAPause_HaveTheirBurstAgain() => Run(async loop =>
    {
        var receiver = new RecordingProtocol();
        var sender = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(sender, writing: new Throttle(1_000, 500)), receiver);
        sender.Transport.Write(new byte[1_000]);
        await DelayAsync(loop, 0.5);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(1_000, receiver.ReceivedLength);
        await DelayAsync(loop, 0.25);
        sender.Transport.Write(new byte[1_000]); // half of the burst is back
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(1_250, receiver.ReceivedLength);
        await DelayAsync(loop, 100);
        sender.Transport.Write(new byte[1_000]); // all of it, and no more
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(2_500, receiver.ReceivedLength);
    });

    [Fact]
    public void SharedThrottle_OfSeveral_IsDividedFairlyAndKeepsTheTotal() => Run(async loop =>
    {
        const int Each = 30_000;
        var total = new Throttle(30_000, 300);
        var senders = new List<RecordingProtocol>();
        var receivers = new List<RecordingProtocol>();
        for (int i = 0; i < 3; i++)
        {
            senders.Add(new RecordingProtocol());
            receivers.Add(new RecordingProtocol());
            await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(senders[i], writing: total), receivers[i]);
        }

        TimeSpan began = loop.Time;
        senders.ForEach(sender => sender.Transport.Write(new byte[Each]));
        for (int step = 1; step < 10; step++)
        {
            await DelayAsync(loop, 0.25);
            Assert.InRange(receivers.Max(r => r.ReceivedLength) - receivers.Min(r => r.ReceivedLength), 0, 1_500);
            Assert.InRange(receivers.Sum(r => r.ReceivedLength), (7_500 * step) - 1_500, 300 + (7_500 * step));
        }

        senders.ForEach(sender => sender.Transport.Close());
        foreach (RecordingProtocol receiver in receivers)
        {
            await receiver.Lost;
        }

        Assert.Equal(TimeOf((3 * Each) - 300, 30_000), loop.Time - began);
    });

    [Fact]
    public void SharedThrottle_OfBothDirections_IsForTheirSum() => Run(async loop =>
    {
        var sum = new Throttle(1_000, 1);
        var echo = new RecordingProtocol { OnData = (p, data) => p.Transport.Write(data) };
        var client = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, client, new ThrottlingLayer(echo, sum, sum));
        TimeSpan began = loop.Time;
        client.Transport.Write(new byte[1_000]);
        client.OnData = (p, _) =>
        {
            if (p.ReceivedLength == 1_000)
            {
                p.Transport.Close();
            }
        };
        await client.Lost;
        Assert.Equal(TimeOf(2_000 - 1, 1_000), loop.Time - began);
    });

    [Fact]
    public void Rate_Changed_CountsFromThatMoment() => Run(async loop =>
    {
        var receiver = new RecordingProtocol();
        var sender = new RecordingProtocol();
        var layer = new ThrottlingLayer(sender, writing: new Throttle(1_000, 1_000));
        await MemoryConnection.CreateAsync(loop, layer, receiver);
        TimeSpan began = loop.Time;
        sender.Transport.Write(new byte[11_000]);
        await DelayAsync(loop, 2);
        layer.Writing!.BytesPerSecond = 100;
        await DelayAsync(loop, 10);
        layer.Writing.BytesPerSecond = 7_000;
        layer.Writing.Burst = 10;
        sender.Transport.Close();
        await receiver.Lost;
        Assert.Equal(11_000, receiver.ReceivedLength);
        Assert.Equal(TimeSpan.FromSeconds(13), loop.Time - began); // 1000, 2000, 1000, and a second for the rest
    });

    [Fact]
    public void Writes_OverTheMarks_ArePausedAndResumedThere() => Run(async loop =>
    {
        var receiver = new RecordingProtocol();
        var sender = new RecordingProtocol();
        TimeSpan resumed = default;
        sender.OnResume = _ => resumed = loop.Time;
        await MemoryConnection.CreateAsync(
            loop,
            new ThrottlingLayer(sender, writing: new Throttle(1_000, 1_000)),
            receiver,
            new MemoryConnectionOptions { Tcp = new TcpOptions { WriteLimits = new WriteLimits(5_000, 1_000, 20_000) } });
        TimeSpan began = loop.Time;
        Assert.Equal(WriteStatus.Accepted, sender.Transport.Write(new byte[5_000]));
        Assert.Equal(WriteStatus.AcceptedOverHighWater, sender.Transport.Write(new byte[5_000]));
        Assert.Equal(["ConnectionMade", "PauseWriting"], sender.Callbacks);
        Assert.Equal(10_000, sender.Transport.UnsentBytes + sender.Transport.BytesSent);
        await sender.Resumed;
        Assert.InRange((resumed - began).TotalSeconds, 8, 8.05);
        await DelayAsync(loop, 2);
        Assert.Equal((0, 10_000), (sender.Transport.UnsentBytes, sender.Transport.BytesSent));

        while (sender.Transport.Write(new byte[5_000]) != WriteStatus.Closed)
        {
            Assert.InRange(sender.Transport.UnsentBytes, 1, 25_000);
        }

        Assert.Equal(CloseReason.WriteOverflow, Assert.IsType<ConnectionException>(await sender.Lost).Reason);
        Assert.Equal(0, sender.Transport.UnsentBytes);
    });

    [Theory]
    [InlineData(2.0)]
    [InlineData(0.5)]
    public void Close_WithBytesHeld_GoesOnAsLongAsBytesLeave(double linger) => Run(async loop =>
    {
        var receiver = new RecordingProtocol { OnEof = _ => true };
        var sender = new RecordingProtocol();
        await MemoryConnection.CreateAsync(
            loop,
            new ThrottlingLayer(sender, writing: new Throttle(1, 1)),
            receiver,
            new MemoryConnectionOptions { Tcp = new TcpOptions { LingerTime = TimeSpan.FromSeconds(linger) } });
        TimeSpan began = loop.Time;
        sender.Transport.Write("0123456789"u8);
        sender.Transport.Close();
        Assert.True(sender.Transport.IsClosing);
        receiver.Transport.Write("thrown away"u8);
        Exception? reason = await sender.Lost;

        if (linger > 1)
        {
            Assert.Null(reason);
            Assert.Equal(TimeSpan.FromSeconds(9), loop.Time - began);
            Assert.Equal("0123456789", receiver.ReceivedText);
        }
        else
        {
            Assert.Equal(CloseReason.Timeout, Assert.IsType<ConnectionException>(reason).Reason);
        }

        Assert.Equal(["ConnectionMade", "ConnectionLost"], sender.Callbacks);
    });

    [Theory]
    [InlineData(100)]
    [InlineData(1_000_000)]
    public void Close_WithBytesHeld_ToAPeerThatResets_IsNoEndInGoodOrder(int rate) => Run(async loop =>
    {
        var receiver = new RecordingProtocol();
        var sender = new RecordingProtocol();
        await MemoryConnection.CreateAsync(
            loop,
            new ThrottlingLayer(sender, writing: new Throttle(rate, 100)),
            receiver,
            new MemoryConnectionOptions { Window = 1_000 });
        receiver.Transport.PauseReading();
        sender.Transport.Write(new byte[5_000]);
        sender.Transport.Close();
        await DelayAsync(loop, 1);
        receiver.Transport.Abort();
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await sender.Lost).Reason);
        Assert.Equal(CloseReason.Reset, sender.Transport.CloseReason);
        await receiver.Lost;
    });

    [Fact]
    public void WriteEof_WithBytesHeld_ComesBehindThemAndReceivingGoesOn() => Run(async loop =>
    {
        var receiver = new RecordingProtocol { OnEof = _ => true };
        var sender = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(sender, writing: new Throttle(100, 100)), receiver);
        TimeSpan began = loop.Time;
        sender.Transport.Write(new byte[600]);
        sender.Transport.WriteEof();
        Assert.Throws<InvalidOperationException>(() => sender.Transport.Write("x"u8));
        receiver.Transport.Write("hello"u8);
        await receiver.Eof;
        Assert.Equal(TimeSpan.FromSeconds(5), loop.Time - began);
        Assert.Equal(600, receiver.ReceivedLength);
        Assert.Equal("hello", sender.ReceivedText);
        receiver.Transport.Close();
        await sender.Lost;
    });

    [Fact]
    public void Abort_OfOneThatWaits_LeavesItsTurnToTheOthers() => Run(async loop =>
    {
        var total = new Throttle(1_000, 1);
        RecordingProtocol[] senders = [new(), new()];
        RecordingProtocol[] receivers = [new(), new()];
        for (int i = 0; i < 2; i++)
        {
            await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(senders[i], writing: total), receivers[i]);
            senders[i].Transport.Write(new byte[10_000]);
        }

        await DelayAsync(loop, 1);
        senders[0].Transport.Abort();
        Assert.Equal(0, senders[0].Transport.UnsentBytes);
        await receivers[0].Lost;
        long before = receivers[1].ReceivedLength;
        await DelayAsync(loop, 1);
        Assert.InRange(receivers[1].ReceivedLength - before, 950, 1_050);
    });

    [Fact]
    public void Replaced_BelowTheProtocol_LetsGoOfWhatItHolds() => Run(async loop =>
    {
        var sender = new RecordingProtocol();
        var next = new RecordingProtocol();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write(new byte[500]) };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, new ThrottlingLayer(sender, new Throttle(1, 100), new Throttle(1, 100)), peer);
        sender.Transport.Write(new byte[1_000]);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal((100, 100), (sender.ReceivedLength, peer.ReceivedLength));
        Assert.Equal(100, sender.Transport.BytesReceived);
        next.Grammar.TakeOver(sender.Grammar);
        connection.First.Protocol = next;
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal((400, 1_000), (next.ReceivedLength, peer.ReceivedLength));
        connection.First.Close();
        await peer.Lost;
    });

    [Fact]
    public void Replaced_WithinItsData_TheRestIsTheOthers() => Run(async loop =>
    {
        byte[] data = MemoryLoop.Pattern(500);
        var next = new RecordingProtocol();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write(data) };
        MemoryConnection? connection = null;
        var former = new RecordingProtocol
        {
            OnData = (p, received) =>
            {
                next.Grammar.TakeOver(p.Grammar);
                connection!.First.Protocol = next;
                p.Transport.Unread(received[90..]);
            },
        };
        Task<MemoryConnection> connecting = MemoryConnection.CreateAsync(
            loop, new ThrottlingLayer(former, new Throttle(1, 100)), peer);
        connection = await connecting;
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(data[90..], next.Received);
        Assert.Equal(100, former.ReceivedLength);
        connection.First.Close();
        await peer.Lost;
    });

    [Fact]
    public void Replaced_BehindAnotherLayer_LetsGoOfWhatItHolds() => Run(async loop =>
    {
        byte[] data = MemoryLoop.Pattern(1_000);
        var former = new RecordingProtocol();
        var next = new RecordingProtocol();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write(data) };
        var times = new ConnectionTimeouts { Idle = TimeSpan.FromSeconds(10) };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop,
            new TrafficLoggingLayer(new TimeoutLayer(new ThrottlingLayer(former, new Throttle(1, 100), new Throttle(1, 100)), times)),
            peer);
        former.Transport.Write(data);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal((100, 100), (former.ReceivedLength, peer.ReceivedLength));
        next.Grammar.TakeOver(former.Grammar);
        connection.First.Protocol = next;
        former.Transport.Write("late"u8);
        connection.First.Write("next"u8);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(data[100..], next.Received);
        Assert.Equal([.. data, .. "latenext"u8], peer.Received);

        // Nor has a time of it a say.
        await DelayAsync(loop, 100);
        Assert.False(connection.First.IsClosing);
        connection.First.Close();
        await peer.Lost;
    });

    [Fact]
    public void Replaced_WhileItWaitsForTheLowMark_GivesTheLimitsBack() => Run(async loop =>
    {
        var limits = new WriteLimits(10_000, 1_000);
        var sender = new RecordingProtocol();
        var peer = new RecordingProtocol();
        peer.OnData = (p, _) =>
        {
            if (p.ReceivedLength >= 3_000)
            {
                p.Transport.PauseReading();
            }
        };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop,
            new ThrottlingLayer(sender, writing: new Throttle(100_000, 8_000)),
            peer,
            new MemoryConnectionOptions { Window = 500, Tcp = new TcpOptions { WriteLimits = limits } });
        sender.Transport.Write(new byte[11_000]);
        await sender.Paused;
        await UntilAsync(loop, () => connection.First.WriteLimits.High == limits.Low);
        var next = new RecordingProtocol();
        next.Grammar.TakeOver(sender.Grammar);
        connection.First.Protocol = next;
        Assert.Equal(limits, connection.First.WriteLimits);
        connection.First.Abort();
        await peer.Lost;
    });

    [Fact]
    public void Protocol_ThatGivesEverythingBack_HoldsUpNobody() => Run(async loop =>
    {
        int refused = 0;
        bool isReady = false;
        var protocol = new RecordingProtocol
        {
            CallbackLimit = int.MaxValue,
            OnData = (p, received) =>
            {
                if (!isReady && ++refused < 100_000)
                {
                    p.Transport.Unread(received);
                }
            },
        };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write(new byte[500]) };
        await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(protocol, new Throttle(1_000_000)), peer);
        await MemoryLoop.SettleAsync(loop);
        isReady = true;
        await MemoryLoop.SettleAsync(loop);
        Assert.InRange(refused, 1, 1_000);
        Assert.Equal(0, protocol.Transport.UnsentBytes);
        Assert.Equal(500, protocol.Transport.BytesReceived);
        protocol.Transport.Close();
        await peer.Lost;
    });

    [Fact]
    public void Files_PassOneThatSlowsDownReadingAlone() => Run(async loop =>
    {
        var sender = new RecordingProtocol();
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new ThrottlingLayer(sender, reading: new Throttle(1)), peer);
        using FileStream file = TestFile.Create("content"u8);
        Assert.Equal(7, await sender.Transport.SendFileAsync(file));
        sender.Transport.Close();
        await peer.Lost;
        Assert.Equal("content", peer.ReceivedText);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Throttles_OneBehindTheOther_LoseNothingAtTheEnd(bool byClose) => Run(async loop =>
    {
        // What one lets go while the other has too few tokens is, for a moment, with neither.
        byte[] data = MemoryLoop.Pattern(1_000);
        foreach (int mark in (int[])[10, 25, 100])
        {
            var sender = new RecordingProtocol { OnEof = _ => true };
            var peer = new RecordingProtocol();
            await MemoryConnection.CreateAsync(
                loop,
                new ThrottlingLayer(
                    new ThrottlingLayer(sender, writing: new Throttle(1_000, 50)), writing: new Throttle(5_000, 30)),
                peer,
                new MemoryConnectionOptions { Tcp = new TcpOptions { WriteLimits = new WriteLimits(mark, hardCap: null) } });
            sender.Transport.Write(data);
            if (byClose)
            {
                sender.Transport.Close();
            }
            else
            {
                sender.Transport.WriteEof();
            }

            await peer.Eof;
            Assert.Equal(data, peer.Received);
            sender.Transport.Close();
            Assert.Null(await sender.Lost);
        }
    });

    [Fact]
    public void Throttle_MistakesOfTheCaller_AreNamed()
    {
        Assert.Throws<ArgumentOutOfRangeException>("bytesPerSecond", () => new Throttle(0));
        Assert.Throws<ArgumentOutOfRangeException>("bytesPerSecond", () => new Throttle(Throttle.MaxBytes + 1));
        Assert.Throws<ArgumentOutOfRangeException>("burst", () => new Throttle(1, 0));
        var throttle = new Throttle(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => throttle.BytesPerSecond = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => throttle.Burst = 0);
        Assert.Throws<ArgumentNullException>("protocol", () => new ThrottlingLayer(null!));

        Run(loop => MemoryConnection.CreateAsync(
            loop, new ThrottlingLayer(new RecordingProtocol(), throttle), new RecordingProtocol()));
        Run(async loop =>
        {
            var other = new ThrottlingLayer(new RecordingProtocol(), throttle);
            InvalidOperationException mistake = await Assert.ThrowsAsync<InvalidOperationException>(
                () => MemoryConnection.CreateAsync(loop, other, new RecordingProtocol()));
            Assert.Contains("one for each loop", mistake.Message, StringComparison.Ordinal);
        }, errors: 1);
    }

    private static void Run(Func<EventLoop, Task> scenario, int errors = 0) => MemoryLoop.Run(async (loop, reported) =>
    {
        await scenario(loop);
        Assert.Equal(errors, reported.Count);
        reported.Clear();
    }, LoopKind.Simulated);

    private static async Task UntilAsync(EventLoop loop, Func<bool> condition)
    {
        while (!condition())
        {
            await loop.Delay(TimeSpan.FromMilliseconds(1));
        }
    }

    private static Task DelayAsync(EventLoop loop, double seconds)
        => Task.Delay(TimeSpan.FromSeconds(seconds), loop.TimeProvider);

    // Rounded up to the clock's ticks.
    private static TimeSpan TimeOf(long bytes, long rate)
        => new(((bytes * TimeSpan.TicksPerSecond) + rate - 1) / rate);
}
