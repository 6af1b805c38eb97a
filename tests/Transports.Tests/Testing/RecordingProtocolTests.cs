namespace Toolkit.Tests.Testing;

public sealed class RecordingProtocolTests
{
    [Fact]
    public void Recording_OfAConnection_HasEverythingInOrder() => MemoryLoop.Run(async loop =>
    {
        var hooks = new List<string>();
        var first = new RecordingProtocol
        {
            OnMade = p => p.Transport.Write("hello"u8),
            OnData = (p, data) => hooks.Add($"data {data.Length} of {p.ReceivedLength}"),
            OnEof = p =>
            {
                hooks.Add("eof");
                return false;
            },
            OnLost = (_, reason) => hooks.Add($"lost {reason?.Message ?? "in good order"}"),
        };
        var second = new RecordingProtocol();
        second.OnData = (p, data) =>
        {
            p.Transport.Write(data);
            p.Transport.Close();
        };
        await MemoryConnection.CreateAsync(loop, first, second);
        await first.Made;
        await first.FirstData;
        await first.Eof;
        Assert.Null(await first.Lost);
        await second.Lost;

        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], first.Callbacks);
        Assert.Equal(["data 5 of 5", "eof", "lost in good order"], hooks);
        Assert.Equal("hello", first.ReceivedText);
        Assert.Equal("hello"u8.ToArray(), second.Received);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void PauseAndResume_AreRecordedAndAwaited() => MemoryLoop.Run(async loop =>
    {
        int hooks = 0;
        var writer = new RecordingProtocol
        {
            OnPause = _ => hooks++,
            OnResume = p =>
            {
                hooks++;
                p.Transport.Close();
            },
        };
        var reader = new RecordingProtocol { KeepsData = false, OnMade = p => p.Transport.PauseReading() };
        await MemoryConnection.CreateAsync(loop, writer, reader);
        writer.Transport.Write(new byte[500_000]);
        await writer.Paused;
        reader.Transport.ResumeReading();
        await writer.Resumed;
        await writer.Lost;
        await reader.Lost;

        Assert.Equal(2, hooks);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting", "ConnectionLost"], writer.Callbacks);
        Assert.Equal(500_000, reader.ReceivedLength);
        Assert.Empty(reader.Received);
        MemoryLoop.RequireOrder(writer.Grammar, reader.Grammar);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Moments_ThatDoNotComeBeforeTheEnd_Fail(bool buffered) => MemoryLoop.Run(async loop =>
    {
        var plain = new RecordingProtocol();
        var other = new RecordingBufferedProtocol();
        await MemoryConnection.CreateAsync(loop, plain, other);
        Task[] moments = buffered
            ? [other.FirstData, other.Eof, other.Paused, other.Resumed]
            : [plain.FirstData, plain.Eof, plain.Paused, plain.Resumed];
        Assert.All(moments, moment => Assert.False(moment.IsCompleted));
        plain.Transport.Abort();
        await plain.Lost;
        await other.Lost;

        string reason = buffered ? "Reset" : "LocalAbort";
        foreach (Task moment in moments)
        {
            InvalidOperationException thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => moment);
            Assert.Contains($"before the connection was lost ({reason})", thrown.Message, StringComparison.Ordinal);
        }
    });

    [Fact]
    public void Moment_Awaited_GoesOnAfterTheCallback() => MemoryLoop.Run(async loop =>
    {
        bool within = false;
        bool resumedWithin = false;
        var first = new RecordingProtocol();
        first.OnData = (_, _) =>
        {
            within = true;
            within = false;
        };
        var second = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        Task waiting = WaitAsync();
        await MemoryConnection.CreateAsync(loop, first, second);
        await waiting;

        Assert.False(resumedWithin);

        async Task WaitAsync()
        {
            await first.FirstData;
            resumedWithin = within;
            Assert.True(loop.IsCurrent);
        }
    });

    [Fact]
    public void CallbackLimit_IsReached_KeepsTheFirst() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol { CallbackLimit = 3 };
        var second = new RecordingProtocol { OnMade = p => p.Transport.Write(new byte[100]) };
        await MemoryConnection.CreateAsync(loop, first, second, new MemoryConnectionOptions { Chunking = Chunking.OneByte });
        await MemoryLoop.UntilAsync(loop, () => first.ReceivedLength == 100);

        Assert.Equal(["ConnectionMade", "DataReceived", "DataReceived"], first.Callbacks);
        Assert.Equal(["ConnectionMade", "DataReceived"], first.Outline);
        Assert.Equal(10_000, second.CallbackLimit);
        Assert.Throws<ArgumentOutOfRangeException>(() => first.CallbackLimit = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RecordingBufferedProtocol().CallbackLimit = -1);
    });

    [Fact]
    public void Hook_Throws_EndsTheConnection() => MemoryLoop.Run(async (loop, errors) =>
    {
        var first = new RecordingProtocol { OnData = (_, _) => throw new ArithmeticException() };
        var second = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        await MemoryConnection.CreateAsync(loop, first, second);

        Assert.IsType<ArithmeticException>(await first.Lost);
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await second.Lost).Reason);
        Assert.Same(first, Assert.IsType<TransportError>(Assert.Single(errors)).Protocol);
        errors.Clear();
    });

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public void BufferedProtocol_BufferOfAnySize_RecordsTheSame(int size) => MemoryLoop.Run(async loop =>
    {
        byte[] sent = MemoryLoop.Pattern(5_000);
        int largest = 0;
        var first = new RecordingBufferedProtocol(size) { OnUpdated = (_, count) => largest = Math.Max(largest, count) };
        var second = new RecordingProtocol
        {
            OnMade = p =>
            {
                p.Transport.Write(sent);
                p.Transport.Close();
            },
        };
        await MemoryConnection.CreateAsync(loop, first, second);
        await first.Lost;
        await second.Lost;

        Assert.Equal(sent, first.Received);
        Assert.InRange(largest, 1, size);
        Assert.Equal(["ConnectionMade", "BufferUpdated", "EofReceived", "ConnectionLost"], first.Outline);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void BufferedProtocol_OwnBuffers_AreRecorded() => MemoryLoop.Run(async loop =>
    {
        int asked = 0;
        var first = new RecordingBufferedProtocol { OnGetBuffer = _ => new byte[1 + (asked++ % 3)] };
        var second = new RecordingProtocol { OnMade = p => p.Transport.Write("several buffers"u8) };
        await MemoryConnection.CreateAsync(loop, first, second);
        await MemoryLoop.UntilAsync(loop, () => first.ReceivedLength == 15);

        Assert.Equal("several buffers", first.ReceivedText);
        Assert.Equal(8, asked);
        Assert.Throws<ArgumentOutOfRangeException>(() => new RecordingBufferedProtocol(0));
    });
}
