using System.Security.Cryptography.X509Certificates;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// What the two sides of TLS have in common: <see cref="TlsClientOptions"/> and <see cref="TlsServerOptions"/>.
/// </summary>
public abstract record TlsOptions
{
    private protected TlsOptions()
    {
    }

    /// <summary>How long a handshake may take before the connection is given up. 10 seconds by default.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long the last record of a connection, which says that it has ended (close_notify), may wait for a peer that takes
    /// nothing. 5 seconds by default. What the application has written is bounded by <see cref="TcpOptions.LingerTime"/>.
    /// </summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The authorities that the peer's certificate must come from, instead of the system's. Null, the default, for the system's.
    /// </summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    internal abstract TlsEngine CreateEngine(TlsUserCode user);

    internal virtual void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HandshakeTimeout, TimeSpan.Zero, nameof(HandshakeTimeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(ShutdownTimeout, TimeSpan.Zero, nameof(ShutdownTimeout));
    }

    // A copy for each handshake, which adds to it. Nothing is downloaded to complete a chain: it would be fetched from where a
    // stranger's certificate says, by a thread that waits.
    private protected X509ChainPolicy ChainPolicyFor(X509ChainPolicy? given, X509RevocationMode revocation)
    {
        if (given is not null)
        {
            return given.Clone();
        }

        var policy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = revocation };
        if (TrustedRoots is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(TrustedRoots);
        }

        return policy;
    }
}
