namespace Toolkit;

/// <summary>The limits that can end a connection of a server, or turn a newcomer away.</summary>
public enum ConnectionLimit
{
    /// <summary><see cref="ServerOptions.MaxConnectionsPerAddress"/>: the newcomer was turned away.</summary>
    PerAddress,

    /// <summary><see cref="ConnectionLimits.FirstByteTime"/>.</summary>
    FirstByte,

    /// <summary><see cref="ConnectionLimits.IdleTime"/>.</summary>
    Idle,

    /// <summary><see cref="ConnectionLimits.MinReceiveRate"/>.</summary>
    ReceiveRate,

    /// <summary><see cref="ConnectionLimits.MinSendRate"/>.</summary>
    SendRate,

    /// <summary><see cref="ConnectionLimits.WriteStallTime"/>.</summary>
    WriteStall,
}
