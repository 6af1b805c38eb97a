using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Bench.Peers;

/// <summary>The certificate of all servers, on ECDSA P-256, made once in a run.</summary>
internal static class BenchCertificate
{
    private static readonly Lazy<string> s_folder = new(Write);

    /// <summary>The path of its PEM file.</summary>
    public static string Certificate => Path.Combine(s_folder.Value, "server.pem");

    /// <summary>That of its key's.</summary>
    public static string Key => Path.Combine(s_folder.Value, "server.key");

    private static string Write()
    {
        string folder = Directory.CreateDirectory(Path.Combine(Repository.Artifacts, "tls")).FullName;
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        File.WriteAllText(Path.Combine(folder, "server.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
        return folder;
    }
}
