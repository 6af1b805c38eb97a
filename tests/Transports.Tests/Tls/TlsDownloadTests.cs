using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Tests.Tls;

/// <summary>A peer's certificate names places from which more could be downloaded. Nobody goes there.</summary>
public sealed class TlsDownloadTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Certificate_NamesAPlaceOfItsIssuer_NobodyAsksThere(bool isClients)
    {
        using var place = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        place.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        place.Listen();
        X509Certificate2 shown = TestCertificates.Make(
            isClients ? "client.test" : TestCertificates.ServerName,
            TestCertificates.UnknownAuthority,
            isClients ? TestCertificates.ClientAuthentication : TestCertificates.ServerAuthentication,
            issuerAddress: $"http://{place.LocalEndPoint}/issuer.cer");
        var serverTls = new TlsServerOptions
        {
            TrustedRoots = TestCertificates.Roots,
            Authentication = new()
            {
                ServerCertificate = isClients ? TestCertificates.Server : shown,
                ClientCertificateRequired = isClients,
            },
        };
        var clientTls = new TlsClientOptions
        {
            TargetHost = TestCertificates.ServerName,
            TrustedRoots = TestCertificates.Roots,
            Authentication = new() { ClientCertificates = isClients ? [shown] : [] },
        };
        using var loop = new EventLoop();
        loop.RunUntilComplete(async () =>
        {
            Server server = await loop.CreateServerAsync(
                () => new RecordingProtocol(), new IPEndPoint(IPAddress.Loopback, 0), new ServerOptions { Tls = serverTls });
            await Assert.ThrowsAnyAsync<ConnectionException>(async () =>
            {
                await using StreamConnection connection = await loop.OpenConnectionAsync(
                    server.EndPoints[0], new ConnectOptions { Tls = clientTls });
                await connection.ReadAsync(); // in TLS 1.3 a client hears later that its certificate was refused
            });
            server.Close();
        });

        Assert.False(place.Poll(0, SelectMode.SelectRead), "Somebody has come for the issuer's certificate.");
    }
}
