using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit.Tests.Contracts;

/// <summary>Addresses as texts: what each kind listens at and connects to, and what becomes of those that cannot be.</summary>
public abstract class ServiceAddressContract(LoopUnderTest subject) : UnixSuite(subject)
{
    private const string NoSockets = "A simulation has no sockets.";

    [Fact]
    public void Server_AtAddressesOfEveryKind_IsFoundAtWhatItSays() => RunInDirectory(async loop =>
    {
        string name = $"tk-{Guid.NewGuid():N}";
        string[] listen =
        [
            "tcp://:0", "tcp://127.0.0.1:0", "tcp://[::1]:0", $"unix:{SocketPath}?mode=0660", $"unix:{Folder}/a%20%3F",
            $"pipe:{name}", $"pipe:{Folder}/p",
            .. OperatingSystem.IsLinux() ? [$"unix:@{name}"] : Array.Empty<string>(),
        ];
        await using Server server = await loop.CreateServerAsync(
            MakeEcho, listen.Select(text => ServiceAddress.Parse(text, AddressUse.Listen)));
        string[] said = [.. server.Addresses.Select(address => address.ToString())];

        Assert.Equal(listen.Length + 1, said.Length); // loopback is two
        Assert.Equal(
            [$"unix:{SocketPath}", $"unix:{Folder}/a%20%3F", $"pipe:{name}", $"pipe:{Folder}/p"], said[4..8]);
        Assert.Equal(server.EndPoints.Select(endPoint => $"tcp://{endPoint}"), said[..4]);
        foreach (string text in said)
        {
            await EchoAsync(loop, text);
        }

        if (!IsSimulated && !OperatingSystem.IsWindows())
        {
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
                File.GetUnixFileMode(SocketPath));
        }
    });

    [Fact]
    public void Server_OneAddressIsTaken_ListensAtNone() => RunInDirectory(async loop =>
    {
        await using Server first = await loop.CreateServerAsync(MakeEcho, ServiceAddress.Parse("tcp://127.0.0.1:0"));

        ListenFailedException exception = await Assert.ThrowsAsync<ListenFailedException>(() => loop.CreateServerAsync(
            MakeEcho, [new UnixAddress(SocketPath), first.Addresses[0]]));

        Assert.Equal(SocketError.AddressAlreadyInUse, exception.Error);
        await UntilAsync(loop, () => !Exists(loop, SocketPath));
        await Assert.ThrowsAsync<ConnectFailedException>(() => loop.OpenConnectionAsync(new UnixAddress(SocketPath)));
    });

    [Fact]
    public void Handlers_AtAnAddress_AnswerLines() => RunInDirectory(async loop =>
    {
        await using Server server = await loop.StartServerAsync(
            async connection => await connection.WriteAsync(await connection.ReadUntilAsync(LineDelimiter.Of("\n"u8))),
            ServiceAddress.Parse("tcp://localhost:0"));
        await using StreamConnection client = await loop.OpenConnectionAsync(server.Addresses[^1]);

        await client.WriteAsync("a line\n"u8.ToArray());

        Assert.Equal("a line\n"u8.ToArray(), (await client.ReadUntilAsync(LineDelimiter.Of("\n"u8))).ToArray());
    });

    [Fact]
    public void Tls_WithItsFilesInTheAddress_IsCheckedByTheClient() => RunInDirectory(async loop =>
    {
        (string certificate, string key) = TestCertificates.WritePem(TestCertificates.Server, Folder);
        string authority = Path.Combine(Folder, "ca.pem");
        File.WriteAllText(authority, TestCertificates.Authority.ExportCertificatePem());
        await using Server server = await loop.CreateServerAsync(
            MakeEcho, [ServiceAddress.Parse($"tls://127.0.0.1:0?cert={certificate}&key={key}"), new UnixAddress(SocketPath)]);
        string address = server.Addresses[0].ToString();
        Assert.Equal($"tls://{server.EndPoints[0]}", address);

        await EchoAsync(loop, $"{address}?ca={authority}");
        await EchoAsync(loop, $"{address}?ca={authority}&name={TestCertificates.ServerName}");
        await EchoAsync(loop, server.Addresses[1].ToString()); // without TLS beside it
        await Assert.ThrowsAsync<TlsException>(() => loop.OpenConnectionAsync(ServiceAddress.Parse(address)));
        await Assert.ThrowsAsync<TlsException>(
            () => loop.OpenConnectionAsync(ServiceAddress.Parse($"{address}?ca={authority}&name=other.test")));
        await Assert.ThrowsAsync<TlsCertificateException>(
            () => loop.CreateConnectionAsync(MakeEcho, ServiceAddress.Parse($"{address}?ca={Folder}/none")));
        await Assert.ThrowsAsync<TlsCertificateException>(() => loop.CreateServerAsync(
            MakeEcho, ServiceAddress.Parse($"tls://127.0.0.1:0?cert={authority}")));
        ArgumentException bare = Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateServerAsync(MakeEcho, ServiceAddress.Parse("tls://127.0.0.1:0")); });
        Assert.Contains("a server needs a certificate: tls://host:port?cert=", bare.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Pipe_AtEitherEndIsOneOfTheFrameworks_IsTheSamePipe() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoSockets);
        string name = $"tk-{Guid.NewGuid():N}";
        await using (Server server = await loop.CreateServerAsync(MakeEcho, new PipeAddress(name)))
        {
            await using var client = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.Asynchronous);
            await client.ConnectAsync();
            await client.WriteAsync("hello"u8.ToArray());
            byte[] echo = new byte[5];
            await client.ReadExactlyAsync(echo);
            Assert.Equal("hello"u8.ToArray(), echo);
        }

        await using var listening = new NamedPipeServerStream(
            name, PipeDirection.InOut, maxNumberOfServerInstances: 2, PipeTransmissionMode.Byte, PipeOptions.Asynchronous);
        Task accepted = listening.WaitForConnectionAsync();
        (Transport transport, TestProtocol protocol) = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), new PipeAddress(name));
        await accepted;
        await listening.WriteAsync("there"u8.ToArray());
        await UntilAsync(loop, () => protocol.ReceivedLength == 5);
        transport.Close();
        Assert.Equal(0, await listening.ReadAsync(new byte[1]));
        listening.Disconnect();
        Assert.Null(await protocol.Lost.Task);

        // As it is where pipes are no Unix sockets.
        accepted = listening.WaitForConnectionAsync();
        (transport, protocol) = await NamedPipeConnecting.ConnectAsync(
            loop, () => Watch(new TestProtocol()), name, ConnectOptions.Default, CancellationToken.None);
        await accepted;
        await listening.WriteAsync("again"u8.ToArray());
        await UntilAsync(loop, () => protocol.ReceivedLength == 5);
        transport.Abort();
        await protocol.Lost.Task;
        ConnectFailedException nobody = await Assert.ThrowsAsync<ConnectFailedException>(() => NamedPipeConnecting.ConnectAsync(
            loop,
            MakeEcho,
            $"{name}-",
            new ConnectOptions { Timeout = TimeSpan.FromMilliseconds(1) },
            CancellationToken.None));
        Assert.Contains($"Cannot connect to pipe:{name}-: TimedOut.", nobody.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Descriptor_ThatListensOrIsConnected_IsTakenOver() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoSockets);
        Socket listener = Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        await using Server server = await loop.CreateServerAsync(MakeEcho, AddressOf(Disown(listener)));

        Assert.Equal(new TcpAddress("127.0.0.1", port), Assert.Single(server.Addresses));
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, port);
        await EchoAsync(loop, AddressOf(Disown(socket)).ToString());
    });

    [Fact]
    public void Descriptor_OfTheWrongKind_IsLeftAlone() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoSockets);
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using FileStream file = File.Create(Path.Combine(Folder, "file"));
        ServiceAddress socket = AddressOf((int)bound.Handle);
        ServiceAddress regular = AddressOf((int)file.SafeFileHandle.DangerousGetHandle());

        await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.CreateServerAsync(MakeEcho, [new UnixAddress(SocketPath), socket]));
        await Assert.ThrowsAsync<AdoptFailedException>(() => loop.CreateConnectionAsync(MakeEcho, socket));
        AdoptFailedException none = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.CreateConnectionAsync(MakeEcho, regular));
        AdoptFailedException closed = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.CreateServerAsync(MakeEcho, ServiceAddress.Parse("fd:999999")));
        AdoptFailedException systemd = await Assert.ThrowsAsync<AdoptFailedException>(
            () => loop.CreateServerAsync(MakeEcho, ServiceAddress.Parse("systemd:web")));

        Assert.Equal($"{regular} is no socket, or not open.", none.Message);
        Assert.Equal("fd:999999 is no socket, or not open.", closed.Message);
        Assert.Contains("No socket named \"web\" was passed", systemd.Message, StringComparison.Ordinal);
        Assert.NotNull(bound.LocalEndPoint);
        file.WriteByte(1);
        file.Flush();
        await UntilAsync(loop, () => !Exists(loop, SocketPath));
    });

    [Fact]
    public void Descriptors_BesideAnAddressThatIsTaken_AreLeftOpen() => RunInDirectory(async loop =>
    {
        RequireRealMachine(NoSockets);
        ServiceAddress inherited = AddressOf(Disown(Listen()));
        Socket passed = Listen();
        SocketActivation.Hold([new ActivatedSocket("beside", passed)]);
        Server taken = await loop.CreateServerAsync(MakeEcho, new UnixAddress(SocketPath));

        await Assert.ThrowsAsync<ListenFailedException>(() => loop.CreateServerAsync(
            MakeEcho, [inherited, new SystemdAddress("beside"), new UnixAddress(SocketPath)]));

        // Both are there for another who tries.
        Server server = await loop.CreateServerAsync(MakeEcho, [inherited, new SystemdAddress("beside")]);
        Assert.Equal(2, server.Addresses.Count);
        foreach (ServiceAddress address in server.Addresses)
        {
            await EchoAsync(loop, address.ToString());
        }

        taken.Close();
        server.Close();
        await server.WaitClosedAsync();
    });

    [Fact]
    public void Datagrams_AtAnAddress_AreEchoed() => RunInDirectory(async loop =>
    {
        RecordingDatagrams server = (await loop.CreateDatagramEndpointAsync(
            () => new RecordingDatagrams { OnReceived = (self, data, from) => self.Transport.SendTo(data, from) },
            local: ServiceAddress.Parse("udp://:0", AddressUse.Listen))).Protocol;
        ServiceAddress address = ServiceAddress.Parse($"udp://{server.Transport.LocalEndPoint}");
        RecordingDatagrams client = (await loop.CreateDatagramEndpointAsync(
            () => new RecordingDatagrams(), local: ServiceAddress.Parse("udp://localhost:0"), remote: address)).Protocol;

        client.Transport.Send("hello"u8);
        await UntilAsync(loop, () => client.Received.Count == 1);

        Assert.Equal("hello"u8.ToArray(), client.Received[0]);
        Assert.StartsWith("udp://127.0.0.1:", address.ToString(), StringComparison.Ordinal);
        DatagramEndpointFailedException families = await Assert.ThrowsAsync<DatagramEndpointFailedException>(
            () => loop.CreateDatagramEndpointAsync(MakeDatagrams, ServiceAddress.Parse("udp://[::1]:0"), address));
        Assert.Contains("no addresses of the same family", families.Message, StringComparison.Ordinal);
        client.Transport.Close();
        server.Transport.Close();
    });

    [Theory]
    [InlineData("tcp://:80")]
    [InlineData("tcp://127.0.0.1:0")]
    [InlineData("tls://h:1?cert=/c")]
    [InlineData("unix:/s?mode=0600")]
    [InlineData("udp://127.0.0.1:1")]
    [InlineData("systemd:web")]
    public void Connect_ToWhatIsToListenAt_Throws(string text) => RunInDirectory(loop =>
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateConnectionAsync(MakeEcho, ServiceAddress.Parse(text)); });

        Assert.StartsWith($"{text}: ", exception.Message, StringComparison.Ordinal);
        return Task.CompletedTask;
    });

    [Theory]
    [InlineData("tls://h:1?ca=/c")]
    [InlineData("udp://127.0.0.1:1")]
    public void Listen_AtWhatIsToConnectTo_Throws(string text) => RunInDirectory(loop =>
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateServerAsync(MakeEcho, ServiceAddress.Parse(text)); });

        Assert.StartsWith($"{text}: ", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateDatagramEndpointAsync(MakeDatagrams, null, ServiceAddress.Parse("udp://:1")); });
        Assert.Throws<ArgumentException>(
            () => { _ = loop.CreateDatagramEndpointAsync(MakeDatagrams, ServiceAddress.Parse("tcp://:1")); });
        Assert.Throws<ArgumentException>(() => { _ = loop.CreateDatagramEndpointAsync(MakeDatagrams, local: null); });
        Assert.Throws<ArgumentException>(() => { _ = loop.CreateServerAsync(MakeEcho, Array.Empty<ServiceAddress>()); });
        return Task.CompletedTask;
    });

    [Fact]
    public void Calls_InACancelledScope_Throw() => RunInDirectory(async loop =>
    {
        ServiceAddress address = ServiceAddress.Parse("tcp://127.0.0.1:0");
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => loop.CreateServerAsync(MakeEcho, address, cancellationToken: cancelled.Token));
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop.CreateServerAsync(MakeEcho, address));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.CreateConnectionAsync(MakeEcho, ServiceAddress.Parse("unix:/nowhere")));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.CreateConnectionAsync(MakeEcho, ServiceAddress.Parse("fd:999999")));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => loop.CreateDatagramEndpointAsync(MakeDatagrams, ServiceAddress.Parse("udp://:0")));
        });
    });

    [Fact]
    public void Descriptor_InASimulation_IsNotSupported() => RunInDirectory(async loop =>
    {
        Assert.SkipUnless(IsSimulated, "It is real.");
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();

        await Assert.ThrowsAsync<NotSupportedException>(() => loop.CreateServerAsync(MakeEcho, AddressOf((int)listener.Handle)));
        Assert.NotNull(listener.LocalEndPoint);
    });

    private static RecordingDatagrams MakeDatagrams() => new();

    private static DescriptorAddress AddressOf(int descriptor) => new(descriptor);

    // As if it had been inherited: a number, and nobody in the process who would close it.
    private static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        return listener;
    }

    private static int Disown(Socket socket)
    {
        int descriptor = (int)socket.Handle;
        socket.SafeHandle.SetHandleAsInvalid();
        return descriptor;
    }

    private async Task EchoAsync(EventLoop loop, string text)
    {
        (Transport transport, TestProtocol client) = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), ServiceAddress.Parse(text, AddressUse.Connect));
        transport.Write("hello"u8);
        await UntilAsync(loop, () => client.ReceivedLength == 5);
        transport.Close();
        await client.Lost.Task;
    }
}
