using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using Toolkit.Backends;
using Toolkit.Simulation;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What carries the bytes of a transport.</summary>
public enum TransportKind
{
    /// <summary>A connection of TCP.</summary>
    Tcp,

    /// <summary>A connection of Unix sockets.</summary>
    Unix,

    /// <summary>A pipe, one of a child's too.</summary>
    Pipe,

    /// <summary>A terminal, or one side of a pseudo-terminal.</summary>
    Terminal,

    /// <summary>
    /// A child process. Its pipes are transports of their own, with the same <see cref="TransportInfo.ProcessId"/>.
    /// </summary>
    Process,

    /// <summary>An end point of UDP.</summary>
    Udp,

    /// <summary>An end point of Unix datagrams.</summary>
    UnixDatagram,

    /// <summary>A connection in memory (<see cref="MemoryConnection"/>).</summary>
    Memory,
}

/// <summary>Where a transport is in its life.</summary>
public enum TransportState
{
    /// <summary>
    /// TLS is being agreed on; at the beginning there is no transport yet, and so no <see cref="TransportInfo.Id"/>.
    /// </summary>
    Handshaking,

    /// <summary>Open; of a child, it runs.</summary>
    Open,

    /// <summary>This side has ended, or ends when what was written has left; the peer may send.</summary>
    SendingEnded,

    /// <summary>The peer's side has ended; this one may send.</summary>
    ReceivingEnded,

    /// <summary>It sends what it holds, and then it ends; of a child, it has ended, and a pipe of its has not.</summary>
    Closing,

    /// <summary>
    /// The transport has ended, and its descriptor waits for the peer's end: no <see cref="TransportInfo.Id"/> any more.
    /// </summary>
    Lingering,

    /// <summary>The end is decided, and is being told.</summary>
    Lost,
}

/// <summary>
/// How a transport stands, as a value: a connection, an end point of datagrams, a child
/// (<see cref="TransportListing"/>, and the diagnostics of a process).
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct TransportInfo
{
    /// <summary>
    /// <see cref="Transport.Id"/> or <see cref="DatagramTransport.Id"/>, which are counted apart; null of a child, and where
    /// there is no transport yet or any more.
    /// </summary>
    public long? Id { get; init; }

    /// <summary>What it is.</summary>
    public required TransportKind Kind { get; init; }

    /// <summary>Where it is in its life.</summary>
    public required TransportState State { get; init; }

    /// <summary>This end's address; null when it has none.</summary>
    public EndPoint? LocalEndPoint { get; init; }

    /// <summary>The peer's address; null when it has none, or there is no one peer.</summary>
    public EndPoint? RemoteEndPoint { get; init; }

    /// <summary>How long it has been there; while it handshakes or lingers, for how long it has done that.</summary>
    public TimeSpan Age { get; init; }

    /// <summary>How many bytes its protocol was handed; of a child, none: its pipes count.</summary>
    public long BytesReceived { get; init; }

    /// <summary>How many bytes the system has taken.</summary>
    public long BytesSent { get; init; }

    /// <summary>How many bytes were accepted and wait for the system to take them.</summary>
    public long UnsentBytes { get; init; }

    /// <summary>Whether its protocol has paused reading.</summary>
    public bool IsReadingPaused { get; init; }

    /// <summary>Whether its protocol was told to pause writing, and not yet to go on.</summary>
    public bool IsWritingPaused { get; init; }

    /// <summary>
    /// The version of TLS; <see cref="SslProtocols.None"/> while that is being agreed on, and null without TLS.
    /// </summary>
    public SslProtocols? TlsProtocol { get; init; }

    /// <summary>The process: a child's, that of a child's pipe, or that of a Unix socket's peer; null of others.</summary>
    public int? ProcessId { get; init; }

    /// <summary>Whether it serves diagnostics, and is there because somebody looks.</summary>
    public bool IsDiagnostics { get; init; }

    /// <summary>What can be said of a handle.</summary>
    internal static TransportInfo Of(IoHandle handle, TransportState state) => new()
    {
        Kind = KindOf(handle),
        State = state,
        LocalEndPoint = handle.LocalEndPoint,
        RemoteEndPoint = handle.RemoteEndPoint,
        ProcessId = handle.PeerIdentity?.ProcessId,
        TlsProtocol = handle is TlsHandle tls ? tls.Info?.Protocol ?? SslProtocols.None : null,
    };

    private static TransportKind KindOf(IoHandle handle) => handle switch
    {
        TlsHandle tls => KindOf(tls.Inner),
        MemoryHandle => TransportKind.Memory,
        { Kind: IoHandleKind.Terminal } => TransportKind.Terminal,
        { Kind: not IoHandleKind.Socket } => TransportKind.Pipe,
        { LocalEndPoint: IPEndPoint } or { RemoteEndPoint: IPEndPoint } => TransportKind.Tcp,
        _ => TransportKind.Unix, // most of whose ends have no name
    };
}
