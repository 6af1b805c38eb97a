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

/// <summary>Drives the load generator, which is a program in C and a process of its own.</summary>
/// <param name="window">How long is measured.</param>
/// <param name="leastWarmUp">How long it warms up at least.</param>
/// <param name="mostWarmUp">How long it waits at most for two windows to agree.</param>
internal sealed class LoadGenerator(TimeSpan window, TimeSpan leastWarmUp, TimeSpan mostWarmUp)
{
    private const int LoadCore = 1;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly NativeProgram _program = new("Load/load.c");

    /// <returns>Why it cannot be had; null if it can.</returns>
    public string? Build() => _program.Build().Error;

    /// <summary>Measures a window.</summary>
    /// <param name="cell">What it does.</param>
    /// <param name="server">Whom it does it to.</param>
    /// <param name="before">Called when the server is warm, while nothing happens.</param>
    /// <param name="after">Called after the window, while all connections are open.</param>
    /// <exception cref="MeasurementFailedException">Among others because a byte was wrong.</exception>
    public LoadResult Measure(Cell cell, ServerProcess server, Action before, Action after)
    {
        using LineTalk talk = Start(cell, cell.Connections, server);
        Halt(talk, "ready", before);
        Halt(talk, "measured", after);
        return JsonSerializer.Deserialize<LoadResult>(talk.ReadLine(s_patience), JsonSerializerOptions.Web)!;
    }

    /// <summary>Has each of so many connections echo, and holds them while <paramref name="held"/> is called.</summary>
    public void Hold(Cell cell, int connections, ServerProcess server, Action held)
    {
        using LineTalk talk = Start(cell, connections, server);
        Halt(talk, "ready", held);
        talk.ReadLine(s_patience);
    }

    private void Halt(LineTalk talk, string where, Action action)
    {
        string line = talk.ReadLine(s_patience + (window * 2) + mostWarmUp);
        if (line != where)
        {
            throw new MeasurementFailedException($"The generator says {line} instead of {where}.");
        }

        action();
        talk.Write("\n");
    }

    private LineTalk Start(Cell cell, int connections, ServerProcess server)
    {
        IEnumerable<string> numbers = ((int[])
        [
            server.Port, server.Id, connections, cell.Depth, cell.Size,
            .. ((TimeSpan[])[window, leastWarmUp, mostWarmUp]).Select(time => (int)time.TotalMilliseconds),
        ]).Select(number => number.ToString(CultureInfo.InvariantCulture));
        return new LineTalk("The generator", ExternalProgram.PinTo(
            LoadCore, _program.Build().Path!, [cell.Workload.ToString().ToLowerInvariant(), .. numbers]));
    }
}
