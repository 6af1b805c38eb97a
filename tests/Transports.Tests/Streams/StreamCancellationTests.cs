using System.Text;

namespace Toolkit.Tests.Streams;

/// <summary>
/// Cancels at every moment: somebody reads or writes, and is cancelled after the k-th turn of the loop, for all k until that is
/// too late. Whatever the moment, no byte is lost, none comes twice, and the connection goes on.
/// </summary>
public sealed class StreamCancellationTests
{
    private static readonly LineDelimiter s_separator = LineDelimiter.Of("--"u8);

    public static TheoryData<string, bool> Reads
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (string read in (string[])["some", "into", "exactly", "fill", "large fill", "line", "until", "end", "pipe"])
            {
                data.Add(read, false);
                data.Add(read, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Reads))]
    public void Read_CancelledAtAnyTurn_LosesNothing(string read, bool byToken)
    {
        byte[] sent = Encoding.Latin1.GetBytes(
            string.Concat(Enumerable.Range(0, read == "large fill" ? 1200 : 6).Select(i => $"line {i}\npart {i}--")));
        Sweep(byToken, async (pair, victim) =>
        {
            using var got = new MemoryStream();
            Task sending = SendSlowlyAsync(pair, sent);
            await victim(async token =>
            {
                while (true)
                {
                    ReadOnlyMemory<byte> bytes = await ReadAsync(pair.Here, read, token);
                    if (bytes.IsEmpty)
                    {
                        return;
                    }

                    got.Write(bytes.Span);
                }
            });
            byte[] rest = new byte[sent.Length - got.Length];
            await pair.Here.ReadExactlyAsync(rest);
            got.Write(rest);
            await sending;
            Assert.Equal(sent, got.ToArray());
            Assert.True((await pair.Here.ReadAsync()).IsEmpty);
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Write_CancelledAtAnyTurn_WritesAllOrNothing(bool byToken) => Sweep(
        byToken,
        async (pair, victim) =>
        {
            int written = 0;
            Task<byte[]> receiving = ReceiveSlowlyAsync(pair.There, pair.Loop);
            await victim(async token =>
            {
                for (int i = 0; i < 4; i++)
                {
                    written++; // cancelled, the wait is over, and the bytes are taken all the same
                    await pair.Here.WriteAsync(Testing.MemoryLoop.Pattern(3000, (ulong)written), token);
                }
            });
            pair.Here.CompleteWrites();
            byte[] all = await receiving;
            Assert.Equal(Enumerable.Range(1, written).SelectMany(i => Testing.MemoryLoop.Pattern(3000, (ulong)i)), all);
        },
        new MemoryConnectionOptions { Window = 700, Tcp = new TcpOptions { WriteLimits = new WriteLimits(1000) } });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Relay_CancelledAtAnyTurn_LosesNothing(bool byToken)
    {
        byte[] sent = Testing.MemoryLoop.Pattern(9000);
        Sweep(byToken, async (pair, victim) =>
        {
            StreamPair onward = await StreamPair.CreateAsync(pair.Loop, memory: new() { Window = 2000 });
            Task sending = SendSlowlyAsync(pair, sent);
            Task<byte[]> receiving = ReceiveSlowlyAsync(onward.There, pair.Loop);
            bool isOver = false;
            await victim(async token =>
            {
                await StreamConnection.RelayAsync(pair.Here, onward.Here, token);
                isOver = true;
            });
            if (!isOver)
            {
                // Another goes on; of the bytes back there are none.
                onward.There.CompleteWrites();
                await StreamConnection.RelayAsync(pair.Here, onward.Here);
            }

            await sending;
            Assert.Equal(sent, await receiving);
            onward.Here.Abort();
            onward.There.Abort();
        },
        most: 40);
    }

    [Fact]
    public void Calls_InACancelledScope_ThrowThoughTheyWouldNotHaveToWait() => StreamPair.Run(async pair =>
    {
        StreamConnection here = pair.Here;
        pair.There.Write("there\nand"u8);
        await pair.SettleAsync();
        var cancelled = new CancellationToken(canceled: true);
        Func<CancellationToken, Task>[] reads =
        [
            async token => await here.ReadAsync(token),
            async token => await here.ReadAsync(new byte[1], token),
            async token => await here.ReadExactlyAsync(2, token),
            async token => await here.ReadExactlyAsync(new byte[2], token),
            async token => await here.ReadLineAsync(token),
            async token => await here.ReadUntilAsync(LineDelimiter.Newline, token),
            async token => await here.ReadToEndAsync(token),
            async token => await here.Input.ReadAsync(token),
        ];
        foreach (Func<CancellationToken, Task> read in reads)
        {
            Assert.False(await CancelScope.MoveOnAfterAsync(TimeSpan.Zero, _ => read(CancellationToken.None)));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read(cancelled));
            Assert.Equal(9, here.UnreadBytes);
        }

        // What is written is written, and the wait behind it throws.
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await here.WriteAsync("x"u8.ToArray(), cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await here.DrainAsync(cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await here.Output.WriteAsync("y"u8.ToArray(), cancelled));
        Assert.Equal("xy", StreamPair.TextOf(await pair.There.ReadExactlyAsync(2)));
        Assert.Equal("there", StreamPair.TextOf(await here.ReadLineAsync()));
        Assert.Equal("and", StreamPair.TextOf(await here.ReadAsync()));
    });

    [Fact]
    public void Read_CancelledAndAnotherAtOnce_IsNoSecondReader() => StreamPair.Run(async pair =>
    {
        using var source = new CancellationTokenSource();
        Task<ReadOnlyMemory<byte>> first = pair.Here.ReadAsync(source.Token).AsTask();
        source.Cancel();
        Task<ReadOnlyMemory<byte>> second = pair.Here.ReadAsync().AsTask(); // before the first one has resumed
        pair.There.Write("x"u8);
        Assert.Equal("x", StreamPair.TextOf(await second));
        await Assert.ThrowsAsync<OperationCanceledException>(() => first);
    });

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(StreamConnection here, string read, CancellationToken token)
    {
        switch (read)
        {
            case "some":
                return await here.ReadAsync(token);
            case "into":
                byte[] destination = new byte[7];
                return destination.AsMemory(0, await here.ReadAsync(destination, token));
            case "exactly":
                return await AtEndAsync(async () => await here.ReadExactlyAsync(4, token));
            case "fill" or "large fill":
                byte[] filled = new byte[read == "fill" ? 5 : 9000];
                return await AtEndAsync(async () =>
                {
                    await here.ReadExactlyAsync(filled, token);
                    return filled;
                });
            case "line":
                // To know what was read it has to be put together again.
                return await here.ReadLineAsync(token) is { } line
                    ? (byte[])[.. line.Span, .. here.IsAtEnd && line.Span.EndsWith("--"u8) ? ""u8 : "\n"u8]
                    : default(ReadOnlyMemory<byte>);
            case "until":
                return await AtEndAsync(async () => await here.ReadUntilAsync(s_separator, token));
            case "end":
                return await here.ReadToEndAsync(token);
            default:
                System.IO.Pipelines.ReadResult result = await here.Input.ReadAsync(token);
                byte[] bytes = System.Buffers.BuffersExtensions.ToArray(result.Buffer);
                here.Input.AdvanceTo(result.Buffer.End);
                return bytes;
        }
    }

    private static async Task<ReadOnlyMemory<byte>> AtEndAsync(Func<Task<ReadOnlyMemory<byte>>> read)
    {
        try
        {
            return await read();
        }
        catch (IncompleteReadException exception)
        {
            return exception.Partial;
        }
    }

    private static async Task SendSlowlyAsync(StreamPair pair, byte[] data)
    {
        int piece = Math.Max(9, data.Length / 6);
        for (int offset = 0; offset < data.Length; offset += piece)
        {
            pair.There.Write(data.AsSpan(offset, Math.Min(piece, data.Length - offset)));
            await pair.Loop.Yield();
            await pair.Loop.Yield();
        }

        pair.There.CompleteWrites();
    }

    private static async Task<byte[]> ReceiveSlowlyAsync(StreamConnection connection, EventLoop loop)
    {
        using var all = new MemoryStream();
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            all.Write(data.Span);
            await loop.Yield();
            await loop.Yield();
        }

        return all.ToArray();
    }

    // The scenario is handed what runs the one who is to be cancelled.
    private static void Sweep(
        bool byToken,
        Func<StreamPair, Func<Func<CancellationToken, Task>, Task>, Task> scenario,
        MemoryConnectionOptions? memory = null,
        int? most = null)
        => EveryTurn.Cancel(
            byToken,
            cancel => StreamPair.Run(pair => scenario(pair, victim => cancel(pair.Loop, victim)), memory: memory),
            most);
}
