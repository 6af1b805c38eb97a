using Toolkit.Bench.Results;

namespace Toolkit.Bench.Cells;

/// <summary>A figure of a measurement.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Unit">What it is counted in.</param>
/// <param name="Of">Reads it; null where the measurement does not have it.</param>
internal sealed record Metric(string Name, string Unit, Func<Measurement, double?> Of)
{
    public static Metric CpuPerRequest { get; } = new(
        "server CPU per request", "us", m => m.Requests > 0 ? m.ServerCpu / m.Requests * 1e6 : null);

    public static Metric RequestsPerSecond { get; } = new(
        "requests per second", "1/s", m => m.Requests > 0 ? m.Requests / m.Seconds : null);

    public static Metric P50 { get; } = new("median latency", "us", m => m.Requests > 0 ? m.P50 : null);

    public static Metric P99 { get; } = new("latency, 99th percentile", "us", m => m.Requests > 0 ? m.P99 : null);

    public static Metric ServerShare { get; } = new(
        "server CPU", "%", m => m.Requests > 0 ? m.ServerCpu / m.Seconds * 100 : null);

    public static Metric LoadShare { get; } = new(
        "generator CPU", "%", m => m.Requests > 0 ? m.LoadCpu / m.Seconds * 100 : null);

    /// <summary>Time of the two cores that went elsewhere, in percent of one.</summary>
    public static Metric Disturbance { get; } = new(
        "stolen and others' CPU", "%", m => m.Requests > 0 ? m.Disturbance * 100 : null);

    public static Metric AllocatedPerRequest { get; } = new(
        "allocated per request", "B", m => m.AllocatedPerRequest);

    public static Metric MemoryPerConnection { get; } = new(
        "memory per idle connection", "B", m => m.MemoryPerConnection);
}
