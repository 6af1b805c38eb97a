using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using Toolkit.Backends;

namespace Toolkit.Samples.Top;

/// <summary>
/// Two answers, of which the second is shown and the difference is what goes on. Whatever a peer may have had a hand in is text
/// and no markup, and escaped, so that it speaks to no terminal.
/// </summary>
internal sealed class TopView(TopSettings settings, TransportOrder order, Answer now, Answer before)
{
    /// <summary>A callback of so many seconds is worth a line.</summary>
    private const double Slow = 0.05;

    private static readonly Style s_plain = Style.Plain;
    private static readonly Style s_dim = new(decoration: Decoration.Dim);
    private static readonly Style s_bold = new(decoration: Decoration.Bold);
    private static readonly Style s_alarm = new(Color.Red, decoration: Decoration.Bold);
    private static readonly Style s_mark = new(Color.Yellow);

    private readonly Dictionary<string, LoopAnswer> _before = before.Loops
        .GroupBy(loop => loop.Name, StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);

    /// <summary>How many lines are there besides the transports and the tasks.</summary>
    public int FixedLines
        => 10 + SlowLoops.Length + now.Loops.Sum(loop => 1 + loop.Servers.Count(IsShown) + loop.Circles.Length);

    /// <summary>How many tasks, groups and scopes there are.</summary>
    public int TaskCount => now.Loops.Sum(loop => loop.Tasks.Length);

    private LoopAnswer[] SlowLoops => [.. now.Loops.Where(loop => loop.Metrics?.LongestCallback >= Slow)];

    /// <summary>Makes the picture, with so many rows at most.</summary>
    public IRenderable Render(int transportRows, int taskRows) => new Rows(
        RenderTitle(),
        RenderLoops(),
        RenderSlow(),
        Text.Empty,
        RenderServers(),
        Text.Empty,
        RenderTransports(transportRows),
        Text.Empty,
        RenderTasks(taskRows));

    private static string Safe(string? text) => LogText.Escape(text ?? "");

    private static Text Cell(string? text, Style? style = null) => new(Safe(text), style ?? s_plain);

    private static Text Number(double value, Style? style = null)
        => new(Format(value), value == 0 ? s_dim : style ?? s_plain);

    // With three digits, and the powers of ten that programs count in.
    private static string Format(double value) => value switch
    {
        >= 999_500_000 => Scaled(value / 1e9, "G"),
        >= 999_500 => Scaled(value / 1e6, "M"),
        >= 9_999.5 => Scaled(value / 1e3, "k"),
        _ => value.ToString("0", CultureInfo.InvariantCulture),
    };

    private static string Scaled(double value, string unit)
        => value.ToString(value >= 99.95 ? "0" : value >= 9.995 ? "0.0" : "0.00", CultureInfo.InvariantCulture) + unit;

    private static string Time(double? seconds) => seconds switch
    {
        null => "",
        < 0.9995 => $"{seconds.Value * 1000:0.0} ms",
        < 99.95 => $"{seconds.Value:0.0} s",
        < 5_940 => $"{seconds.Value / 60:0} min",
        < 172_800 => $"{seconds.Value / 3_600:0.0} h",
        _ => $"{seconds.Value / 86_400:0.0} d",
    };

    private static Table NewTable(params (string Name, bool IsNumber)[] columns)
    {
        Table table = new Table().Border(TableBorder.None).Expand();
        foreach ((string name, bool isNumber) in columns)
        {
            var column = new TableColumn(new Text(name, s_bold)) { NoWrap = true, Padding = new Padding(0, 0, 1, 0) };
            table.AddColumn(isNumber ? column.RightAligned() : column);
        }

        return table;
    }

    private bool IsShown(ServerAnswer server) => settings.ShowsAll || !server.IsDiagnostics;

    private bool IsShown(TransportAnswer transport) => settings.ShowsAll || !transport.IsDiagnostics;

    private Text RenderTitle() => new(
        $"process {now.Process} at {now.Time:HH:mm:ss} UTC, {Safe(settings.Socket)}; first by "
            + order.ToString().ToLowerInvariant()
            + (settings.IsOnce ? "" : "; s: another order, q: quit"),
        s_dim);

    private Table RenderLoops()
    {
        Table table = NewTable(
            ("LOOP", false), ("STATE", false), ("BUSY", true), ("TURNS/s", true), ("CALLS/s", true), ("TIMERS/s", true),
            ("I/O/s", true), ("LAG", true), ("LONGEST", true), ("READY", true), ("TIMERS", true), ("TASKS", true),
            ("CONNS", true), ("IN/s", true), ("OUT/s", true));
        foreach (LoopAnswer loop in now.Loops)
        {
            bool isWell = loop.State == "running";
            string state = isWell ? loop.Backend
                : loop.LastSeen is { } seen ? $"{loop.State} since {(now.Time - seen).TotalSeconds:0} s"
                : loop.State;
            MetricsAnswer? last = _before.GetValueOrDefault(loop.Name)?.Metrics;
            MetricsAnswer? metrics = loop.Metrics;
            table.AddRow(
                Cell(loop.Name, isWell ? s_bold : s_alarm),
                Cell(state, isWell ? s_plain : s_alarm),
                Busy(metrics, last),
                Rate(metrics, last, each => each.Iterations),
                Rate(metrics, last, each => each.Callbacks),
                Rate(metrics, last, each => each.TimersFired),
                Rate(metrics, last, each => each.Completions),
                new Text(Time(metrics?.LongestLag)),
                new Text(Time(metrics?.LongestCallback)),
                Number(metrics?.ReadyCallbacks ?? 0),
                Number(metrics?.Timers ?? 0),
                Number(metrics?.ActiveTasks ?? 0),
                Number(metrics?.ActiveConnections ?? 0),
                Rate(metrics, last, each => each.BytesReceived),
                Rate(metrics, last, each => each.BytesSent));
        }

        return table;
    }

    private Rows RenderSlow() => new(SlowLoops.Select(loop => new Text(
        $"{Safe(loop.Name)}: {Time(loop.Metrics!.LongestCallback)} in {Safe(loop.Metrics.LongestCallbackName)}", s_mark)));

    private static Text Busy(MetricsAnswer? now, MetricsAnswer? before)
    {
        if (now?.BusyTime is not { } busy || before?.BusyTime is not { } earlier || now.Time <= before.Time)
        {
            return Text.Empty;
        }

        double share = Math.Clamp((busy - earlier) / (now.Time - before.Time), 0, 1);
        return new Text($"{share * 100:0} %", share > 0.8 ? s_alarm : s_plain);
    }

    private static Text Rate(MetricsAnswer? now, MetricsAnswer? before, Func<MetricsAnswer, long> value)
        => now is null || before is null || now.Time <= before.Time
            ? Text.Empty
            : Number((value(now) - value(before)) / (now.Time - before.Time));

    private Table RenderServers()
    {
        Table table = NewTable(
            ("LISTENS ON", false), ("STATE", false), ("CONNS", true), ("MOST", true), ("ACCEPTED", true), ("SHED", true),
            ("LIMITED", true), ("SHAKING", true), ("TLS", false));
        foreach (ServerAnswer server in now.Loops.SelectMany(loop => loop.Servers).Where(IsShown))
        {
            table.AddRow(
                Cell(string.Join(", ", server.EndPoints)),
                Cell(server.State, server.State == "full" ? s_alarm : s_plain),
                Number(server.Connections),
                Cell(server.MaxConnections is { } most ? Format(most) : ""),
                Number(server.Accepted),
                Number(server.Shed, s_alarm),
                Number(server.Limited, s_mark),
                Number(server.Handshakes),
                Cell(server.IsTls ? "TLS" : ""));
        }

        return table;
    }

    private Rows RenderTransports(int count)
    {
        Row[] rows = [.. now.Loops.SelectMany(RowsOf)];
        Row[] sorted = [.. rows.OrderByDescending(row => order switch
        {
            TransportOrder.Queued => row.Transport.UnsentBytes,
            TransportOrder.Total => row.Transport.BytesReceived + row.Transport.BytesSent,
            TransportOrder.Age => row.Transport.Age,
            _ => row.Received + row.Sent,
        }).ThenByDescending(row => row.Received + row.Sent).ThenBy(row => row.Transport.Id)];
        Table table = NewTable(
            ("ID", true), ("KIND", false), ("STATE", false), ("LOCAL", false), ("PEER", false), ("QUEUED", true), ("IN/s", true),
            ("OUT/s", true), ("IN", true), ("OUT", true), ("AGE", true), ("PAUSED", false));
        foreach (Row row in sorted.Take(count))
        {
            TransportAnswer transport = row.Transport;
            table.AddRow(
                Cell(transport.Id?.ToString(CultureInfo.InvariantCulture)),
                Cell($"{transport.Kind}{(transport.TlsProtocol is { } tls ? $" {tls}" : "")}"),
                Cell(transport.State, transport.State == "open" ? s_plain : s_mark),
                Cell(transport.LocalEndPoint, s_dim),
                Cell(transport.RemoteEndPoint ?? (transport.ProcessId is { } process ? $"pid {process}" : "")),
                Number(transport.UnsentBytes, s_mark),
                Number(row.Received),
                Number(row.Sent),
                Number(transport.BytesReceived),
                Number(transport.BytesSent),
                new Text(Time(transport.Age)),
                Cell((transport.IsReadingPaused, transport.IsWritingPaused) switch
                {
                    (true, true) => "both",
                    (true, false) => "reading",
                    (false, true) => "writing",
                    _ => "",
                }, s_mark));
        }

        int left = sorted.Length - Math.Min(count, sorted.Length) + now.Loops.Sum(loop => loop.TransportsLeftOut);
        return new Rows(table, new Text(left > 0 ? $"and {left} more transports" : "", s_dim));
    }

    private IEnumerable<Row> RowsOf(LoopAnswer loop)
    {
        LoopAnswer? last = _before.GetValueOrDefault(loop.Name);
        double seconds = (loop.Metrics?.Time ?? 0) - (last?.Metrics?.Time ?? 0);
        var earlier = new Dictionary<(string Kind, long Id), TransportAnswer>();
        foreach (TransportAnswer transport in last?.Transports ?? [])
        {
            if (transport.Id is { } id)
            {
                earlier[(transport.Kind, id)] = transport;
            }
        }

        foreach (TransportAnswer transport in loop.Transports.Where(IsShown))
        {
            TransportAnswer? then = transport.Id is { } id ? earlier.GetValueOrDefault((transport.Kind, id)) : null;
            double time = then is null ? Math.Min(transport.Age, seconds) : seconds; // it has begun meanwhile
            yield return last is null || time <= 0
                ? new Row(transport, 0, 0)
                : new Row(
                    transport,
                    Math.Max(0, transport.BytesReceived - (then?.BytesReceived ?? 0)) / time,
                    Math.Max(0, transport.BytesSent - (then?.BytesSent ?? 0)) / time);
        }
    }

    private Rows RenderTasks(int count)
    {
        TaskAnswer[] tasks = [.. now.Loops.SelectMany(loop => loop.Tasks)];
        var lines = new List<IRenderable> { new Text("TASKS", s_bold) };
        foreach (TaskAnswer task in tasks.Take(count - 1))
        {
            string what = task.Kind switch
            {
                "group" => $"group of {task.TaskCount} tasks",
                "scope" => "scope",
                "loop" => $"loop {Safe(task.Name)}",
                _ => $"task {Safe(task.Name)}{(task.Activity is "running" or "notBegun" or "ready" ? $", {task.Activity}" : "")}",
            };
            string waits = task.Waits.Length == 0 ? "" : $": waits {Safe(string.Join(", ", task.Waits))}";
            string cancelled = task.IsCancelled ? ", cancelled" : "";
            lines.Add(new Text(
                $"{new string(' ', 2 * task.Depth)}{what}{cancelled}{waits}",
                task.IsCancelled ? s_mark : s_plain)
            {
                Overflow = Overflow.Ellipsis,
            });
        }

        foreach (string[] circle in now.Loops.SelectMany(loop => loop.Circles))
        {
            lines.Add(new Text($"a circle: {Safe(string.Join(" waits for ", circle.Append(circle[0])))}", s_alarm));
        }

        int left = tasks.Length - Math.Min(count - 1, tasks.Length) + now.Loops.Sum(loop => loop.TasksLeftOut);
        if (left > 0)
        {
            lines.Add(new Text($"and {left} more", s_dim));
        }

        return new Rows(lines);
    }

    /// <param name="Transport">How it stands.</param>
    /// <param name="Received">Bytes a second.</param>
    /// <param name="Sent">Bytes a second.</param>
    private readonly record struct Row(TransportAnswer Transport, double Received, double Sent);
}
