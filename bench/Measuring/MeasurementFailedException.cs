namespace Toolkit.Bench.Measuring;

/// <summary>A measurement came to nothing: a byte was wrong, a process ended or said nothing.</summary>
internal sealed class MeasurementFailedException(string message) : Exception(message);
