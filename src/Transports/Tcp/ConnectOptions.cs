using System.Net;

namespace Toolkit;

/// <summary>How a client connection is made. Immutable.</summary>
public sealed record ConnectOptions
{
    /// <summary>The defaults.</summary>
    public static ConnectOptions Default { get; } = new();

    // The longest that a CancellationTokenSource waits, and short enough to be added to a time.
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>
    /// How long connecting may take in all, resolving the name included. 30 seconds by default. When a name has several
    /// addresses, each attempt gets an equal share of what is left, so that a silent first address does not use it up.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The address to connect from; addresses of another family are then left out. Null lets the system choose.
    /// </summary>
    public IPEndPoint? LocalEndPoint { get; init; }

    /// <summary>
    /// Speak TLS from the beginning, with the host that was asked for; null, the default, for none. The protocol is told of the
    /// connection when the handshake has ended well; it has a time of its own (<see cref="TlsOptions.HandshakeTimeout"/>).
    /// </summary>
    public TlsClientOptions? Tls { get; init; }

    /// <summary>
    /// Whether <c>@name</c> (or <c>\0name</c>) is an abstract name of Linux, instead of a mistake. Off by default: such a name
    /// has no mode, and whoever is first on the machine has it, so a client looks who answers
    /// (<see cref="Transport.PeerCredentials"/>). Of Unix sockets alone.
    /// </summary>
    public bool AllowAbstractName { get; init; }

    /// <summary>
    /// How many handles that the peer passes may wait to be taken (<see cref="HandlePassing"/>). 0, the default, has the system
    /// close them. Of Unix sockets alone.
    /// </summary>
    public int MaxReceivedHandles { get; init; }

    /// <summary>How the connection behaves.</summary>
    public TcpOptions Tcp { get; init; } = TcpOptions.Default;

    /// <summary><see cref="Timeout"/>, of which more than 49 days are as good as for ever.</summary>
    internal TimeSpan BoundedTimeout => Timeout < s_longestTimeout ? Timeout : s_longestTimeout;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(Timeout, TimeSpan.Zero, nameof(Timeout));
        ArgumentNullException.ThrowIfNull(Tcp);
        Tcp.Validate();
        Tls?.Validate();
        HandlePassing.Validate(MaxReceivedHandles, Tls is not null, nameof(MaxReceivedHandles));
    }
}
