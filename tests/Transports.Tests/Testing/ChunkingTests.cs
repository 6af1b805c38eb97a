namespace Toolkit.Tests.Testing;

public sealed class ChunkingTests
{
    [Fact]
    public void Whole_TakesAllThatHasArrived() => Assert.Equal([10, 1], Cuts(Chunking.Whole, 10, 1));

    [Fact]
    public void OneByte_TakesOne() => Assert.Equal([1, 1, 1], Cuts(Chunking.OneByte, 10, 9, 1));

    [Fact]
    public void Of_TakesSoManyOrWhatThereIs() => Assert.Equal([4, 4, 2], Cuts(Chunking.Of(4), 10, 6, 2));

    [Fact]
    public void At_CutsThereAndNowhereElse()
    {
        Assert.Equal([3, 4, 3], Cuts(Chunking.At(7, 3), 10, 7, 3));
        Assert.Equal([1, 2, 4, 13], Cuts(Chunking.At(3, 3, 7), 1, 2, 10, 13));
        Assert.Equal([5], Cuts(Chunking.At(), 5));
        Assert.Equal([int.MaxValue], Cuts(Chunking.At(long.MaxValue), int.MaxValue));
    }

    [Fact]
    public void Random_SameSeed_CutsTheSame()
    {
        int[] available = [.. Enumerable.Range(1, 1_000)];
        int[] cuts = Cuts(Chunking.Random(7), available);

        Assert.Equal(cuts, Cuts(Chunking.Random(7), available));
        Assert.NotEqual(cuts, Cuts(Chunking.Random(8), available));
        Assert.All(cuts.Zip(available), cut => Assert.InRange(cut.First, 1, cut.Second));
        Assert.True(cuts.Count(cut => cut == 1) > 200);
        Assert.True(cuts.Max() > 500);
    }

    [Fact]
    public void Random_TheTwoDirections_Differ()
    {
        Chunking.Cut first = Chunking.Random(7).Begin("to first");
        Chunking.Cut second = Chunking.Random(7).Begin("to second");
        Assert.NotEqual(
            [.. Enumerable.Range(0, 100).Select(_ => first(0, 1_000))],
            Enumerable.Range(0, 100).Select(_ => second(0, 1_000)).ToArray());
    }

    [Fact]
    public void ToString_SaysWhatItIs()
    {
        Assert.Equal("whole", Chunking.Whole.ToString());
        Assert.Equal("one byte", Chunking.OneByte.ToString());
        Assert.Equal("7 bytes", Chunking.Of(7).ToString());
        Assert.Equal("at 3, 7", Chunking.At(7, 3).ToString());
        Assert.Equal("random with seed 42", Chunking.Random(42).ToString());
    }

    [Fact]
    public void Create_OutOfRange_Throws()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Chunking.Of(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Chunking.Of(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Chunking.At(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => Chunking.At(5, -1, 7));
    }

    private static int[] Cuts(Chunking chunking, params int[] available)
    {
        Chunking.Cut cut = chunking.Begin("test");
        long offset = 0;
        return [.. available.Select(count =>
        {
            int length = cut(offset, count);
            offset += length;
            return length;
        })];
    }
}
