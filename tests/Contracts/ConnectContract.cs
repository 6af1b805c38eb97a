using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Connecting: how it succeeds, and all the ways in which it does not.</summary>
public abstract class ConnectContract(LoopUnderTest subject) : ServerSuite(subject)
{
    [Fact]
    public void Connect_Succeeds_ReturnsAfterConnectionMade() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var order = new List<string>();

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            () =>
            {
                order.Add("factory");
                TestProtocol protocol = MakeProtocol();
                protocol.OnMade = _ => order.Add("made");
                return protocol;
            },
            listener.LocalEndPoint);
        order.Add("returned");

        Assert.Equal(["factory", "made", "returned"], order);
        Assert.Same(connection.Transport, connection.Protocol.Transport);
        Peer peer = await listener.AcceptAsync();
        Assert.Equal(peer.RemoteEndPoint, connection.Transport.LocalEndPoint);
        Assert.Equal(peer.LocalEndPoint, connection.Transport.RemoteEndPoint);
        await EchoAsync(peer);
    });

    [Fact]
    public void Connect_ByName_TriesItsAddressesUntilOneAnswers() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        IPEndPoint target = listener.LocalEndPoint;

        // Whatever the resolver's order: only one of the two families answers.
        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(MakeProtocol, "localhost", target.Port);

        Assert.Equal(target, connection.Transport.RemoteEndPoint);
        await EchoAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void Connect_IPv4AddressInTheFormOfIPv6_ConnectsOverIPv4() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        IPEndPoint target = listener.LocalEndPoint;

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            MakeProtocol, new IPEndPoint(target.Address.MapToIPv6(), target.Port));

        Assert.Equal(target, connection.Transport.RemoteEndPoint);
        await EchoAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void Connect_Refused_SaysSoInOneLine() => Run(async loop =>
    {
        IPEndPoint dead = Network.DeadEndPoint();

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, dead));

        ConnectFailure failure = Assert.Single(exception.Failures);
        Assert.Equal(dead, failure.EndPoint);
        Assert.Equal(SocketError.ConnectionRefused, failure.Error.SocketErrorCode);
        Assert.Same(failure.Error, exception.InnerException);
        Assert.Equal($"Cannot connect to {dead}: {dead}: ConnectionRefused.", exception.Message);
        Assert.Empty(Protocols);
    });

    [Fact]
    public void Connect_NameWithBothFamiliesRefused_ListsEveryAttempt() => Run(async loop =>
    {
        IPEndPoint dead = Network.DeadEndPoint();
        Network.DeadEndPoint(IPAddress.IPv6Loopback, dead.Port);
        IPAddress[] addresses = [.. loop.Host.Lookup("localhost").Distinct()];

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, "localhost", dead.Port));

        Assert.Equal(addresses, exception.Failures.Select(failure => ((IPEndPoint)failure.EndPoint).Address));
        Assert.All(exception.Failures, f => Assert.Equal(SocketError.ConnectionRefused, f.Error.SocketErrorCode));
        Assert.DoesNotContain('\n', exception.Message);
    });

    [Fact]
    public void Connect_SeveralAddresses_TriesThemInOrder() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        IPEndPoint alive = listener.LocalEndPoint;
        IPEndPoint[] targets =
            [Network.DeadEndPoint(), Network.DeadEndPoint(IPAddress.IPv6Loopback), alive, Network.DeadEndPoint()];

        Connection<TestProtocol> connection = await ConnectToAsync(loop, targets);

        Assert.Equal(alive, connection.Transport.RemoteEndPoint);
        await EchoAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void Connect_SeveralAddressesFail_ListsThemInOrder() => Run(async loop =>
    {
        IPEndPoint[] targets =
        [
            Network.DeadEndPoint(),
            Network.DeadEndPoint(IPAddress.IPv6Loopback),
            Network.DeadEndPoint(IPAddress.Parse("127.0.0.3")),
        ];
        DescriptorCensus before = DescriptorCensus.Take();

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => ConnectToAsync(loop, targets));

        Assert.Equal(targets, exception.Failures.Select(failure => failure.EndPoint));
        Assert.All(targets, target => Assert.Contains($"{target}: ", exception.Message, StringComparison.Ordinal));
        Assert.Same(exception.Failures[0].Error, exception.InnerException);
        Assert.Empty(Protocols);
        await NothingLeftAsync(loop, before);
    });

    [Fact]
    public void Connect_FirstAddressSilent_LeavesTimeForTheNext() => Run(async loop =>
    {
        IPEndPoint silent = await Network.SilentEndPointAsync();
        PeerListener listener = Network.Listen();
        IPEndPoint alive = listener.LocalEndPoint;

        // Each gets an equal share of an hour: a tenth of a second.
        Connection<TestProtocol> connection = await ConnectToAsync(
            loop,
            [silent, .. Enumerable.Repeat(alive, 35_999)],
            new ConnectOptions { Timeout = TimeSpan.FromHours(1), AttemptDelay = Timeout.InfiniteTimeSpan });

        Assert.Equal(alive, connection.Transport.RemoteEndPoint);
    });

    [Fact]
    public void Timeout_Passes_FailsWithTimedOut() => Run(async loop =>
    {
        IPEndPoint silent = await Network.SilentEndPointAsync();
        DescriptorCensus before = DescriptorCensus.Take();
        TimeSpan limit = TimeSpan.FromMilliseconds(50);
        TimeSpan started = loop.Time;

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, silent, new ConnectOptions { Timeout = limit }));

        Assert.True(loop.Time - started >= limit, "The time-out was early.");
        Assert.Equal(SocketError.TimedOut, Assert.Single(exception.Failures).Error.SocketErrorCode);
        Assert.Empty(Protocols);
        await NothingLeftAsync(loop, before);
    });

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    public void Timeout_WithoutEnd_IsAllowed(string host) => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var options = new ConnectOptions { Timeout = TimeSpan.MaxValue };

        await loop.CreateConnectionAsync(MakeProtocol, host, listener.LocalEndPoint.Port, options);
        await loop.CreateConnectionAsync(MakeProtocol, listener.LocalEndPoint, options);

        Assert.Equal(2, Protocols.Count);
    });

    [Fact]
    public void Lookup_OfTheLoop_IsAskedOffTheLoopsThread() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        IPEndPoint target = Network.Listen().LocalEndPoint;
        int loopThread = Environment.CurrentManagedThreadId;
        var asked = new List<(string Host, bool IsLoopThread)>();
        loop.Host.Lookup = host =>
        {
            asked.Add((host, Environment.CurrentManagedThreadId == loopThread));
            return [target.Address];
        };

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(MakeProtocol, "server.example", target.Port);

        Assert.Equal(target, connection.Transport.RemoteEndPoint);
        Assert.Equal([("server.example", false)], asked);
        Assert.Throws<ArgumentNullException>(() => loop.Host.Lookup = null!);
    });

    [Fact]
    public void Lookup_Hangs_TheLoopGoesOnAndTheTimeOutEndsTheCall() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        using HangingLookup lookup = HangingLookup.InstallOn(loop);
        ConnectFailedException exception = null!;

        // On a busy machine the pool may take its time to begin with it.
        for (TimeSpan limit = TimeSpan.FromMilliseconds(100); !lookup.IsHanging; limit *= 2)
        {
            TimeSpan started = loop.Time;
            Task connecting = loop.CreateConnectionAsync(
                MakeProtocol, "server.example", 80, new ConnectOptions { Timeout = limit });
            int turns = 0;
            for (; !connecting.IsCompleted; turns++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), loop.TimeProvider);
            }

            exception = await Assert.ThrowsAsync<ConnectFailedException>(() => connecting);
            Assert.True(turns > 1, "The loop's thread was held up.");
            Assert.True(loop.Time - started >= limit, "The time-out was early.");
        }

        Assert.Equal(SocketError.TimedOut, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
        Assert.Equal(
            "Cannot connect to server.example:80: the name could not be resolved (TimedOut).", exception.Message);
        Assert.Empty(exception.Failures);
        Assert.Empty(Protocols);
        Assert.Equal(0, loop.Host.ResidentCount);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Lookup_Hangs_CancellationEndsTheCallAtOnce(bool fromAnotherThread) => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        using HangingLookup lookup = HangingLookup.InstallOn(loop);
        using var source = new CancellationTokenSource();
        Task connecting = loop.CreateConnectionAsync(
            MakeProtocol, "server.example", 80, new ConnectOptions { Timeout = TimeSpan.MaxValue }, source.Token);
        await lookup.Entered.Task;

        if (fromAnotherThread)
        {
            TestThread.Run(source.Cancel);
        }
        else
        {
            source.Cancel();
        }

        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        Assert.True(lookup.IsHanging);
        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.Empty(Protocols);
        Assert.Equal(0, loop.Host.ResidentCount);
    });

    [Fact]
    public void Lookup_AnswersAfterTheCallHasEnded_NothingComesOfIt() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        PeerListener listener = Network.Listen();
        using (HangingLookup lookup = HangingLookup.InstallOn(loop))
        {
            using var source = new CancellationTokenSource();
            Task connecting = loop.CreateConnectionAsync(
                MakeProtocol, "server.example", listener.LocalEndPoint.Port, null, source.Token);
            await lookup.Entered.Task;
            source.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        }

        await SettleAsync(loop);
        Assert.Empty(Protocols);
        Assert.False(listener.HasNewcomer, "Somebody connected after all.");
    });

    [Fact]
    public void Lookup_Hangs_DisposingTheLoopDoesNotWaitForIt()
    {
        RequireRealMachine(NoOtherThread);
        HangingLookup lookup = null!;
        Task connecting = null!;
        Run(async loop =>
        {
            lookup = HangingLookup.InstallOn(loop);
            connecting = loop.CreateConnectionAsync(MakeProtocol, "server.example", 80);
            await lookup.Entered.Task;
        });
        bool hangs = lookup.IsHanging;
        lookup.Dispose();

        Assert.True(hangs, "The loop waited for the resolver.");
        Assert.True(connecting.IsCanceled);
        Assert.Empty(Protocols);
    }

    [Fact]
    public void LocalEndPoint_Given_IsWhatThePeerSees() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var local = new IPEndPoint(IPAddress.Parse("127.0.0.5"), 0);

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            MakeProtocol, listener.LocalEndPoint, new ConnectOptions { LocalEndPoint = local });

        Peer peer = await listener.AcceptAsync();
        Assert.Equal(local.Address, peer.RemoteEndPoint.Address);
        Assert.Equal(peer.RemoteEndPoint, connection.Transport.LocalEndPoint);
    });

    [Fact]
    public void LocalEndPoint_InUse_FailsWithAddressAlreadyInUse() => Run(async loop =>
    {
        IPEndPoint target = Network.Listen().LocalEndPoint;
        IPEndPoint taken = Network.Listen().LocalEndPoint;

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, target, new ConnectOptions { LocalEndPoint = taken }));

        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Single(exception.Failures).Error.SocketErrorCode);
    });

    [Fact]
    public void LocalEndPoint_NotOfThisMachine_FailsWithAddressNotAvailable() => Run(async loop =>
    {
        IPEndPoint target = Network.Listen().LocalEndPoint;
        var foreign = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0);

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, target, new ConnectOptions { LocalEndPoint = foreign }));

        Assert.Equal(SocketError.AddressNotAvailable, Assert.Single(exception.Failures).Error.SocketErrorCode);
    });

    [Fact]
    public void LocalEndPoint_OfAnotherFamily_LeavesNoAddress() => Run(async loop =>
    {
        IPEndPoint target = Network.Listen().LocalEndPoint;
        var options = new ConnectOptions { LocalEndPoint = new IPEndPoint(IPAddress.IPv6Loopback, 0) };

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, target, options));

        Assert.Empty(exception.Failures);
        Assert.Contains("no address of the local end point's family", exception.Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Cancel_Beforehand_ThrowsAndOpensNothing() => Run(async loop =>
    {
        IPEndPoint target = Network.Listen().LocalEndPoint;
        var cancelled = new CancellationToken(canceled: true);
        Func<Task>[] calls =
        [
            () => loop.CreateConnectionAsync(MakeProtocol, target, cancellationToken: cancelled),
            () => loop.CreateConnectionAsync(MakeProtocol, "localhost", target.Port, cancellationToken: cancelled),
            () => loop.CreateConnectionAsync(MakeProtocol, "127.0.0.1", target.Port, cancellationToken: cancelled),
        ];
        foreach (Func<Task> call in calls)
        {
            OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(call);
            Assert.Equal(cancelled, exception.CancellationToken);
        }

        Assert.Empty(Protocols);
    });

    [Fact]
    public void Cancel_WhileThePeerIsSilent_ThrowsAtWhateverMoment() => Run(async loop =>
    {
        IPEndPoint silent = await Network.SilentEndPointAsync();
        DescriptorCensus before = DescriptorCensus.Take();
        for (int iterations = 0; iterations < 20; iterations++)
        {
            await CancelAfterAsync(
                loop,
                iterations,
                token => loop.CreateConnectionAsync(MakeProtocol, silent, cancellationToken: token),
                mayConnect: false);
        }

        await NothingLeftAsync(loop, before);
        Assert.Empty(Protocols);
    });

    [Fact]
    public void Cancel_WhileThePeerAnswers_ThrowsOrConnects() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        IPEndPoint target = listener.LocalEndPoint;
        DescriptorCensus before = DescriptorCensus.Take();
        for (int iterations = 0; iterations < 20; iterations++)
        {
            await CancelAfterAsync(
                loop,
                iterations,
                token => loop.CreateConnectionAsync(MakeProtocol, target, cancellationToken: token),
                mayConnect: true);
            await CancelAfterAsync(
                loop,
                iterations,
                token => loop.CreateConnectionAsync(MakeProtocol, "localhost", target.Port, cancellationToken: token),
                mayConnect: true);
        }

        await NothingLeftAsync(loop, before);
    });

    [Fact]
    public void Cancel_FromAnotherThread_Throws() => Run(async loop =>
    {
        IPEndPoint silent = await Network.SilentEndPointAsync();
        using var source = new CancellationTokenSource();
        Task connecting = loop.CreateConnectionAsync(MakeProtocol, silent, cancellationToken: source.Token);

        await loop.RunInThreadAsync(source.Cancel);

        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        Assert.Equal(source.Token, exception.CancellationToken);
    });

    [Fact]
    public void Factory_Throws_TheCallThrowsThatAndThePeerSeesAReset() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();

        InvalidDataException exception = await Assert.ThrowsAsync<InvalidDataException>(
            () => loop.CreateConnectionAsync<TestProtocol>(
                () => throw new InvalidDataException("factory"), listener.LocalEndPoint));

        Assert.Equal("factory", exception.Message);
        await RequireResetAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void Factory_ReturnsNull_TheCallThrowsAndThePeerSeesAReset() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();

        await Assert.ThrowsAsync<InvalidOperationException>(
            () => loop.CreateConnectionAsync<TestProtocol>(() => null!, listener.LocalEndPoint));

        await RequireResetAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void ConnectionMade_Throws_TheCallThrowsThatAndTheConnectionIsAborted() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var thrown = new InvalidDataException("made");
        TestProtocol protocol = MakeProtocol();
        protocol.OnMade = _ => throw thrown;

        Exception exception = await Assert.ThrowsAsync<InvalidDataException>(
            () => loop.CreateConnectionAsync(() => protocol, listener.LocalEndPoint));

        Assert.Same(thrown, exception);
        Assert.Same(thrown, await protocol.Lost.Task);
        Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
        Assert.Equal(CloseReason.ProtocolError, protocol.Transport.CloseReason);
        Assert.Same(thrown, TakeError().Exception);
        await RequireResetAsync(await listener.AcceptAsync());
    });

    [Fact]
    public void ConnectionMade_Closes_TheCallReturnsAClosingConnection() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        TestProtocol protocol = MakeProtocol();
        protocol.OnMade = p => p.Transport.Close();

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            () => protocol, listener.LocalEndPoint);

        Assert.True(connection.Transport.IsClosing);
        Assert.Empty(await (await listener.AcceptAsync()).ReadToEndAsync());
        Assert.Null(await protocol.Lost.Task);
    });

    [Fact]
    public void TcpOptions_Default_SendSmallSegmentsAtOnce() => Run(async loop =>
    {
        RequireRealMachine("The kernel is asked.");
        (Transport client, Transport accepted) = await ConnectToServerAsync(loop, TcpOptions.Default);
        foreach (Transport transport in (Transport[])[client, accepted])
        {
            Assert.Equal(1, ReadOption(transport, SocketOptionLevel.Tcp, SocketOptionName.NoDelay));
            Assert.Equal(0, ReadOption(transport, SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        }
    });

    [Fact]
    public void TcpOptions_Given_AreTheKernels() => Run(async loop =>
    {
        RequireRealMachine("The kernel is asked.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The connection's descriptor is found in /proc.");
        const int UserTimeout = 18;
        (Transport client, Transport accepted) = await ConnectToServerAsync(loop, new TcpOptions
        {
            NoDelay = false,
            KeepAlive = new TcpKeepAlive
            {
                Time = TimeSpan.FromSeconds(33),
                Interval = TimeSpan.FromSeconds(7),
                RetryCount = 4,
            },
            UserTimeout = TimeSpan.FromMilliseconds(12_345),
            SendBufferSize = 50_000,
            ReceiveBufferSize = 60_000,
        });
        foreach (Transport transport in (Transport[])[client, accepted])
        {
            Assert.Equal(0, ReadOption(transport, SocketOptionLevel.Tcp, SocketOptionName.NoDelay));
            Assert.Equal(1, ReadOption(transport, SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
            Assert.Equal(33, ReadOption(transport, SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
            Assert.Equal(7, ReadOption(transport, SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval));
            Assert.Equal(4, ReadOption(transport, SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount));
            Assert.Equal(12_345, ReadRawOption(transport, (int)SocketOptionLevel.Tcp, UserTimeout));

            // Linux doubles what it is asked for, to have room for its own book-keeping.
            Assert.Equal(100_000, ReadOption(transport, SocketOptionLevel.Socket, SocketOptionName.SendBuffer));
            Assert.Equal(120_000, ReadOption(transport, SocketOptionLevel.Socket, SocketOptionName.ReceiveBuffer));
        }
    });

    [Fact]
    public void Connect_ToItself_CountsAsRefused() => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated || OperatingSystem.IsLinux(), "Not every system lets a socket connect to itself.");
        PeerListener holder = Network.Listen();
        IPEndPoint self = holder.LocalEndPoint;
        holder.Dispose();

        ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, self, new ConnectOptions { LocalEndPoint = self }));

        Assert.Equal(SocketError.ConnectionRefused, Assert.Single(exception.Failures).Error.SocketErrorCode);
        Assert.Empty(Protocols);
    });

    [Fact]
    public void LoopDisposed_WhileConnecting_TheCallThrows()
    {
        Task connecting = null!;
        Run(async loop =>
        {
            IPEndPoint silent = await Network.SilentEndPointAsync();
            connecting = loop.CreateConnectionAsync(MakeProtocol, silent);
        });

        Assert.True(connecting.IsCanceled);
        Assert.Empty(Protocols);
    }

    [Fact]
    public void LoopDisposed_JustConnected_LeavesNothing()
    {
        for (int iterations = 0; iterations < 6; iterations++)
        {
            Task connecting = null!;
            Run(async loop =>
            {
                IPEndPoint target = Network.Listen().LocalEndPoint;
                connecting = loop.CreateConnectionAsync(MakeProtocol, target);
                for (int i = 0; i < iterations; i++)
                {
                    await NextIterationAsync(loop);
                }
            });

            _ = connecting.Exception;
        }
    }

    private static Task<Connection<TestProtocol>> ConnectToAsync(
        EventLoop loop, Func<TestProtocol> factory, IPEndPoint[] targets, ConnectOptions? options)
    {
        options ??= ConnectOptions.Default;
        return TcpConnecting.ConnectToAddressesAsync(
            loop, factory, "several", targets, options, options.BoundedTimeout, CancellationToken.None);
    }

    private Task<Connection<TestProtocol>> ConnectToAsync(
        EventLoop loop, IPEndPoint[] targets, ConnectOptions? options = null)
        => ConnectToAsync(loop, MakeProtocol, targets, options);

    private async Task CancelAfterAsync(
        EventLoop loop, int iterations, Func<CancellationToken, Task<Connection<TestProtocol>>> connect, bool mayConnect)
    {
        using var source = new CancellationTokenSource();
        int made = Protocols.Count;
        Task<Connection<TestProtocol>> connecting = connect(source.Token);
        for (int i = 0; i < iterations; i++)
        {
            await NextIterationAsync(loop);
        }

        await loop.RunInThreadAsync(source.Cancel);
        try
        {
            Connection<TestProtocol> connection = await connecting;
            Assert.True(mayConnect, "It connected to a peer that is silent.");
            connection.Transport.Abort();
        }
        catch (OperationCanceledException exception)
        {
            Assert.Equal(source.Token, exception.CancellationToken);
            Assert.Equal(made, Protocols.Count);
        }
    }

    private async Task<(Transport Client, Transport Accepted)> ConnectToServerAsync(EventLoop loop, TcpOptions options)
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort, new ServerOptions { Tcp = options });
        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), server.EndPoints[0], new ConnectOptions { Tcp = options });
        await UntilAsync(loop, () => server.ConnectionCount >= 1);
        return (connection.Transport, server.Connections[0]);
    }

    private static int ReadOption(Transport transport, SocketOptionLevel level, SocketOptionName name)
        => WithSocketOf(transport, socket => (int)socket.GetSocketOption(level, name)!);

    private static int ReadRawOption(Transport transport, int level, int name)
        => WithSocketOf(transport, socket =>
        {
            byte[] value = new byte[sizeof(int)];
            socket.GetRawSocketOption(level, name, value);
            return BitConverter.ToInt32(value);
        });

    // The descriptor is the backend's own; which one it is, its addresses say.
    private static T WithSocketOf<T>(Transport transport, Func<Socket, T> read)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The connection's descriptor is found in /proc.");
        foreach (string path in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (new FileInfo(path).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) is true)
            {
                nint descriptor = nint.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture);
                var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: false));
                if (HasAddressesOf(socket, transport))
                {
                    return read(socket);
                }
            }
        }

        throw new InvalidOperationException("The transport has no descriptor.");
    }

    private static bool HasAddressesOf(Socket socket, Transport transport)
    {
        try
        {
            return Equals(socket.LocalEndPoint, transport.LocalEndPoint)
                   && Equals(socket.RemoteEndPoint, transport.RemoteEndPoint);
        }
        catch (SocketException)
        {
            return false; // not connected
        }
    }
}
