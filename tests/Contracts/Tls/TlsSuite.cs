using System.Net;
using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit.Tests.Contracts;

/// <summary>What the suites about TLS have in common. After each scenario no engine may have left its loop's thread.</summary>
public abstract class TlsSuite(LoopUnderTest subject) : StreamContract(subject)
{
    /// <summary>A time that is waited for.</summary>
    protected static TimeSpan ShortTime { get; } = TimeSpan.FromMilliseconds(50);

    /// <summary>A server with a good certificate.</summary>
    protected static TlsServerOptions Server { get; } = new() { Certificate = TlsCertificate.From(TestCertificates.Server) };

    /// <summary>A client that trusts its authority.</summary>
    protected static TlsClientOptions Client { get; } = new()
    {
        TargetHost = TestCertificates.ServerName,
        TrustedRoots = TestCertificates.Roots,
    };

    /// <summary>Runs the scenario, and looks where the engines were called.</summary>
    protected void Run(Func<EventLoop, Task> scenario)
    {
        Run(scenario, new EventLoopOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(20) });
        Assert.Equal(0, CipherStream.CallsElsewhere);
    }

    /// <summary>Connects a client to a server of the same loop's, over TLS.</summary>
    private protected async Task ConnectAsync(
        EventLoop loop,
        TestProtocol server,
        TestProtocol client,
        TlsServerOptions? serverTls = null,
        TlsClientOptions? clientTls = null)
    {
        Server listening = await ListenAsync(loop, () => server, serverTls);
        await loop.CreateConnectionAsync(
            () => client, listening.EndPoints[0], new ConnectOptions { Tls = clientTls ?? Client });
        await UntilAsync(loop, () => listening.ConnectionCount > 0);
        listening.Close();
    }

    /// <summary>A server on the loop.</summary>
    private protected static Task<Server> ListenAsync(
        EventLoop loop, Func<StreamProtocol> factory, TlsServerOptions? tls = null)
        => loop.CreateServerAsync(
            factory, new IPEndPoint(IPAddress.Loopback, 0), new ServerOptions { Tls = tls ?? Server });

    /// <summary>A server with one connection, to a peer that speaks TLS.</summary>
    private protected async Task<(TlsPeer Peer, Server Server)> ConnectTlsPeerAsync(
        EventLoop loop, TestProtocol protocol, TlsServerOptions? server = null, TlsClientOptions? client = null)
    {
        Watch(protocol);
        Server listening = await ListenAsync(loop, () => protocol, server);
        var peer = new TlsPeer(loop, Network.ConnectNow(listening.EndPoints[0]), client ?? Client);
        await peer.Authenticated;
        await protocol.Made.Task;
        listening.Close();
        return (peer, listening);
    }

    /// <summary>
    /// Fails unless the client refuses the server, which may come to a connection, since in TLS 1.3 its handshake is over before
    /// the client has answered, but never to a byte.
    /// </summary>
    protected async Task<TlsException> RequireRefusedAsync(EventLoop loop, TlsServerOptions server, TlsClientOptions client)
    {
        var protocols = new List<TestProtocol>();
        int made = 0;
        Server listening = await ListenAsync(
            loop,
            () =>
            {
                protocols.Add(Watch(new TestProtocol()));
                return protocols[^1];
            },
            server);
        TlsException exception = await Assert.ThrowsAsync<TlsException>(() => loop.CreateConnectionAsync(
            () =>
            {
                made++;
                return new TestProtocol();
            },
            listening.EndPoints[0],
            new ConnectOptions { Tls = client }));
        await UntilAsync(loop, () => listening.HandshakeCount == 0 && listening.ConnectionCount == 0);
        listening.Close();
        await UntilDesertedAsync(loop);
        Assert.Equal(0, made);
        Assert.All(protocols, protocol =>
        {
            Assert.Equal(0, protocol.ReceivedLength);
            Assert.IsAssignableFrom<ConnectionException>(protocol.Lost.Task.Result);
        });
        return exception;
    }

    /// <summary>
    /// Fails unless the server refuses the client, which in TLS 1.3 learns of that only after its own handshake has ended.
    /// </summary>
    protected async Task RequireTurnedAwayAsync(EventLoop loop, TlsServerOptions server, TlsClientOptions client)
    {
        int made = 0;
        Server listening = await ListenAsync(
            loop,
            () =>
            {
                made++;
                return new TestProtocol();
            },
            server);
        var protocol = Watch(new TestProtocol());
        try
        {
            await loop.CreateConnectionAsync(() => protocol, listening.EndPoints[0], new ConnectOptions { Tls = client });
            Assert.IsAssignableFrom<ConnectionException>(await protocol.Lost.Task);
        }
        catch (TlsException)
        {
            // It learnt of it in time.
        }

        await UntilAsync(loop, () => listening.HandshakeCount == 0);
        listening.Close();
        await UntilDesertedAsync(loop);
        Assert.Equal(0, made);
    }

    /// <summary>Ends a connection in good order.</summary>
    protected static async Task EndAsync(TestProtocol first, TestProtocol second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        first.Transport.Close();
        Assert.Null(await first.Lost.Task);
        Assert.Null(await second.Lost.Task);
    }
}
