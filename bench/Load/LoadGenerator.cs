using System.Globalization;
using System.Text.Json;
using Toolkit.Bench.Cells;
using Toolkit.Bench.Measuring;
using Toolkit.Bench.Peers;

namespace Toolkit.Bench.Load;

/// <summary>What the generator says at the end; see <see cref="Results.Measurement"/>.</summary>
internal sealed record LoadResult(
    double Seconds,
    double Requests,
    double RequestsSincePause,
    double ServerCpu,
    double LoadCpu,
    double P50,
    double P99,
    int WarmUps,
    bool Settled,
    double Stolen,
    double Others);

/// <summary>For how long a server is warmed up.</summary>
/// <param name="Least">For so long at least.</param>
/// <param name="Most">For so long at most, if no two windows agree.</param>
internal sealed record WarmUp(TimeSpan Least, TimeSpan Most)
{
    public static WarmUp None { get; } = new(TimeSpan.Zero, TimeSpan.Zero);
}

/// <summary>Drives the load generator, which is a program in C and a process of its own.</summary>
/// <param name="window">How long is measured.</param>
internal sealed class LoadGenerator(TimeSpan window)
{
    private const int LoadCore = 1;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly NativeProgram _plain = new("Load/load.c");
    private readonly NativeProgram _tls = new("Load/load.c", "ssl", "crypto") { Define = "TLS" };

    /// <param name="cells">What it is to do.</param>
    /// <returns>Why it cannot be had; null if it can.</returns>
    public string? Build(IEnumerable<Cell> cells)
        => cells.Select(cell => ProgramFor(cell).Build().Error).FirstOrDefault(error => error is not null);

    /// <summary>Measures a window.</summary>
    /// <param name="cell">What it does.</param>
    /// <param name="server">Whom it does it to.</param>
    /// <param name="warmUp">How long it does so before it measures.</param>
    /// <param name="before">Called when the server is warm, while nothing happens.</param>
    /// <param name="after">Called after the window, while all connections are open.</param>
    /// <exception cref="MeasurementFailedException">Among others because a byte was wrong.</exception>
    public LoadResult Measure(Cell cell, ServerProcess server, WarmUp warmUp, Action before, Action after)
    {
        using LineTalk talk = Start(cell, cell.Connections, server, warmUp);
        TimeSpan patience = s_patience + (window * 2) + warmUp.Most;
        Halt(talk, "ready", patience, before);
        Halt(talk, "measured", patience, after);
        return JsonSerializer.Deserialize<LoadResult>(talk.ReadLine(s_patience), JsonSerializerOptions.Web)!;
    }

    /// <summary>Has each of so many connections echo, and holds them while <paramref name="held"/> is called.</summary>
    public void Hold(Cell cell, int connections, ServerProcess server, Action held)
    {
        using LineTalk talk = Start(cell, connections, server, WarmUp.None);
        Halt(talk, "ready", s_patience, held);
        talk.ReadLine(s_patience);
    }

    private static void Halt(LineTalk talk, string where, TimeSpan patience, Action action)
    {
        string line = talk.ReadLine(patience);
        if (line != where)
        {
            throw new MeasurementFailedException($"The generator says {line} instead of {where}.");
        }

        action();
        talk.Write("\n");
    }

    private NativeProgram ProgramFor(Cell cell) => cell.IsTls ? _tls : _plain;

    private LineTalk Start(Cell cell, int connections, ServerProcess server, WarmUp warmUp)
    {
        IEnumerable<string> numbers = ((int[])
        [
            server.Port, server.Id, connections, cell.Depth, cell.Size,
            .. ((TimeSpan[])[window, warmUp.Least, warmUp.Most]).Select(time => (int)time.TotalMilliseconds),
        ]).Select(number => number.ToString(CultureInfo.InvariantCulture));
        return new LineTalk("The generator", ExternalProgram.PinTo(
            LoadCore, ProgramFor(cell).Build().Path!, [cell.Workload.ToString().ToLowerInvariant(), .. numbers]));
    }
}
