using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>What has gone through a datagram end point so far. Bytes are those of the datagrams, without headers.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DatagramCounters
{
    /// <summary>Datagrams that the protocol was told of.</summary>
    public long Received { get; init; }

    /// <summary>Their bytes.</summary>
    public long BytesReceived { get; init; }

    /// <summary>Of those, the ones whose end was missing.</summary>
    public long Truncated { get; init; }

    /// <summary>Datagrams that the system has taken for sending.</summary>
    public long Sent { get; init; }

    /// <summary>Their bytes.</summary>
    public long BytesSent { get; init; }

    /// <summary>
    /// Datagrams that were never given to the system: dropped from a full queue or by an abort, or refused as too long.
    /// </summary>
    public long Dropped { get; init; }

    /// <summary>Errors that the system has told, whether or not the protocol was told of each.</summary>
    public long Errors { get; init; }
}
