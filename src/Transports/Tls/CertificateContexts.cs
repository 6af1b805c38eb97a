using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Transports;

/// <summary>
/// Certificates that are given in .NET's own way, made ready to be shown with no more than what is on this machine. SslStream
/// would download the issuers from where the certificate says, and keep the loop's thread waiting for that. One context serves
/// as long as its certificate lives, which is what sessions are resumed by.
/// </summary>
internal static class CertificateContexts
{
    private static readonly ConditionalWeakTable<X509Certificate2, SslStreamCertificateContext> s_contexts = [];

    /// <summary>The context of a certificate; null for what has no key or is none, about which SslStream says what is wrong.</summary>
    public static SslStreamCertificateContext? OfflineOf(X509Certificate? certificate)
        => certificate is X509Certificate2 { HasPrivateKey: true } own
            ? s_contexts.GetValue(own, static own => SslStreamCertificateContext.Create(own, null, offline: true))
            : null;
}
