using Toolkit.Bench.Cells;
using Toolkit.Bench.Goals;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Primitives;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Report;

/// <summary>
/// Writes a run down: <c>performance.md</c>, and beside it a folder with the figures behind it, the plots, and every run.
/// </summary>
internal sealed class PerformanceReport(BenchRun run)
{
    private const string DatePattern = "yyyy-MM-dd-HHmm";

    private readonly Judgement[] _judgements = [.. GoalCatalog.All.Select(goal => goal.Judge(run))];

    private IEnumerable<IGrouping<string, Cell>> Groups
        => CellCatalog.All
            .Where(cell => run.Measurements.Exists(measurement => measurement.Cell == cell.Name))
            .GroupBy(cell => cell.Group);

    /// <returns>The page.</returns>
    public string Write(string folder)
    {
        string behind = Path.Combine(folder, "performance");
        Directory.CreateDirectory(behind);
        run.Save(Path.Combine(behind, $"{run.Date.ToString(DatePattern)}.json"));
        foreach (IGrouping<string, Cell> group in Groups)
        {
            File.WriteAllText(Path.Combine(behind, PlotName(group.Key)), BarChart.Draw([.. group.Select(PanelOf)]));
        }

        File.WriteAllText(Path.Combine(behind, "cells.md"), DescribeCells());
        string page = Path.Combine(folder, "performance.md");
        File.WriteAllText(page, DescribeAll(Directory.EnumerateFiles(behind, "*.json").Order().Select(BenchRun.Load)));
        return page;
    }

    private static string PlotName(string group) => $"{group.ToLowerInvariant().Replace(' ', '-')}.svg";

    private string DescribeAll(IEnumerable<BenchRun> history)
    {
        string template = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Report/performance.template.md"));
        (string Place, string Text)[] parts =
        [
            ("machine", DescribeMachine()),
            ("peers", DescribePeers()),
            ("failures", DescribeFailures()),
            ("goals", DescribeGoals()),
            ("groups", string.Join('\n', Groups.Select(DescribeGroup)).TrimEnd()),
            ("primitives", DescribePrimitives()),
            ("history", DescribeHistory(history)),
        ];
        return parts.Aggregate(template, (text, part) => text.Replace($"{{{{{part.Place}}}}}", part.Text.TrimEnd()));
    }

    private string DescribeMachine()
    {
        Machine machine = run.Machine;
        return $"""
            - {run.Date:yyyy-MM-dd HH:mm} UTC, {run.Mode} mode, {run.Rounds} interleaved rounds, {run.WindowSeconds:0.##} s each.
            - {machine.Processor}, {machine.Cores} cores, {machine.Memory}; {machine.System}, kernel {machine.Kernel}.
            - Loopback only{(machine.RaisedPriority ? "; all processes at raised priority" : "")}.
            - Stolen or used by others, in percent of a core: {Text.Of(Quartiles.Of(Disturbances()))} of all measurements, and
              {Text.Of(Disturbances().DefaultIfEmpty().Max())} in the worst.
            """;
    }

    private IEnumerable<double> Disturbances() => run.Measurements.Select(Metric.Disturbance.Of).OfType<double>();

    private string DescribePeers()
    {
        var table = new MarkdownTable("peer", "", "version");
        foreach (PeerRecord peer in run.Peers)
        {
            table.Add($"`{peer.Name}`", peer.Title, peer.Version ?? $"**missing**: {peer.Missing}");
        }

        return table.ToString();
    }

    private string DescribeFailures()
        => run.Failures.Count == 0
            ? "No measurement failed, and no byte was wrong."
            : $"Measurements that failed:\n\n{string.Concat(run.Failures.Select(failure => $"- {failure}\n"))}";

    private string DescribeGoals()
    {
        var table = new MarkdownTable("what", "where", "limit", "median and quartiles", "");
        foreach (Judgement judgement in _judgements)
        {
            Goal goal = judgement.Goal;
            table.Add(
                goal.What,
                goal.Case,
                $"{(goal.Side == Side.AtMost ? "at most" : "at least")} {Text.Of(goal.Limit)} {goal.Unit}",
                Text.Of(judgement.Figures),
                Describe(judgement));
        }

        return $"{Count(_judgements)}.\n\n{table}";
    }

    private static string Count(IEnumerable<Judgement> judgements)
        => string.Join(", ", judgements
            .GroupBy(judgement => judgement.Verdict)
            .OrderBy(verdict => verdict.Key)
            .Select(verdict => $"{verdict.Count()} {Describe(verdict.Key)}"));

    private static string Describe(Judgement judgement) => judgement switch
    {
        { Verdict: Verdict.Missed, Excess: { } excess } => $"**missed** by {Text.Of(excess * 100)} %",
        { Verdict: Verdict.Missed } => "**missed**",
        _ => Describe(judgement.Verdict),
    };

    private static string Describe(Verdict verdict)
        => verdict == Verdict.NotMeasured ? "not measured" : verdict.ToString().ToLowerInvariant();

    private string DescribeGroup(IGrouping<string, Cell> group)
    {
        Cell[] cells = [.. group];
        Metric metric = cells[0].Metric;
        var table = new MarkdownTable(["", .. cells.Select(cell => cell.Title)]);
        foreach (PeerRecord peer in run.Peers)
        {
            string[] row = [.. cells.Select(cell => DescribeFigure(cell, peer.Name))];
            if (Array.Exists(row, text => text.Length > 0))
            {
                table.Add([peer.Title, .. row]);
            }
        }

        string explanation = group.Key.StartsWith("Echo", StringComparison.Ordinal) ? "; connections x messages in flight" : "";
        return $"""
            ### {group.Key}

            {char.ToUpperInvariant(metric.Name[0])}{metric.Name[1..]}, {metric.Unit}{explanation}.

            ![{group.Key}](performance/{PlotName(group.Key)})

            {table}
            """;
    }

    private string DescribeFigure(Cell cell, string peer)
    {
        if (Quartiles.Of(run.Figures(cell.Name, peer, cell.Metric)) is not { } figures)
        {
            return "";
        }

        Quartiles? ratios = Quartiles.Of(run.Ratios(cell.Name, peer, PeerCatalog.Epoll, cell.Metric));
        string ratio = ratios is null || peer == PeerCatalog.Epoll ? "" : $"<br>x {Text.Of(ratios)}";
        string limit = Limit.Of(run, cell.Name, peer);
        return $"{Text.Of(figures)}{(limit.Length > 0 ? $" {limit}" : "")}{ratio}";
    }

    private Panel PanelOf(Cell cell) => new(
        cell.Title,
        $"{cell.Metric.Name} ({cell.Metric.Unit})",
        [.. from peer in run.Peers
            let figures = Quartiles.Of(run.Figures(cell.Name, peer.Name, cell.Metric))
            where figures is not null
            select new Bar(peer.Title, figures.Value, peer.Title.StartsWith("Toolkit", StringComparison.Ordinal))]);

    private string DescribePrimitives()
    {
        var table = new MarkdownTable(["", .. Runner.All]);
        foreach (string name in PrimitiveName.All)
        {
            table.Add([name, .. Runner.All.Select(runner => DescribePrimitive(name, runner))]);
        }

        return table.ToString();
    }

    private string DescribePrimitive(string name, string runner)
    {
        Quartiles? allocated = Quartiles.Of(
            run.Primitives.Where(p => p.Name == name && p.Runner == runner).Select(p => p.Allocated).OfType<double>());
        string figures = Text.Of(Quartiles.Of(run.PrimitiveFigures(name, runner)));
        return allocated is null ? figures : $"{figures}<br>{Text.Of(Math.Round(allocated.Value.Median))} B";
    }

    private string DescribeCells()
    {
        Metric[] metrics =
        [
            Metric.CpuPerRequest, Metric.RequestsPerSecond, Metric.P50, Metric.P99, Metric.ServerShare, Metric.LoadShare,
            Metric.AllocatedPerRequest, Metric.MemoryPerConnection, Metric.Disturbance,
        ];
        var table = new MarkdownTable(
        [
            "cell", "peer", .. metrics.Select(metric => $"{metric.Name}, {metric.Unit}"),
            "limited by", "warm-up windows", "attempts",
        ]);
        foreach ((Cell cell, PeerRecord peer) in from cell in CellCatalog.All from peer in run.Peers select (cell, peer))
        {
            Measurement[] all = [.. run.Measurements.Where(m => m.Cell == cell.Name && m.Peer == peer.Name)];
            if (all.Length > 0)
            {
                int unsettled = all.Count(measurement => measurement.WarmUps > 0 && !measurement.Settled);
                table.Add(
                [
                    cell.Name,
                    peer.Name,
                    .. metrics.Select(metric => Text.Of(Quartiles.Of(run.Figures(cell.Name, peer.Name, metric)))),
                    Limit.Of(run, cell.Name, peer.Name),
                    $"{all.Sum(measurement => measurement.WarmUps)}{(unsettled > 0 ? $", {unsettled} unsettled" : "")}",
                    $"{all.Sum(measurement => measurement.Attempts)}",
                ]);
            }
        }

        return $"""
            # All figures of the newest complete run

            Medians and quartiles of {run.Rounds} rounds; see [performance.md](../performance.md).

            {table}
            """;
    }

    private static string DescribeHistory(IEnumerable<BenchRun> history)
    {
        string[] others = [PeerCatalog.Uvloop, PeerCatalog.Asyncio, PeerCatalog.Kestrel];
        string[] natives = [PeerCatalog.NativeEpoll, PeerCatalog.Libuv];
        (string Peer, string Cell)[] ratios =
        [
            .. natives.Concat(others).Select(peer => (peer, CellCatalog.EchoName(64, 64, 1))),
            .. others.Select(peer => (peer, "framed-d16")),
        ];
        var table = new MarkdownTable(
            ["date", "rounds", .. ratios.Select(ratio => $"{ratio.Cell} / {ratio.Peer}"), "B per idle connection", "goals"]);
        foreach (BenchRun past in history)
        {
            table.Add(
            [
                $"{past.Date:yyyy-MM-dd HH:mm}",
                $"{past.Rounds}",
                .. ratios.Select(ratio => Text.Of(
                    Quartiles.Of(past.Ratios(ratio.Cell, PeerCatalog.Epoll, ratio.Peer, Metric.CpuPerRequest)))),
                Text.Of(Quartiles.Of(past.Figures("idle-18000", PeerCatalog.Epoll, Metric.MemoryPerConnection))),
                Count(GoalCatalog.All.Select(goal => goal.Judge(past))),
            ]);
        }

        return $"Server CPU per request of `toolkit-epoll`, as a share of each peer's.\n\n{table}";
    }
}
