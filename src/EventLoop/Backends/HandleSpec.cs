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
}
