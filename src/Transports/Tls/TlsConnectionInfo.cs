using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit;

/// <summary>What the two ends of a TLS connection have agreed on. Immutable, and readable after the end; any thread.</summary>
public sealed record TlsConnectionInfo
{
    /// <summary>Whether this end is the server.</summary>
    public required bool IsServer { get; init; }

    /// <summary>The version of TLS.</summary>
    public required SslProtocols Protocol { get; init; }

    /// <summary>The cipher suite.</summary>
    public required TlsCipherSuite CipherSuite { get; init; }

    /// <summary>The application protocol (ALPN, RFC 7301); one without a name when none was agreed on.</summary>
    public required SslApplicationProtocol ApplicationProtocol { get; init; }

    /// <summary>The name that the client asked for (SNI, RFC 6066, 3); null when it named none.</summary>
    public required string? ServerName { get; init; }

    /// <summary>The peer's certificate; null when it has shown none.</summary>
    public required X509Certificate2? PeerCertificate { get; init; }
}
