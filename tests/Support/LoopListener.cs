using System.Diagnostics.Metrics;

namespace Toolkit.Tests;

/// <summary>Hears what the meter says of the loop of one name.</summary>
public sealed class LoopListener : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string Instrument, double Value, Dictionary<string, object?> Tags)> _heard = [];

    public LoopListener(string loop)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (string.Equals(instrument.Meter.Name, Telemetry.Name, StringComparison.Ordinal))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Hear(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Hear(instrument, value, tags));
        _listener.Start();

        void Hear(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Dictionary<string, object?> all = new([.. tags]);
            if (Equals(all["toolkit.loop.name"], loop))
            {
                lock (_heard)
                {
                    _heard.Add((instrument.Name, value, all));
                }
            }
        }
    }

    public void Observe() => _listener.RecordObservableInstruments();

    public bool Has(string instrument) => Measured(instrument).Count > 0;

    public double Value(string instrument) => Assert.Single(Measured(instrument));

    public double Maximum(string instrument) => Measured(instrument).Max();

    public List<double> Measured(string instrument)
        => [.. Of(instrument).Select(heard => heard.Value)];

    public string? Tag(string instrument, string tag) => Of(instrument)[^1].Tags[tag]?.ToString();

    public IEnumerable<string?> Tags(string instrument, string tag) => Of(instrument).Select(heard => heard.Tags[tag]?.ToString());

    public void Dispose() => _listener.Dispose();

    private List<(string Instrument, double Value, Dictionary<string, object?> Tags)> Of(string instrument)
    {
        lock (_heard)
        {
            return [.. _heard.Where(heard => string.Equals(heard.Instrument, instrument, StringComparison.Ordinal))];
        }
    }
}
