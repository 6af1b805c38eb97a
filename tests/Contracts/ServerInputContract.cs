using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What callers may get wrong, and the typed exception of each; nothing is left behind.</summary>
public abstract class ServerInputContract(LoopUnderTest subject) : ServerSuite(subject)
{
    /// <summary>
    /// A name that the resolver refuses by itself, without asking anybody: a part is too long once it is encoded.
    /// </summary>
    private static readonly string s_unknownName = new string('\u00e9', 40) + ".test";

    public static TheoryData<string> BadHosts =>
    [
        "",
        ".",
        " ",
        "a b",
        "localhost ",
        " 127.0.0.1",
        "127.0.0.1 ",
        "localhost\0",
        "localhost\0.evil",
        "127.0.0.1\0",
        "::1\0",
        "a\tb",
        "a\nb",
        "a..b",
        ".a",
        "a..",
        "a/b",
        "a:80",
        "user@host",
        "[::1]",
        "::1/128",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "1.2.3.4.5",
        "999.1.1.1",
        new string('a', 64),
        string.Join('.', Enumerable.Repeat(new string('a', 63), 4)),
        new string('a', 100_000),
    ];

    [Theory]
    [MemberData(nameof(BadHosts))]
    public void Host_Impossible_ThrowsBeforeItIsResolved(string host) => Run(async loop =>
    {
        ArgumentException server = await Assert.ThrowsAnyAsync<ArgumentException>(
            () => loop.CreateServerAsync(MakeProtocol, host, 0));
        ArgumentException connection = await Assert.ThrowsAnyAsync<ArgumentException>(
            () => loop.CreateConnectionAsync(MakeProtocol, host, 80));

        Assert.Equal("host", server.ParamName);
        Assert.Equal("host", connection.ParamName);
    });

    [Fact]
    public void Host_Unknown_FailsWithTheResolversError() => Run(async loop =>
    {
        ListenFailedException server = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, s_unknownName, 0));
        ConnectFailedException connection = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, s_unknownName, 80));

        Assert.Null(server.EndPoint);
        Assert.IsType<SocketException>(server.InnerException);
        Assert.Contains(s_unknownName, server.Message, StringComparison.Ordinal);
        Assert.Empty(connection.Failures);
        Assert.IsType<SocketException>(connection.InnerException);
        Assert.Contains($"{s_unknownName}:80", connection.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Host_Null_OfAConnectionThrows() => Run(async loop =>
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateConnectionAsync(MakeProtocol, (string)null!, 80)));

    [Theory]
    [InlineData(-1)]
    [InlineData(65536)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void Port_OutOfRange_Throws(int port) => Run(async loop =>
    {
        ArgumentException server = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => loop.CreateServerAsync(MakeProtocol, null, port));
        ArgumentException connection = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => loop.CreateConnectionAsync(MakeProtocol, "127.0.0.1", port));

        Assert.Equal("port", server.ParamName);
        Assert.Equal("port", connection.ParamName);
    });

    [Fact]
    public void Port_ZeroToConnectTo_Throws() => Run(async loop =>
    {
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => loop.CreateConnectionAsync(MakeProtocol, "127.0.0.1", 0));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => loop.CreateConnectionAsync(MakeProtocol, AnyPort));
    });

    [Fact]
    public void Factory_Null_Throws() => Run(async loop =>
    {
        Func<TestProtocol> none = null!;
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateServerAsync(none, null, 0));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateServerAsync(none, AnyPort));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateServerAsync(none, [AnyPort]));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateConnectionAsync(none, "127.0.0.1", 80));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateConnectionAsync(none, new IPEndPoint(1, 80)));
    });

    [Fact]
    public void EndPoints_NoneOrNull_Throw() => Run(async loop =>
    {
        await Assert.ThrowsAsync<ArgumentException>(() => loop.CreateServerAsync(MakeProtocol, Array.Empty<IPEndPoint>()));
        await Assert.ThrowsAsync<ArgumentException>(() => loop.CreateServerAsync(MakeProtocol, [AnyPort, null!]));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateServerAsync(MakeProtocol, (IPEndPoint)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(
            () => loop.CreateServerAsync(MakeProtocol, (IEnumerable<IPEndPoint>)null!));
        await Assert.ThrowsAsync<ArgumentNullException>(() => loop.CreateConnectionAsync(MakeProtocol, (IPEndPoint)null!));
    });

    [Fact]
    public void Address_NotOfThisMachine_FailsWithAddressNotAvailable() => Run(async loop =>
    {
        var foreign = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0);

        ListenFailedException exact = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, [AnyPort, foreign]));
        ListenFailedException host = await Assert.ThrowsAsync<ListenFailedException>(
            () => loop.CreateServerAsync(MakeProtocol, "192.0.2.1", 0));

        Assert.Equal(SocketError.AddressNotAvailable, exact.Error);
        Assert.Equal(foreign, exact.EndPoint);
        Assert.Equal(SocketError.AddressNotAvailable, host.Error);
    });

    [Fact]
    public void CancellationToken_Cancelled_GivesUpTheResolution() => Run(async loop =>
    {
        var cancelled = new CancellationToken(canceled: true);

        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => loop.CreateServerAsync(MakeProtocol, "localhost", 0, cancellationToken: cancelled));

        Assert.Equal(cancelled, exception.CancellationToken);
    });

    [Fact]
    public void Options_OutOfRange_Throw() => Run(async loop =>
    {
        ServerOptions[] wrong =
        [
            new() { Backlog = 0 },
            new() { MaxConnections = 0 },
            new() { DrainTime = TimeSpan.FromTicks(-1) },
            new() { Tcp = null! },
            new() { Tcp = new TcpOptions { KeepAlive = new TcpKeepAlive { RetryCount = 0 } } },
        ];
        foreach (ServerOptions options in wrong)
        {
            await Assert.ThrowsAnyAsync<ArgumentException>(() => loop.CreateServerAsync(MakeProtocol, null, 0, options));
            await Assert.ThrowsAnyAsync<ArgumentException>(() => loop.CreateServerAsync(MakeProtocol, AnyPort, options));
        }
    });

    [Fact]
    public void Calls_OnAnotherThread_Throw() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        await loop.RunInThreadAsync(() => RequireAllThrow<InvalidOperationException>(loop));
    });

    [Fact]
    public void Calls_BeforeTheRunAndAfterDisposal_Throw()
    {
        RequireKind(Kind);
        DescriptorCensus before = DescriptorCensus.Take();
        using (var loop = new EventLoop(OptionsOf()))
        {
            RequireAllThrow<InvalidOperationException>(loop);
            loop.Dispose();
            RequireAllThrow<ObjectDisposedException>(loop);
        }

        before.RequireNoGrowth();
    }

    /// <summary>As everywhere, and looks for descriptors that are left while the loop still lives.</summary>
    private new void Run(Func<EventLoop, Task> scenario) => base.Run(async loop =>
    {
        DescriptorCensus before = DescriptorCensus.Take();
        await scenario(loop);
        await NothingLeftAsync(loop, before);
    });

    private void RequireAllThrow<TException>(EventLoop loop)
        where TException : Exception
    {
        var somewhere = new IPEndPoint(IPAddress.Loopback, 9);
        Func<Task>[] calls =
        [
            () => loop.CreateServerAsync(MakeProtocol, null, 0),
            () => loop.CreateServerAsync(MakeProtocol, "localhost", 0),
            () => loop.CreateServerAsync(MakeProtocol, AnyPort),
            () => loop.CreateServerAsync(MakeProtocol, [AnyPort]),
            () => loop.CreateConnectionAsync(MakeProtocol, "localhost", 9),
            () => loop.CreateConnectionAsync(MakeProtocol, somewhere),
        ];
        foreach (Func<Task> call in calls)
        {
            // At once, or in the task that is returned: nothing has been begun that would have to be waited for.
            Task? task = null;
            Exception? thrown = Record.Exception(() => { task = call(); });
            Assert.IsType<TException>(thrown ?? task?.Exception?.InnerException);
        }
    }
}
