using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Sockets that were made elsewhere, and what becomes of those that are not what is wanted.</summary>
public abstract class AdoptionContract(LoopUnderTest subject) : ServerSuite(subject)
{
    private const string NoSockets = "A simulation has no sockets.";

    [Fact]
    public void Server_OnListeningSockets_ServesAndClosesThem() => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        using Socket first = Listen(IPAddress.Loopback);
        using Socket second = Listen(IPAddress.IPv6Loopback);
        EndPoint[] endPoints = [first.LocalEndPoint!, second.LocalEndPoint!];
        Peer early = await ConnectAsync(endPoints[0]); // whom nobody has accepted yet

        Server server = await loop.CreateServerAsync(MakeProtocol, [first, second, first]);
        first.Dispose();

        Assert.Equal(endPoints, server.EndPoints);
        await EchoAsync(early);
        Peer peer = await ConnectAndEchoAsync(endPoints[1]);
        Assert.Equal(endPoints[1], Protocols[1].Transport.LocalEndPoint);
        await server.DrainAsync(TimeSpan.FromHours(1));
        Assert.Empty(await early.ReadToEndAsync());
        Assert.Empty(await peer.ReadToEndAsync());
        await RequireRefusedAsync(endPoints[0]);
        await RequireRefusedAsync(endPoints[1]);
    });

    [Fact]
    public void Server_OneOfTheSocketsDoesNotListen_AreAllLeftAlone() => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        using Socket good = Listen(IPAddress.Loopback);
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(AnyPort);

        AdoptFailedException exception = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, [good, bound]));

        Assert.Equal(SocketError.InvalidArgument, exception.Error);
        Assert.Contains("it does not", exception.Message, StringComparison.Ordinal);
        bound.Listen();
        Server server = await loop.CreateServerAsync(MakeProtocol, [good, bound]);
        Assert.Equal(2, server.EndPoints.Count);
        await ConnectAndEchoAsync(server.EndPoints[0]);
        await ConnectAndEchoAsync(server.EndPoints[1]);
    });

    [Fact]
    public void Connection_ThatWasAccepted_BelongsToTheLoop() => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        (Socket accepted, Peer peer) = await ConnectPairAsync();
        using Socket disposedLater = accepted;
        EndPoint[] names = [accepted.LocalEndPoint!, accepted.RemoteEndPoint!];
        peer.SendNow("early "u8);

        (Transport transport, TestProtocol protocol) = await loop.AdoptConnectionAsync(MakeProtocol, accepted);
        accepted.Dispose();
        peer.SendNow("late"u8);

        Assert.Equal("early late"u8.ToArray(), await peer.ReadAsync(10));
        Assert.Equal(names[0], transport.LocalEndPoint);
        Assert.Equal(names[1], transport.RemoteEndPoint);
        byte[] data = Pattern(1_000_000);
        protocol.OnData = null;
        transport.Write(data);
        transport.Close();

        // In good order: .NET has not told the system to reset it.
        Assert.Equal(data, await peer.ReadToEndAsync());
        Assert.Null(await protocol.Lost.Task);
    });

    [Fact]
    public void Connection_FactoryThrows_IsAborted() => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        (Socket accepted, Peer peer) = await ConnectPairAsync();

        InvalidOperationException exception = await Assert.ThrowsAsync<InvalidOperationException>(
            () => loop.AdoptConnectionAsync<TestProtocol>(() => throw new InvalidOperationException("no"), accepted));

        Assert.Equal("no", exception.Message);
        await RequireResetAsync(peer);
    });

    [Theory]
    [InlineData("listening", SocketError.InvalidArgument)]
    [InlineData("unconnected", SocketError.NotConnected)]
    [InlineData("datagram", SocketError.SocketNotSupported)]
    [InlineData("unix", SocketError.NotConnected)]
    [InlineData("closed", SocketError.NotSocket)]
    public void Connection_OfTheWrongKind_FailsAndIsStillTheCallers(string kind, SocketError error) => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        using Socket socket = kind switch
        {
            "listening" => Listen(IPAddress.Loopback),
            "datagram" => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp),
            "unix" => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
            _ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp),
        };
        if (kind == "closed")
        {
            socket.Dispose();
        }
        else if (kind != "listening")
        {
            socket.Bind(kind == "unix" ? new UnixDomainSocketEndPoint($"\0{Guid.NewGuid()}") : AnyPort);
        }

        AdoptFailedException connection = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.AdoptConnectionAsync(MakeProtocol, socket));

        Assert.Equal(error, connection.Error);
        Assert.Empty(Protocols);
        if (kind != "closed")
        {
            Assert.NotNull(socket.LocalEndPoint);
        }

        if (kind != "listening")
        {
            await Assert.ThrowsAsync<AdoptFailedException>(() => loop.CreateServerAsync(MakeProtocol, socket));
        }
    });

    [Fact]
    public void Sockets_OfUnix_AreAdoptedAsOthersAre() => Run(async loop =>
    {
        RequireRealMachine(NoSockets);
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Abstract names are Linux's.");
        var name = new UnixDomainSocketEndPoint($"\0{Guid.NewGuid()}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(name);
        listener.Listen();
        Server server = await loop.CreateServerAsync(MakeProtocol, listener);
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(name);

        (Transport transport, TestProtocol adopted) = await loop.AdoptConnectionAsync(() => Watch(new TestProtocol()), client);
        transport.Write("hello"u8);
        await UntilAsync(loop, () => adopted.ReceivedLength == 5);

        Assert.Equal(name.ToString(), server.UnixEndPoint?.ToString());
        Assert.Empty(server.EndPoints);
        Assert.Equal(name.ToString(), transport.RemoteEndPoint?.ToString());
        Assert.Equal(Environment.ProcessId, transport.PeerCredentials?.ProcessId);
        await server.DrainAsync(TimeSpan.FromHours(1));
        Assert.Null(await adopted.Lost.Task);
    });

    [Fact]
    public void Sockets_OnASimulatedLoop_AreNotSupported() => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated, "It is real.");
        using Socket listener = Listen(IPAddress.Loopback);

        NotSupportedException exception = await Assert.ThrowsAsync<NotSupportedException>(
            () => loop.CreateServerAsync(MakeProtocol, listener));

        Assert.Contains("cannot adopt sockets", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NotSupportedException>(() => loop.AdoptConnectionAsync(MakeProtocol, listener));
        Assert.NotNull(listener.LocalEndPoint);
    });

    [Fact]
    public void Calls_ThatAreMistakes_Throw() => Run(async loop =>
    {
        Socket none = null!;
        Assert.Throws<ArgumentNullException>(() => { _ = loop.CreateServerAsync(MakeProtocol, none); });
        Assert.Throws<ArgumentNullException>(() => { _ = loop.CreateServerAsync(MakeProtocol, (IEnumerable<Socket>)null!); });
        Assert.Throws<ArgumentException>(() => { _ = loop.CreateServerAsync(MakeProtocol, Array.Empty<Socket>()); });
        Assert.Throws<ArgumentNullException>(() => { _ = loop.AdoptConnectionAsync(MakeProtocol, none); });
        RequireRealMachine(NoOtherThread);
        using Socket listener = Listen(IPAddress.Loopback);
        await loop.RunInThreadAsync(() =>
        {
            Assert.Throws<InvalidOperationException>(() => { _ = loop.CreateServerAsync(MakeProtocol, listener); });
            Assert.Throws<InvalidOperationException>(() => { _ = loop.AdoptConnectionAsync(MakeProtocol, listener); });
        });
    });

    private static Socket Listen(IPAddress address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        socket.Listen();
        return socket;
    }

    // The connection of a listener that is nothing of the loop's.
    private async Task<(Socket Accepted, Peer Peer)> ConnectPairAsync()
    {
        using Socket listener = Listen(IPAddress.Loopback);
        Peer peer = await ConnectAsync(listener.LocalEndPoint!);
        return (listener.Accept(), peer);
    }
}
