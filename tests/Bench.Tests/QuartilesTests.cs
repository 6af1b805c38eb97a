using Toolkit.Bench.Results;

namespace Toolkit.Tests;

public sealed class QuartilesTests
{
    [Theory]
    [InlineData(new double[] { 7 }, 7, 7, 7)]
    [InlineData(new double[] { 3, 1 }, 1.5, 2, 2.5)]
    [InlineData(new double[] { 5, 1, 3, 2, 4 }, 2, 3, 4)]
    [InlineData(new double[] { 9, 1, 2, 4 }, 1.75, 3, 5.25)]
    public void Of_Values_LieInProportionBetweenThem(double[] values, double lower, double median, double upper)
        => Assert.Equal(new Quartiles(lower, median, upper), Quartiles.Of(values));

    [Fact]
    public void Of_Nothing_IsNull() => Assert.Null(Quartiles.Of([]));
}
