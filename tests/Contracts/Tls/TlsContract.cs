using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// What TLS adds to a stream, on every kind of loop; both ends are the toolkit's, or one is a peer with a fault.
/// </summary>
public abstract class TlsContract(LoopUnderTest subject) : TlsSuite(subject)
{
    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public void Echo_BothVersions_ComesBackAndEndsInGoodOrder(SslProtocols version) => Run(async loop =>
    {
        var server = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });
        var client = Watch(new TestProtocol { OnMade = p => p.Transport.Write("hello"u8) });
        await ConnectAsync(loop, server, client, null, Client with { Authentication = Speaking(version) });

        await UntilAsync(loop, () => client.ReceivedLength == 5);
        client.Transport.Close();
        await server.Lost.Task;
        await client.Lost.Task;

        Assert.Equal("hello", client.ReceivedText);
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], server.Outline);
        Assert.Equal(["ConnectionMade", "DataReceived", "ConnectionLost"], client.Outline);
        Assert.Equal(CloseReason.PeerEnd, server.Transport.CloseReason);
        Assert.Null(server.Lost.Task.Result);
        Assert.Null(client.Lost.Task.Result);
        TlsConnectionInfo ofServer = server.Transport.Tls!;
        TlsConnectionInfo ofClient = client.Transport.Tls!;
        Assert.Equal(version, ofServer.Protocol);
        Assert.Equal(version, ofClient.Protocol);
        Assert.True(ofServer.IsServer);
        Assert.False(ofClient.IsServer);
        Assert.Equal(TestCertificates.ServerName, ofServer.ServerName);
        Assert.Equal(TestCertificates.Server.Thumbprint, ofClient.PeerCertificate!.Thumbprint);
        Assert.Equal(5, server.Transport.BytesReceived);
        Assert.Equal(5, server.Transport.BytesSent);
    });

    [Fact]
    public void Alpn_BothOffer_AgreeOnTheServersChoice() => Run(async loop =>
    {
        var server = Watch(new TestProtocol());
        var client = Watch(new TestProtocol());
        await ConnectAsync(
            loop,
            server,
            client,
            Server with { Authentication = new() { ApplicationProtocols = [new("chat/2"), new("chat/1")] } },
            Client with { Authentication = new() { ApplicationProtocols = [new("chat/1"), new("chat/0")] } });

        Assert.Equal(new SslApplicationProtocol("chat/1"), server.Transport.Tls!.ApplicationProtocol);
        Assert.Equal(new SslApplicationProtocol("chat/1"), client.Transport.Tls!.ApplicationProtocol);
        await EndAsync(client, server);
    });

    [Fact]
    public void Sni_Selector_ChoosesByNameAndRefusesOthers() => Run(async loop =>
    {
        var asked = new List<string?>();
        TlsServerOptions byName = new()
        {
            CertificateSelector = name =>
            {
                Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
                asked.Add(name);
                return name switch
                {
                    "other.test" => TlsCertificate.From(TestCertificates.OtherServer),
                    "bug.test" => throw new ArithmeticException("a bug"),
                    _ => null,
                };
            },
        };
        var server = Watch(new TestProtocol());
        var client = Watch(new TestProtocol());
        await ConnectAsync(loop, server, client, byName, Client with { TargetHost = "other.test" });
        Assert.Equal(TestCertificates.OtherServer.Thumbprint, client.Transport.Tls!.PeerCertificate!.Thumbprint);
        await EndAsync(client, server);

        await RequireRefusedAsync(loop, byName, Client with { TargetHost = "unknown.test" });
        Assert.Empty(Errors);
        await RequireRefusedAsync(loop, byName, Client with { TargetHost = "bug.test" });
        Assert.IsType<ArithmeticException>(TakeError().Exception);
        Assert.Equal(["other.test", "unknown.test", "bug.test"], asked);
    });

    [Theory]
    [InlineData(nameof(TestCertificates.Expired), "not valid now")]
    [InlineData(nameof(TestCertificates.NotYetValid), "not valid now")]
    [InlineData(nameof(TestCertificates.SelfSigned), "root is not trusted")]
    [InlineData(nameof(TestCertificates.OfStranger), "issuer")]
    [InlineData(nameof(TestCertificates.OtherServer), "it is not for server.test, but for other.test")]
    [InlineData(nameof(TestCertificates.Client), "not for this use")]
    public void Client_ServersCertificateIsWrong_RefusesWithReasonAndSendsNothing(string certificate, string reason)
        => Run(async loop =>
    {
        // What the toolkit would not load is given in .NET's own way.
        var shown = (X509Certificate2)typeof(TestCertificates).GetProperty(certificate)!.GetValue(null)!;
        TlsException exception = await RequireRefusedAsync(
            loop, new TlsServerOptions { Authentication = new() { ServerCertificate = shown } }, Client);

        Assert.Contains(reason, exception.Message, StringComparison.Ordinal);
        Assert.Equal(CloseReason.TlsFailed, exception.Reason);
    });

    [Fact]
    public void Client_SessionOfOneHost_IsNoneForAnother() => Run(async loop =>
    {
        for (int i = 0; i < 2; i++)
        {
            var server = Watch(new TestProtocol());
            var client = Watch(new TestProtocol());
            await ConnectAsync(loop, server, client); // the second has a ticket of the first
            server.Transport.Write("x"u8); // behind the ticket, so that it was read
            await UntilAsync(loop, () => client.ReceivedLength == 1);
            await EndAsync(client, server);
        }

        TlsException exception = await RequireRefusedAsync(loop, Server, Client with { TargetHost = "other.test" });
        Assert.Contains("it is not for other.test", exception.Message, StringComparison.Ordinal);
        exception = await RequireRefusedAsync(loop, Server, Client with { TrustedRoots = [TestCertificates.UnknownAuthority] });
        Assert.Contains("issuer", exception.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Client_OwnCheck_DecidesAndMayThrow() => Run(async loop =>
    {
        var found = new List<SslPolicyErrors>();
        var server = Watch(new TestProtocol());
        var client = Watch(new TestProtocol());
        TlsClientOptions Checking(bool accepts) => Client with
        {
            TargetHost = "third.test",
            Authentication = new()
            {
                RemoteCertificateValidationCallback = (_, _, _, errors) =>
                {
                    Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
                    found.Add(errors);
                    return accepts ? true : throw new ArithmeticException("a bug");
                },
            },
        };
        await ConnectAsync(loop, server, client, null, Checking(accepts: true));
        await EndAsync(client, server);
        TlsException exception = await RequireRefusedAsync(loop, Server, Checking(accepts: false));

        Assert.IsType<ArithmeticException>(TakeError().Exception);
        Assert.IsType<ArithmeticException>(exception.InnerException);
        Assert.Equal([SslPolicyErrors.RemoteCertificateNameMismatch, SslPolicyErrors.RemoteCertificateNameMismatch], found);
    });

    [Fact]
    public void ClientCertificate_Required_IsCheckedAndShown() => Run(async loop =>
    {
        TlsServerOptions asking = Server with
        {
            TrustedRoots = TestCertificates.Roots,
            Authentication = new() { ClientCertificateRequired = true },
        };
        var server = Watch(new TestProtocol());
        var client = Watch(new TestProtocol());
        TlsClientOptions known = Client with { Certificate = TlsCertificate.From(TestCertificates.Client) };
        await ConnectAsync(loop, server, client, asking, known);
        Assert.Equal(TestCertificates.Client.Thumbprint, server.Transport.Tls!.PeerCertificate!.Thumbprint);
        await EndAsync(client, server);

        await RequireTurnedAwayAsync(loop, asking, Client);
        await RequireTurnedAwayAsync(
            loop, asking, Client with { Certificate = TlsCertificate.From(TestCertificates.OfStranger) });
    });

    [Fact]
    public void Connect_EndPointWithoutName_SaysWhatToDo() => Run(async loop =>
    {
        ArgumentException exception = await Assert.ThrowsAsync<ArgumentException>(() => loop.CreateConnectionAsync(
            () => new TestProtocol(), new IPEndPoint(IPAddress.Loopback, 1), new ConnectOptions { Tls = new() }));
        Assert.Contains(nameof(TlsClientOptions.TargetHost), exception.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Connect_ServerEndsWithinHandshake_Throws() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        Task<Connection<TestProtocol>> connecting = loop.CreateConnectionAsync(
            () => new TestProtocol(), listener.LocalEndPoint, new ConnectOptions { Tls = Client });
        Peer peer = await listener.AcceptAsync();
        await peer.ReceiveAsync(new byte[1]);
        peer.ShutdownSend();

        TlsException exception = await Assert.ThrowsAsync<TlsException>(() => connecting);
        Assert.Equal(CloseReason.TlsFailed, exception.Reason);
        peer.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Connect_SilentServer_TimesOutOrIsCancelled() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        TlsException exception = await Assert.ThrowsAsync<TlsException>(() => loop.CreateConnectionAsync(
            () => new TestProtocol(),
            listener.LocalEndPoint,
            new ConnectOptions { Tls = Client with { HandshakeTimeout = ShortTime } }));
        Assert.Equal(CloseReason.Timeout, exception.Reason);

        using var cancellation = new CancellationTokenSource();
        Task<Connection<TestProtocol>> connecting = loop.CreateConnectionAsync(
            () => new TestProtocol(),
            listener.LocalEndPoint,
            new ConnectOptions { Tls = Client },
            cancellation.Token);
        await listener.AcceptAsync();
        await (await listener.AcceptAsync()).ReadAsync(5); // the ClientHello has begun
        loop.CallSoon(cancellation.Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void End_OfTcpAlone_IsTruncation(bool writes) => Run(async loop =>
    {
        var protocol = new TestProtocol { OnData = (p, _) => p.Transport.Write(writes ? "answer"u8 : ""u8) };
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        await peer.SendAsync("last words"u8.ToArray());
        peer.Wire.ShutdownSend();

        Exception? reason = await protocol.Lost.Task;
        Assert.Equal(CloseReason.TruncatedTls, Assert.IsType<TlsException>(reason).Reason);
        Assert.Equal(CloseReason.TruncatedTls, protocol.Transport.CloseReason);
        Assert.Equal("last words", protocol.ReceivedText);
        Assert.Equal(["ConnectionMade", "DataReceived", "ConnectionLost"], protocol.Outline);
        Assert.Equal(writes ? "answer"u8.ToArray() : [], await peer.ReadToEndAsync()); // and the end of TLS behind it
        peer.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void End_WithinARecord_IsTruncation() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        await peer.Wire.SendAsync(peer.Encrypt(new byte[1000]).AsMemory(0, 500));
        peer.Wire.ShutdownSend();

        Exception? reason = await protocol.Lost.Task;
        Assert.Equal(CloseReason.TruncatedTls, Assert.IsType<TlsException>(reason).Reason);
        Assert.Equal(0, protocol.ReceivedLength);
        peer.Dispose();
    });

    [Fact]
    public void End_PeersOfTls13_LeavesOurSideOpen() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        await peer.SendAsync("question"u8.ToArray());
        peer.ShutdownSend();
        await protocol.Eof.Task;
        protocol.Transport.Write("answer"u8);
        protocol.Transport.Close();

        Assert.Equal("answer"u8.ToArray(), await peer.ReadToEndAsync());
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal("question", protocol.ReceivedText);
        peer.Dispose();
    });

    [Fact]
    public void WriteEof_Tls13_EndsOneDirection() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        Assert.True(protocol.Transport.CanWriteEof);
        protocol.Transport.Write("all"u8);
        protocol.Transport.WriteEof();
        Assert.Equal("all"u8.ToArray(), await peer.ReadToEndAsync());
        await peer.SendAsync("more"u8.ToArray());
        peer.ShutdownSend();

        Assert.Null(await protocol.Lost.Task);
        Assert.Equal("more", protocol.ReceivedText);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
        peer.Dispose();
    });

    [Fact]
    public void WriteEof_Tls12_IsNotSupported() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(
            loop, protocol, client: Client with { Authentication = Speaking(SslProtocols.Tls12) });
        Assert.False(protocol.Transport.CanWriteEof);
        Assert.Throws<NotSupportedException>(protocol.Transport.WriteEof);
        protocol.Transport.Close();
        Assert.Empty(await peer.ReadToEndAsync());
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Record_TamperedWith_EndsTheConnection() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        byte[] record = peer.Encrypt("secret"u8);
        record[^1] ^= 1;
        await peer.Wire.SendAsync(record);

        TlsException reason = Assert.IsType<TlsException>(await protocol.Lost.Task);
        Assert.Equal(CloseReason.TlsFailed, reason.Reason);
        Assert.Equal(CloseReason.TlsFailed, protocol.Transport.CloseReason);
        Assert.Equal(0, protocol.ReceivedLength);
        peer.Wire.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Data_BehindTheEndOfTls_IsDiscarded() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        byte[] end = peer.EncryptEnd();
        await peer.Wire.SendAsync((byte[])[.. end, 0x17, 0x03, 0x03, 0x00, 0x03, 1, 2, 3, 4, 5, 6]);
        await protocol.Eof.Task;
        protocol.Transport.Write("answer"u8);
        protocol.Transport.Close();

        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(0, protocol.ReceivedLength);
        peer.Dispose();
    });

    [Fact]
    public void Ciphertext_ByteByByte_And_AllAtOnce_IsTheSame() => Run(async loop =>
    {
        foreach (bool atOnce in (bool[])[false, true])
        {
            byte[] data = Pattern(3_000);
            var protocol = new TestProtocol();
            (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
            byte[] ciphertext =
            [
                .. peer.Encrypt(data.AsSpan(0, 1)), .. peer.Encrypt(data.AsSpan(1, 999)), .. peer.Encrypt(data.AsSpan(1000)),
                .. peer.EncryptEnd(),
            ];
            for (int i = 0; i < ciphertext.Length; i += atOnce ? ciphertext.Length : 1)
            {
                peer.Wire.SendNow(ciphertext.AsSpan(i, atOnce ? ciphertext.Length : 1));
                if (i % 50 == 0)
                {
                    await NextIterationAsync(loop);
                }
            }

            Assert.Null(await protocol.Lost.Task);
            AssertSame(data, protocol.Received);
            peer.Wire.Dispose();
        }
    });

    [Fact]
    public void Close_WithUnreadCiphertext_LosesNothingThatWasWritten() => Run(async loop =>
    {
        byte[] data = Pattern(300_000);
        var protocol = new TestProtocol();
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        protocol.Transport.PauseReading();
        await peer.SendAsync(new byte[20_000]);
        protocol.Transport.Write(data);
        protocol.Transport.Close();

        byte[] received = await peer.ReadToEndAsync();
        AssertSame(data, received);
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Pause_InTheMiddleOfManyRecords_HoldsTheRestAndTheEndBack() => Run(async loop =>
    {
        byte[] data = Pattern(200_000);
        int pauses = 0;
        var protocol = new TestProtocol
        {
            OnData = (p, _) =>
            {
                pauses++;
                p.Transport.PauseReading();
                loop.CallLater(TimeSpan.FromMilliseconds(1), p.Transport.ResumeReading);
            },
        };
        (TlsPeer peer, _) = await ConnectTlsPeerAsync(loop, protocol);
        await SendAndEndAsync(peer, data);

        Assert.Null(await protocol.Lost.Task);
        AssertSame(data, protocol.Received);
        Assert.True(pauses > 2);
        peer.Dispose();
    });

    private static SslClientAuthenticationOptions Speaking(SslProtocols version) => new() { EnabledSslProtocols = version };
}
