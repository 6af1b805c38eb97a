namespace Toolkit.Bench.Results;

/// <summary>What an operation of a loop took, in one round.</summary>
/// <param name="Name">The operation.</param>
/// <param name="Runner">Whose it is.</param>
/// <param name="Nanoseconds">How long it took.</param>
/// <param name="Allocated">Bytes that it allocated, where that is known.</param>
internal sealed record PrimitiveMeasurement(string Name, string Runner, double Nanoseconds, double? Allocated)
{
    public int Round { get; init; }
}
