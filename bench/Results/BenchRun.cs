using System.Text.Json;
using Toolkit.Bench.Cells;

namespace Toolkit.Bench.Results;

/// <summary>Whether a peer took part, and which version of it.</summary>
internal sealed record PeerRecord(string Name, string Title, string? Version, string? Missing);

/// <summary>All that a run has brought. What is reported is computed from this.</summary>
internal sealed record BenchRun
{
    private static readonly JsonSerializerOptions s_format = new(JsonSerializerOptions.Web) { WriteIndented = false };

    public required DateTimeOffset Date { get; init; }

    public required string Mode { get; init; }

    public required int Rounds { get; init; }

    public required double WindowSeconds { get; init; }

    public required Machine Machine { get; init; }

    public required IReadOnlyList<PeerRecord> Peers { get; init; }

    public List<Measurement> Measurements { get; init; } = [];

    public List<PrimitiveMeasurement> Primitives { get; init; } = [];

    public List<string> Failures { get; init; } = [];

    public static BenchRun Load(string path) => JsonSerializer.Deserialize<BenchRun>(File.ReadAllText(path), s_format)!;

    public void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, s_format));

    /// <summary>The figure of each round.</summary>
    public IEnumerable<double> Figures(string cell, string peer, Metric metric)
        => ByRound(cell, peer, metric).Select(figure => figure.Value);

    /// <summary>
    /// How many times the figure of one peer is that of another, round by round: what disturbed a round disturbed both.
    /// </summary>
    public IEnumerable<double> Ratios(string cell, string peer, string reference, Metric metric)
        => from figure in ByRound(cell, peer, metric)
           join other in ByRound(cell, reference, metric) on figure.Round equals other.Round
           where other.Value > 0
           select figure.Value / other.Value;

    public IEnumerable<double> PrimitiveAllocations(string name, string runner)
        => Primitives.Where(p => p.Name == name && p.Runner == runner).Select(p => p.Allocated).OfType<double>();

    public IEnumerable<double> PrimitiveFigures(string name, string runner)
        => Primitives.Where(p => p.Name == name && p.Runner == runner).Select(p => p.Nanoseconds);

    private IEnumerable<(int Round, double Value)> ByRound(string cell, string peer, Metric metric)
        => from measurement in Measurements
           where measurement.Cell == cell && measurement.Peer == peer
           let value = metric.Of(measurement)
           where value is not null
           select (measurement.Round, value.Value);
}
