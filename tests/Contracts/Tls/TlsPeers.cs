using System.Net;

namespace Toolkit.Tests.Contracts;

/// <summary>A network whose peers speak TLS, as clients and as servers.</summary>
internal sealed class TlsPeers(EventLoop loop, PeerNetwork network) : PeerNetwork
{
    /// <summary>What they check.</summary>
    public static TlsClientOptions Client { get; } = new()
    {
        TargetHost = TestCertificates.ServerName,
        TrustedRoots = TestCertificates.Roots,
    };

    /// <summary>The network without TLS.</summary>
    public PeerNetwork Plain => network;

    public override Peer BeginConnect(IPEndPoint remote, PeerOptions? options = null)
        => new TlsPeer(loop, network.BeginConnect(remote, options), Client);

    public override Peer ConnectNow(IPEndPoint remote, PeerOptions? options = null)
        => new TlsPeer(loop, network.ConnectNow(remote, options), Client);

    public override PeerListener Listen(int backlog = 128) => network.Listen(backlog);

    public override IPEndPoint DeadEndPoint(IPAddress? address = null, int port = 0) => network.DeadEndPoint(address, port);

    public override Task<IPEndPoint> SilentEndPointAsync() => network.SilentEndPointAsync();

    public override void Dispose() => network.Dispose();
}

/// <summary>Runs of suites over TLS.</summary>
public static class TlsUnderTest
{
    private static readonly Lazy<TlsServerOptions> s_server = new(
        () => new TlsServerOptions { Certificate = TlsCertificate.From(TestCertificates.Server) });

    /// <summary>The same kind of loop, with TLS on all connections that peers make.</summary>
    public static LoopUnderTest OverTls(this LoopUnderTest plain)
    {
        ArgumentNullException.ThrowIfNull(plain);
        return plain with
        {
            NewNetwork = loop => new TlsPeers(loop, plain.NewNetwork(loop)),
            ServerTls = s_server.Value,
            ClientTls = TlsPeers.Client,
        };
    }

    /// <inheritdoc cref="OverTls(LoopUnderTest)"/>
    public static LoopUnderTest OverTls(this LoopKind kind) => ((LoopUnderTest)kind).OverTls();
}
