using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Toolkit.Tests.Streams;

/// <summary>The two sides as a pipe's reader and writer, and the connection as a stream.</summary>
public sealed class StreamPipeTests
{
    [Fact]
    public void Input_ConsumedAndExamined_ReturnsTheRestAgainOnlyWithNews() => StreamPair.Run(async pair =>
    {
        PipeReader input = pair.Here.Input;
        pair.There.Write("abcdef"u8);
        ReadResult result = await input.ReadAsync();
        Assert.Equal(("abcdef", false, false), (TextOf(result.Buffer), result.IsCanceled, result.IsCompleted));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await input.ReadAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadLineAsync());

        input.AdvanceTo(result.Buffer.GetPosition(2), result.Buffer.GetPosition(4));
        Assert.Throws<InvalidOperationException>(() => input.AdvanceTo(result.Buffer.Start));
        Assert.True(input.TryRead(out result)); // two bytes were not examined
        Assert.Equal("cdef", TextOf(result.Buffer));
        input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        Assert.False(input.TryRead(out _));
        Task<ReadResult> waiting = input.ReadAsync().AsTask();
        await pair.SettleAsync();
        Assert.False(waiting.IsCompleted);

        pair.SendAndEnd("gh"u8);
        result = await waiting;
        Assert.Equal("cdefgh", TextOf(result.Buffer));
        input.AdvanceTo(result.Buffer.End);
        result = await input.ReadAsync();
        Assert.Equal((true, true), (result.IsCompleted, result.Buffer.IsEmpty));
        input.AdvanceTo(result.Buffer.End);
        Assert.True(pair.Here.IsAtEnd);
    });

    [Fact]
    public void Input_AdvancedOutsideOfTheBuffer_IsRefused() => StreamPair.Run(async pair =>
    {
        pair.There.Write("abcdef"u8);
        ReadResult result = await pair.Here.Input.ReadAsync();
        Assert.Throws<ArgumentOutOfRangeException>(
            () => pair.Here.Input.AdvanceTo(result.Buffer.GetPosition(4), result.Buffer.GetPosition(2)));
        pair.Here.Input.AdvanceTo(result.Buffer.GetPosition(3));
        Assert.Equal("def", StreamPair.TextOf(await pair.Here.ReadAsync()));
    });

    [Fact]
    public void Input_InManySegments_IsOneSequence() => StreamPair.Run(
        async pair =>
        {
            byte[] sent = Testing.MemoryLoop.Pattern(300_000);
            Task sending = pair.There.WriteAsync(sent).AsTask();
            pair.There.CompleteWrites();
            ReadResult result = await pair.Here.Input.ReadAtLeastAsync(sent.Length);
            Assert.False(result.Buffer.IsSingleSegment);
            Assert.Equal(sent, result.Buffer.ToArray());
            pair.Here.Input.AdvanceTo(result.Buffer.GetPosition(1000));
            Assert.Equal(sent[1000..1100], (await pair.Here.ReadExactlyAsync(100)).ToArray());
            byte[] across = (await pair.Here.ReadExactlyAsync(60_000)).ToArray(); // joined
            Assert.Equal(sent[1100..61_100], across);
            using var rest = new MemoryStream();
            await pair.Here.Input.CopyToAsync(rest);
            Assert.Equal(sent[61_100..], rest.ToArray());
            await sending;
        });

    [Fact]
    public void Input_CancelledRead_ReturnsSo_AndTheNextOneGoesOn() => StreamPair.Run(async pair =>
    {
        PipeReader input = pair.Here.Input;
        Task<ReadResult> waiting = input.ReadAsync().AsTask();
        input.CancelPendingRead();
        ReadResult result = await waiting;
        Assert.True(result.IsCanceled);
        input.AdvanceTo(result.Buffer.Start);
        input.CancelPendingRead(); // for the next one
        pair.There.Write("x"u8);
        await pair.SettleAsync();
        result = await input.ReadAsync();
        Assert.Equal((true, "x"), (result.IsCanceled, TextOf(result.Buffer)));
        input.AdvanceTo(result.Buffer.Start);
        result = await input.ReadAsync();
        Assert.Equal((false, "x"), (result.IsCanceled, TextOf(result.Buffer)));
    });

    [Fact]
    public void Input_UnconsumedOverTheLimit_FailsAndKeepsTheBytes() => StreamPair.Run(
        async pair =>
        {
            PipeReader input = pair.Here.Input;
            pair.There.Write(new byte[50_000]);
            var error = await Assert.ThrowsAsync<FramingException>(async () =>
            {
                while (true)
                {
                    ReadResult result = await input.ReadAsync();
                    input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                }
            });
            Assert.Equal(FramingError.TooLong, error.Error);
            Assert.InRange(pair.Here.UnreadBytes, 10_000, 10_000 + (64 * 1024));
            Assert.Equal(10_000, (await pair.Here.ReadExactlyAsync(10_000)).Length);
        },
        new StreamOptions { MaxUnconsumed = 10_000 });

    [Fact]
    public void Input_Completed_DropsAndReceivesNoMore() => StreamPair.Run(async pair =>
    {
        pair.There.Write("dropped"u8);
        await pair.SettleAsync();
        pair.Here.Input.Complete();
        pair.Here.Input.Complete();
        Assert.Equal((0, false), (pair.Here.UnreadBytes, pair.Here.Transport.IsReading));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.Input.ReadAsync());
        Assert.Equal(WriteStatus.Accepted, pair.Here.Write("still writing"u8));
        Assert.Equal("still writing", StreamPair.TextOf(await pair.There.ReadExactlyAsync(13)));
    });

    [Fact]
    public void Output_AdvancedAndNotFlushed_LeavesWithWhateverComesNext() => StreamPair.Run(async pair =>
    {
        PipeWriter output = pair.Here.Output;
        "one "u8.CopyTo(output.GetSpan(4));
        output.Advance(4);
        await pair.SettleAsync();
        Assert.Equal((0, 4), (pair.There.UnreadBytes, output.UnflushedBytes));
        pair.Here.Write("two "u8);
        Memory<byte> held = output.GetMemory(100);
        pair.Here.Write("three "u8);
        "four "u8.CopyTo(held.Span); // held across another write
        output.Advance(5);
        FlushResult result = await output.FlushAsync();
        Assert.Equal((false, false, 0), (result.IsCompleted, result.IsCanceled, output.UnflushedBytes));
        await output.WriteAsync("five "u8.ToArray());
        "six"u8.CopyTo(output.GetSpan());
        output.Advance(3);
        output.Complete();
        Assert.Equal("one two three four five six", StreamPair.TextOf(await pair.There.ReadToEndAsync()));
        Assert.Throws<InvalidOperationException>(() => output.GetMemory());
        Assert.Throws<InvalidOperationException>(() => pair.Here.Write("x"u8));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Output_HeldAtTheClose_Leaves(bool halfClose) => StreamPair.Run(async pair =>
    {
        "held"u8.CopyTo(pair.Here.Output.GetSpan(4));
        pair.Here.Output.Advance(4);
        if (halfClose)
        {
            pair.Here.CompleteWrites();
        }
        else
        {
            pair.Here.Close();
        }

        Assert.Equal("held", StreamPair.TextOf(await pair.There.ReadToEndAsync()));
    });

    [Fact]
    public void Output_LargeSpans_ComeWhole() => StreamPair.Run(async pair =>
    {
        byte[] sent = Testing.MemoryLoop.Pattern(200_000);
        Task<byte[]> receiving = ReadAllAsync(pair.There);
        sent.AsSpan(0, 100_000).CopyTo(pair.Here.Output.GetSpan(100_000));
        pair.Here.Output.Advance(100_000);
        for (int offset = 100_000; offset < sent.Length; offset += 1000)
        {
            sent.AsSpan(offset, 1000).CopyTo(pair.Here.Output.GetSpan(1000));
            pair.Here.Output.Advance(1000);
        }

        await pair.Here.Output.FlushAsync();
        pair.Here.Output.Complete();
        Assert.Equal(sent, await receiving);
    });

    [Fact]
    public void Output_AdvancedOverItsMemory_IsRefused() => StreamPair.Run(pair =>
    {
        int length = pair.Here.Output.GetMemory().Length;
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Here.Output.Advance(length + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => pair.Here.Output.Advance(-1));
        return Task.CompletedTask;
    });

    [Fact]
    public void Output_OfAConnectionThatIsGone_SaysCompleted() => StreamPair.Run(async pair =>
    {
        pair.There.Abort();
        await pair.Here.WaitClosedAsync();
        pair.Here.Output.GetSpan(1)[0] = 1;
        pair.Here.Output.Advance(1);
        Assert.True((await pair.Here.Output.FlushAsync()).IsCompleted);
        Assert.True((await pair.Here.Output.WriteAsync(new byte[1])).IsCompleted);
    });

    [Fact]
    public void Output_CancelledFlush_ReturnsSo() => StreamPair.Run(async pair =>
    {
        Assert.Equal(WriteStatus.AcceptedOverHighWater, pair.Here.Write(new byte[1_000_000]));
        Task<FlushResult> flushing = pair.Here.Output.FlushAsync().AsTask();
        Task draining = pair.Here.DrainAsync().AsTask();
        await pair.SettleAsync();
        Assert.False(flushing.IsCompleted);
        pair.Here.Output.CancelPendingFlush();
        Assert.True((await flushing).IsCanceled);
        Assert.False(draining.IsCompleted);
        pair.There.Abort();
        await Assert.ThrowsAsync<ConnectionException>(() => draining);
    });

    [Fact]
    public void Output_CompletedWithAnException_Aborts() => StreamPair.Run(async pair =>
    {
        pair.Here.Output.Complete(new FormatException());
        await pair.There.WaitClosedAsync();
        Assert.Equal((CloseReason.LocalAbort, CloseReason.Reset), (pair.Here.CloseReason, pair.There.CloseReason));
    });

    [Fact]
    public void Stream_CarriesBothWays() => StreamPair.Run(async pair =>
    {
        Stream here = pair.Here.AsStream();
        Stream there = pair.There.AsStream();
        Assert.Same(here, pair.Here.AsStream());
        Assert.Equal((true, true, false), (here.CanRead, here.CanWrite, here.CanSeek));
        await here.WriteAsync("hello "u8.ToArray());
        here.Write("world\n"u8);
        await here.FlushAsync();
        using var reader = new StreamReader(there, leaveOpen: true);
        Assert.Equal("hello world", await reader.ReadLineAsync());
        Assert.Throws<NotSupportedException>(() => there.ReadByte());
        Assert.Throws<NotSupportedException>(() => here.Position);
        here.Dispose();
        Assert.Equal(CloseReason.LocalClose, pair.Here.CloseReason);
        Assert.Equal(0, await there.ReadAsync(new byte[1]));
        await there.DisposeAsync();
        Assert.Throws<ConnectionException>(() => there.Write("x"u8));
    });

    private static async Task<byte[]> ReadAllAsync(StreamConnection connection)
    {
        using var all = new MemoryStream();
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            all.Write(data.Span);
        }

        return all.ToArray();
    }

    private static string TextOf(ReadOnlySequence<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
