using System.Diagnostics;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Primitives;

/// <summary>Times an operation: until it is warm, and then a few times.</summary>
internal sealed class Timing(string runner)
{
    private const int Repetitions = 5;

    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(600);

    public List<PrimitiveMeasurement> Results { get; } = [];

    /// <param name="name">One of <see cref="PrimitiveName"/>.</param>
    /// <param name="count">How many operations one run makes.</param>
    /// <param name="run">Makes them.</param>
    public async Task MeasureAsync(string name, int count, Func<Task> run)
    {
        // Compilation in tiers goes on behind the scenes, and needs repeated calls as well as time.
        for (var warm = Stopwatch.StartNew(); warm.Elapsed < s_warmUp;)
        {
            await run();
        }

        var times = new double[Repetitions];
        long allocated = 0;
        for (int i = 0; i < Repetitions; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            long start = Stopwatch.GetTimestamp();
            await run();
            times[i] = Stopwatch.GetElapsedTime(start).TotalNanoseconds / count;
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
        }

        Results.Add(new(name, runner, Quartiles.Of(times)!.Value.Median, (double)allocated / Repetitions / count));
    }
}
