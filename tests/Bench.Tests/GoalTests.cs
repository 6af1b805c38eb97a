using Toolkit.Bench.Cells;
using Toolkit.Bench.Goals;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Results;

namespace Toolkit.Tests;

public sealed class GoalTests
{
    [Theory]
    [InlineData("AtMost", new[] { 0.9, 1.0, 1.3 }, "Met")]
    [InlineData("AtMost", new[] { 0.8, 1.1, 1.2 }, "Equal")]
    [InlineData("AtMost", new[] { 1.1, 1.2, 1.3 }, "Missed")]
    [InlineData("AtLeast", new[] { 0.5, 1.0, 1.1 }, "Met")]
    [InlineData("AtLeast", new[] { 0.8, 0.9, 1.2 }, "Equal")]
    [InlineData("AtLeast", new[] { 0.7, 0.8, 0.9 }, "Missed")]
    [InlineData("AtLeast", new double[0], "NotMeasured")]
    public void Judge_LimitOfOne_DependsOnMedianAndQuartiles(string side, double[] figures, string verdict)
    {
        var goal = new Goal("what", "case", Enum.Parse<Side>(side), 1, "x", _ => figures);

        Assert.Equal(Enum.Parse<Verdict>(verdict), goal.Judge(Runs.Empty()).Verdict);
    }

    [Theory]
    [InlineData("AtMost", 60, 0.5)]
    [InlineData("AtLeast", 10, 0.75)]
    public void Excess_IsAShareOfTheLimit(string side, double figure, double excess)
    {
        var goal = new Goal("what", "case", Enum.Parse<Side>(side), 40, "ns", _ => [figure]);

        Assert.Equal(excess, goal.Judge(Runs.Empty()).Excess!.Value, tolerance: 1e-9);
    }

    [Theory]
    [InlineData(new[] { 5.0, 5.0, 5.0 }, false)]
    [InlineData(new[] { 4.0, 5.5, 5.5 }, false)] // slower in the median, but the quartiles hold one
    [InlineData(new[] { 5.5, 5.5, 5.6 }, true)]
    public void NativeServer_SlowerThanLibuv_VoidsWhatIsComparedWithIt(double[] native, bool isVoid)
    {
        const string Cell = "echo-64-c64-d1";
        BenchRun run = Runs.Empty()
            .With(Cell, PeerCatalog.Epoll, 5, 5, 5)
            .With(Cell, PeerCatalog.Libuv, 5, 5, 5)
            .With(Cell, PeerCatalog.NativeEpoll, native)
            .With(Cell, PeerCatalog.Uvloop, 9, 9, 9);

        Judgement[] judgements =
            [.. GoalCatalog.All.Select(goal => goal.Judge(run)).Where(judgement => judgement.Figures is not null)];

        Assert.Equal(2, judgements.Length);
        Assert.Equal(isVoid, judgements[0].Verdict == Verdict.Void);
        Assert.Equal(Verdict.Met, judgements[1].Verdict);
    }

    [Fact]
    public void Catalog_Cases_AreCellsOrPrimitives()
    {
        HashSet<string> known = [.. CellCatalog.All.Select(cell => cell.Name), Toolkit.Bench.Primitives.Runner.Toolkit];

        Assert.All(GoalCatalog.All, goal => Assert.Contains(goal.Case, known));
    }
}
