namespace Toolkit.Tests;

public sealed class WriteLimitsTests
{
    [Theory]
    [InlineData(-1, null, null, "high")]
    [InlineData(10, -1, null, "low")]
    [InlineData(10, 11, null, "low")]
    [InlineData(10, 5, 9L, "hardCap")]
    [InlineData(10, 5, -1L, "hardCap")]
    public void Constructor_OutOfOrder_NamesWhatIsWrong(int high, int? low, long? hardCap, string parameter)
        => Assert.Equal(
            parameter, Assert.Throws<ArgumentOutOfRangeException>(() => { _ = new WriteLimits(high, low, hardCap); }).ParamName);

    [Theory]
    [InlineData(0, 0, 0L)]
    [InlineData(10, 10, 10L)]
    [InlineData(int.MaxValue, 0, null)]
    public void Constructor_AtTheBounds_IsTaken(int high, int? low, long? hardCap)
    {
        var limits = new WriteLimits(high, low, hardCap);
        Assert.Equal((high, low ?? high / 4, hardCap), (limits.High, limits.Low, limits.HardCap));
    }

    [Fact]
    public void Constructor_OnlyHigh_DerivesTheRest()
    {
        var limits = new WriteLimits(1_000);
        Assert.Equal((1_000, 250, WriteLimits.DefaultHardCap), (limits.High, limits.Low, limits.HardCap));
        Assert.Equal(new WriteLimits(), new WriteLimits(WriteLimits.DefaultHigh, WriteLimits.DefaultHigh / 4));
        Assert.Equal((64 * 1024, 16 * 1024, 4L * 1024 * 1024), (new WriteLimits().High, new WriteLimits().Low, new WriteLimits().HardCap));
    }
}
