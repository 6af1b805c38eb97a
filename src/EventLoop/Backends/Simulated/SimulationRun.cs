using System.Globalization;
using System.Runtime.CompilerServices;

namespace Toolkit.Simulation;

/// <summary>Runs a scenario with many seeds, and says how to repeat the one that failed.</summary>
public static class SimulationRun
{
    /// <summary>The environment variable that says how many seeds are run, instead of what the test asks for.</summary>
    public const string CountVariable = "SIM_COUNT";

    /// <summary>
    /// Calls the scenario with a fresh world for each of so many seeds, one after the other. A scenario fails by throwing. Each
    /// seed is run twice, and the two must have the same trace, unless the scenario has declared work of other threads.
    /// </summary>
    /// <param name="scenario">Builds hosts, runs the world, and throws when something is wrong.</param>
    /// <param name="count">How many seeds, where <c>SIM_COUNT</c> does not say.</param>
    /// <param name="options">
    /// How the worlds are made. The first seed is theirs, or that of <c>SIM_SEED</c>, or drawn; the others follow it.
    /// </param>
    /// <param name="runsTwice">Whether the same seed must give the same trace; it costs as much as it says.</param>
    /// <param name="name">The test, for the command that repeats it.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="SimulationException">
    /// A seed failed: the message has the command that repeats it and the last that happened, the inner exception what was wrong.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">Not even one seed was asked for.</exception>
    /// <exception cref="FormatException"><c>SIM_SEED</c> or <c>SIM_COUNT</c> is no number.</exception>
    public static SimulationReport Explore(
        Action<SimulatedWorld> scenario,
        int count = 1,
        SimulationOptions? options = null,
        bool runsTwice = true,
        [CallerMemberName] string name = "")
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        options ??= new SimulationOptions();
        if (Environment.GetEnvironmentVariable(CountVariable) is { Length: > 0 } text)
        {
            count = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int given) && given > 0
                ? given
                : throw new FormatException($"{CountVariable} is a number of seeds, such as 1000, and not '{text}'.");
        }

        ulong first = options.ChooseSeed();
        var report = new SimulationReport(first, count, TimeSpan.Zero, 0);
        for (int i = 0; i < count; i++)
        {
            SimulationOptions each = options with { Seed = unchecked(first + (ulong)i) };
            (ulong hash, bool isReproducible, TimeSpan time, long events) = RunOne(scenario, each, name);
            report = report with { VirtualTime = report.VirtualTime + time, Events = report.Events + events };
            if (runsTwice && isReproducible && RunOne(scenario, each, name).Hash != hash)
            {
                throw new SimulationException(
                    each.Seed!.Value,
                    $"{name}: two runs of one seed differ. Something depends on more than the seed: another thread, the clock of "
                    + "the machine, the order of a hash table, state that outlives a run."
                    + $"\n{CommandOf(each.Seed.Value, name)}");
            }
        }

        return report;
    }

    private static (ulong Hash, bool IsReproducible, TimeSpan Time, long Events) RunOne(
        Action<SimulatedWorld> scenario, SimulationOptions options, string name)
    {
        using var world = new SimulatedWorld(options);
        try
        {
            scenario(world);
        }
        catch (Exception exception)
        {
            throw new SimulationException(
                world.Seed,
                $"{name} fails at {world.Time}: {exception.Message}\n{CommandOf(world.Seed, name)}\n"
                + $"The last that happened:\n  {string.Join("\n  ", world.LastTrace)}",
                exception);
        }

        return (world.TraceHash, world.IsReproducible, world.Time, world.TraceLength);
    }

    private static string CommandOf(ulong seed, string name)
        => $"{SimulationOptions.SeedVariable}={SimulationOptions.FormatSeed(seed)} {CountVariable}=1 "
            + $"dotnet test --filter-method '*{name}*'";
}

/// <summary>What <see cref="SimulationRun.Explore"/> has done.</summary>
/// <param name="FirstSeed">The first seed; the others follow it.</param>
/// <param name="Count">How many there were.</param>
/// <param name="VirtualTime">How much time has gone by in them, together.</param>
/// <param name="Events">How many lines their traces have, together.</param>
public sealed record SimulationReport(ulong FirstSeed, int Count, TimeSpan VirtualTime, long Events);
