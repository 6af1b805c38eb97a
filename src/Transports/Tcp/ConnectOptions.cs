using System.Net;

namespace Toolkit;

/// <summary>How a client connection is made. Immutable.</summary>
public sealed record ConnectOptions
{
    /// <summary>The defaults.</summary>
    public static ConnectOptions Default { get; } = new();

    private static readonly TimeSpan s_shortestDelay = TimeSpan.FromMilliseconds(10); // RFC 8305, section 8

    // The longest that a CancellationTokenSource waits, and short enough to be added to a time.
    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    /// <summary>
    /// How long connecting may take in all, resolving the name included. 30 seconds by default.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// When a name has several addresses: how long one is waited for before the next is tried beside it, by RFC 8305 (Happy
    /// Eyeballs). The first that answers is the connection, and the others are closed. 250 milliseconds by default, as section 8
    /// recommends, and 10 at least, as it demands. The families take turns, beginning with that of the resolver's first address.
    /// With <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> the addresses are tried one after the other, in the
    /// resolver's order. An attempt that fails lets the next begin at once either way.
    /// </summary>
    public TimeSpan AttemptDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How long one address may take. Null, the default, leaves it the whole <see cref="Timeout"/>; where addresses are tried one
    /// after the other (<see cref="AttemptDelay"/>), an equal share of what is left of it, so that a silent first address does
    /// not use it up.
    /// </summary>
    public TimeSpan? AttemptTimeout { get; init; }

    /// <summary>
    /// Says of an address, just before it is dialled, why it may not be; null for one that may. One that is refused is not
    /// dialled, and counts as an attempt that has failed (<see cref="ConnectFailure.Refusal"/>). Null, the default, lets every
    /// address pass. It sees what is really dialled, whatever the name was and however often its addresses change, and an IPv4
    /// address in its own form only; so it is the place to keep requests that strangers ask for out of one's own network. Called
    /// on the loop's thread, once for each address, in the caller's execution context; what it throws ends the call.
    /// </summary>
    public Func<IPEndPoint, string?>? AddressFilter { get; init; }

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
        if (AttemptDelay < s_shortestDelay && AttemptDelay != System.Threading.Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(
                nameof(AttemptDelay),
                AttemptDelay,
                "Attempts begin 10 ms apart at least (RFC 8305), or one after the other, with Timeout.InfiniteTimeSpan.");
        }

        if (AttemptTimeout is { } attemptTimeout)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(attemptTimeout, TimeSpan.Zero, nameof(AttemptTimeout));
        }

        ArgumentNullException.ThrowIfNull(Tcp);
        Tcp.Validate();
        Tls?.Validate();
        HandlePassing.Validate(MaxReceivedHandles, Tls is not null, nameof(MaxReceivedHandles));
    }
}
