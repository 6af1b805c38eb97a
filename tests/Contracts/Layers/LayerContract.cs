using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Toolkit.Tests.Contracts;

/// <summary>The contract of transports, through layers: through one that passes everything on, and through all that there
/// are.</summary>
public abstract class LayerContract(LoopUnderTest subject) : StreamContract(subject)
{
    public static TheoryData<string> Stacks => LayerStacks.Names;

    public static TheoryData<string, bool> StacksOfBothKinds => new()
    {
        { "bare", false },
        { "bare", true },
        { "all", false },
        { "all", true },
    };

    [Theory]
    [MemberData(nameof(StacksOfBothKinds))]
    public void Echo_BothWaysAtOnce_ComesBackAndEndsInGoodOrder(string stack, bool buffered) => Run(async loop =>
    {
        byte[] data = Pattern(300_000);
        ITestProtocol echo = buffered
            ? NewBufferedEcho()
            : new TestProtocol { OnData = (p, arrived) => p.Transport.Write(arrived) };
        (Server server, TestProtocol client) = await ConnectAsync(loop, (StreamProtocol)echo, stack);
        client.OnEof = _ => true;
        client.Transport.Write(data);
        client.Transport.WriteEof();
        Assert.Null(await client.Lost.Task);
        await server.WaitClosedAsync();

        AssertSame(data, client.Received);
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], Outline(echo));
        Assert.Equal(CloseReason.PeerEnd, ((StreamProtocol)echo).Transport.CloseReason);
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Writes_ToAPeerThatDoesNotRead_ArePausedAndResumed(string stack) => Run(async loop =>
    {
        var writer = new TestProtocol();
        (Server server, TestProtocol client) = await ConnectAsync(loop, writer, stack, Narrow);
        client.Transport.PauseReading();
        long written = FillUp(writer.Transport);
        Assert.Equal(WriteStatus.AcceptedOverHighWater, writer.Transport.Write("more"u8));
        Assert.Equal(written + 4, writer.Transport.UnsentBytes + writer.Transport.BytesSent);
        client.Transport.ResumeReading();
        await writer.Resumed.Task;
        writer.Transport.Write("last"u8);
        writer.Transport.Close();
        Assert.True(writer.Transport.IsClosing);
        Assert.Equal(WriteStatus.Closed, writer.Transport.Write("x"u8));
        Assert.Null(await client.Lost.Task);
        await server.WaitClosedAsync();

        Assert.Equal(written + 8, client.ReceivedLength);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting", "ConnectionLost"], writer.Callbacks);
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Close_OfTheServer_SendsWhatLayersHold(string stack) => Run(async loop =>
    {
        var writer = new TestProtocol();
        (Server server, TestProtocol client) = await ConnectAsync(loop, writer, stack);
        writer.Transport.Write(new byte[200_000]);
        server.CloseConnections(); // which knows of the transport below the layers alone
        Assert.Null(await client.Lost.Task);
        await server.WaitClosedAsync();

        Assert.Equal(200_000, client.ReceivedLength);
        Assert.Equal(CloseReason.LocalClose, writer.Transport.CloseReason);
        Assert.Equal((200_000, 0), (writer.Transport.BytesSent, writer.Transport.UnsentBytes));
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Abort_WithMuchUnsent_DropsIt(string stack) => Run(async loop =>
    {
        var writer = new TestProtocol();
        (Server server, TestProtocol client) = await ConnectAsync(loop, writer, stack, Narrow);
        client.Transport.PauseReading();
        FillUp(writer.Transport);
        var reason = new ConnectionException(CloseReason.InvalidData, "Nonsense.");
        writer.Transport.Abort(reason);
        Assert.Equal(WriteStatus.Closed, writer.Transport.Write("x"u8));
        Assert.DoesNotContain("ConnectionLost", writer.Callbacks);
        Assert.Same(reason, await writer.Lost.Task);
        Assert.Equal(CloseReason.InvalidData, writer.Transport.CloseReason);
        client.Transport.ResumeReading();
        await client.Lost.Task;
        await server.WaitClosedAsync();
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Unread_BytesComeAgainInFrontOfTheRest(string stack) => Run(async loop =>
    {
        int left = 20;
        var reader = new TestProtocol { KeepsData = false };
        var taken = new StringBuilder();
        reader.OnData = (p, data) =>
        {
            int used = left-- > 0 ? (data.Length + 1) / 2 : data.Length;
            taken.Append(Encoding.ASCII.GetString(data[..used]));
            if (left % 2 == 0 && used < data.Length)
            {
                p.Transport.PauseReading();
                loop.CallSoon(p.Transport.ResumeReading);
            }

            p.Transport.Unread(data[used..]);
        };
        (Server server, TestProtocol client) = await ConnectAsync(loop, reader, stack);
        string text = string.Concat(Enumerable.Range(0, 3_000).Select(i => $"{i},"));
        client.Transport.Write(Encoding.ASCII.GetBytes(text));
        client.Transport.Close();
        await reader.Lost.Task;
        await server.WaitClosedAsync();

        Assert.Equal(text, taken.ToString());
        Assert.Equal(text.Length, reader.Transport.BytesReceived);
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Protocol_ReplacedByOneOfTheOtherKind_GoesOnBehindTheLayers(string stack) => Run(async loop =>
    {
        var next = Watch(NewBufferedEcho());
        var first = new TestProtocol
        {
            OnData = (p, data) =>
            {
                next.Grammar.TakeOver(p.Grammar);
                p.Transport.Unread(data[1..]);
                p.Transport.Protocol = next;
            },
        };
        (Server server, TestProtocol client) = await ConnectAsync(loop, first, stack);
        client.Transport.Write("!hello"u8);
        await UntilAsync(loop, () => client.ReceivedLength == 5);
        client.Transport.Close();
        await next.Lost.Task;
        await server.WaitClosedAsync();

        Assert.Equal(("hello", "hello"), (next.ReceivedText, client.ReceivedText));
        Assert.Same(first.Transport, next.Transport);
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Exception_OutOfACallback_AbortsAndNamesTheProtocol(string stack) => Run(async loop =>
    {
        var thrown = new ArithmeticException("on purpose");
        var protocol = new TestProtocol { OnData = (_, _) => throw thrown };
        (Server server, TestProtocol client) = await ConnectAsync(loop, protocol, stack);
        client.Transport.Write("x"u8);
        Assert.Same(thrown, await protocol.Lost.Task);
        RequireReset(client, await client.Lost.Task);
        await server.WaitClosedAsync();

        var error = Assert.IsType<TransportError>(TakeError());
        Assert.Same(protocol, error.Protocol);
        Assert.Equal(CloseReason.ProtocolError, protocol.Transport.CloseReason);

        static void RequireReset(TestProtocol client, Exception? reason)
            => Assert.Equal(client.Transport.CloseReason, Assert.IsType<ConnectionException>(reason).Reason);
    });

    [Theory]
    [MemberData(nameof(Stacks))]
    public void StartTls_WithBytesOnBothSides_BeginsBehindThem(string stack) => Run(async loop =>
    {
        var server = new TestProtocol();
        Task? upgrade = null;
        var serverTls = new TlsServerOptions { Certificate = TlsCertificate.From(TestCertificates.Server) };
        server.OnData = (p, data) =>
        {
            if (upgrade is null)
            {
                p.Transport.Write(new byte[20_000]); // in the clear
                upgrade = p.Transport.StartTlsAsync(serverTls);
                p.Transport.Write("secret"u8);
            }
            else
            {
                p.Transport.Write(data);
            }
        };
        (Server listening, TestProtocol client) = await ConnectAsync(loop, server, stack);
        client.Transport.Write("!"u8); // in one piece, since what comes behind it belongs to the handshake
        await UntilAsync(loop, () => client.ReceivedLength == 20_000);
        await client.Transport.StartTlsAsync(
            new TlsClientOptions { TargetHost = TestCertificates.ServerName, TrustedRoots = TestCertificates.Roots });
        client.Transport.Write("hello"u8);
        await UntilAsync(loop, () => client.ReceivedLength == 20_011);
        await upgrade!;
        client.Transport.Close();
        await server.Lost.Task;
        await listening.WaitClosedAsync();

        Assert.EndsWith("secrethello", client.ReceivedText, StringComparison.Ordinal);
        Assert.NotNull(server.Transport.Tls);
    });

    private static BufferedTestProtocol NewBufferedEcho()
        => new(700) { OnUpdated = (p, count) => p.Transport.Write(p.Buffer.Span[..count]) };

    private static string[] Outline(ITestProtocol protocol)
        => [.. protocol.Callbacks
            .Select(name => name == "BufferUpdated" ? "DataReceived" : name)
            .Where(name => name is not ("PauseWriting" or "ResumeWriting"))
            .Aggregate(new List<string>(), (list, name) =>
            {
                if (list.Count == 0 || list[^1] != name)
                {
                    list.Add(name);
                }

                return list;
            })];

    /// <summary>A server with one connection, whose protocol is behind the layers, and a client, which is behind them,
    /// too.</summary>
    private async Task<(Server Server, TestProtocol Client)> ConnectAsync(
        EventLoop loop, StreamProtocol protocol, string stack, TcpOptions? tcp = null)
    {
        _ = protocol is TestProtocol plain ? Watch<TestProtocol>(plain) : (StreamProtocol)Watch((BufferedTestProtocol)protocol);
        Server server = await loop.CreateServerAsync(
            () => LayerStacks.Put(stack, protocol),
            new IPEndPoint(IPAddress.Loopback, 0),
            new ServerOptions { Tcp = tcp ?? TcpOptions.Default });
        var client = Watch(new TestProtocol());
        await loop.CreateConnectionAsync(
            () => LayerStacks.Put(stack, client),
            server.EndPoints[0],
            new ConnectOptions { Tcp = tcp ?? TcpOptions.Default });
        await UntilAsync(loop, () => server.ConnectionCount == 1);
        server.Close();
        return (server, client);
    }
}
