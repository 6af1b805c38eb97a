using System.Net;
using Toolkit.Backends;
using Toolkit.Simulation;
using Toolkit.Tests.Tasks;

namespace Toolkit.Tests.Synchronization;

/// <content>The calls of the loop, its transports and its servers.</content>
public sealed partial class CancellationSweep
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RunInThread(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        int ran = 0;
        int came = 0;
        await cancel(async token =>
        {
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal(i, await loop.RunInThreadAsync(() => ran++, token));
                came++;
            }
        });
        await Scenario.TurnsAsync(10);
        Assert.InRange(ran, came, came + 1); // one that has started goes on
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Connect(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), IPAddress.Loopback.ToString(), 0);
        int descriptors = DescriptorsOf(loop);
        int residents = loop.Host.ResidentCount;
        loop.Host.Lookup = _ => [IPAddress.Parse("127.0.0.2"), IPAddress.Loopback]; // of which one refuses
        Transport? connected = null;
        try
        {
            await cancel(async token =>
            {
                (Transport transport, _) = await loop.CreateConnectionAsync(
                    () => new TestProtocol(), "server.example", server.EndPoints[0].Port, cancellationToken: token);
                connected = transport;
                await loop.Delay(TimeSpan.Zero, token);
            });
        }
        finally
        {
            connected?.Abort();
            await Scenario.TurnsAsync(10);
            server.AbortConnections();
            await Scenario.TurnsAsync(10);
            Assert.Equal((descriptors, residents), (DescriptorsOf(loop), loop.Host.ResidentCount));
            await server.DisposeAsync();
        }
    });

    // Where connecting takes time, one is cancelled at every step of it.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ConnectFromAfar(bool byToken)
    {
        const int Port = 7000;
        bool isInTime = true;
        int cancelled = 0;
        for (int step = 0; isInTime; step++)
        {
            isInTime = false;
            using var world = new SimulatedWorld(new SimulationOptions { Seed = 1 });
            SimulatedHost far = world.AddHost("far", "10.0.0.1");
            SimulatedHost near = world.AddHost("near", "10.0.0.2");
            Task serving = far.Start(async loop => await loop.CreateServerAsync(
                () => new TestProtocol(), new IPEndPoint(far.Addresses[0], Port)));
            world.RunUntilComplete(serving);
            Task connecting = near.Start(loop => loop.CreateTask(async () =>
            {
                using var source = new CancellationTokenSource();
                loop.Host.Lookup = _ => [far.Addresses[0]];
                try
                {
                    bool completed = await CancelScope.RunAsync(async scope =>
                    {
                        TimerHandle timer = loop.CallLater(step * TimeSpan.FromMicroseconds(100), () =>
                        {
                            isInTime = true;
                            (byToken ? source.Cancel : (Action)(() => scope.Cancel()))();
                        });
                        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
                            () => new TestProtocol(), "far.example", Port, cancellationToken: byToken ? source.Token : default);
                        timer.Cancel();
                        connection.Transport.Abort();
                    });
                    cancelled += completed ? 0 : 1;
                }
                catch (OperationCanceledException exception) when (byToken)
                {
                    Assert.Equal(source.Token, exception.CancellationToken);
                    cancelled++;
                }

                await Scenario.TurnsAsync(3);
                Assert.Equal((0, 0, 0), (near.DescriptorCount, loop.Host.ResidentCount, loop.Timers.Count));
                Assert.Equal(0, loop.CancelledScopes);
            }).AsTask());
            world.RunUntilComplete(connecting);
        }

        Assert.True(cancelled > 10, "Few were cancelled.");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void CreateServer(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        loop.Host.Lookup = _ => [IPAddress.Loopback];
        int descriptors = DescriptorsOf(loop);
        try
        {
            await cancel(async token =>
            {
                await using Server server = await loop.CreateServerAsync(
                    () => new TestProtocol(), "server.example", 0, cancellationToken: token);
                await loop.Delay(TimeSpan.Zero, token);
            });
        }
        finally
        {
            await Scenario.TurnsAsync(10);
            Assert.Equal((descriptors, 0), (DescriptorsOf(loop), loop.Host.ResidentCount));
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void WaitClosed(bool byToken) => Sweep(byToken, async (loop, cancel) =>
    {
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), IPAddress.Loopback.ToString(), 0);
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(token => server.WaitClosedAsync(token)));
            await Scenario.TurnsAsync(4);
            server.Close();
            await server.WaitClosedAsync();
        });
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Drain(bool byRunning) => Sweep(byToken: false, async (loop, cancel) =>
    {
        Server server = await loop.CreateServerAsync(
            () => new TestProtocol { OnData = (self, _) => self.Transport.Write(new byte[1_000_000]) },
            IPAddress.Loopback.ToString(),
            0,
            new ServerOptions { DrainTime = s_second });
        var client = new TestProtocol { OnMade = self => self.Transport.Write("x"u8) };
        await loop.CreateConnectionAsync(() => client, server.EndPoints[0]);
        await Scenario.TurnsAsync(5);
        Assert.Equal(1, server.ConnectionCount);
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(() => cancel(async token =>
            {
                try
                {
                    await (byRunning ? server.RunAsync(token) : server.DrainAsync(s_second, token));
                }
                finally
                {
                    Assert.Equal((0, false), (server.ConnectionCount, server.IsListening)); // however it ends
                }
            }));
            await Scenario.TurnsAsync(4);
            server.Close();
            client.Transport.Abort();
        });
        await Scenario.TurnsAsync(10);
        Assert.Equal((0, 0), (DescriptorsOf(loop), loop.Host.ResidentCount));
    });

    [Fact]
    public void Calls_InACancelledScope_BeginNothing() => Scenario.Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(() => new TestProtocol(), IPAddress.Loopback.ToString(), 0);
        bool ran = false;
        int descriptors = DescriptorsOf(loop);
        bool completed = await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel("the reason");
            Task[] calls =
            [
                loop.RunInThreadAsync(() => ran = true),
                loop.CreateConnectionAsync(() => new TestProtocol(), "server.example", 80),
                loop.CreateConnectionAsync(() => new TestProtocol(), server.EndPoints[0]),
                loop.CreateServerAsync(() => new TestProtocol(), "server.example", 0),
                server.WaitClosedAsync(),
            ];
            Assert.All(calls, call => Assert.True(call.IsCanceled));
            foreach (Task call in calls)
            {
                ScopeCancelledException exception = await Assert.ThrowsAsync<ScopeCancelledException>(() => call);
                Assert.Same(scope, exception.Scope);
            }

            Assert.Throws<ScopeCancelledException>(CancelScope.ThrowIfCancelled);
            Assert.Equal(descriptors, DescriptorsOf(loop));
            server.Close();
            await Scenario.TurnsAsync(3);
            await server.WaitClosedAsync(); // complete already
            await server.DrainAsync(s_second);
            await loop.Yield();
        });
        Assert.False(completed);
        Assert.False(ran);
        CancelScope.ThrowIfCancelled();
    });

    [Fact]
    public void DisposeAsync_InACancelledScope_AbortsAndHidesNothing() => Scenario.Run(async loop =>
    {
        var served = new TestProtocol();
        TimeSpan before = loop.Time;
        await Assert.ThrowsAsync<FormatException>(() => CancelScope.RunAsync(async scope =>
        {
            await using Server server = await loop.CreateServerAsync(() => served, IPAddress.Loopback.ToString(), 0);
            await loop.CreateConnectionAsync(() => new TestProtocol(), server.EndPoints[0]);
            await Scenario.TurnsAsync(5);
            served.Transport.PauseReading();
            served.Transport.Write(new byte[10_000_000]);
            scope.Cancel();
            throw new FormatException();
        }));
        Assert.Equal(CloseReason.LocalAbort, served.Transport.CloseReason);
        Assert.Equal(before, loop.Time);
        await Scenario.TurnsAsync(10);
        Assert.Equal(0, DescriptorsOf(loop));
    });

    private static int DescriptorsOf(EventLoop loop)
        => ((SimulatedBackend)loop.Host.Backend).Host.DescriptorCount;
}
