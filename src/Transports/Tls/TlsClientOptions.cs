using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// How a client speaks TLS: the server's certificate must be valid, come from a trusted authority, and be for the host that was
/// asked for. Immutable: one object may serve many connections.
/// </summary>
public sealed record TlsClientOptions : TlsOptions
{
    /// <summary>The defaults.</summary>
    public static TlsClientOptions Default { get; } = new();

    /// <summary>
    /// The name that the server's certificate must be for, and that the server is told (SNI). Null, the default, is the host that
    /// the connection was asked for; where there was none, because it was made to an end point, there is no default.
    /// </summary>
    public string? TargetHost { get; init; }

    /// <summary>What the client shows to a server that asks who it is; null for nothing.</summary>
    public TlsCertificate? Certificate { get; init; }

    /// <summary>
    /// .NET's own options, for what is not here: application protocols (ALPN), cipher suites, a check of certificates of one's
    /// own, revocation. They are copied for each connection. What is stricter here holds: no renegotiation, no TLS before 1.2,
    /// and no downloads of certificates unless <see cref="SslClientAuthenticationOptions.CertificateChainPolicy"/> says so.
    /// Certificate callbacks are called on the loop's thread, and one that throws or blocks does so for its connection, or for
    /// all. One of several <see cref="SslClientAuthenticationOptions.ClientCertificates"/>, or what
    /// <see cref="SslClientAuthenticationOptions.LocalCertificateSelectionCallback"/> returns, is made ready by .NET, which may
    /// download its issuers and wait for that, when they are not on this machine: <see cref="Certificate"/> is never
    /// completed from elsewhere.
    /// </summary>
    public SslClientAuthenticationOptions? Authentication { get; init; }

    /// <summary>The same for a host, unless they name one.</summary>
    /// <exception cref="ArgumentException">There is no name at all.</exception>
    internal TlsClientOptions For(string? host)
    {
        string? name = TargetHost ?? Authentication?.TargetHost ?? host;
        return string.IsNullOrEmpty(name)
            ? throw new ArgumentException(
                "TLS checks that the server's certificate is for the host that was asked for, and none was: connect by host "
                + $"name, or set {nameof(TlsClientOptions)}.{nameof(TargetHost)} to the name that the certificate has.")
            : this with { TargetHost = name.EndsWith('.') ? name[..^1] : name };
    }

    internal override void Validate()
    {
        base.Validate();
        TlsVersions.Require(Authentication?.EnabledSslProtocols ?? SslProtocols.None);
    }

    internal override TlsEngine CreateEngine(TlsUserCode user)
    {
        SslClientAuthenticationOptions given = Authentication ?? new SslClientAuthenticationOptions();
        var check = new PeerCertificateCheck(user, given.RemoteCertificateValidationCallback, TargetHost);
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = TargetHost,
            AllowRenegotiation = false,
            AllowTlsResume = given.AllowTlsResume,
            ApplicationProtocols = given.ApplicationProtocols,
            CertificateChainPolicy = ChainPolicyFor(given.CertificateChainPolicy, given.CertificateRevocationCheckMode),
            CipherSuitesPolicy = given.CipherSuitesPolicy,
            ClientCertificateContext = Certificate?.Context ?? given.ClientCertificateContext ?? OnlyOneOf(given),
            ClientCertificates = given.ClientCertificates,
            EnabledSslProtocols = TlsVersions.OrAll(given.EnabledSslProtocols),
            EncryptionPolicy = given.EncryptionPolicy,
            LocalCertificateSelectionCallback = Wrap(user, given.LocalCertificateSelectionCallback),
            RemoteCertificateValidationCallback = check.Check,
        };
        return new SslStreamEngine(
            user.Loop,
            stream => TlsFailure.TranslateAsync(stream.AuthenticateAsClientAsync(options), check, "server"),
            isServer: false);
    }

    // Of several, SslStream chooses one that the server has asked for.
    private static SslStreamCertificateContext? OnlyOneOf(SslClientAuthenticationOptions given)
        => given is { LocalCertificateSelectionCallback: null, ClientCertificates.Count: 1 }
            ? CertificateContexts.OfflineOf(given.ClientCertificates[0])
            : null;

    private static LocalCertificateSelectionCallback? Wrap(TlsUserCode user, LocalCertificateSelectionCallback? callback)
        => callback is null ? null : (sender, host, certificates, remote, issuers) => user.Call(
            callback,
            nameof(LocalCertificateSelectionCallback),
            () => callback(sender, host, certificates, remote, issuers));
}
