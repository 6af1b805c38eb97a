namespace Toolkit;

/// <summary>Why a transport is closing or closed.</summary>
public enum CloseReason
{
    /// <summary>It is open.</summary>
    None,

    /// <summary><see cref="Transport.Close()"/> was called, or both directions were ended in good order.</summary>
    LocalClose,

    /// <summary><see cref="Transport.Abort()"/> was called.</summary>
    LocalAbort,

    /// <summary>The peer ended its side, and the protocol did not keep ours open.</summary>
    PeerEnd,

    /// <summary>The peer, or something between, reset the connection.</summary>
    Reset,

    /// <summary>
    /// The peer did not answer for too long: keep-alive, user time-out, the linger time of a close, or a time-out layer.
    /// </summary>
    Timeout,

    /// <summary>The network failed in another way; the exception says how.</summary>
    NetworkError,

    /// <summary>TCP ended before TLS did, so that bytes may be missing.</summary>
    TruncatedTls,

    /// <summary>TLS failed: a handshake was refused, or what arrived is no TLS; the exception says which and why.</summary>
    TlsFailed,

    /// <summary>A callback of the protocol threw, or the handler of a stream connection.</summary>
    ProtocolError,

    /// <summary>
    /// The peer has sent what the protocol cannot take, such as a line without an end; the exception says what.
    /// </summary>
    InvalidData,

    /// <summary>The protocol went on writing beyond <see cref="WriteLimits.HardCap"/>.</summary>
    WriteOverflow,

    /// <summary>A limit of its server's has ended it; the exception says which.</summary>
    LimitReached,

    /// <summary>The loop was disposed.</summary>
    LoopShutdown,
}
