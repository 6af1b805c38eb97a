namespace Toolkit.Tests.Contracts;

/// <summary>Layers that a protocol of the suites is put behind.</summary>
public static class LayerStacks
{
    /// <summary>The names of all of them.</summary>
    public static TheoryData<string> Names => ["bare", "all"];

    /// <summary>The protocol behind the layers of that name.</summary>
    public static StreamProtocol Put(string stack, StreamProtocol protocol) => stack switch
    {
        "bare" => new BareLayer(protocol),
        "all" => All(protocol),
        _ => throw new ArgumentOutOfRangeException(nameof(stack), stack, "There is no such stack."),
    };

    /// <summary>The same suite with its protocols behind layers that pass everything on.</summary>
    public static LoopUnderTest BehindBareLayers(this LoopUnderTest plain)
        => plain with { Wrap = static protocol => Put("bare", new BareLayer(protocol)) };

    /// <inheritdoc cref="BehindBareLayers(LoopUnderTest)"/>
    public static LoopUnderTest BehindBareLayers(this LoopKind kind) => ((LoopUnderTest)kind).BehindBareLayers();

    /// <summary>The same suite with its protocols behind every layer there is.</summary>
    public static LoopUnderTest BehindAllLayers(this LoopUnderTest plain)
        => plain with { Wrap = static protocol => Put("all", protocol), HasShortTries = true };

    /// <inheritdoc cref="BehindAllLayers(LoopUnderTest)"/>
    public static LoopUnderTest BehindAllLayers(this LoopKind kind) => ((LoopUnderTest)kind).BehindAllLayers();

    // At rates that no scenario feels but by its pieces.
    private static TimeoutLayer All(StreamProtocol protocol)
    {
        var throttled = new ThrottlingLayer(protocol, new Throttle(200_000_000, 5_000), new Throttle(200_000_000, 5_000));
        var tap = new WireTap(new TrafficLoggingLayer(new BareLayer(throttled)), TextWriter.Null);
        var outer = new ThrottlingLayer(tap, new Throttle(300_000_000, 7_000), new Throttle(300_000_000, 7_000));
        TimeSpan time = TimeSpan.FromDays(1);
        return new TimeoutLayer(outer, new ConnectionTimeouts { Idle = time, Read = time, Write = time });
    }

    private sealed class BareLayer(StreamProtocol protocol) : StreamLayer(protocol);
}
