using System.Net;
using System.Net.Sockets;

namespace Toolkit.Backends;

/// <summary>What handle <see cref="IoBackend.Open"/> is to make.</summary>
public readonly record struct HandleSpec
{
    /// <summary>The family of addresses.</summary>
    public required AddressFamily AddressFamily { get; init; }

    /// <summary>The address to bind to; null leaves the choice to the system (or, for a connecting socket, to connect).</summary>
    public EndPoint? LocalEndPoint { get; init; }

    /// <summary>How many connections may wait to be accepted; null makes a socket that connects instead of listening.</summary>
    public int? Backlog { get; init; }

    /// <summary>
    /// Allow binding to an address that closed connections still linger on (SO_REUSEADDR on Unix). On Windows, where the
    /// option of that name lets two servers share a port, the port is taken exclusively instead.
    /// </summary>
    public bool ReuseAddress { get; init; }

    /// <summary>Let several listening sockets of one user share the port (SO_REUSEPORT).</summary>
    public bool ReusePort { get; init; }

    /// <summary>
    /// Who may connect to a listening Unix socket by its path, whatever the process's umask says; null leaves it to that. In
    /// force before anybody can connect.
    /// </summary>
    public UnixFileMode? UnixMode { get; init; }

    /// <summary>Makes a datagram socket instead of a stream's: UDP, or of the Unix family where the system has those.</summary>
    public bool IsDatagram { get; init; }

    /// <summary>The peer that a datagram socket is connected to at once; null leaves it open to all.</summary>
    public EndPoint? RemoteEndPoint { get; init; }
}

/// <summary>An option of a connection, by <see cref="IoBackend.SetOption"/>.</summary>
public enum IoOption
{
    /// <summary>Send small segments at once (TCP_NODELAY); 0 or 1.</summary>
    NoDelay,

    /// <summary>Probe an idle peer (SO_KEEPALIVE); 0 or 1.</summary>
    KeepAlive,

    /// <summary>Seconds of idleness before the first probe (TCP_KEEPIDLE).</summary>
    KeepAliveTime,

    /// <summary>Seconds between probes (TCP_KEEPINTVL).</summary>
    KeepAliveInterval,

    /// <summary>Unanswered probes before the connection is given up (TCP_KEEPCNT).</summary>
    KeepAliveRetryCount,

    /// <summary>Milliseconds that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, RFC 5482). Linux only.</summary>
    UserTimeout,

    /// <summary>The kernel's send buffer in bytes (SO_SNDBUF).</summary>
    SendBufferSize,

    /// <summary>The kernel's receive buffer in bytes (SO_RCVBUF).</summary>
    ReceiveBufferSize,

    /// <summary>Allow datagrams to broadcast addresses (SO_BROADCAST); 0 or 1.</summary>
    Broadcast,

    /// <summary>How many routers a datagram passes at most (IP_TTL, IPV6_UNICAST_HOPS); 1 to 255.</summary>
    TimeToLive,

    /// <summary>The same of a datagram to a group (IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS); 0 to 255.</summary>
    MulticastTimeToLive,

    /// <summary>
    /// Whether datagrams to a group reach members on this machine (IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP); 0 or 1.
    /// </summary>
    MulticastLoopback,

    /// <summary>The index of the interface by which datagrams to groups leave (IP_MULTICAST_IF, IPV6_MULTICAST_IF).</summary>
    MulticastInterface,

    /// <summary>
    /// Have the kernel cut what is sent into datagrams (UDP_SEGMENT, Linux 4.18). Setting it to 1 asks whether it can.
    /// </summary>
    SegmentationOffload,

    /// <summary>
    /// Have the kernel hand over several received datagrams at once (UDP_GRO, Linux 5.0); 0 or 1. They are told one by one.
    /// </summary>
    ReceiveOffload,
}
