using System.Globalization;

namespace Toolkit.Tests;

/// <summary>Seeds of tests: drawn anew for each run, printed with its output, and repeated by TOOLKIT_SEED.</summary>
public static class TestSeed
{
    public static int Draw()
    {
        int seed = int.TryParse(
            Environment.GetEnvironmentVariable("TOOLKIT_SEED"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int given)
            ? given
            : Random.Shared.Next();
        Print(seed);
        return seed;
    }

    /// <summary>Says what seed a failure of the running test is to be repeated with.</summary>
    public static void Print(int seed) => TestContext.Current.TestOutputHelper?.WriteLine($"TOOLKIT_SEED={seed}");
}
