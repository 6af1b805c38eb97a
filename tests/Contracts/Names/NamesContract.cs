using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Names: who is asked for their addresses, which of these are dialled, and that giving up leaves nothing.</summary>
public abstract class NamesContract(LoopUnderTest subject) : ServerSuite(subject)
{
    private const string Name = "server.example";

    [Fact]
    public void Resolver_OfTheOptions_IsAskedForNamesAndNotForAddresses()
    {
        TestResolver resolver = new(IPAddress.Parse("127.0.0.2"), IPAddress.Loopback, IPAddress.Loopback);
        Run(
            async loop =>
            {
                PeerListener listener = Network.Listen();
                int port = listener.LocalEndPoint.Port;

                Connection<TestProtocol> connection = await loop.CreateConnectionAsync(MakeProtocol, Name, port);

                Assert.Equal(listener.LocalEndPoint, connection.Transport.RemoteEndPoint);
                await EchoAsync(await listener.AcceptAsync());
                await loop.CreateConnectionAsync(MakeProtocol, "127.0.0.1", port);
                Assert.Equal([IPAddress.Loopback], await loop.ResolveAsync("127.0.0.1"));
                Assert.Equal([Name], resolver.Asked);
                Assert.Equal([IPAddress.Parse("127.0.0.2"), IPAddress.Loopback], await loop.ResolveAsync(Name));
            },
            new EventLoopOptions { Resolver = resolver });
    }

    [Fact]
    public void Resolver_FindsNothing_IsAnUnknownName() => Run(
        async loop =>
        {
            ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(MakeProtocol, Name, 80));

            Assert.Equal(
                SocketError.HostNotFound, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
        },
        new EventLoopOptions { Resolver = new TestResolver() });

    [Fact]
    public void Resolver_Throws_TheCallThrowsThat() => Run(
        async loop => Assert.Equal(
            "resolver",
            (await Assert.ThrowsAsync<InvalidDataException>(() => loop.ResolveAsync(Name))).Message),
        new EventLoopOptions { Resolver = new TestResolver((_, _) => throw new InvalidDataException("resolver")) });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Resolver_Hangs_GivingUpEndsTheCallAtOnceAndTellsIt(bool byToken)
    {
        CancellationToken told = default;
        Run(
            async loop =>
            {
                using var source = new CancellationTokenSource();
                Task connecting = Task.CompletedTask;
                await CancelScope.RunAsync(async scope =>
                {
                    connecting = loop.CreateConnectionAsync(MakeProtocol, Name, 80, cancellationToken: source.Token);
                    Assert.False(told.IsCancellationRequested);
                    if (byToken)
                    {
                        source.Cancel();
                    }
                    else
                    {
                        scope.Cancel();
                    }

                    await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
                });

                Assert.True(told.IsCancellationRequested);
                Assert.Equal(0, loop.Host.ResidentCount);
            },
            new EventLoopOptions { Resolver = TestResolver.Hanging(token => told = token) });
    }

    [Fact]
    public void Resolver_HangsInAShield_TheEndOfTheLoopDoesNotWait()
    {
        Task connecting = Task.CompletedTask;
        Run(
            loop =>
            {
                Task shielded = CancelScope.RunAsync(
                    _ => connecting = loop.CreateConnectionAsync(MakeProtocol, Name, 80), shield: true);
                return Task.CompletedTask;
            },
            new EventLoopOptions { Resolver = TestResolver.Hanging(_ => { }), ShutdownTimeout = TimeSpan.FromMinutes(10) });

        Assert.IsType<ObjectDisposedException>(connecting.Exception!.InnerException);
    }

    [Fact]
    public void Lookup_HangsInAShield_TheEndOfTheLoopDoesNotWait()
    {
        Task connecting = Task.CompletedTask;
        using var release = new ManualResetEventSlim();
        Run(
            loop =>
            {
                RequireRealMachine(NoOtherThread);
                loop.Host.Lookup = _ =>
                {
                    release.Wait();
                    return [];
                };
                Task shielded = CancelScope.RunAsync(
                    _ => connecting = loop.CreateConnectionAsync(MakeProtocol, Name, 80), shield: true);
                return Task.CompletedTask;
            },
            new EventLoopOptions { ShutdownTimeout = TimeSpan.FromMinutes(10) });

        Assert.IsType<ObjectDisposedException>(connecting.Exception!.InnerException);
        release.Set();
    }

    [Fact]
    public void Resolver_GivesUpByItself_IsATimeOutAndNoCancellation()
    {
        var cause = new TaskCanceledException("its own time is over");
        Run(
            async loop =>
            {
                foreach (Func<Task> ask in (Func<Task>[])
                [
                    () => loop.ResolveAsync(Name),
                    () => loop.CreateConnectionAsync(MakeProtocol, Name, 80),
                    () => loop.CreateServerAsync(MakeProtocol, Name, 0),
                ])
                {
                    TimeoutException given = await Assert.ThrowsAsync<TimeoutException>(ask);
                    Assert.Same(cause, given.InnerException);
                }
            },
            new EventLoopOptions { Resolver = TestResolver.Throwing(cause) });
    }

    [Fact]
    public void Interface_ThatIsNotThere_IsNoneAtAll() => Run(async loop =>
    {
        ConnectFailedException failure = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateConnectionAsync(MakeProtocol, "fe80::1%nosuch", 80));
        Assert.Equal(SocketError.NetworkUnreachable, Assert.IsType<SocketException>(failure.InnerException).SocketErrorCode);
    });

    [Fact]
    public void CancelledScope_AsksNobody()
    {
        TestResolver resolver = new(IPAddress.Loopback);
        Run(
            loop => CancelScope.RunAsync(async scope =>
            {
                scope.Cancel();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop.ResolveAsync(Name));
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop.ResolveAsync("127.0.0.1"));
                await Assert.ThrowsAnyAsync<OperationCanceledException>(
                    () => loop.CreateConnectionAsync(MakeProtocol, Name, 80));
            }),
            new EventLoopOptions { Resolver = resolver });

        Assert.Empty(resolver.Asked);
    }

    [Fact]
    public void Lookup_OfTheSystem_IsNotDelayedByAPoolThatIsFull() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        using var release = new ManualResetEventSlim();
        bool ofThePool = true;
        loop.Host.Lookup = _ =>
        {
            ofThePool = Thread.CurrentThread.IsThreadPoolThread;
            return [IPAddress.Loopback];
        };

        // Far more than the pool has threads, of which it makes one or two a second.
        Task[] blocked = [.. Enumerable.Range(0, 500).Select(_ => loop.RunInThreadAsync(() => release.Wait()))];
        try
        {
            await loop.ResolveAsync(Name);
            Assert.True(ThreadPool.PendingWorkItemCount > 200, "The pool was to be full.");
            Assert.All(blocked, task => Assert.False(task.IsCompleted));
            Assert.False(ofThePool);
        }
        finally
        {
            release.Set();
            await Task.WhenAll(blocked);
        }
    });

    [Fact]
    public void AddressFilter_RefusesOne_TheNextIsDialled() => Run(
        async loop =>
        {
            PeerListener listener = Network.Listen();
            int port = listener.LocalEndPoint.Port;
            var seen = new List<IPEndPoint>();
            var options = new ConnectOptions { AddressFilter = Filter };

            Connection<TestProtocol> connection = await loop.CreateConnectionAsync(MakeProtocol, Name, port, options);

            Assert.Equal(listener.LocalEndPoint, connection.Transport.RemoteEndPoint);
            Assert.Equal([new IPEndPoint(IPAddress.Parse("10.1.2.3"), port), listener.LocalEndPoint], seen);
            await EchoAsync(await listener.AcceptAsync());

            string? Filter(IPEndPoint address)
            {
                seen.Add(address);
                Assert.NotNull(SynchronizationContext.Current);
                return address.Address.ToString().StartsWith("10.", StringComparison.Ordinal) ? "a private address" : null;
            }
        },
        new EventLoopOptions { Resolver = new TestResolver(IPAddress.Parse("::ffff:10.1.2.3"), IPAddress.Loopback) });

    [Fact]
    public void AddressFilter_RefusesAll_NoneIsDialledAndEachIsListed() => Run(
        async loop =>
        {
            PeerListener listener = Network.Listen();
            int port = listener.LocalEndPoint.Port;
            var options = new ConnectOptions { AddressFilter = _ => "mine\n" };

            ConnectFailedException exception = await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(MakeProtocol, Name, port, options));

            Assert.Equal(2, exception.Failures.Count);
            Assert.All(exception.Failures, f => Assert.Equal("mine\n", f.Refusal));
            Assert.All(exception.Failures, f => Assert.Equal(SocketError.AccessDenied, f.Error.SocketErrorCode));
            Assert.Contains(
                $"127.0.0.1:{port}: refused by the address filter (mine", exception.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', exception.Message);
            await Assert.ThrowsAsync<ConnectFailedException>(
                () => loop.CreateConnectionAsync(MakeProtocol, listener.LocalEndPoint, options));
            await SettleAsync(loop);
            Assert.False(listener.HasNewcomer, "It was dialled.");
        },
        new EventLoopOptions { Resolver = new TestResolver(IPAddress.Parse("127.0.0.3"), IPAddress.Loopback) });

    [Fact]
    public void AddressFilter_ThrowsWhileAnAttemptIsUnderWay_TheCallThrowsThatAndNothingIsLeft() => Run(
        async loop =>
        {
            IPEndPoint silent = await Network.SilentEndPointAsync();
            var options = new ConnectOptions
            {
                AttemptDelay = TimeSpan.FromMilliseconds(10),
                AddressFilter = address
                    => address.Equals(silent) ? null : throw new InvalidDataException("filter"),
            };

            await Assert.ThrowsAsync<InvalidDataException>(
                () => loop.CreateConnectionAsync(MakeProtocol, Name, silent.Port, options));

            Assert.Equal(0, loop.Host.ResidentCount);
            Assert.Empty(Protocols);
        },
        new EventLoopOptions { Resolver = new TestResolver(IPAddress.Loopback, IPAddress.Parse("127.0.0.2")) });

    [Fact]
    public void Connect_FirstAddressSilent_TheNextIsTriedBesideItAndTheLoserIsClosed() => Run(
        async loop =>
        {
            IPEndPoint silent = await Network.SilentEndPointAsync();
            var options = new ConnectOptions { AttemptDelay = TimeSpan.FromMilliseconds(10) };
            int port = silent.Port;
            Server server = await loop.CreateServerAsync(MakeProtocol, new IPEndPoint(IPAddress.IPv6Loopback, port));
            DescriptorCensus before = DescriptorCensus.Take();

            Connection<TestProtocol> connection = await loop.CreateConnectionAsync(MakeProtocol, Name, port, options);

            Assert.Equal(new IPEndPoint(IPAddress.IPv6Loopback, port), connection.Transport.RemoteEndPoint);
            connection.Transport.Abort();
            await UntilAsync(loop, () => server.ConnectionCount == 0 && connection.Protocol.Lost.Task.IsCompleted);
            await NothingLeftAsync(loop, before);
        },
        new EventLoopOptions
        {
            Resolver = new TestResolver(IPAddress.Loopback, IPAddress.Parse("127.0.0.9"), IPAddress.IPv6Loopback),
        });

    [Theory]
    [InlineData(9)]
    [InlineData(0)]
    [InlineData(-2)]
    public void AttemptDelay_TooShort_IsRefused(int milliseconds) => Run(async loop =>
    {
        var options = new ConnectOptions { AttemptDelay = TimeSpan.FromMilliseconds(milliseconds) };

        ArgumentOutOfRangeException exception = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => loop.CreateConnectionAsync(MakeProtocol, Name, 80, options));

        Assert.Contains("RFC 8305", exception.Message, StringComparison.Ordinal);
    });
}
