using Toolkit.Transports;

namespace Toolkit.Tests.Lifecycle;

public sealed class OutputBufferTests
{
    [Fact]
    public void AppendAndConsume_AtRandom_KeepsEveryByteInOrder()
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        for (int round = 0; round < 15; round++)
        {
            PlayRound(seed + round);
        }
    }

    [Fact]
    public void Append_ToALastSegmentWithRoom_LeavesTheFirstBytesInPlace()
    {
        var buffer = new OutputBuffer();
        buffer.Append("first"u8, isSending: false);
        ReadOnlyMemory<byte> inFlight = buffer.First;
        buffer.Append("second"u8, isSending: true);
        buffer.Append(new byte[100_000], isSending: true);

        Assert.Equal("first"u8, inFlight.Span);
        Assert.True(inFlight.Span == buffer.First.Span[..5], "A send in flight reads from this very place.");
        buffer.Clear();
    }

    [Fact]
    public void Append_SmallOnes_AreJoined()
    {
        var buffer = new OutputBuffer();
        for (int i = 0; i < 1_000; i++)
        {
            buffer.Append([(byte)i], isSending: false);
        }

        Assert.Equal(1_000, buffer.Length);
        Assert.Equal(1_000, buffer.First.Length);
        buffer.Clear();
    }

    [Fact]
    public void Append_SmallOnesBeyondTheFirstSegment_AreJoinedInALargerOne()
    {
        var buffer = new OutputBuffer();
        for (int i = 0; i < 1_000; i++)
        {
            buffer.Append([(byte)i, 1, 2, 3, 4, 5, 6, 7], isSending: false);
        }

        Assert.Equal(8_000, buffer.First.Length);
        Assert.Equal([(byte)231, 3], [buffer.First.Span[999 * 8], buffer.First.Span[7_995]]);
        buffer.Clear();
    }

    [Fact]
    public void Append_LargeOne_IsCutSoThatItsMemoryGoesBackAsItDrains()
    {
        var buffer = new OutputBuffer();
        buffer.Append(new byte[3 * SegmentPool.Large], isSending: false);
        Assert.InRange(buffer.First.Length, 1, SegmentPool.Large);
        buffer.Clear();
    }

    [Fact]
    public void Clear_AtAnyTime_LeavesAnEmptyBufferThatCanBeUsedAgain()
    {
        var buffer = new OutputBuffer();
        buffer.Clear();
        Assert.True(buffer.IsEmpty);
        buffer.Append([], isSending: false);
        Assert.True(buffer.IsEmpty);
        Assert.True(buffer.First.IsEmpty);
        for (int i = 0; i < 3; i++)
        {
            buffer.Append(new byte[1_000_000], isSending: false);
            buffer.Consume(10);
            buffer.Clear();
            Assert.True(buffer.IsEmpty);
            Assert.True(buffer.First.IsEmpty);
            buffer.Append("again"u8, isSending: false);
            Assert.Equal("again"u8, buffer.First.Span);
            buffer.Consume(5);
            Assert.True(buffer.IsEmpty);
        }
    }

    private static void PlayRound(int seed)
    {
        var random = new Random(seed);
        var buffer = new OutputBuffer();
        var oracle = new Queue<byte>();
        for (int turn = 0; turn < 200; turn++)
        {
            if (random.Next(2) == 0)
            {
                byte[] data = new byte[random.Next(4) switch
                {
                    0 => random.Next(3),
                    1 => random.Next(200),
                    2 => random.Next(40_000),
                    _ => random.Next(20) == 0 ? random.Next(700_000) : random.Next(2_000),
                }];
                random.NextBytes(data);
                buffer.Append(data, isSending: random.Next(2) == 0);
                Array.ForEach(data, oracle.Enqueue);
            }
            else if (!buffer.IsEmpty)
            {
                ReadOnlySpan<byte> first = buffer.First.Span;
                int count = random.Next(3) == 0 ? first.Length : random.Next(1, first.Length + 1);
                for (int i = 0; i < count; i++)
                {
                    byte expected = oracle.Dequeue();
                    if (first[i] != expected)
                    {
                        Assert.Fail($"Seed {seed}, turn {turn}: byte {i} is {first[i]} and not {expected}.");
                    }
                }

                buffer.Consume(count);
            }

            Assert.Equal(oracle.Count, buffer.Length);
            Assert.Equal(oracle.Count == 0, buffer.IsEmpty);
            Assert.Equal(oracle.Count == 0, buffer.First.IsEmpty);
        }

        buffer.Clear();
    }
}
