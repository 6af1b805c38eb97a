namespace Toolkit;

/// <summary>How a server listens and what it allows. Immutable.</summary>
public sealed record ServerOptions
{
    /// <summary>The defaults.</summary>
    public static ServerOptions Default { get; } = new();

    private const UnixFileMode Permissions = (UnixFileMode)0b111_111_111;

    /// <summary>How many connections may wait to be accepted. 512 by default; the system may have a lower bound.</summary>
    public int Backlog { get; init; } = 512;

    /// <summary>
    /// Listen although connections of an earlier run linger on the address. On by default; on Windows, where the option of
    /// that name would let a stranger share the port, the port is taken exclusively instead.
    /// </summary>
    public bool ReuseAddress { get; init; } = true;

    /// <summary>Let other sockets of the same user listen on the same port, and share its newcomers. Off by default.</summary>
    public bool ReusePort { get; init; }

    /// <summary>
    /// Whether the server accepts from the start. When false it is bound and listens, so that newcomers queue, and accepts
    /// from <see cref="Server.StartServing"/> on.
    /// </summary>
    public bool StartServing { get; init; } = true;

    /// <summary>
    /// How many connections there may be at a time; further ones wait in the backlog. Null, the default, leaves the bound
    /// to the process's descriptors, of which the last <see cref="Backends.DescriptorReserve.Size"/> are kept free.
    /// </summary>
    public int? MaxConnections { get; init; }

    /// <summary>
    /// How many connections there may be at a time from one address; further ones are reset at once and counted
    /// (<see cref="ConnectionLimit.PerAddress"/>). An IPv6 address counts by its first 64 bits, which are what a network is given.
    /// Null, the default, for any number.
    /// </summary>
    public int? MaxConnectionsPerAddress { get; init; }

    /// <summary>What the peers may cost in time. <see cref="ConnectionLimits.None"/> by default.</summary>
    public ConnectionLimits Limits { get; init; } = ConnectionLimits.None;

    /// <summary>
    /// How long <see cref="Server.DisposeAsync"/> and <see cref="Server.RunAsync"/> let connections end by themselves
    /// before they are aborted. 5 seconds by default.
    /// </summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Speak TLS on all connections, from the beginning; null, the default, for none. Protocols are made and told of a connection
    /// when its handshake has ended well.
    /// </summary>
    public TlsServerOptions? Tls { get; init; }

    /// <summary>
    /// Who may connect to a Unix socket, by its path: whoever may write there. The owner alone (0600) by default, whatever the
    /// umask says. In force before anybody can connect. Of <c>CreateUnixServerAsync</c> alone; abstract names have no mode.
    /// </summary>
    public UnixFileMode UnixMode { get; init; } = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>
    /// Whether <c>@name</c> (or <c>\0name</c>) is an abstract name of Linux, instead of a mistake. Off by default: such a name
    /// has no mode, so every user of the machine may connect to it, and be looked at (<see cref="Transport.PeerCredentials"/>),
    /// and whoever is first on the machine has it. Of <c>CreateUnixServerAsync</c> alone.
    /// </summary>
    public bool AllowAbstractName { get; init; }

    /// <summary>
    /// How many handles that a peer passes over a Unix socket may wait to be taken (<see cref="HandlePassing"/>). 0, the default,
    /// has the system close them.
    /// </summary>
    public int MaxReceivedHandles { get; init; }

    /// <summary>How the connections behave.</summary>
    public TcpOptions Tcp { get; init; } = TcpOptions.Default;

    /// <summary>Whether its connections are there because somebody looks at the process.</summary>
    internal bool IsDiagnostics { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Backlog, nameof(Backlog));
        ArgumentOutOfRangeException.ThrowIfLessThan(DrainTime, TimeSpan.Zero, nameof(DrainTime));
        if (MaxConnections is { } max)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(max, nameof(MaxConnections));
        }

        if (MaxConnectionsPerAddress is { } maxPerAddress)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxPerAddress, nameof(MaxConnectionsPerAddress));
        }

        ArgumentNullException.ThrowIfNull(Limits);
        Limits.Validate();
        ArgumentNullException.ThrowIfNull(Tcp);
        Tcp.Validate();
        Tls?.Validate();
        HandlePassing.Validate(MaxReceivedHandles, Tls is not null, nameof(MaxReceivedHandles));
        if ((UnixMode & ~Permissions) != UnixFileMode.None)
        {
            throw new ArgumentOutOfRangeException(
                nameof(UnixMode), UnixMode, "A socket has permissions, and no other mode bits.");
        }
    }
}
