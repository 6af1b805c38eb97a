using Toolkit.Tests.Testing;
using static Toolkit.Tests.Framing.FramingRun;

namespace Toolkit.Tests.Framing;

public sealed class LineProtocolTests
{
    [Theory]
    [InlineData("", "(PeerEnd)")]
    [InlineData("\n", "|(PeerEnd)")]
    [InlineData("one\n", "one|(PeerEnd)")]
    [InlineData("one\r\ntwo\n\r\n", "one|two||(PeerEnd)")]
    [InlineData("a\rb\r\r\nc\n", "a\rb\r|c|(PeerEnd)")]
    [InlineData("one\ntw", "one|(Truncated)")]
    [InlineData("one\n\r", "one|(Truncated)")]
    public void Lines_HoweverCut_AreTheSame(string stream, string expected) => MemoryLoop.Run(
        loop => RequireSameHoweverCutAsync(
            loop, () => new Framed(record => new Lines(record)), Bytes(stream), expected.Split('|'), MemoryLoop.NextSeed()));

    [Theory]
    [InlineData("aab", "aaabxaabaab", "a|x||(PeerEnd)")]
    [InlineData("abab", "xababab", "x|(Truncated)")]
    [InlineData("\0", "a\0\n\0", "a|\n|(PeerEnd)")]
    [InlineData("\r\n", "a\nb\rc\r\r\n", "a\nb\rc\r|(PeerEnd)")]
    [InlineData(";,--,;;", "a;b--c;;--d-;", "a|b|c|||d-|(PeerEnd)")] // the shorter one is complete first
    public void Delimiters_HoweverCut_EndLinesAsSoonAsOneIsComplete(string delimiters, string stream, string expected)
    {
        LineDelimiter delimiter = LineDelimiter.AnyOf([.. delimiters.Split(',').Select(Bytes)]);
        MemoryLoop.Run(loop => RequireSameHoweverCutAsync(
            loop,
            () => new Framed(record => new Lines(record, delimiter)),
            Bytes(stream),
            expected.Split('|'),
            MemoryLoop.NextSeed()));
    }

    [Fact]
    public void Lines_OfRandomBytesAndDelimiters_AreThoseOfTheOracle() => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        var random = new SeededRandom(seed);
        for (int round = 0; round < 2_000; round++)
        {
            // Few different bytes, so that delimiters overlap each other and themselves.
            byte[][] sequences = [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => Few(1 + random.Next(4)))];
            byte[] stream = Few(random.Next(60));
            int max = random.Next(12);
            LineDelimiter delimiter = LineDelimiter.AnyOf(sequences);
            Chunking cut = random.Next(4) == 0 ? Chunking.OneByte : Chunking.Random(seed + (ulong)round);

            List<string> events = await SendAsync(
                loop, new Framed(record => new Lines(record, delimiter) { MaxLength = max, Skips = true }), stream, cut);

            List<string> expected = Oracle(stream, sequences, max);
            Assert.True(
                expected.SequenceEqual(events),
                $"TOOLKIT_SEED={seed}, round {round}, {Text(stream)} by {string.Join(' ', sequences.Select(s => Text(s)))}, "
                + $"at most {max}, cut {cut}: expected {string.Join(" | ", expected)}, got {string.Join(" | ", events)}");
        }

        byte[] Few(int length)
        {
            byte[] bytes = new byte[length];
            for (int i = 0; i < length; i++)
            {
                bytes[i] = (byte)('a' + random.Next(3));
            }

            return bytes;
        }
    });

    [Theory]
    [InlineData(9, "\n", false)]
    [InlineData(10, "\n", false)]
    [InlineData(10, "\r\n", false)]
    [InlineData(11, "\n", true)]
    [InlineData(11, "\r\n", true)]
    [InlineData(12, "\r\n", true)]
    [InlineData(500, "\n", true)]
    public void MaxLength_ExactlyReachedOrPassed_EndsTheConnectionOnlyWhenPassed(int length, string end, bool isTooLong)
    {
        string line = new('x', length);
        string[] expected = isTooLong ? ["before", "(TooLong)"] : ["before", line, "(PeerEnd)"];
        MemoryLoop.Run(loop => RequireSameHoweverCutAsync(
            loop,
            () => new Framed(record => new Lines(record) { MaxLength = 10 }),
            Bytes($"before\n{line}{end}"),
            expected,
            MemoryLoop.NextSeed()));
    }

    [Fact]
    public void LineTooLong_LeftOpen_SkipsThatLineAlone() => MemoryLoop.Run(loop => RequireSameHoweverCutAsync(
        loop,
        () => new Framed(record => new Lines(record) { MaxLength = 5, Skips = true }),
        Bytes("12345\n123456\n1234567\r\n12345\r\n123456789012345\nend\n1234567"),
        ["12345", "too long", "too long", "12345", "too long", "end", "too long", "(PeerEnd)"],
        MemoryLoop.NextSeed()));

    [Fact]
    public void LineTooLong_Default_IsToldToNoExceptionHandlerAndResetsThePeer() => MemoryLoop.Run(async (loop, errors) =>
    {
        var framed = new Framed(record => new Lines(record));
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write(new byte[FramedProtocol.DefaultMaxLength + 2]) };
        await MemoryConnection.CreateAsync(loop, peer, framed.Protocol, new() { Window = 1_000_000 });

        var reason = Assert.IsType<FramingException>(await framed.Lost);
        Assert.Equal((FramingError.TooLong, CloseReason.InvalidData), (reason.Error, reason.Reason));
        Assert.Equal(CloseReason.InvalidData, framed.Transport.CloseReason);
        Assert.NotNull(await peer.Lost);
        Assert.Empty(errors);
    });

    [Fact]
    public void EndlessLine_Skipped_KeepsNothingOfIt() => MemoryLoop.Run(async loop =>
    {
        Lines lines = null!;
        var framed = new Framed(record => lines = new Lines(record) { Skips = true });
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, peer, lines);
        peer.Transport.WriteLimits = new WriteLimits(int.MaxValue, hardCap: null);
        peer.Transport.Write(new byte[3_000_000]);
        await MemoryLoop.UntilAsync(loop, () => lines.Transport.BytesReceived == 3_000_000);

        Assert.Equal(["too long"], framed.Events);
        Assert.Equal(1, lines.UnfinishedLength); // it may be a carriage return
        peer.Transport.Abort();
        await framed.Lost;
    });

    [Fact]
    public void RawMode_InTheMiddleOfABuffer_TakesTheRestAndHandsBackWhatIsLines()
    {
        MemoryLoop.Run(loop => RequireSameHoweverCutAsync(
            loop,
            () =>
            {
                int left = 0;
                string raw = "";
                var framed = new Framed(record => new Lines(record)
                {
                    OnRaw = (self, data) =>
                    {
                        int taken = Math.Min(left, data.Length);
                        raw += Text(data[..taken]);
                        left -= taken;
                        if (left == 0)
                        {
                            record.Events.Add($"raw {raw}");
                            raw = "";
                            self.GoLines(data[taken..]);
                        }
                    },
                });
                framed.OnFrame = (self, line) =>
                {
                    if (line.StartsWith("get ", StringComparison.Ordinal))
                    {
                        left = int.Parse(line[4..], System.Globalization.CultureInfo.InvariantCulture);
                        ((Lines)self.Protocol).GoRaw();
                    }
                };
                return framed;
            },
            Bytes("hello\nget 3\na\nbget 1\nxend\nget 5\n12345get 2\n\n\n"),
            ["hello", "get 3", "raw a\nb", "get 1", "raw x", "end", "get 5", "raw 12345", "get 2", "raw \n\n", "(PeerEnd)"],
            MemoryLoop.NextSeed()));
    }

    [Fact]
    public void RawMode_FromOutside_BeginsWithTheHalfLine() => MemoryLoop.Run(async loop =>
    {
        string raw = "";
        Lines lines = null!;
        var framed = new Framed(record => lines = new Lines(record) { OnRaw = (_, data) => raw += Text(data) });
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("line\nhalf a l"u8) };
        await MemoryConnection.CreateAsync(loop, peer, lines);
        await MemoryLoop.UntilAsync(loop, () => lines.UnfinishedLength > 0);

        lines.GoRaw();
        Assert.Throws<InvalidOperationException>(() => lines.GoLines("rest"u8));
        Assert.Equal("", raw);
        peer.Transport.Write("ine"u8);
        await MemoryLoop.UntilAsync(loop, () => raw.Length == 11);

        Assert.Equal("half a line", raw);
        peer.Transport.Close();
        Assert.Null(await framed.Lost);
    });

    [Fact]
    public void SendLine_OfBytesAndText_IsOneLine() => MemoryLoop.Run(async loop =>
    {
        Lines lines = null!;
        _ = new Framed(record => lines = new Lines(record, LineDelimiter.AnyOf("\r\n"u8.ToArray(), "\n"u8.ToArray())));
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, peer, lines);
        string large = new('ä', 5_000);

        Assert.Equal(WriteStatus.Accepted, lines.SendLine("bytes"u8));
        Assert.Equal(WriteStatus.Accepted, lines.SendLine("grüße"));
        Assert.Equal(WriteStatus.Accepted, lines.SendLine(""));
        Assert.Equal(WriteStatus.Accepted, lines.SendLine(large));
        Assert.Throws<ArgumentException>(() => lines.SendLine("two\nlines"));
        lines.Transport.Close();
        await peer.Lost;

        Assert.Equal($"bytes\r\ngrüße\r\n\r\n{large}\r\n", peer.ReceivedText);
        Assert.Equal(WriteStatus.Closed, lines.SendLine("late"));
    });

    [Fact]
    public void Delimiters_Empty_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => LineDelimiter.Of(default));
        Assert.Throws<ArgumentException>(() => LineDelimiter.AnyOf());
        Assert.Throws<ArgumentException>(() => LineDelimiter.AnyOf("a"u8.ToArray(), []));
    }

    // Byte by byte, and slow.
    private static List<string> Oracle(byte[] stream, byte[][] sequences, int max)
    {
        var events = new List<string>();
        var line = new List<byte>();
        foreach (byte value in stream)
        {
            line.Add(value);
            int length = sequences.Where(s => line.Count >= s.Length && line[^s.Length..].SequenceEqual(s))
                .Select(s => s.Length).DefaultIfEmpty(0).Max();
            if (length > 0)
            {
                line.RemoveRange(line.Count - length, length);
                events.Add(line.Count > max ? "too long" : Describe(line.ToArray()));
                line.Clear();
            }
        }

        // That an unfinished line is too long is known when no delimiter could make it short enough.
        bool isTooLong = line.Count >= max + sequences.Max(s => s.Length);
        if (isTooLong)
        {
            events.Add("too long");
        }

        events.Add(isTooLong || line.Count == 0 ? "(PeerEnd)" : "(Truncated)");
        return events;
    }
}
