using System.Diagnostics;
using System.Globalization;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Report;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Spawning;

/// <summary>
/// What it takes to start a child that does nothing and to wait for it, one after the other: latency, and the processor time of
/// the process that starts it. Each round is interleaved, in fresh processes.
/// </summary>
internal static class SpawnRounds
{
    public const string Toolkit = "toolkit";
    public const string Framework = "process";

    private const int WarmUp = 100; // children, until what starts them is compiled

    private static readonly NativeProgram s_native = new("Spawning/spawn.c");

    private static readonly string s_script = Path.Combine(AppContext.BaseDirectory, "Spawning/spawn.py");

    /// <summary>Measures all, and prints a table.</summary>
    /// <param name="rounds">How many rounds.</param>
    /// <param name="count">How many children in each.</param>
    public static int Run(int rounds, int count)
    {
        string number = count.ToString(CultureInfo.InvariantCulture);
        (string? native, string? missing) = s_native.Build();
        if (native is null)
        {
            Console.Error.WriteLine($"posix_spawn is missing: {missing}");
        }

        (string Name, string? File, string[] Arguments)[] runners =
        [
            (Toolkit, Environment.ProcessPath, ["spawner", Toolkit, number]),
            ("System.Diagnostics.Process", Environment.ProcessPath, ["spawner", Framework, number]),
            ("asyncio", PythonPeer.Interpreter, [s_script, number]),
            ("posix_spawn in C", native, [number]),
        ];
        var table = new FigureTable("F0", "one child after the other", "latency, us", "CPU of the parent, us");
        for (int round = 0; round < rounds; round++)
        {
            foreach ((string name, string? file, string[] arguments) in runners)
            {
                if (file is null)
                {
                    continue;
                }

                (string? output, string? error) = ExternalProgram.Run(file, arguments);
                if (output is null)
                {
                    Console.Error.WriteLine($"{name}: {error}");
                    continue;
                }

                double[] figures = [.. output.Split('\n').Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
                table.Add(name, Quartiles.Of(figures[..^1])!.Value.Median, figures[^1] / count);
            }
        }

        Console.Out.Write(table);
        return 0;
    }

    /// <summary>Starts children in this process, and prints what each has taken, and the processor time in all.</summary>
    public static async Task PrintAsync(string runner, int count)
    {
        double[] taken = new double[count];
        TimeSpan before = default;
        if (runner == Toolkit)
        {
            EventLoop.Run(async loop =>
            {
                var options = new SpawnOptions
                {
                    FileName = "/bin/true",
                    StandardInput = ChildStream.Null,
                    StandardOutput = ChildStream.Null,
                    StandardError = ChildStream.Null,
                };
                for (int i = -WarmUp; i < count; i++)
                {
                    before = i == 0 ? Environment.CpuUsage.TotalTime : before;
                    long start = Stopwatch.GetTimestamp();
                    SubprocessTransport child = (await loop.SpawnAsync(() => new Silent(), options)).Transport;
                    await child.WaitExitedAsync();
                    taken[Math.Max(i, 0)] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
                }
            });
        }
        else
        {
            for (int i = -WarmUp; i < count; i++)
            {
                before = i == 0 ? Environment.CpuUsage.TotalTime : before;
                long start = Stopwatch.GetTimestamp();
                using Process child = Process.Start(new ProcessStartInfo("/bin/true") { UseShellExecute = false })!;
                await child.WaitForExitAsync();
                taken[Math.Max(i, 0)] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }
        }

        double processor = (Environment.CpuUsage.TotalTime - before).TotalMicroseconds;
        foreach (double figure in (IEnumerable<double>)[.. taken, processor])
        {
            Console.Out.WriteLine(figure.ToString("F1", CultureInfo.InvariantCulture));
        }
    }

    private sealed class Silent : SubprocessProtocol;
}
