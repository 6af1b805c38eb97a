using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Tests;

/// <summary>
/// Certificates for tests, on ECDSA P-256, each made once in a run: one authority, what it has signed, and what it would never
/// have signed.
/// </summary>
public static class TestCertificates
{
    /// <summary>The name that <see cref="Server"/> is for, beside localhost and the loopback addresses.</summary>
    public const string ServerName = "server.test";

    /// <summary>The use of a server's certificate, and of a client's.</summary>
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <inheritdoc cref="ServerAuthentication"/>
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private static readonly Lazy<X509Certificate2> s_authority = new(() => MakeAuthority("Test authority"));
    private static readonly Lazy<X509Certificate2> s_stranger = new(() => MakeAuthority("Another authority"));
    private static readonly Lazy<X509Certificate2> s_server = new(() => Make());
    private static readonly Lazy<X509Certificate2> s_otherServer = new(() => Make("other.test"));
    private static readonly Lazy<X509Certificate2> s_client = new(() => Make("client.test", usage: ClientAuthentication));
    private static readonly Lazy<X509Certificate2> s_ofStranger = new(() => Make(issuer: s_stranger.Value));
    private static readonly Lazy<X509Certificate2> s_expired = new(() => Make(from: -30, to: -2));
    private static readonly Lazy<X509Certificate2> s_notYetValid = new(() => Make(from: 2, to: 30));
    private static readonly Lazy<X509Certificate2> s_selfSigned = new(MakeSelfSigned);

    /// <summary>The authority whose word is taken.</summary>
    public static X509Certificate2 Authority => s_authority.Value;

    /// <summary>The same, as those who are to be trusted.</summary>
    public static X509Certificate2Collection Roots => [Authority];

    /// <summary>A server's that has nothing wrong with it.</summary>
    public static X509Certificate2 Server => s_server.Value;

    /// <summary>Another's, for other.test.</summary>
    public static X509Certificate2 OtherServer => s_otherServer.Value;

    /// <summary>A client's.</summary>
    public static X509Certificate2 Client => s_client.Value;

    /// <summary>An authority that nobody knows.</summary>
    public static X509Certificate2 UnknownAuthority => s_stranger.Value;

    /// <summary>A server's, of that authority.</summary>
    public static X509Certificate2 OfStranger => s_ofStranger.Value;

    public static X509Certificate2 Expired => s_expired.Value;

    public static X509Certificate2 NotYetValid => s_notYetValid.Value;

    public static X509Certificate2 SelfSigned => s_selfSigned.Value;

    /// <summary>
    /// A certificate with its key, for what is not here; <paramref name="issuerAddress"/> is where it says that its issuer can be
    /// downloaded from.
    /// </summary>
    public static X509Certificate2 Make(
        string name = ServerName,
        X509Certificate2? issuer = null,
        string usage = ServerAuthentication,
        int from = -1,
        int to = 30,
        string? issuerAddress = null)
    {
        issuer ??= Authority;
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = NewRequest(name, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        if (string.Equals(name, ServerName, StringComparison.Ordinal))
        {
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            names.AddIpAddress(IPAddress.IPv6Loopback);
        }

        request.CertificateExtensions.Add(names.Build());
        if (issuerAddress is not null)
        {
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [issuerAddress]));
        }

        byte[] serial = RandomNumberGenerator.GetBytes(12);
        serial[0] &= 0x7F;
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 certificate = request.Create(issuer, now.AddDays(from), now.AddDays(to), serial);
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>Writes a certificate and its key as PEM files into a folder.</summary>
    /// <returns>Their paths.</returns>
    public static (string Certificate, string Key) WritePem(X509Certificate2 certificate, string folder, string name = "server")
    {
        string certificatePath = Path.Combine(folder, $"{name}.pem");
        string keyPath = Path.Combine(folder, $"{name}.key");
        using ECDsa key = certificate.GetECDsaPrivateKey()!;
        File.WriteAllText(certificatePath, certificate.ExportCertificatePem());
        File.WriteAllText(keyPath, key.ExportPkcs8PrivateKeyPem());
        return (certificatePath, keyPath);
    }

    private static X509Certificate2 MakeAuthority(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = NewRequest(name, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-60), DateTimeOffset.UtcNow.AddDays(60));
    }

    private static X509Certificate2 MakeSelfSigned()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = NewRequest(ServerName, key);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(ServerName);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }

    private static CertificateRequest NewRequest(string name, ECDsa key)
        => new($"CN={name}", key, HashAlgorithmName.SHA256);
}
