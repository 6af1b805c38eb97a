using Toolkit.Simulation;

namespace Toolkit.Tests.Backends.Simulated;

/// <summary>
/// The expected values were computed in Python by an implementation that gives the published values of splitmix64 (seed 1234567)
/// and xoshiro256** (state 1, 2, 3, 4).
/// </summary>
public sealed class SeededRandomTests
{
    [Theory]
    [InlineData(0, "b4f275cb365fec992a455649781f6ebfe0e633499d845f1a2c2d2d26f194a56a")]
    [InlineData(1, "c510c70f6daff2b3ea4c364796553b8514452a085697f892a7a366c27b1c2e64")]
    [InlineData(42, "16c72e0c2e0b78157e3a116d86d90461a199e439325317aea160b30347adb8ec")]
    [InlineData(ulong.MaxValue, "08ad7e2ad520558f2d80a1ca18a076c49e4660d2c031de812f3c5f067e8d65bf")]
    public void NextBytes_Seed_GivesTheKnownBytes(ulong seed, string expected)
    {
        byte[] bytes = new byte[32];
        new SeededRandom(seed).NextBytes(bytes);

        Assert.Equal(expected, Convert.ToHexStringLower(bytes));
    }

    [Fact]
    public void NextBytes_NotAMultipleOfEight_TakesOneDrawForTheRest()
    {
        var random = new SeededRandom(42);
        byte[] first = new byte[11];
        byte[] second = new byte[8];
        random.NextBytes(first);
        random.NextBytes(second);

        Assert.Equal("16c72e0c2e0b78157e3a11", Convert.ToHexStringLower(first));
        Assert.Equal("a199e439325317ae", Convert.ToHexStringLower(second));
    }

    [Fact]
    public void Next_Seed_GivesTheKnownNumbers()
    {
        var random = new SeededRandom(42);
        Assert.Equal([83, 378, 680, 924, 991, 769, 719, 850, 761, 583], Draw(10, () => random.Next(1000)));

        random = new SeededRandom(42);
        Assert.Equal(
            [773_499_382_201_279_370, 3_495_475_846_482_271_550, 6_272_293_381_124_279_503],
            Draw(3, () => random.NextInt64(long.MaxValue)));

        random = new SeededRandom(7);
        Assert.Equal([2, -2, 4, 5, 5, 4, -5, -4, -1, -4], Draw(10, () => random.Next(-5, 6)));

        random = new SeededRandom(42);
        Assert.Equal([0.08386297105988216, 0.3789802506626686, 0.6800434110281394], Draw(3, random.NextDouble));
    }

    [Fact]
    public void NextInt64_RangeThatManyDrawsWouldFavour_DrawsAgain()
    {
        var random = new SeededRandom(9);

        long[] drawn = Draw(6, () => random.NextInt64(6_917_529_027_641_081_857));

        Assert.Equal(
            [
                1_739_685_033_829_932_669, 916_311_460_222_607_912, 6_368_173_585_980_752_774, 5_149_468_865_618_505_468,
                4_723_810_472_794_560_511, 3_139_293_917_062_805_294,
            ],
            drawn);
    }

    [Fact]
    public void Next_FullRange_StaysWithinTheBounds()
    {
        var random = new SeededRandom(5);

        Assert.All(Draw(1000, () => random.Next(int.MinValue, int.MaxValue)), value => Assert.NotEqual(int.MaxValue, value));
        Assert.All(Draw(100, () => random.Next(1)), value => Assert.Equal(0, value));
        Assert.Equal([0, 1, 2], Draw(200, () => random.Next(3)).Distinct().Order());
    }

    [Fact]
    public void Shuffle_Seed_GivesTheKnownOrder()
    {
        int[] items = [0, 1, 2, 3, 4, 5, 6, 7];

        new SeededRandom(3).Shuffle(items.AsSpan());

        Assert.Equal([6, 0, 3, 7, 2, 1, 4, 5], items);
    }

    [Fact]
    public void Chance_ProbabilityOfABound_IsNeverAndAlways()
    {
        var random = new SeededRandom(1);

        Assert.All(Draw(1000, () => random.Chance(0)), Assert.False);
        Assert.All(Draw(1000, () => random.Chance(1)), Assert.True);
        Assert.InRange(Draw(10_000, () => random.Chance(0.25)).Count(hit => hit), 2300, 2700);
    }

    [Fact]
    public void Chance_AnyProbability_TakesOneDraw()
    {
        var random = new SeededRandom(42);
        random.Chance(0);
        random.Chance(1);

        Assert.Equal(680, random.Next(1000));
    }

    [Fact]
    public void Split_Purpose_IsDerivedFromSeedAndNameAlone()
    {
        var random = new SeededRandom(42);
        SeededRandom before = random.Split("sizes");
        random.Next(1000);
        SeededRandom after = random.Split("sizes");

        Assert.Equal(0x1d79_dcc0_2187_ea8ful, before.Seed);
        Assert.Equal(before.Seed, after.Seed);
        Assert.Equal(0x6242_b7c3_ad77_2f0dul, before.Split("a").Seed);
        Assert.Equal(0x5058_7693_a81d_d1d8ul, random.Split("größe").Seed);
        Assert.Equal(42ul, random.Seed);
    }

    [Fact]
    public void Split_TwoPurposes_AreIndependent()
    {
        var random = new SeededRandom(42);
        SeededRandom sizes = random.Split("sizes");
        SeededRandom times = random.Split("times");
        int[] alone = Draw(5, () => sizes.Next(1000));

        // What is drawn for one purpose shifts neither the other nor the stream that they came of.
        sizes = random.Split("sizes");
        int[] mixed = Draw(5, () => Math.Min(times.Next(1000), 0) + sizes.Next(1000));

        Assert.Equal(alone, mixed);
        Assert.NotEqual(alone, Draw(5, () => random.Next(1000)));
        SeededRandom again = random.Split("times");
        Assert.NotEqual(alone, Draw(5, () => again.Next(1000)));
    }

    [Fact]
    public void Arguments_OutOfRange_AreRefused()
    {
        var random = new SeededRandom(1);

        Assert.Throws<ArgumentOutOfRangeException>(() => random.Next(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Next(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Next(3, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.NextInt64(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Chance(-0.001));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Chance(1.001));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Chance(double.NaN));
        Assert.Throws<ArgumentNullException>(() => random.Split(null!));
    }

    private static T[] Draw<T>(int count, Func<T> draw) => [.. Enumerable.Range(0, count).Select(_ => draw())];
}
