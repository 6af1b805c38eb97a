using System.Net;

namespace Toolkit.Simulation;

/// <summary>How a <see cref="MemoryConnection"/> behaves. Immutable: one object may serve many connections.</summary>
public sealed record MemoryConnectionOptions
{
    /// <summary>The defaults.</summary>
    public static MemoryConnectionOptions Default { get; } = new();

    /// <summary>How the bytes of either direction are cut; <see cref="Chunking.Whole"/> by default.</summary>
    public Chunking Chunking { get; init; } = Chunking.Whole;

    /// <summary>
    /// How many bytes each direction holds that were sent and not received, as the buffers of a system do: what is written
    /// beyond it is unsent. 64 KiB by default; a small one makes a peer that does not read felt at once.
    /// </summary>
    public int Window { get; init; } = 64 * 1024;

    /// <summary>
    /// How the transports behave: <see cref="TcpOptions.WriteLimits"/>, <see cref="TcpOptions.LingerTime"/> and
    /// <see cref="TcpOptions.DiscardLimit"/>. What is for a kernel has no effect.
    /// </summary>
    public TcpOptions Tcp { get; init; } = TcpOptions.Default;

    /// <summary>The first end's own address, which is the second's peer; 192.0.2.1:50000 by default.</summary>
    public EndPoint FirstEndPoint { get; init; } = new IPEndPoint(new IPAddress([192, 0, 2, 1]), 50_000);

    /// <summary>The second end's own address, which is the first's peer; 192.0.2.2:80 by default.</summary>
    public EndPoint SecondEndPoint { get; init; } = new IPEndPoint(new IPAddress([192, 0, 2, 2]), 80);

    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Chunking);
        ArgumentOutOfRangeException.ThrowIfLessThan(Window, 1);
        ArgumentNullException.ThrowIfNull(Tcp);
        Tcp.Validate();
        ArgumentNullException.ThrowIfNull(FirstEndPoint);
        ArgumentNullException.ThrowIfNull(SecondEndPoint);
    }
}
