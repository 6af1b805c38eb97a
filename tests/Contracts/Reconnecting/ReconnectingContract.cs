using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Clients that last: that they come back, how long they wait, what ends them, and that nothing is left of
/// them.</summary>
public abstract class ReconnectingContract(LoopUnderTest subject) : ServerSuite(subject)
{
    private static readonly TimeSpan s_never = TimeSpan.FromHours(1);

    /// <summary>Waits that no machine notices, and no connection that is old enough to be a success.</summary>
    private static readonly ReconnectOptions s_quick = new()
    {
        InitialDelay = TimeSpan.FromMilliseconds(1),
        MaxDelay = TimeSpan.FromMilliseconds(4),
        HealthyTime = s_never,
    };

    private readonly List<string> _told = [];

    [Fact]
    public void Protocols_ServerKilledTenTimes_ComeBack() => Run(async loop =>
    {
        (int residents, int tasks) = (loop.Host.ResidentCount, loop.Tasks.Count);
        IPEndPoint address = await ReserveAsync(loop);
        ReconnectingClient client = loop.CreateReconnectingClient(MakeClient, address, options: Telling(s_quick));
        Task running = client.RunAsync();
        for (int kill = 0; kill < 10; kill++)
        {
            int failed = Told("failed");
            await UntilAsync(loop, () => client.State == ReconnectState.Waiting && Told("failed") > failed + 1);
            Assert.True(client.RetryDelay < s_quick.MaxDelay, $"{client.RetryDelay}");
            Server server = await loop.CreateServerAsync(MakeProtocol, address);
            await AskAsync(loop, await client.WaitConnectedAsync());
            server.Close();
            server.AbortConnections();
            await UntilAsync(loop, () => client.Transport is null);
            Assert.IsAssignableFrom<IOException>(client.LastFailure);
        }

        Assert.Equal(10, Told("connected"));
        Assert.Equal(10, Told("lost"));
        Assert.True(Told("failed") >= 20);
        await client.StopAsync();
        await running;
        await UntilAsync(loop, () => loop.Host.ResidentCount == residents); // what lingers
        Assert.Equal((ReconnectState.Stopped, tasks), (client.State, loop.Tasks.Count));
    });

    [Fact]
    public void Handlers_ServerKilled_ComeBack_OverAPathToo() => RunAtPath(async (loop, path) =>
    {
        int residents = loop.Host.ResidentCount;
        int handlers = 0;
        int answers = 0;
        ReconnectingClient client = loop.CreateReconnectingClient(
            async connection =>
            {
                handlers++;
                while (true)
                {
                    await connection.WriteAsync("ask\n"u8.ToArray());
                    if (await connection.ReadLineAsync() is null)
                    {
                        return;
                    }

                    answers++;
                    await loop.Delay(TimeSpan.FromMilliseconds(1));
                }
            },
            new UnixAddress(path),
            options: Telling(s_quick));
        Task running = client.RunAsync();
        for (int kill = 0; kill < 3; kill++)
        {
            Server server = await loop.CreateUnixServerAsync(MakeProtocol, path);
            int before = answers;
            await UntilAsync(loop, () => answers > before + 2);
            server.Close();
            if (kill == 0)
            {
                server.CloseConnections();
            }
            else
            {
                server.AbortConnections();
            }

            await UntilAsync(loop, () => client.Transport is null);
        }

        await client.DisposeAsync();
        await running;
        await UntilAsync(loop, () => loop.Host.ResidentCount == residents);
        Assert.Equal((3, 3, 3), (handlers, Told("connected"), Told("lost")));
    });

    [Fact]
    public void Server_AcceptsAndCloses_WaitsGrowToTheCap() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(() => new TestProtocol { OnMade = p => p.Transport.Close() }, AnyPort);
        List<double> waits = [];
        ReconnectingClient client = loop.CreateReconnectingClient(MakeClient, server.EndPoints[0], options: s_quick with
        {
            InitialDelay = TimeSpan.FromMilliseconds(0.1),
            MaxDelay = TimeSpan.FromMilliseconds(1),
            Random = new Drawn(0.5),
            MaxAttempts = 8,
            Lost = client => waits.Add(client.RetryDelay?.TotalMilliseconds ?? -1),
        });

        ConnectionException end = await Assert.ThrowsAnyAsync<ConnectionException>(() => client.RunAsync());

        Assert.Equal([0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, -1], waits); // halves of what doubles
        Assert.Same(end, client.LastFailure);
        Assert.Equal((ReconnectState.Stopped, 8), (client.State, client.Attempt));
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.RunAsync());
        Assert.Same(end, (await Assert.ThrowsAsync<InvalidOperationException>(() => client.WaitConnectedAsync())).InnerException);
        server.Close();
    });

    [Fact]
    public void Connection_ThatLasts_HasWaitsAndAttemptsBeginAnew() => Run(async loop =>
    {
        RequireVirtualTime();
        int served = 0;
        Server server = await loop.CreateServerAsync(
            () => new TestProtocol
            {
                OnMade = p => loop.CallLater(TimeSpan.FromSeconds(++served is 3 or 6 or 9 ? 11 : 9), p.Transport.Close),
            },
            AnyPort);
        List<double> waits = [];
        ReconnectingClient client = loop.CreateReconnectingClient(MakeClient, server.EndPoints[0], options: new()
        {
            Random = new Drawn(0.5),
            MaxAttempts = 3,
            Lost = client => waits.Add(client.RetryDelay?.TotalSeconds ?? -1),
        });
        await Assert.ThrowsAnyAsync<ConnectionException>(() => client.RunAsync());

        Assert.Equal([0.5, 1, 0.5, 1, 2, 0.5, 1, 2, 0.5, 1, 2, -1], waits);
        server.Close();
    });

    [Theory]
    [InlineData("idle")]
    [InlineData("connecting")]
    [InlineData("waiting")]
    [InlineData("connected")]
    [InlineData("handling")]
    public void Stop_Anywhere_EndsInGoodOrder(string where) => Run(async loop =>
    {
        (int residents, int tasks) = (loop.Host.ResidentCount, loop.Tasks.Count);
        (ReconnectingClient client, Server? server) = await MakeAsync(loop, where);
        Task running = where == "idle" ? Task.CompletedTask : client.RunAsync();
        await UntilAsync(loop, () => Is(client, where));

        await client.StopAsync();

        await running;
        Assert.Equal(ReconnectState.Stopped, client.State);
        Assert.Null(client.Transport ?? (object?)client.RetryDelay);
        if (server is not null)
        {
            await UntilAsync(loop, () => server.ConnectionCount == 0);
            Assert.Equal(CloseReason.PeerEnd, Protocols[0].Transport.CloseReason); // and no reset
            server.Close();
        }

        await UntilAsync(loop, () => loop.Host.ResidentCount == residents && loop.Tasks.Count == tasks);
        await (where == "idle" ? client.RunAsync() : client.StopAsync()); // nothing more
        await client.DisposeAsync();
    });

    [Theory]
    [InlineData("connecting")]
    [InlineData("waiting")]
    [InlineData("connected")]
    [InlineData("handling")]
    public void Scope_Cancelled_AbortsAndLeavesNothing(string where) => Run(async loop =>
    {
        (int residents, int tasks) = (loop.Host.ResidentCount, loop.Tasks.Count);
        (ReconnectingClient client, Server? server) = await MakeAsync(loop, where);
        Task running = Task.CompletedTask;
        Assert.False(await CancelScope.RunAsync(async scope =>
        {
            running = client.RunAsync();
            await UntilAsync(loop, () => Is(client, where));
            scope.Cancel();
            await running;
        }));

        Assert.True(running.IsCanceled);
        Assert.Equal((ReconnectState.Stopped, null, null), (client.State, client.Transport, client.NextAttemptAt));
        if (server is not null)
        {
            await UntilAsync(loop, () => server.ConnectionCount == 0);
            Assert.Equal(CloseReason.Reset, Protocols[0].Transport.CloseReason);
            Assert.Equal(["connected", "lost"], _told);
            server.Close();
        }

        await UntilAsync(loop, () => loop.Host.ResidentCount == residents && loop.Tasks.Count == tasks);
    });

    [Theory]
    [InlineData("connecting", false)]
    [InlineData("connecting", true)]
    [InlineData("waiting", false)]
    [InlineData("waiting", true)]
    [InlineData("connected", false)]
    [InlineData("connected", true)]
    [InlineData("handling", false)]
    [InlineData("handling", true)]
    public void Loop_Ends_SoDoesTheClient(string where, bool isShielded)
    {
        ReconnectingClient? client = null;
        LoopTask<bool>? running = null;
        Exception? ended = null;
        Run(async loop =>
        {
            (client, _) = await MakeAsync(loop, where);
            running = loop.CreateTask(() => CancelScope.RunAsync(_ => client.RunAsync(), shield: isShielded));
            running.AddDoneCallback(task => ended = task.State == FutureState.Failed ? task.Exception : null);
            await UntilAsync(loop, () => Is(client, where));
        });
        Assert.Equal((ReconnectState.Stopped, null), (client!.State, client.Transport));
        Assert.Equal(isShielded ? FutureState.Failed : FutureState.Cancelled, running!.State);
        Assert.Equal(isShielded, ended is ObjectDisposedException);
    }

    [Theory]
    [InlineData("Connected")]
    [InlineData("Lost")]
    [InlineData("AttemptFailed")]
    [InlineData("handler")]
    [InlineData("token")]
    public void Stop_FromWithin_IsHeard(string where) => Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        IPEndPoint address = where == "AttemptFailed" ? Network.DeadEndPoint() : server.EndPoints[0];
        void StopIf(string callback, ReconnectingClient client)
        {
            _told.Add(callback);
            if (where == callback)
            {
                client.Stop();
            }
            else if (where == "token")
            {
                source.Cancel();
            }
        }

        ReconnectingClient client = null!;
        client = loop.CreateReconnectingClient(
            async connection =>
            {
                if (where == "handler")
                {
                    await client.StopAsync();
                    Assert.Fail("Nobody waits for his own end.");
                }

                await (where == "Lost" ? Task.CompletedTask : connection.WaitClosedAsync().AsTask());
            },
            address,
            options: s_quick with
            {
                Connected = c => StopIf("Connected", c),
                Lost = c => StopIf("Lost", c),
                AttemptFailed = c => StopIf("AttemptFailed", c),
            });
        await client.RunAsync(source.Token);

        Assert.Equal(where == "AttemptFailed" ? ["AttemptFailed"] : ["Connected", "Lost"], _told);
        server.Close();
        await server.WaitClosedAsync();
        Assert.All(Protocols, protocol => Assert.Equal(CloseReason.PeerEnd, protocol.Transport.CloseReason));
    });

    [Theory]
    [InlineData("dispose")]
    [InlineData("stop and dispose")]
    [InlineData("dispose in a shield")]
    [InlineData("stop and wait")]
    [InlineData("stop and wait in a shield")]
    public void Handler_ThatWaitsForItsOwnEnd_IsNotHeldUp(string how) => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        ReconnectingClient client = null!;
        Exception? refusal = null;
        int ended = 0;
        client = loop.CreateReconnectingClient(
            async connection =>
            {
                try
                {
                    await CancelScope.RunAsync(
                        async _ =>
                        {
                            if (how.StartsWith("stop", StringComparison.Ordinal))
                            {
                                client.Stop();
                            }

                            if (how.Contains("wait", StringComparison.Ordinal))
                            {
                                refusal = await Record.ExceptionAsync(() => client.StopAsync());
                            }
                            else
                            {
                                await client.DisposeAsync();
                            }
                        },
                        shield: how.EndsWith("shield", StringComparison.Ordinal));
                }
                finally
                {
                    await client.DisposeAsync();
                    ended++;
                }
            },
            server.EndPoints[0],
            options: s_quick);
        await client.RunAsync();

        Assert.Equal((1, ReconnectState.Stopped), (ended, client.State));
        switch (how)
        {
            case "stop and wait":
                Assert.IsAssignableFrom<OperationCanceledException>(refusal);
                break;
            case "stop and wait in a shield":
                Assert.IsType<InvalidOperationException>(refusal);
                break;
            default:
                Assert.Null(refusal);
                break;
        }

        server.Close();
        await server.WaitClosedAsync();
    });

    [Fact]
    public void Callbacks_Throw_IsReportedAndChangesNothing() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        ReconnectOptions options = s_quick with
        {
            Connected = _ => throw new FormatException("connected"),
            Lost = _ => throw new FormatException("lost"),
            AttemptFailed = _ => throw new FormatException("failed"),
        };
        await using ReconnectingClient client = loop.CreateReconnectingClient(MakeClient, server.EndPoints[0], options: options);
        _ = client.RunAsync();
        (await client.WaitConnectedAsync()).Close();
        await UntilAsync(loop, () => Errors.Count == 3); // connected, lost, connected
        server.Close();
        server.AbortConnections();
        await UntilAsync(loop, () => client.Attempt > 3);
        await client.StopAsync();
        Assert.Equal(
            ["connected", "lost", "connected", "lost", "failed"], Errors.Take(5).Select(error => error.Exception.Message));
        Assert.All(Errors, error => Assert.IsType<CallbackError>(error));
        Errors.Clear();
    });

    [Theory]
    [InlineData("factory")]
    [InlineData("made")]
    [InlineData("handler")]
    [InlineData("null task")]
    [InlineData("decision")]
    public void Mistakes_EndTheClientAtOnce(string whose) => Run(async loop =>
    {
        int residents = loop.Host.ResidentCount;
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        int calls = 0;
        Task? nothing = null;
        Exception mistake = whose == "handler" ? new FormatException("a mistake") : new IOException("a mistake");
        Exception Count()
        {
            calls++;
            return mistake;
        }

        ReconnectOptions options = s_quick with { ShouldRetry = whose == "decision" ? (_, _) => throw Count() : null };
        ReconnectingClient client = whose switch
        {
            "handler" => loop.CreateReconnectingClient(
                (StreamConnection _) => throw Count(), server.EndPoints[0], options: options),
            "null task" => loop.CreateReconnectingClient((StreamConnection _) => nothing!, server.EndPoints[0], options: options),
            "factory" => loop.CreateReconnectingClient(() => throw Count(), server.EndPoints[0], options: options),
            "made" => loop.CreateReconnectingClient(
                () => new TestProtocol { OnMade = _ => throw Count() }, server.EndPoints[0], options: options),
            _ => loop.CreateReconnectingClient(MakeClient, Network.DeadEndPoint(), options: options),
        };

        Exception thrown = await Assert.ThrowsAnyAsync<Exception>(() => client.RunAsync());

        Assert.Equal(whose == "null task" ? typeof(InvalidOperationException) : mistake.GetType(), thrown.GetType());
        Assert.Equal(whose == "null task" ? 0 : 1, calls);
        Assert.Equal((ReconnectState.Stopped, null), (client.State, client.Transport));
        if (whose == "made")
        {
            TakeError(); // as any callback's
        }

        server.Close();
        await server.WaitClosedAsync();
        await UntilAsync(loop, () => loop.Host.ResidentCount == residents);
    });

    [Fact]
    public void ShouldRetry_HasTheLastWord() => Run(async loop =>
    {
        IPEndPoint nobody = Network.DeadEndPoint();
        List<bool> byDefault = [];
        int attempts = 0;
        ReconnectingClient client = loop.CreateReconnectingClient(
            () => ++attempts % 2 == 0
                ? loop.CreateConnectionAsync(MakeClient, nobody)
                : throw new ArgumentException("a mistake"),
            s_quick with
            {
                ShouldRetry = (failure, retry) =>
                {
                    byDefault.Add(retry);
                    return attempts < 4;
                },
            });

        await Assert.ThrowsAsync<ConnectFailedException>(() => client.RunAsync());

        Assert.Equal([false, true, false, true], byDefault);
    });

    [Fact]
    public void Handler_TimesOutOrIsAGroup_IsFollowedByAnother() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort); // who is asked nothing says nothing
        int calls = 0;
        ReconnectingClient client = null!;
        client = loop.CreateReconnectingClient(
            async connection =>
            {
                switch (++calls)
                {
                    case 1:
                        await CancelScope.FailAfterAsync(
                            TimeSpan.FromMilliseconds(1), async _ => await connection.ReadLineAsync());
                        break;
                    case 2:
                        // The server may not have heard of it yet.
                        await UntilAsync(loop, () => Protocols.Any(served => served.Grammar.IsMade
                            && Equals(served.Transport.RemoteEndPoint, connection.Transport.LocalEndPoint)));
                        server.AbortConnections();
                        await TaskGroup.RunAsync(async _ => await connection.ReadLineAsync());
                        break;
                    default:
                        client.Stop();
                        break;
                }
            },
            server.EndPoints[0],
            options: s_quick);
        await client.RunAsync();
        Assert.Equal(3, calls);
        server.Close();
        await server.WaitClosedAsync();
    });

    [Fact]
    public void Arguments_ThatCannotBe_AreRejectedAtOnce() => Run(loop =>
    {
        ReconnectOptions[] nonsense =
        [
            new() { InitialDelay = TimeSpan.Zero },
            new() { InitialDelay = TimeSpan.FromSeconds(-1) },
            new() { InitialDelay = TimeSpan.FromMinutes(2) }, // more than the cap
            new() { MaxDelay = TimeSpan.Zero },
            new() { Factor = 0.9 },
            new() { Factor = double.NaN },
            new() { Factor = double.PositiveInfinity },
            new() { HealthyTime = TimeSpan.Zero },
            new() { MaxAttempts = 0 },
        ];
        Assert.All(nonsense, options => Assert.Throws<ArgumentOutOfRangeException>(
            () => loop.CreateReconnectingClient(MakeClient, AnyPort.Address.ToString(), 80, options: options)));
        Assert.Throws<ArgumentException>(() => loop.CreateReconnectingClient(MakeClient, "no/name", 80));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.CreateReconnectingClient(MakeClient, "name", 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.CreateReconnectingClient(MakeClient, AnyPort));
        Assert.Throws<ArgumentException>(() => loop.CreateReconnectingUnixClient(MakeClient, new string('x', 200)));
        foreach (string address in (string[])["fd:3", "udp://localhost:80", "systemd:name", "tcp://localhost:0", "tcp://:80"])
        {
            Assert.Throws<ArgumentException>(
                () => loop.CreateReconnectingClient(MakeClient, ServiceAddress.Parse(address)));
        }

        Assert.Throws<ArgumentOutOfRangeException>(
            () => loop.CreateReconnectingClient(MakeClient, "name", 80, new ConnectOptions { Timeout = TimeSpan.Zero }));
        Assert.Throws<ArgumentNullException>(
            () => loop.CreateReconnectingClient((Func<StreamConnection, Task>)null!, "name", 80));
        return Task.CompletedTask;
    });

    [Fact]
    public void WaitClosed_OfATransport_ReturnsWhatItsProtocolWasTold() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
        using var source = new CancellationTokenSource();
        (Transport transport, TestProtocol protocol) = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), server.EndPoints[0]);
        ValueTask<Exception?> given = transport.WaitClosedAsync(source.Token);
        Task<Exception?> waiting = transport.WaitClosedAsync().AsTask();
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await given);
        await AskAsync(loop, transport);
        Assert.False(waiting.IsCompleted);

        server.AbortConnections();

        var reason = Assert.IsType<ConnectionException>(await waiting);
        Assert.Same(reason, protocol.Lost.Task.Result);
        Assert.Same(reason, await transport.WaitClosedAsync());
        await Assert.ThrowsAsync<NotSupportedException>(
            async () => await new WrongTransport(new TestProtocol()).WaitClosedAsync());
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await transport.WaitClosedAsync());
        });
        server.Close();
    });

    /// <summary>A port that nobody takes while nobody listens: on Linux at an address of the test's own.</summary>
    private async Task<IPEndPoint> ReserveAsync(EventLoop loop)
    {
        var address = new IPAddress([127, 77, (byte)Random.Shared.Next(256), (byte)Random.Shared.Next(1, 255)]);
        Server server = await loop.CreateServerAsync(
            MakeProtocol, OperatingSystem.IsLinux() && !IsSimulated ? new IPEndPoint(address, 0) : AnyPort);
        server.Close();
        return server.EndPoints[0];
    }

    private void RunAtPath(Func<EventLoop, string, Task> scenario)
    {
        string path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");
        Run(loop => scenario(loop, path));
    }

    private TestProtocol MakeClient() => Watch(new TestProtocol());

    private int Told(string what) => _told.Count(told => told == what);

    private ReconnectOptions Telling(ReconnectOptions options) => options with
    {
        Connected = _ => _told.Add("connected"),
        Lost = _ => _told.Add("lost"),
        AttemptFailed = _ => _told.Add("failed"),
    };

    private static async Task AskAsync(EventLoop loop, Transport transport)
    {
        var client = (TestProtocol)transport.Protocol;
        transport.Write("?"u8);
        await UntilAsync(loop, () => client.ReceivedLength == 1 || client.Lost.Task.IsCompleted);
        Assert.False(client.Lost.Task.IsCompleted);
    }

    /// <summary>A client that gets to the given place when it runs, and stays there.</summary>
    private async Task<(ReconnectingClient Client, Server? Server)> MakeAsync(EventLoop loop, string where)
    {
        ReconnectOptions options = Telling(
            new ReconnectOptions { InitialDelay = s_never, MaxDelay = s_never, Random = new Drawn(0.9) });
        switch (where)
        {
            case "connecting":
                return (loop.CreateReconnectingClient(MakeClient, await Network.SilentEndPointAsync(), options: options), null);
            case "connected":
                Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
                return (loop.CreateReconnectingClient(MakeClient, server.EndPoints[0], options: options), server);
            case "handling":
                server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
                return (
                    loop.CreateReconnectingClient(
                        async connection => await connection.ReadLineAsync(), server.EndPoints[0], options: options),
                    server);
            default:
                return (loop.CreateReconnectingClient(MakeClient, Network.DeadEndPoint(), options: options), null);
        }
    }

    private bool Is(ReconnectingClient client, string where) => where switch
    {
        "idle" => client.State == ReconnectState.Idle,
        "connecting" => client.State == ReconnectState.Connecting,
        "waiting" => client.State == ReconnectState.Waiting,
        _ => client.State == ReconnectState.Connected && Protocols is [{ Grammar.IsMade: true }],
    };

    /// <summary>Draws always the same.</summary>
    private sealed class Drawn(double number) : Random
    {
        public override double NextDouble() => number;
    }
}
