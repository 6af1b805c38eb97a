using Toolkit.Tests.Testing;
using static Toolkit.Tests.Framing.FramingRun;

namespace Toolkit.Tests.Framing;

public sealed class LengthPrefixedProtocolTests
{
    public static TheoryData<LengthPrefix> Prefixes => [.. Enum.GetValues<LengthPrefix>()];

    [Theory]
    [MemberData(nameof(Prefixes))]
    public void Frames_SentAndCutAnywhere_ArriveWhole(LengthPrefix prefix) => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        int[] sizes = [0, 1, 5, 0, 127, 128, 255];
        byte[][] frames = [.. sizes.Select((size, i) => MemoryLoop.Pattern(size, seed + (ulong)i))];
        byte[] stream = await SentAsync(loop, record => new Prefixed(record, prefix), frames);

        await RequireSameHoweverCutAsync(
            loop,
            () => new Framed(record => new Prefixed(record, prefix)),
            stream,
            [.. frames.Select(frame => Describe(frame)), "(PeerEnd)"],
            seed);
    });

    [Fact]
    public void Netstrings_SentAndCutAnywhere_ArriveWhole() => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        byte[][] frames = ["hello"u8.ToArray(), [], "a,b:c"u8.ToArray(), new byte[100]];
        byte[] stream = await SentAsync(loop, record => new Netstrings(record), frames);
        Assert.StartsWith("5:hello,0:,5:a,b:c,100:", Text(stream), StringComparison.Ordinal);

        await RequireSameHoweverCutAsync(
            loop,
            () => new Framed(record => new Netstrings(record)),
            stream,
            ["hello", "", "a,b:c", "100 bytes", "(PeerEnd)"],
            seed);
    });

    [Theory]
    [InlineData(LengthPrefix.FourBytesBigEndian, "FFFFFFFF", "TooLong")]
    [InlineData(LengthPrefix.FourBytesLittleEndian, "FFFFFFFF", "TooLong")]
    [InlineData(LengthPrefix.FourBytesBigEndian, "00010001", "TooLong")]
    [InlineData(LengthPrefix.TwoBytesLittleEndian, "0500", "Truncated")]
    [InlineData(LengthPrefix.EightBytesBigEndian, "8000000000000001", "InvalidLength")]
    [InlineData(LengthPrefix.EightBytesLittleEndian, "FFFFFFFFFFFFFFFF", "InvalidLength")]
    [InlineData(LengthPrefix.EightBytesBigEndian, "7FFFFFFFFFFFFFFF", "TooLong")]
    [InlineData(LengthPrefix.EightBytesBigEndian, "00", "Truncated")]
    [InlineData(LengthPrefix.Varint, "818004", "TooLong")] // 65537
    [InlineData(LengthPrefix.Varint, "FFFFFFFFFFFFFFFFFF01", "InvalidLength")] // -1
    [InlineData(LengthPrefix.Varint, "FFFFFFFFFFFFFFFFFF02", "InvalidLength")]
    [InlineData(LengthPrefix.Varint, "8080808080808080808000", "InvalidLength")] // eleven bytes
    [InlineData(LengthPrefix.Varint, "80808080", "Truncated")]
    public void Prefix_ThatIsNone_IsATypedError(LengthPrefix prefix, string bytes, string error) => MemoryLoop.Run(loop =>
        RequireSameHoweverCutAsync(
            loop,
            () => new Framed(record => new Prefixed(record, prefix)),
            Convert.FromHexString(bytes),
            [$"({error})"],
            MemoryLoop.NextSeed()));

    [Theory]
    [InlineData("5:hello;", "(InvalidFormat)")]
    [InlineData("5:hello,1:x,05:hello,", "hello|x|(InvalidFormat)")]
    [InlineData(":,", "(InvalidFormat)")]
    [InlineData("-1:x,", "(InvalidFormat)")]
    [InlineData("5 hello,", "(InvalidFormat)")]
    [InlineData("65537:", "(TooLong)")]
    [InlineData("99999999999999999999999999", "(TooLong)")]
    [InlineData("0:,3:ab", "|(Truncated)")]
    [InlineData("12", "(Truncated)")]
    public void Netstring_ThatIsNone_IsATypedError(string stream, string expected) => MemoryLoop.Run(loop =>
        RequireSameHoweverCutAsync(
            loop, () => new Framed(record => new Netstrings(record)), Bytes(stream), expected.Split('|'), MemoryLoop.NextSeed()));

    [Fact]
    public void Varint_WithNeedlessBytes_IsALengthAllTheSame() => MemoryLoop.Run(async loop => Assert.Equal(
        ["x", "(PeerEnd)"],
        await SendAsync(
            loop,
            new Framed(record => new Prefixed(record, LengthPrefix.Varint)),
            Convert.FromHexString("81808080808080808000" + "78"))));

    [Theory]
    [InlineData(1000, "1000 bytes", "(PeerEnd)")]
    [InlineData(1001, "(TooLong)")]
    public void MaxLength_ExactlyReachedOrPassed_EndsTheConnectionOnlyWhenPassed(int length, params string[] expected)
        => MemoryLoop.Run(async loop =>
        {
            byte[] frame = [(byte)(length >> 8), (byte)length, .. new byte[length]];
            foreach (Chunking cut in (Chunking[])[Chunking.Whole, Chunking.OneByte, Chunking.Of(7)])
            {
                var framed = new Framed(
                    record => new Prefixed(record, LengthPrefix.TwoBytesBigEndian) { MaxLength = 1000 });
                Assert.Equal(expected, await SendAsync(loop, framed, frame, cut));
            }
        });

    [Fact]
    public void ClaimedLength_OfMuch_TakesNoMemoryBeforeItArrives() => MemoryLoop.Run(async loop =>
    {
        const int Claimed = 512 * 1024 * 1024;
        Prefixed prefixed = null!;
        var framed = new Framed(record => prefixed = new Prefixed(record) { MaxLength = Claimed });
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, peer, prefixed);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        peer.Transport.Write([Claimed >> 24, 0, 0, 0, 1]);
        await MemoryLoop.UntilAsync(loop, () => prefixed.UnfinishedLength == 5);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;

        Assert.True(allocated < 1_000_000, $"{allocated} bytes were allocated for five that have arrived.");
        peer.Transport.Abort();
        await framed.Lost;
    });

    [Fact]
    public void SendFrame_OfSpanAndMemory_IsOneWriteOfTheSameBytes() => MemoryLoop.Run(async loop =>
    {
        byte[] large = MemoryLoop.Pattern(60_000);
        byte[] small = MemoryLoop.Pattern(10);
        byte[][] streams =
        [
            await SentAsync(loop, record => new Prefixed(record), [large, small]),
            await SentAsync(loop, record => new Prefixed(record), [large, small], asMemory: true),
        ];

        Assert.Equal(4 + large.Length + 4 + small.Length, streams[0].Length);
        Assert.Equal(streams[0], streams[1]);
    });

    [Fact]
    public void SendFrame_TooLongForItsPrefix_Throws() => MemoryLoop.Run(async loop =>
    {
        Prefixed prefixed = null!;
        var framed = new Framed(record => prefixed = new Prefixed(record, LengthPrefix.OneByte));
        await MemoryConnection.CreateAsync(loop, prefixed, new RecordingProtocol());

        Assert.Throws<ArgumentException>(() => prefixed.SendFrame(new byte[256]));
        Assert.Throws<ArgumentException>(() => prefixed.SendFrame(new ReadOnlyMemory<byte>(new byte[65_536])));
        prefixed.SendFrame(new byte[255]);
        prefixed.Transport.Close();
        Assert.Null(await framed.Lost);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Framed(record => new Prefixed(record, (LengthPrefix)99)));
    });

    private static async Task<byte[]> SentAsync(
        EventLoop loop, Func<Framed, LengthPrefixedProtocol> factory, byte[][] frames, bool asMemory = false)
    {
        var framed = new Framed(factory);
        var protocol = (LengthPrefixedProtocol)framed.Protocol;
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, peer, protocol);
        foreach (byte[] frame in frames)
        {
            _ = asMemory ? protocol.SendFrame(frame.AsMemory()) : protocol.SendFrame(frame.AsSpan());
        }

        protocol.Transport.Close();
        await peer.Lost;
        return peer.Received;
    }
}
