using System.Text.Json;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Primitives;

/// <summary>Times the operations of loops, each round in fresh processes.</summary>
internal static class PrimitiveRounds
{
    private static readonly string s_script = Path.Combine(AppContext.BaseDirectory, "Primitives/primitives.py");

    /// <param name="rounds">How many.</param>
    /// <param name="succeeded">Called with each measurement.</param>
    /// <param name="failed">Called with what could not be measured.</param>
    public static void Run(int rounds, Action<PrimitiveMeasurement> succeeded, Action<string> failed)
    {
        (string File, string[] Arguments)[] programs =
        [
            (Environment.ProcessPath!, ["primitives", Runner.Toolkit]),
            (Environment.ProcessPath!, ["primitives", Runner.ThreadPool]),
            (PythonPeer.Interpreter, [s_script, Runner.Asyncio]),
            (PythonPeer.Interpreter, [s_script, Runner.Uvloop]),
        ];
        for (int round = 1; round <= rounds; round++)
        {
            foreach ((string file, string[] arguments) in programs)
            {
                (string? output, string? error) = ExternalProgram.Run(file, arguments);
                if (output is null)
                {
                    failed($"primitives, {arguments[^1]}, round {round}: {error!.Split('\n')[^1]}");
                    continue;
                }

                foreach (PrimitiveMeasurement measurement in Read(output))
                {
                    succeeded(measurement with { Round = round });
                }
            }
        }
    }

    /// <summary>Times those of .NET in this process, and prints them as the script does.</summary>
    public static async Task PrintAsync(string runner)
    {
        IReadOnlyList<PrimitiveMeasurement> measurements =
            runner == Runner.Toolkit ? LoopPrimitives.Measure() : await PoolPrimitives.MeasureAsync();
        Console.Out.WriteLine(JsonSerializer.Serialize(measurements, JsonSerializerOptions.Web));
    }

    private static PrimitiveMeasurement[] Read(string output)
        => JsonSerializer.Deserialize<PrimitiveMeasurement[]>(output, JsonSerializerOptions.Web)!;
}
