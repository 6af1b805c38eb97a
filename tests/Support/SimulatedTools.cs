using System.Globalization;
using System.Text;
using Toolkit.Simulation;

namespace Toolkit.Tests;

/// <summary>Programs of Unix that suites start, as a simulation has them: no more of each than is asked for.</summary>
public static class SimulatedTools
{
    /// <summary>Makes cat, seq, sleep, sort, true and yes known to the world of a loop.</summary>
    public static void AddTo(EventLoop loop)
    {
        SimulatedWorld world = SimulatedWorld.Of(loop);
        world.AddProgram("cat", CatAsync);
        world.AddProgram("seq", SequenceAsync);
        world.AddProgram("sleep", async process =>
        {
            await loop.Delay(TimeSpan.FromSeconds(double.Parse(process.Arguments[0], CultureInfo.InvariantCulture)));
            return 0;
        });
        world.AddProgram("sort", SortAsync);
        world.AddProgram("true", _ => Task.FromResult(0));
        world.AddProgram("yes", async process =>
        {
            byte[] lines = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("y\n", 512)));
            while (true)
            {
                await process.Output!.WriteAsync(lines);
            }
        });
    }

    private static async Task<int> CatAsync(SimulatedProcess process)
    {
        while (await process.Input!.ReadAsync() is { IsEmpty: false } data)
        {
            await process.Output!.WriteAsync(data);
        }

        return 0;
    }

    private static async Task<int> SequenceAsync(SimulatedProcess process)
    {
        int count = int.Parse(process.Arguments[0], CultureInfo.InvariantCulture);
        foreach (int[] lines in Enumerable.Range(1, count).Chunk(1000))
        {
            string text = string.Concat(lines.Select(i => string.Create(CultureInfo.InvariantCulture, $"{i}\n")));
            await process.Output!.WriteAsync(Encoding.ASCII.GetBytes(text));
        }

        return 0;
    }

    private static async Task<int> SortAsync(SimulatedProcess process)
    {
        var lines = new List<string>();
        while (await process.Input!.ReadLineAsync() is { } line)
        {
            lines.Add(Encoding.UTF8.GetString(line.Span));
        }

        lines.Sort(StringComparer.Ordinal);
        await process.Output!.WriteAsync(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => $"{line}\n"))));
        return 0;
    }
}
