using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>Unix stream sockets: their paths, who is at the other end, and that they are streams like all others.</summary>
public abstract class UnixSocketContract(LoopUnderTest subject) : UnixSuite(subject)
{
    [Fact]
    public void Connection_BothEnds_AreAStreamWithAName() => RunInDirectory(async loop =>
    {
        TestProtocol server = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data), OnEof = _ => true });
        Server listening = await loop.CreateUnixServerAsync(() => server, SocketPath);
        (Transport transport, TestProtocol client) = await loop.CreateUnixConnectionAsync(
            () => Watch(new TestProtocol()), SocketPath);
        await server.Made.Task;

        Assert.Equal(SocketPath, listening.UnixEndPoint?.ToString());
        Assert.Empty(listening.EndPoints);
        Assert.Equal(SocketPath, transport.RemoteEndPoint?.ToString());
        Assert.Null(transport.LocalEndPoint);
        Assert.Equal(SocketPath, server.Transport.LocalEndPoint?.ToString());
        Assert.Null(server.Transport.RemoteEndPoint);

        transport.Write("there and "u8);
        transport.WriteEof();
        await server.Eof.Task;
        server.Transport.Write("back"u8); // the other direction is open still
        server.Transport.Close();
        Assert.Null(await client.Lost.Task);
        Assert.Equal("there and back", client.ReceivedText);
        Assert.Equal(SocketPath, transport.RemoteEndPoint?.ToString());
        await listening.DrainAsync(TimeSpan.Zero);
    });

    [Fact]
    public void Streams_OfCoroutines_TalkOverAPath() => RunInDirectory(async loop =>
    {
        await using Server server = await loop.StartUnixServerAsync(
            async connection => await connection.WriteAsync(await connection.ReadUntilAsync(LineDelimiter.Of("\n"u8))),
            SocketPath);

        await using StreamConnection client = await loop.OpenUnixConnectionAsync(SocketPath);
        await client.WriteAsync("a line\n"u8.ToArray());

        Assert.Equal("a line\n"u8.ToArray(), (await client.ReadUntilAsync(LineDelimiter.Of("\n"u8))).ToArray());
        Assert.True((await client.ReadAsync()).IsEmpty);
    });

    [Fact]
    public void Writer_WhoseReaderPauses_IsPausedAndLosesNothing() => RunInDirectory(async loop =>
    {
        byte[] data = Pattern(600_000);
        var tcp = new TcpOptions { SendBufferSize = 8 * 1024, ReceiveBufferSize = 8 * 1024 };
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(
            loop,
            new TestProtocol { OnMade = p => p.Transport.PauseReading() },
            options: new ServerOptions { Tcp = tcp },
            clientOptions: new ConnectOptions { Tcp = tcp });

        Assert.Equal(WriteStatus.AcceptedOverHighWater, client.Transport.Write(data));
        await client.Paused.Task;
        server.Transport.ResumeReading();
        await client.Resumed.Task;
        client.Transport.Close();
        Assert.Null(await server.Lost.Task);
        Assert.Equal(data, server.Received);
    });

    [Fact]
    public void Peer_ThatClosesOnAPausedReader_IsReadToItsEnd() => RunInDirectory(async loop =>
    {
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(
            loop, new TestProtocol { OnMade = p => p.Transport.PauseReading() });

        client.Transport.Write("last words"u8);
        client.Transport.Close();
        await client.Lost.Task;
        await NextTurnAsync(loop); // the hang-up is there, and nobody reads
        Assert.Equal("", server.ReceivedText);
        server.Transport.ResumeReading();

        Assert.Null(await server.Lost.Task);
        Assert.Equal("last words", server.ReceivedText);
        Assert.Equal(CloseReason.PeerEnd, server.Transport.CloseReason);
    });

    [Theory]
    [InlineData(null)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)]
    public void Path_Mode_IsTheOwnersUnlessSaidOtherwise(UnixFileMode? mode) => RunInDirectory(async loop =>
    {
        RequireRealMachine("A simulated path has no mode.");
        ServerOptions options = mode is { } wanted ? new ServerOptions { UnixMode = wanted } : new ServerOptions();
        Server server = await loop.CreateUnixServerAsync(MakeEcho, SocketPath, options);

        Assert.Equal(
            mode ?? UnixFileMode.UserRead | UnixFileMode.UserWrite,
            OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(SocketPath));
        server.Close();
    });

    [Fact]
    public void Path_OfADeadServer_IsTakenOver() => RunInDirectory(async loop =>
    {
        await LeaveDeadAsync(loop, SocketPath);
        ConnectFailedException refused = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateUnixConnectionAsync(MakeEcho, SocketPath));
        Assert.Equal(SocketError.ConnectionRefused, refused.Failures[0].Error.SocketErrorCode);
        Assert.Contains(SocketPath, refused.Message, StringComparison.Ordinal);

        Server server = await loop.CreateUnixServerAsync(MakeEcho, SocketPath);

        await EchoAsync(loop, SocketPath);
        Assert.True(Exists(loop, SocketPath));
        server.Close();
        Assert.False(Exists(loop, SocketPath));
        ConnectFailedException gone = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateUnixConnectionAsync(MakeEcho, SocketPath));
        Assert.Equal(SocketError.AddressNotAvailable, gone.Failures[0].Error.SocketErrorCode);
    });

    [Fact]
    public void Path_BehindALink_IsWhereTheSystemHasIt() => RunInDirectory(async loop =>
    {
        RequireRealMachine("A simulation has no links.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere the path is .NET's.");
        string real = Directory.CreateDirectory(Path.Combine(Folder, "a", "b")).FullName;
        string link = Directory.CreateSymbolicLink(Path.Combine(Folder, "l"), real).FullName;
        string path = $"{link}/../s"; // in a, and not in the folder, where another serves
        Server other = await loop.CreateUnixServerAsync(MakeEcho, SocketPath);
        await LeaveDeadAsync(loop, Path.Combine(Folder, "a", "s"));
        Server server = await loop.CreateUnixServerAsync(MakeEcho, path);
        await EchoAsync(loop, Path.Combine(Folder, "a", "s"));
        server.Close();

        Assert.False(File.Exists(Path.Combine(Folder, "a", "s")));
        await EchoAsync(loop, SocketPath);
        other.Close();
    });

    [Fact]
    public void Path_OfALivingServer_IsInUse() => RunInDirectory(async loop =>
    {
        Server first = await loop.CreateUnixServerAsync(MakeEcho, SocketPath, new ServerOptions { StartServing = false });

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateUnixServerAsync(MakeEcho, SocketPath));

        Assert.Equal(SocketError.AddressAlreadyInUse, exception.Error);
        Assert.Equal(SocketPath, exception.UnixEndPoint?.ToString());
        Assert.Contains("address is in use", exception.Message, StringComparison.Ordinal);
        first.StartServing();
        await EchoAsync(loop, SocketPath);
    });

    [Fact]
    public void Path_OfSomethingElse_IsLeftAlone() => RunInDirectory(async loop =>
    {
        PutFile(loop, SocketPath);

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateUnixServerAsync(MakeEcho, SocketPath));

        Assert.Equal(SocketError.NotSocket, exception.Error);
        Assert.True(Exists(loop, SocketPath));
        if (!IsSimulated)
        {
            exception = await Assert.ThrowsAsync<ListenFailedException>(
                () => loop.CreateUnixServerAsync(MakeEcho, Path.Combine(SocketPath + "-", "s")));
            Assert.Equal(SocketError.AddressNotAvailable, exception.Error);
        }
    });

    [Fact]
    public void Path_ThatIsAnothersByTheEnd_IsNotRemoved() => RunInDirectory(async loop =>
    {
        Server server = await loop.CreateUnixServerAsync(MakeEcho, SocketPath);
        PutFile(loop, SocketPath);

        server.Close();

        Assert.True(Exists(loop, SocketPath));
    });

    [Fact]
    public void Names_ThatCannotBe_AreRefusedWithTheReason() => RunInDirectory(async loop =>
    {
        string tooLong = $"/{new string('x', 199)}";
        foreach (string name in (string[])[tooLong, "", "a\0b", "@abstract", "\0abstract"])
        {
            Assert.ThrowsAny<ArgumentException>(() => { _ = loop.CreateUnixServerAsync(MakeEcho, name); });
            Assert.ThrowsAny<ArgumentException>(() => { _ = loop.CreateUnixConnectionAsync(MakeEcho, name); });
        }

        ArgumentException exception = Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateUnixServerAsync(MakeEcho, tooLong); });
        Assert.Contains("200 bytes long, and the limit is 107", exception.Message, StringComparison.Ordinal);
        exception = Assert.Throws<ArgumentException>(() => { _ = loop.CreateUnixConnectionAsync(MakeEcho, "@abstract"); });
        Assert.Contains("AllowAbstractName", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() =>
        {
            _ = loop.CreateUnixConnectionAsync(
                MakeEcho, SocketPath, new ConnectOptions { LocalEndPoint = new(System.Net.IPAddress.Loopback, 0) });
        });
        await Task.CompletedTask;
    });

    [Fact]
    public void Name_ThatIsAbstract_ServesOnRequest() => RunInDirectory(async loop =>
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || IsSimulated, "Abstract names are Linux's.");
        string name = $"@{Guid.NewGuid():N}";
        Server server = await loop.CreateUnixServerAsync(MakeEcho, name, new ServerOptions { AllowAbstractName = true });

        Assert.Equal(name, server.UnixEndPoint?.ToString());
        await EchoAsync(loop, $"\0{name[1..]}", new ConnectOptions { AllowAbstractName = true });
        server.Close();
    });

    [Fact]
    public void Credentials_OfBothEnds_AreThoseOfTheProcess() => RunInDirectory(async loop =>
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || IsSimulated, "SO_PEERCRED is Linux's.");
        (TestProtocol server, TestProtocol client) = await ConnectPairAsync(loop);

        int expected = IsSimulated ? SimulatedWorld.HostOf(loop).ProcessIdentity.ProcessId : Environment.ProcessId;
        Assert.Equal(expected, server.Transport.PeerCredentials?.ProcessId);
        Assert.Equal(server.Transport.PeerCredentials, client.Transport.PeerCredentials);
        client.Transport.Close();
        await server.Lost.Task;
        Assert.Equal(expected, server.Transport.PeerCredentials?.ProcessId);
    });

    [Fact]
    public void Newcomers_BeyondTheBacklog_WaitForTheirTurn() => RunInDirectory(async loop =>
    {
        Server server = await loop.CreateUnixServerAsync(
            MakeEcho, SocketPath, new ServerOptions { Backlog = 1, StartServing = false });
        Task<Connection<TestProtocol>>[] clients = [.. Enumerable.Range(0, 5).Select(
            _ => loop.CreateUnixConnectionAsync(() => Watch(new TestProtocol()), SocketPath))];
        await UntilAsync(loop, () => clients.Count(client => client.IsCompleted) == 2);

        server.StartServing();
        await Task.WhenAll(clients);

        await UntilAsync(loop, () => server.ConnectionCount == 5);
        server.PauseServing();
        await server.DrainAsync(TimeSpan.FromHours(1));
        Assert.Equal(0, server.ConnectionCount);
        foreach (Task<Connection<TestProtocol>> client in clients)
        {
            Assert.Null(await client.Result.Protocol.Lost.Task);
        }
    });

    [Fact]
    public void Connect_ToAFullBacklog_EndsWithItsTimeOrItsScope() => RunInDirectory(async loop =>
    {
        Server server = await loop.CreateUnixServerAsync(
            MakeEcho, SocketPath, new ServerOptions { Backlog = 1, StartServing = false });
        for (int i = 0; i < 2; i++)
        {
            await loop.CreateUnixConnectionAsync(() => Watch(new TestProtocol()), SocketPath);
        }

        ConnectFailedException late = await Assert.ThrowsAsync<ConnectFailedException>(() => loop.CreateUnixConnectionAsync(
            MakeEcho, SocketPath, new ConnectOptions { Timeout = TimeSpan.FromMilliseconds(5) }));

        Assert.Equal(SocketError.TimedOut, late.Failures[0].Error.SocketErrorCode);
        using var cancelled = new CancellationTokenSource();
        Task<Connection<TestProtocol>> waiting = loop.CreateUnixConnectionAsync(
            MakeEcho, SocketPath, cancellationToken: cancelled.Token);
        await NextTurnAsync(loop);
        cancelled.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.CreateUnixConnectionAsync(MakeEcho, SocketPath));
        });
        server.Close();
    });

    [Fact]
    public void Tls_OverAPath_IsTlsLikeAnywhere() => RunInDirectory(async loop =>
    {
        await using Server server = await loop.CreateUnixServerAsync(
            MakeEcho,
            SocketPath,
            new ServerOptions { Tls = new() { Certificate = TlsCertificate.From(TestCertificates.Server) } });

        await EchoAsync(loop, SocketPath, new ConnectOptions { Tls = TlsPeers.Client });

        Assert.ThrowsAny<ArgumentException>(
            () => { _ = loop.CreateUnixConnectionAsync(MakeEcho, SocketPath, new ConnectOptions { Tls = new() }); });
    });
}
