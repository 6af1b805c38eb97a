using System.Runtime.InteropServices;

namespace Toolkit.Bench.Results;

/// <summary>A median, and between what the middle half of the values lies.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Quartiles(double Lower, double Median, double Upper)
{
    /// <returns>Null of nothing.</returns>
    public static Quartiles? Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? null : new(At(sorted, 0.25), At(sorted, 0.5), At(sorted, 0.75));
    }

    // Between two values, in proportion.
    private static double At(double[] sorted, double share)
    {
        double position = share * (sorted.Length - 1);
        int index = (int)position;
        double next = sorted[Math.Min(index + 1, sorted.Length - 1)];
        return sorted[index] + ((position - index) * (next - sorted[index]));
    }
}
