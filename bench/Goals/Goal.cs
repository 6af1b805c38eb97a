using Toolkit.Bench.Results;

namespace Toolkit.Bench.Goals;

/// <summary>On which side of its limit a figure is to be.</summary>
internal enum Side
{
    AtMost,
    AtLeast,
}

/// <summary>What came of a goal.</summary>
internal enum Verdict
{
    /// <summary>The median is on the right side.</summary>
    Met,

    /// <summary>The median is not, but the limit is within the quartiles.</summary>
    Equal,

    Missed,

    /// <summary>What it is compared with was not in form: the C server was slower than libuv.</summary>
    Void,

    NotMeasured,
}

/// <summary>What is to be shown.</summary>
/// <param name="What">What is looked at.</param>
/// <param name="Case">Where.</param>
/// <param name="Side">Which side of the limit is right.</param>
/// <param name="Limit">The limit.</param>
/// <param name="Unit">What figure and limit are counted in; <c>x</c> for ratios.</param>
/// <param name="Figures">The figure of each round.</param>
internal sealed record Goal(
    string What, string Case, Side Side, double Limit, string Unit, Func<BenchRun, IEnumerable<double>> Figures)
{
    /// <summary>Whether what the goal is compared with was in form.</summary>
    public Func<BenchRun, bool> IsVoid { get; init; } = _ => false;

    public Judgement Judge(BenchRun run)
    {
        Quartiles? figures = Quartiles.Of(Figures(run));
        return new Judgement(this, figures, figures is not { } quartiles ? Verdict.NotMeasured
            : IsVoid(run) ? Verdict.Void
            : Compare(quartiles));
    }

    private Verdict Compare(Quartiles figures) => Side switch
    {
        Side.AtMost when figures.Median <= Limit => Verdict.Met,
        Side.AtMost when figures.Lower <= Limit => Verdict.Equal,
        Side.AtLeast when figures.Median >= Limit => Verdict.Met,
        Side.AtLeast when figures.Upper >= Limit => Verdict.Equal,
        _ => Verdict.Missed,
    };
}

/// <summary>A goal and what came of it.</summary>
internal sealed record Judgement(Goal Goal, Quartiles? Figures, Verdict Verdict)
{
    /// <summary>By which share of the limit the median is on the wrong side; null of a limit that has no shares.</summary>
    public double? Excess => Figures is not { } figures || Goal.Limit == 0 ? null
        : Goal.Side == Side.AtMost ? (figures.Median / Goal.Limit) - 1
        : 1 - (figures.Median / Goal.Limit);
}
