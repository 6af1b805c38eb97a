using System.Diagnostics.CodeAnalysis;
using System.Security.Authentication;

namespace Toolkit.Transports;

/// <summary>
/// Which versions of TLS are spoken: 1.2 (RFC 5246) and 1.3 (RFC 8446), whatever a system would allow (RFC 8996).
/// </summary>
[SuppressMessage(
    "Security", "CA5398:Avoid hardcoded SslProtocols values", Justification = "That there is a floor is its purpose.")]
internal static class TlsVersions
{
    private const SslProtocols Allowed = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Throws when an older one was asked for.</summary>
    /// <exception cref="ArgumentException">It was.</exception>
    public static void Require(SslProtocols protocols)
    {
        if ((protocols & ~Allowed) != SslProtocols.None)
        {
            throw new ArgumentException(
                $"TLS 1.2 and 1.3 are what is spoken here, not {protocols & ~Allowed}. Older versions are broken (RFC 8996).");
        }
    }

    /// <summary>What was asked for, or else all.</summary>
    public static SslProtocols OrAll(SslProtocols protocols) => protocols == SslProtocols.None ? Allowed : protocols;

    /// <summary>Whether one direction can end alone; before TLS 1.3 the answer to an end is an end (RFC 5246, 7.2.1).</summary>
    public static bool HasHalfClose(SslProtocols protocol) => protocol >= SslProtocols.Tls13;
}
