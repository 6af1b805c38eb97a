namespace Toolkit.Tests.Streams;

/// <summary>Writing, back-pressure both ways, and the ends.</summary>
public sealed class StreamWriteTests
{
    private static readonly MemoryConnectionOptions s_narrow = new() { Window = 1000 };

    [Fact]
    public void Write_OverTheHighWaterMark_WaitsForTheReader() => StreamPair.Run(
        async pair =>
        {
            await pair.Here.WriteAsync(new byte[10_000]);
            Task over = pair.Here.WriteAsync(new byte[500_000]).AsTask();
            Task drained = pair.Here.DrainAsync().AsTask(); // any number may wait
            await pair.SettleAsync();
            Assert.Equal((false, false, true), (over.IsCompleted, drained.IsCompleted, pair.Here.IsWritingPaused));

            int read = 0;
            while (read < 510_000)
            {
                read += (await pair.There.ReadAsync()).Length;
            }

            await over;
            await drained;
            Assert.False(pair.Here.IsWritingPaused);
            await pair.Here.DrainAsync();
        },
        memory: s_narrow);

    [Fact]
    public void Reading_Unread_PausesOverTheMarkAndGoesOnBelowHalf() => StreamPair.Run(
        async pair =>
        {
            pair.There.Write(new byte[100_000]);
            await pair.SettleAsync();
            Assert.InRange(pair.Here.UnreadBytes, 5001, 5000 + 64 * 1024);
            Assert.False(pair.Here.Transport.IsReading);

            while (pair.Here.UnreadBytes > 2500)
            {
                Assert.False(pair.Here.Transport.IsReading);
                await pair.Here.ReadExactlyAsync(Math.Min(500, pair.Here.UnreadBytes));
            }

            await pair.Here.ReadExactlyAsync(1);
            Assert.True(pair.Here.Transport.IsReading);
            await pair.SettleAsync();
            Assert.InRange(pair.Here.UnreadBytes, 5001, 5000 + 64 * 1024);
        },
        new StreamOptions { InputHighWater = 5000 });

    [Fact]
    public void Reading_PausedWithLessThanIsWanted_GoesOnForTheReader() => StreamPair.Run(
        async pair =>
        {
            pair.There.Write(new byte[50_000]);
            await pair.SettleAsync();
            Assert.False(pair.Here.Transport.IsReading);
            Assert.Equal(50_000, (await pair.Here.ReadExactlyAsync(50_000)).Length);
        },
        new StreamOptions { InputHighWater = 100 },
        s_narrow);

    [Fact]
    public void CompleteWrites_EndsOneDirection_AndWritingIsAnError() => StreamPair.Run(async pair =>
    {
        pair.Here.Write("question"u8);
        pair.Here.CompleteWrites();
        pair.Here.CompleteWrites();
        Assert.Equal("question", StreamPair.TextOf(await pair.There.ReadToEndAsync()));
        await pair.There.WriteAsync("answer"u8.ToArray());
        Assert.Equal("answer", StreamPair.TextOf(await pair.Here.ReadExactlyAsync(6)));
        var error = Assert.Throws<InvalidOperationException>(() => pair.Here.Write("x"u8));
        Assert.Contains("CompleteWrites", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.WriteAsync("x"u8.ToArray()));
        Assert.Throws<InvalidOperationException>(() => pair.Here.Output.GetMemory());

        pair.There.Close();
        await pair.Here.WaitClosedAsync();
        await pair.There.WaitClosedAsync();
        Assert.Equal((null, null), (pair.Here.CloseException, pair.There.CloseException));
        Assert.Throws<InvalidOperationException>(() => pair.Here.Write("x"u8)); // as before
    });

    [Fact]
    public void Drain_WhenTheConnectionBreaks_AllAreTold() => StreamPair.Run(async pair =>
    {
        pair.Here.Write(new byte[1_000_000]);
        Task[] waits =
        [
            pair.Here.DrainAsync().AsTask(),
            pair.Here.WriteAsync(new byte[1]).AsTask(),
            pair.Here.DrainAsync().AsTask(),
        ];
        await pair.SettleAsync();
        pair.There.Abort();
        foreach (Task wait in waits)
        {
            Assert.Equal(CloseReason.Reset, (await Assert.ThrowsAsync<ConnectionException>(() => wait)).Reason);
        }
    });

    [Fact]
    public void Drain_WhenClosedHere_AllAreTold() => StreamPair.Run(async pair =>
    {
        pair.Here.Write(new byte[1_000_000]);
        Task waiting = pair.Here.DrainAsync().AsTask();
        pair.Here.Close();
        Assert.Equal(CloseReason.LocalClose, (await Assert.ThrowsAsync<ConnectionException>(() => waiting)).Reason);
    });

    [Fact]
    public void WaitClosed_OfABrokenConnection_DoesNotThrow() => StreamPair.Run(async pair =>
    {
        Task[] waits = [pair.Here.WaitClosedAsync().AsTask(), pair.Here.WaitClosedAsync().AsTask()];
        var why = new ConnectionException(CloseReason.InvalidData, "nonsense");
        pair.Here.Abort(why);
        await Task.WhenAll(waits);
        await pair.Here.WaitClosedAsync();
        Assert.Same(why, pair.Here.CloseException);
        Assert.True(pair.Here.IsClosing);
        await pair.There.WaitClosedAsync();
        Assert.Equal(CloseReason.Reset, pair.There.CloseReason);
    });

    [Fact]
    public void WaitClosed_Cancelled_LeavesTheConnectionOpen() => StreamPair.Run(async pair =>
    {
        Assert.False(await CancelScope.MoveOnAfterAsync(TimeSpan.FromSeconds(1), async _ => await pair.Here.WaitClosedAsync()));
        Assert.False(pair.Here.IsClosing);
    });

    [Fact]
    public void Dispose_FlushesWithinTheLingerTime() => StreamPair.Run(
        async pair =>
        {
            pair.Here.Write(new byte[100_000]);
            Task disposing = pair.Here.DisposeAsync().AsTask();
            Task<int> reading = CountAsync(pair.There);
            await disposing;
            Assert.Equal(100_000, await reading);
            Assert.Equal(CloseReason.LocalClose, pair.Here.CloseReason);
            await pair.Here.DisposeAsync();
        },
        memory: s_narrow);

    [Fact]
    public void Dispose_PeerThatDoesNotRead_EndsAfterTheLingerTime() => StreamPair.Run(
        async pair =>
        {
            pair.There.Input.Complete(); // reads no more
            pair.Here.Write(new byte[100_000]);
            TimeSpan before = pair.Loop.Time;
            await pair.Here.DisposeAsync();
            Assert.Equal((30, CloseReason.Timeout), ((int)(pair.Loop.Time - before).TotalSeconds, pair.Here.CloseReason));
        },
        memory: s_narrow);

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void Dispose_InACancelledScope_Aborts(int seconds) => StreamPair.Run(
        async pair =>
        {
            pair.There.Input.Complete();
            pair.Here.Write(new byte[100_000]);
            TimeSpan before = pair.Loop.Time;
            await CancelScope.MoveOnAfterAsync(TimeSpan.FromSeconds(seconds), async _ => await pair.Here.DisposeAsync());
            Assert.Equal((seconds, CloseReason.LocalAbort), ((int)(pair.Loop.Time - before).TotalSeconds, pair.Here.CloseReason));
        },
        memory: s_narrow);

    [Fact]
    public void Attached_InTheMiddleOfAStream_ReadsFromThereOn() => Testing.MemoryLoop.Run(
        async loop =>
        {
            StreamConnection? here = null;
            var first = new RecordingProtocol
            {
                OnData = (p, data) =>
                {
                    p.Transport.Unread(data[5..]);
                    here = new StreamConnection();
                    p.Transport.Protocol = here;
                },
            };
            var there = new StreamConnection();
            await MemoryConnection.CreateAsync(loop, first, there);
            there.Write("START line\n"u8);
            await Testing.MemoryLoop.UntilAsync(loop, () => here is not null);
            Assert.Equal(" line", StreamPair.TextOf(await here!.ReadLineAsync()));
            await here.WriteAsync("answer\n"u8.ToArray());
            Assert.Equal("answer", StreamPair.TextOf(await there.ReadLineAsync()));
            here.Abort();
        },
        LoopKind.Simulated);

    [Fact]
    public void Members_OffTheLoop_AreRefused() => Testing.MemoryLoop.Run(async loop =>
    {
        StreamPair pair = await StreamPair.CreateAsync(loop);
        foreach (Action call in (Action[])
            [
                () => _ = pair.Here.ReadAsync().AsTask(),
                () => _ = pair.Here.ReadLineAsync().AsTask(),
                () => pair.Here.Write("x"u8),
                () => _ = pair.Here.DrainAsync().AsTask(),
                () => _ = pair.Here.WaitClosedAsync().AsTask(),
                pair.Here.CompleteWrites,
                pair.Here.Close,
                pair.Here.Abort,
            ])
        {
            Assert.IsType<InvalidOperationException>(await loop.RunInThreadAsync(() => Record.Exception(call)));
        }

        Assert.Equal(CloseReason.None, pair.Here.CloseReason);
        pair.Here.Abort();
    });

    [Fact]
    public void Options_OutOfRange_AreRefused() => Testing.MemoryLoop.Run(
        loop =>
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => new StreamConnection(new StreamOptions { MaxLength = 0 }));
            Assert.Throws<ArgumentOutOfRangeException>(() => new StreamConnection(new() { MaxLength = int.MaxValue }));
            Assert.Throws<ArgumentOutOfRangeException>(() => new StreamConnection(new StreamOptions { InputHighWater = 0 }));
            Assert.Throws<ArgumentOutOfRangeException>(() => new StreamConnection(new StreamOptions { MaxUnconsumed = -1 }));
            var unconnected = new StreamConnection();
            Assert.Throws<InvalidOperationException>(unconnected.Close);
            Assert.Throws<InvalidOperationException>(() => unconnected.Write("x"u8));
            return Task.CompletedTask;
        },
        LoopKind.Simulated);

    private static async Task<int> CountAsync(StreamConnection connection)
    {
        int count = 0;
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            count += data.Length;
        }

        return count;
    }
}
