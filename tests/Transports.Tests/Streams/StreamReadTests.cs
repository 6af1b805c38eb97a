using System.Text;

namespace Toolkit.Tests.Streams;

/// <summary>What the reads of a stream connection return, and what they leave.</summary>
public sealed class StreamReadTests
{
    private static readonly LineDelimiter s_blankLine = LineDelimiter.Of("\r\n\r\n"u8);
    private static readonly LineDelimiter s_several = LineDelimiter.AnyOf("aab"u8.ToArray(), ";"u8.ToArray(), "--"u8.ToArray());

    [Fact]
    public void Reads_OfEveryKind_CutAtEveryByte_ReturnTheSame()
    {
        byte[] message = Encoding.Latin1.GetBytes(
            "first\r\nsecond\nGET / HTTP/1.1\r\nHost: x\r\n\r\n12345aaabx--rest;tail\nlast");
        for (int cut = 1; cut < message.Length; cut++)
        {
            StreamPair.Run(pair => ReadAllKindsAsync(pair, message), memory: new() { Chunking = Chunking.At(cut) });
        }

        StreamPair.Run(pair => ReadAllKindsAsync(pair, message), memory: new() { Chunking = Chunking.OneByte });
        StreamPair.Run(pair => ReadAllKindsAsync(pair, message));
    }

    [Theory]
    [InlineData("aaab", "aaab")]
    [InlineData("aaaab;", "aaaab")]
    [InlineData("a-aab--", "a-aab")]
    [InlineData("---x", "--")]
    [InlineData(";", ";")]
    public void ReadUntil_SeveralSeparators_EndsWithTheFirstThatIsComplete(string sent, string expected)
    {
        for (int cut = 0; cut < sent.Length; cut++)
        {
            Chunking chunking = cut == 0 ? Chunking.OneByte : Chunking.At(cut);
            StreamPair.Run(
                async pair =>
                {
                    pair.There.Write(Encoding.Latin1.GetBytes(sent));
                    Assert.Equal(expected, StreamPair.TextOf(await pair.Here.ReadUntilAsync(s_several)));
                },
                memory: new() { Chunking = chunking });
        }
    }

    [Fact]
    public void ReadUntil_EndOfStream_ThrowsWithWhatWasThere() => StreamPair.Run(async pair =>
    {
        pair.SendAndEnd("no separator"u8);

        var error = await Assert.ThrowsAsync<IncompleteReadException>(async () => await pair.Here.ReadUntilAsync(s_blankLine));

        Assert.Equal(("no separator", null), (StreamPair.TextOf(error.Partial), error.Expected));
        Assert.Equal((CloseReason.InvalidData, FramingError.Truncated), (error.Reason, error.Error));
        Assert.True(pair.Here.IsAtEnd);
        Assert.True((await pair.Here.ReadAsync()).IsEmpty);
    });

    [Fact]
    public void ReadExactly_EndOfStream_ThrowsWithWhatWasThere() => StreamPair.Run(async pair =>
    {
        pair.SendAndEnd("1234567"u8);
        Assert.Equal("12", StreamPair.TextOf(await pair.Here.ReadExactlyAsync(2)));

        var error = await Assert.ThrowsAsync<IncompleteReadException>(async () => await pair.Here.ReadExactlyAsync(6));

        Assert.Equal(("34567", 6), (StreamPair.TextOf(error.Partial), error.Expected));
        error = await Assert.ThrowsAsync<IncompleteReadException>(async () => await pair.Here.ReadExactlyAsync(new byte[3]));
        Assert.Equal((0, 3), (error.Partial.Length, error.Expected));
    });

    [Fact]
    public void ReadExactly_IntoADestination_EndOfStream_LeavesTheBytesInIt() => StreamPair.Run(async pair =>
    {
        byte[] destination = new byte[5000];
        ValueTask reading = pair.Here.ReadExactlyAsync(destination);
        await pair.SettleAsync();
        byte[] sent = new byte[3000];
        sent.AsSpan().Fill(7);
        pair.SendAndEnd(sent);

        var error = await Assert.ThrowsAsync<IncompleteReadException>(async () => await reading);

        Assert.Equal(sent, error.Partial.ToArray());
        Assert.True(error.Partial.Span.Overlaps(destination));
    });

    [Fact]
    public void ReadExactly_OverTheLimit_FailsAtOnceAndTakesNoMemory() => StreamPair.Run(async pair =>
    {
        pair.There.Write([0x7F, 0xFF, 0xFF, 0xFF]);
        await pair.Here.ReadExactlyAsync(4);
        long before = GC.GetAllocatedBytesForCurrentThread();

        ValueTask<ReadOnlyMemory<byte>> reading = pair.Here.ReadExactlyAsync(int.MaxValue);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
        var error = await Assert.ThrowsAsync<FramingException>(async () => await reading);
        Assert.Equal(FramingError.TooLong, error.Error);
        pair.There.Write("still there"u8);
        Assert.Equal("still there", StreamPair.TextOf(await pair.Here.ReadExactlyAsync(11)));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await pair.Here.ReadExactlyAsync(-1));
    });

    [Fact]
    public void ReadExactly_Nothing_IsThereAtOnce() => StreamPair.Run(async pair =>
    {
        Task<ReadOnlyMemory<byte>> reading = pair.Here.ReadExactlyAsync(0).AsTask();
        Assert.True(reading.IsCompletedSuccessfully);
        Assert.True((await reading).IsEmpty);
        Assert.True(pair.Here.ReadExactlyAsync(Memory<byte>.Empty).AsTask().IsCompletedSuccessfully);
    });

    [Theory]
    [InlineData(10)]
    [InlineData(5000)]
    [InlineData(100_000)]
    public void Line_Endless_FailsAtTheLimitWithBoundedMemoryAndLosesNothing(int limit) => StreamPair.Run(
        async pair =>
        {
            pair.There.Write(new byte[1_000_000]);

            var error = await Assert.ThrowsAsync<FramingException>(async () => await pair.Here.ReadLineAsync());

            Assert.Equal((FramingError.TooLong, CloseReason.InvalidData), (error.Error, error.Reason));
            Assert.InRange(pair.Here.UnreadBytes, limit, (2 * limit) + (64 * 1024));
            await pair.SettleAsync();
            Assert.InRange(pair.Here.UnreadBytes, limit, (2 * limit) + (64 * 1024)); // and the transport is paused
            await Assert.ThrowsAsync<FramingException>(async () => await pair.Here.ReadUntilAsync(s_blankLine));

            int read = 0;
            while (read < 1_000_000)
            {
                read += (await pair.Here.ReadAsync()).Length;
            }

            pair.There.Write("\nnext\n"u8);
            Assert.Equal("", StreamPair.TextOf(await pair.Here.ReadLineAsync()));
            Assert.Equal("next", StreamPair.TextOf(await pair.Here.ReadLineAsync()));
        },
        new StreamOptions { MaxLength = limit, InputHighWater = limit });

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public void Line_AtTheLimit_IsRead(int over, bool fails)
    {
        const int Limit = 100;
        foreach (string end in (string[])["\n", "\r\n", ""])
        {
            for (int chunk = 0; chunk < 3; chunk++)
            {
                Chunking chunking = chunk switch { 0 => Chunking.Whole, 1 => Chunking.OneByte, _ => Chunking.Of(7) };
                StreamPair.Run(
                    async pair =>
                    {
                        string line = new('x', Limit + over);
                        pair.SendAndEnd(Encoding.Latin1.GetBytes(line + end));
                        if (fails)
                        {
                            await Assert.ThrowsAsync<FramingException>(async () => await pair.Here.ReadLineAsync());
                        }
                        else
                        {
                            Assert.Equal(line, StreamPair.TextOf(await pair.Here.ReadLineAsync()));
                            Assert.Null(await pair.Here.ReadLineAsync());
                        }
                    },
                    new StreamOptions { MaxLength = Limit },
                    new() { Chunking = chunking });
            }
        }
    }

    [Fact]
    public void ReadToEnd_ReturnsAll_AndFailsOverTheLimit()
    {
        StreamPair.Run(async pair =>
        {
            pair.SendAndEnd("all of it"u8);
            Assert.Equal("all of it", StreamPair.TextOf(await pair.Here.ReadToEndAsync()));
            Assert.True((await pair.Here.ReadToEndAsync()).IsEmpty);
        });
        StreamPair.Run(
            async pair =>
            {
                pair.SendAndEnd(new byte[1001]);
                await Assert.ThrowsAsync<FramingException>(async () => await pair.Here.ReadToEndAsync());
                Assert.Equal(1001, pair.Here.UnreadBytes);
            },
            new StreamOptions { MaxLength = 1000 });
    }

    [Fact]
    public void ReadLines_Enumerates_ToTheEnd() => StreamPair.Run(async pair =>
    {
        pair.SendAndEnd("a\r\nb\n\nlast"u8);
        var lines = new List<string>();
        await foreach (ReadOnlyMemory<byte> line in pair.Here.ReadLinesAsync())
        {
            lines.Add(StreamPair.TextOf(line));
        }

        Assert.Equal(["a", "b", "", "last"], lines);
        Assert.True(pair.Here.IsAtEnd);
    });

    [Fact]
    public void Read_SecondReader_IsRefused_AndTheFirstGoesOn() => StreamPair.Run(async pair =>
    {
        ValueTask<ReadOnlyMemory<byte>?> first = pair.Here.ReadLineAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadLineAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadExactlyAsync(new byte[1]));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.ReadExactlyAsync(1));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pair.Here.Input.ReadAsync());
        Assert.Throws<InvalidOperationException>(() => pair.Here.Input.TryRead(out _));
        Assert.Throws<InvalidOperationException>(() => pair.Here.Input.Complete());

        pair.There.Write("line\n"u8);
        Assert.Equal("line", StreamPair.TextOf(await first));
    });

    [Fact]
    public void Read_EmptyDestination_WaitsForBytesAndTakesNone() => StreamPair.Run(async pair =>
    {
        ValueTask<int> reading = pair.Here.ReadAsync(Memory<byte>.Empty);
        await pair.SettleAsync();
        Assert.False(reading.IsCompleted);
        pair.There.Write("x"u8);
        Assert.Equal(0, await reading);
        Assert.Equal(1, pair.Here.UnreadBytes);
    });

    [Fact]
    public void Read_Lent_StaysUntilTheNextRead() => StreamPair.Run(async pair =>
    {
        pair.There.Write("first"u8);
        ReadOnlyMemory<byte> lent = await pair.Here.ReadAsync();
        pair.There.Write("second"u8);
        await pair.SettleAsync();
        Assert.Equal(("first", 6), (StreamPair.TextOf(lent), pair.Here.UnreadBytes));
        Assert.Equal("second", StreamPair.TextOf(await pair.Here.ReadAsync()));
    });

    [Fact]
    public void Read_AfterAReset_ReturnsWhatHadArrivedAndThenThrows() => StreamPair.Run(async pair =>
    {
        pair.There.Write("before\nhalf a l"u8);
        await pair.SettleAsync();
        pair.There.Abort();
        await pair.Here.WaitClosedAsync();

        Assert.Equal("before", StreamPair.TextOf(await pair.Here.ReadLineAsync()));
        await RequireResetAsync(async () => await pair.Here.ReadLineAsync());
        await RequireResetAsync(async () => await pair.Here.ReadExactlyAsync(100));
        await RequireResetAsync(async () => await pair.Here.ReadExactlyAsync(new byte[100]));
        Assert.Equal("half a l", StreamPair.TextOf(await pair.Here.ReadAsync()));
        await RequireResetAsync(async () => await pair.Here.ReadAsync());
        await RequireResetAsync(async () => await pair.Here.ReadAsync(new byte[1]));
        await RequireResetAsync(async () => await pair.Here.Input.ReadAsync());
        await RequireResetAsync(async () => await pair.Here.WriteAsync("x"u8.ToArray()));
        await RequireResetAsync(async () => await pair.Here.DrainAsync());
        Assert.Equal(WriteStatus.Closed, pair.Here.Write("x"u8));
        Assert.Equal(CloseReason.Reset, pair.Here.CloseReason);
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(pair.Here.CloseException).Reason);
        Assert.False(pair.Here.IsAtEnd);
    });

    [Fact]
    public void Read_WhileClosedHere_SaysSo() => StreamPair.Run(async pair =>
    {
        pair.There.Write("here"u8);
        Assert.Equal("he", StreamPair.TextOf(await pair.Here.ReadExactlyAsync(2)));
        ValueTask<ReadOnlyMemory<byte>?> reading = pair.Here.ReadLineAsync();
        pair.Here.Close();

        var error = await Assert.ThrowsAsync<ConnectionException>(async () => await reading);

        Assert.Equal(CloseReason.LocalClose, error.Reason);
        Assert.Equal("re", StreamPair.TextOf(await pair.Here.ReadAsync()));
        await Assert.ThrowsAsync<ConnectionException>(async () => await pair.Here.ReadAsync());
        pair.There.Close();
        await pair.Here.WaitClosedAsync();
        Assert.Null(pair.Here.CloseException);
    });

    private static async Task RequireResetAsync(Func<Task> call)
        => Assert.Equal(CloseReason.Reset, (await Assert.ThrowsAsync<ConnectionException>(call)).Reason);

    private static async Task ReadAllKindsAsync(StreamPair pair, byte[] message)
    {
        pair.SendAndEnd(message);
        StreamConnection here = pair.Here;
        var read = new List<string>
        {
            StreamPair.TextOf(await here.ReadLineAsync()),
            StreamPair.TextOf(await here.ReadLineAsync()),
            StreamPair.TextOf(await here.ReadUntilAsync(s_blankLine)),
            StreamPair.TextOf(await here.ReadExactlyAsync(5)),
            StreamPair.TextOf(await here.ReadUntilAsync(s_several)),
        };
        byte[] destination = new byte[3];
        await here.ReadExactlyAsync(destination);
        read.Add(Encoding.Latin1.GetString(destination));
        int count = await here.ReadAsync(destination);
        string rest = Encoding.Latin1.GetString(destination.AsSpan(0, count));
        while (rest.Length < 4)
        {
            rest += StreamPair.TextOf(await here.ReadExactlyAsync(1));
        }

        read.Add(rest);
        read.Add(StreamPair.TextOf(await here.ReadLineAsync(LineDelimiter.Of(";"u8))));
        read.Add(StreamPair.TextOf(await here.ReadLineAsync()));
        read.Add(StreamPair.TextOf(await here.ReadToEndAsync()));
        Assert.Equal(
            ["first", "second", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "12345", "aaab", "x--", "rest", "", "tail", "last"], read);
        Assert.True(here.IsAtEnd);
        Assert.Null(await here.ReadLineAsync());
        Assert.Equal(0, await here.ReadAsync(destination));
    }
}
