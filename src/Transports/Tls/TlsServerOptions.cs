using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>How a server speaks TLS. Immutable: one object may serve many servers, on many loops.</summary>
public sealed record TlsServerOptions : TlsOptions
{
    /// <summary>
    /// What the server shows. It may be reloaded at any time (<see cref="TlsCertificate.Reload"/>), for the handshakes that begin
    /// afterwards.
    /// </summary>
    public TlsCertificate? Certificate { get; init; }

    /// <summary>
    /// Chooses by the name that the client asks for (SNI), which is null when it asks for none. Called on the loop's thread
    /// within a handshake; null refuses the client. When it is set, <see cref="Certificate"/> is not looked at.
    /// </summary>
    public Func<string?, TlsCertificate?>? CertificateSelector { get; init; }

    /// <summary>
    /// How many connections of a server may be in their handshake. 512 by default. One more ends the oldest of them, so that
    /// peers who begin and do not go on cannot keep out those who do. For an upgrade in mid-stream it has no meaning.
    /// </summary>
    public int MaxHandshakes { get; init; } = 512;

    /// <summary>
    /// .NET's own options, for what is not here: application protocols (ALPN), client certificates, cipher suites, a check of
    /// certificates of one's own, revocation. They are copied for each connection. What is stricter here holds: no
    /// renegotiation, no TLS before 1.2, and no downloads of certificates unless <see
    /// cref="SslServerAuthenticationOptions.CertificateChainPolicy"/> says so.
    /// </summary>
    public SslServerAuthenticationOptions? Authentication { get; init; }

    internal override void Validate()
    {
        base.Validate();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxHandshakes, nameof(MaxHandshakes));
        TlsVersions.Require(Authentication?.EnabledSslProtocols ?? SslProtocols.None);
        if (Certificate is null && CertificateSelector is null && Authentication is not (
            { ServerCertificate: not null }
            or { ServerCertificateContext: not null }
            or { ServerCertificateSelectionCallback: not null }))
        {
            throw new ArgumentException(
                $"A TLS server needs a certificate: set {nameof(TlsServerOptions)}.{nameof(Certificate)}, for example to "
                + $"{nameof(TlsCertificate)}.{nameof(TlsCertificate.FromPemFiles)}(\"server.pem\", \"server.key\").");
        }
    }

    internal override TlsEngine CreateEngine(TlsUserCode user)
    {
        SslServerAuthenticationOptions given = Authentication ?? new SslServerAuthenticationOptions();
        PeerCertificateCheck? check = given.ClientCertificateRequired || given.RemoteCertificateValidationCallback is not null
            ? new PeerCertificateCheck(user, given.RemoteCertificateValidationCallback, host: null)
            : null;
        var options = new SslServerAuthenticationOptions
        {
            AllowRenegotiation = false,
            AllowTlsResume = given.AllowTlsResume,
            ApplicationProtocols = given.ApplicationProtocols,
            CipherSuitesPolicy = given.CipherSuitesPolicy,
            ClientCertificateRequired = given.ClientCertificateRequired,
            EnabledSslProtocols = TlsVersions.OrAll(given.EnabledSslProtocols),
            EncryptionPolicy = given.EncryptionPolicy,
            RemoteCertificateValidationCallback = check is null ? null : check.Check,
        };
        if (check is not null)
        {
            options.CertificateChainPolicy = ChainPolicyFor(given.CertificateChainPolicy, given.CertificateRevocationCheckMode);
        }

        if (CertificateSelector is not null)
        {
            return NewEngine(user, check, stream => stream.AuthenticateAsServerAsync(
                (_, hello, _, _) => ValueTask.FromResult(Select(user, options, hello.ServerName)), state: null));
        }

        if (Certificate is not null)
        {
            options.ServerCertificateContext = Certificate.Context;
        }
        else if (given is { ServerCertificateContext: null, ServerCertificateSelectionCallback: { } select })
        {
            return NewEngine(user, check, stream => stream.AuthenticateAsServerAsync(
                (sender, hello, _, _) => ValueTask.FromResult(Show(options, user.Call(
                    select, nameof(ServerCertificateSelectionCallback), () => select(sender, hello.ServerName)))),
                state: null));
        }
        else
        {
            options.ServerCertificateContext = given.ServerCertificateContext;
            Show(options, given.ServerCertificate);
        }

        return NewEngine(user, check, stream => stream.AuthenticateAsServerAsync(options));
    }

    private static SslStreamEngine NewEngine(TlsUserCode user, PeerCertificateCheck? check, Func<SslStream, Task> begin)
        => new(user.Loop, stream => TlsFailure.TranslateAsync(begin(stream), check, "client"), isServer: true);

    private static SslServerAuthenticationOptions Show(SslServerAuthenticationOptions options, X509Certificate? certificate)
    {
        options.ServerCertificate = certificate;
        options.ServerCertificateContext ??= CertificateContexts.OfflineOf(certificate);
        return options;
    }

    private SslServerAuthenticationOptions Select(TlsUserCode user, SslServerAuthenticationOptions options, string serverName)
    {
        string? name = string.IsNullOrEmpty(serverName) ? null : serverName;
        TlsCertificate? chosen = user.Call(CertificateSelector!, nameof(CertificateSelector), () => CertificateSelector!(name));
        options.ServerCertificateContext = chosen?.Context ?? throw new TlsException(
            CloseReason.TlsFailed,
            $"There is no certificate for {(name is null ? "a client that names no host" : LogText.Escape(name))}.");
        return options;
    }
}
