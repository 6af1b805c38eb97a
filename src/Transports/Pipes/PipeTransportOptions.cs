namespace Toolkit;

/// <summary>How the transport of a pipe or a terminal behaves. Immutable: one object may serve many.</summary>
public sealed record PipeTransportOptions
{
    /// <summary>The defaults.</summary>
    public static PipeTransportOptions Default { get; } = new();

    /// <summary>When unsent bytes are too many; 64 KiB, 16 KiB and 4 MiB by default. The pipe itself holds 64 KiB more.</summary>
    public WriteLimits WriteLimits { get; init; } = new();

    /// <summary>
    /// How long a close goes on without a byte leaving, because nobody reads, before it becomes an abort. 30 seconds by default.
    /// </summary>
    public TimeSpan LingerTime { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate() => ArgumentOutOfRangeException.ThrowIfLessThan(LingerTime, TimeSpan.Zero, nameof(LingerTime));

    // The options of a connection that mean something to a pipe as well.
    internal TcpOptions ToConnectionOptions()
        => this == Default ? TcpOptions.Default : new TcpOptions { WriteLimits = WriteLimits, LingerTime = LingerTime };
}
