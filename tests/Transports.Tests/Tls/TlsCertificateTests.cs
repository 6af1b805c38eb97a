using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Tls;

public sealed class TlsCertificateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toolkit-certificate-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void FromPemFiles_CertificateAndKey_AreLoaded()
    {
        (string certificate, string key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        Assert.Equal(TestCertificates.Server.Thumbprint, TlsCertificate.FromPemFiles(certificate, key).Certificate.Thumbprint);

        string both = Path.Combine(_folder, "both.pem");
        string issuer = TestCertificates.Authority.ExportCertificatePem();
        File.WriteAllText(both, $"{File.ReadAllText(certificate)}\n{issuer}\n{File.ReadAllText(key)}");
        Assert.Equal(TestCertificates.Server.Thumbprint, TlsCertificate.FromPemFiles(both).Certificate.Thumbprint);
    }

    [Fact]
    public void FromPemFiles_EncryptedKey_NeedsItsPassword()
    {
        (string certificate, string key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        using ECDsa own = TestCertificates.Server.GetECDsaPrivateKey()!;
        File.WriteAllText(key, own.ExportEncryptedPkcs8PrivateKeyPem(
            "secret", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));

        Assert.True(TlsCertificate.FromPemFiles(certificate, key, "secret").Certificate.HasPrivateKey);
        Refuses(() => TlsCertificate.FromPemFiles(certificate, key, "wrong"), "password");
        Refuses(() => TlsCertificate.FromPemFiles(certificate, key), "password is missing");
    }

    [Fact]
    public void FromPemFiles_WhatCannotBeUsed_SaysWhy()
    {
        (string certificate, string key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        (string other, string otherKey) = TestCertificates.WritePem(TestCertificates.OtherServer, _folder, "other");
        (string expired, string expiredKey) = TestCertificates.WritePem(TestCertificates.Expired, _folder, "expired");
        (string early, string earlyKey) = TestCertificates.WritePem(TestCertificates.NotYetValid, _folder, "early");
        string nothing = Path.Combine(_folder, "nothing.pem");
        File.WriteAllText(nothing, "not a certificate");

        Refuses(() => TlsCertificate.FromPemFiles(Path.Combine(_folder, "absent.pem"), key), "absent.pem");
        Refuses(() => TlsCertificate.FromPemFiles(certificate, certificate), "no private key");
        Refuses(() => TlsCertificate.FromPemFiles(certificate), "no private key");
        Refuses(() => TlsCertificate.FromPemFiles(nothing, key), "no certificate");
        Refuses(() => TlsCertificate.FromPemFiles(other, key), "Cannot use");
        Refuses(() => TlsCertificate.FromPemFiles(expired, expiredKey), "expired");
        Refuses(() => TlsCertificate.FromPemFiles(early, earlyKey), "not valid before");
        Assert.NotNull(TlsCertificate.FromPemFiles(other, otherKey));
    }

    [Fact]
    public void FromPfxFile_PasswordAndKey_AreChecked()
    {
        string path = Path.Combine(_folder, "server.pfx");
        File.WriteAllBytes(path, TestCertificates.Server.Export(X509ContentType.Pkcs12, "secret"));
        Assert.Equal(TestCertificates.Server.Thumbprint, TlsCertificate.FromPfxFile(path, "secret").Certificate.Thumbprint);
        Refuses(() => TlsCertificate.FromPfxFile(path, "wrong"), "password");

        string keyless = Path.Combine(_folder, "keyless.pfx");
        using X509Certificate2 open = X509CertificateLoader.LoadCertificate(TestCertificates.Server.RawData);
        File.WriteAllBytes(keyless, open.Export(X509ContentType.Pkcs12, "secret"));
        Refuses(() => TlsCertificate.FromPfxFile(keyless, "secret"), "private key");
        Refuses(() => TlsCertificate.From(open), "private key");
    }

    [Fact]
    public void LoadRoots_FileWithoutAny_IsRefused()
    {
        string path = Path.Combine(_folder, "roots.pem");
        File.WriteAllText(path, TestCertificates.Authority.ExportCertificatePem());
        Assert.Single(TlsCertificate.LoadRoots(path));
        File.WriteAllText(path, "nothing");
        Assert.Throws<TlsCertificateException>(() => TlsCertificate.LoadRoots(path));
        Assert.Throws<TlsCertificateException>(() => TlsCertificate.LoadRoots(Path.Combine(_folder, "absent.pem")));
    }

    [Fact]
    public void Reload_BrokenFile_KeepsTheOldOne()
    {
        (string path, string key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        TlsCertificate certificate = TlsCertificate.FromPemFiles(path, key);
        File.WriteAllText(path, "broken");
        Assert.Throws<TlsCertificateException>(certificate.Reload);
        Assert.Equal(TestCertificates.Server.Thumbprint, certificate.Certificate.Thumbprint);

        TestCertificates.WritePem(TestCertificates.OtherServer, _folder);
        certificate.Reload();
        Assert.Equal(TestCertificates.OtherServer.Thumbprint, certificate.Certificate.Thumbprint);
    }

    [Fact]
    public void Watch_FileChanges_ServesTheNewOneAndReportsABrokenOne() => MemoryLoop.Run(async (loop, errors) =>
    {
        (string path, string key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        TlsCertificate certificate = TlsCertificate.FromPemFiles(path, key);
        using var end = new CancellationTokenSource();
        certificate.Watch(loop, TimeSpan.FromMilliseconds(1), end.Token);
        Server server = await loop.CreateServerAsync(
            () => new RecordingProtocol(),
            new IPEndPoint(IPAddress.Loopback, 0),
            new ServerOptions { Tls = new TlsServerOptions { Certificate = certificate } });
        Assert.Equal(TestCertificates.Server.Thumbprint, await ShownAsync());

        File.WriteAllText(path, "broken");
        await MemoryLoop.UntilAsync(loop, () => errors.Count > 0);
        Assert.IsType<TlsCertificateException>(errors[0].Exception);
        Assert.Equal(TestCertificates.Server.Thumbprint, await ShownAsync());

        TestCertificates.WritePem(TestCertificates.OtherServer, _folder);
        await MemoryLoop.UntilAsync(loop, () => certificate.Certificate.Thumbprint == TestCertificates.OtherServer.Thumbprint);
        Assert.Equal(TestCertificates.OtherServer.Thumbprint, await ShownAsync());
        await end.CancelAsync();
        await server.DisposeAsync();
        errors.RemoveAll(error => error.Exception is TlsCertificateException);

        async Task<string> ShownAsync()
        {
            Connection<RecordingProtocol> connection = await loop.CreateConnectionAsync(
                () => new RecordingProtocol(),
                server.EndPoints[0],
                new ConnectOptions
                {
                    Tls = new TlsClientOptions
                    {
                        TargetHost = certificate.Certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false),
                        TrustedRoots = TestCertificates.Roots,
                    },
                });
            string shown = connection.Transport.Tls!.PeerCertificate!.Thumbprint;
            connection.Transport.Close();
            return shown;
        }
    });

    private static void Refuses(Func<TlsCertificate> load, string reason)
        => Assert.Contains(reason, Assert.Throws<TlsCertificateException>(load).Message, StringComparison.Ordinal);
}
