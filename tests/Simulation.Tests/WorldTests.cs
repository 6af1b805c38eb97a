using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Toolkit.Backends;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Virtual time, and who is run when.</summary>
public sealed class WorldTests
{
    [Fact]
    public void Run_AnHourOfWaiting_TakesNoTime()
    {
        var real = Stopwatch.StartNew();
        TimeSpan waited = default;

        EventLoop.Run(
            async loop =>
            {
                TimeSpan before = loop.Time;
                await Task.Delay(TimeSpan.FromHours(1), loop.TimeProvider);
                waited = loop.Time - before;
            },
            new EventLoopOptions { Kind = LoopKind.Simulated });

        Assert.Equal(TimeSpan.FromHours(1), waited);
        Assert.True(real.Elapsed < TimeSpan.FromMinutes(1), $"{real.Elapsed}");
    }

    [Fact]
    public void TimeProvider_EverythingThatTakesTime_FollowsTheClock() => EventLoop.Run(
        async loop =>
        {
            DateTimeOffset start = loop.TimeProvider.GetUtcNow();
            Assert.Equal(new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), start);
            using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(5), loop.TimeProvider);
            using var ticks = new PeriodicTimer(TimeSpan.FromMinutes(1), loop.TimeProvider);
            int count = 0;
            while (!cancellation.IsCancellationRequested)
            {
                await ticks.WaitForNextTickAsync(CancellationToken.None);
                count++;
            }

            Assert.Equal(5, count);
            Assert.Equal(TimeSpan.FromMinutes(5), loop.TimeProvider.GetUtcNow() - start);
        },
        new EventLoopOptions { Kind = LoopKind.Simulated });

    [Fact]
    public void Run_NothingIsLeftToHappen_IsADeadlockThatSaysWhoWaits()
    {
        SimulationDeadlockException deadlock = Assert.Throws<SimulationDeadlockException>(() => EventLoop.Run(
            async loop =>
            {
                Server server = await loop.CreateServerAsync(() => new TestProtocol(), new IPEndPoint(IPAddress.Loopback, 80));
                await server.WaitClosedAsync();
            },
            new EventLoopOptions { Kind = LoopKind.Simulated, Simulation = new SimulationOptions { Seed = 42 } }));

        Assert.Contains("the listener at 127.0.0.1:80 waits for connections", deadlock.Message, StringComparison.Ordinal);
        Assert.Contains("SIM_SEED=0x2A", deadlock.Message, StringComparison.Ordinal);
        Assert.Equal(42UL, deadlock.Seed);
    }

    [Fact]
    public void RunFor_Timers_FireAtTheirTimes()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        var fired = new List<(int, TimeSpan)>();
        loop.CallLater(TimeSpan.FromSeconds(2), () => fired.Add((2, loop.Time)));
        loop.CallLater(TimeSpan.FromSeconds(1), () => fired.Add((1, loop.Time)));
        loop.CallLater(TimeSpan.FromSeconds(9), () => fired.Add((9, loop.Time)));

        world.RunFor(TimeSpan.FromSeconds(5));

        Assert.Equal([(1, TimeSpan.FromSeconds(1)), (2, TimeSpan.FromSeconds(2))], fired);
        Assert.Equal(TimeSpan.FromSeconds(5), world.Time);
    }

    [Fact]
    public void RunUntilIdle_Timers_WaitForTheClock()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        int ran = 0;
        loop.CallSoon(() => loop.CallSoon(() => ran++));
        loop.CallLater(TimeSpan.FromTicks(1), () => ran += 100);

        world.RunUntilIdle();

        Assert.Equal(1, ran);
        Assert.Equal(TimeSpan.Zero, world.Time);
    }

    [Fact]
    public void Advance_Timers_AreLateInTheirOrder()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        var fired = new List<string>();
        loop.CallLater(TimeSpan.FromSeconds(2), () => fired.Add($"second at {loop.Time.TotalSeconds}"));
        loop.CallLater(TimeSpan.FromSeconds(1), () => fired.Add($"first at {loop.Time.TotalSeconds}"));

        world.Advance(TimeSpan.FromSeconds(10));
        Assert.Empty(fired);
        world.RunUntilIdle();

        Assert.Equal(["first at 10", "second at 10"], fired);
    }

    [Fact]
    public void Step_OneAtATime_ComesToAnEnd()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        bool fired = false;
        loop.CallLater(TimeSpan.FromSeconds(1), () => fired = true);

        int steps = 0;
        while (world.Step())
        {
            steps++;
            Assert.True(steps < 100, "There is always something left to happen.");
        }

        Assert.True(fired);
        Assert.InRange(steps, 2, 10);
        Assert.Equal(TimeSpan.FromSeconds(1), world.Time);
    }

    [Fact]
    public void Advance_WhileRunning_SaysSo()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        Exception? thrown = null;
        loop.CallSoon(() => thrown = Record.Exception(() => world.Advance(TimeSpan.FromSeconds(1))));
        world.RunUntilIdle();
        Assert.IsType<InvalidOperationException>(thrown);
        Assert.Contains("while the world is running", thrown.Message, StringComparison.Ordinal);

        loop.CallSoon(() => thrown = Record.Exception(world.RunUntilIdle));
        world.RunUntilIdle();
        Assert.Contains("is running already", Assert.IsType<InvalidOperationException>(thrown).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => world.Advance(TimeSpan.FromTicks(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.RunFor(TimeSpan.FromTicks(-1)));
    }

    [Fact]
    public void RunUntil_NeverTrue_SaysWhy()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        Assert.Throws<SimulationDeadlockException>(() => world.RunUntil(() => false));

        using var ticks = loop.TimeProvider.CreateTimer(_ => { }, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        Assert.Throws<SimulationLimitException>(() => world.RunUntil(() => false, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void Run_TimeLimit_EndsWhatNeverEnds()
    {
        using var world = new SimulatedWorld(new SimulationOptions { TimeLimit = TimeSpan.FromHours(1) });
        EventLoop loop = world.AddHost("a").CreateLoop();
        using var ticks = loop.TimeProvider.CreateTimer(_ => { }, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));

        Assert.Throws<SimulationLimitException>(() => world.RunFor(TimeSpan.FromHours(2)));
    }

    [Fact]
    public void Run_CallbacksThatKeepEachOtherBusy_AreCutOff()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        loop.CallSoon(Again);

        SimulationLimitException limit = Assert.Throws<SimulationLimitException>(world.RunUntilIdle);

        Assert.Contains("Time stands still", limit.Message, StringComparison.Ordinal);

        void Again() => loop.CallSoon(Again);
    }

    [Fact]
    public void Program_Fails_ComesOutOfTheRun()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = 7 });
        world.AddHost("a").Start(async loop =>
        {
            await Task.Delay(TimeSpan.FromSeconds(3), loop.TimeProvider);
            throw new InvalidDataException("broken");
        });

        SimulationException failure = Assert.Throws<SimulationException>(() => world.RunFor(TimeSpan.FromMinutes(1)));

        Assert.IsType<InvalidDataException>(failure.InnerException);
        Assert.Contains("the program of a failed: broken", failure.Message, StringComparison.Ordinal);
        Assert.Equal(TimeSpan.FromSeconds(3), world.Time);
    }

    [Fact]
    public void RunInThread_RunsInlineAndTakesVirtualTime()
    {
        using var world = new SimulatedWorld(new SimulationOptions { ThreadWorkTime = TimeSpan.FromMinutes(1) });
        int thread = 0;
        Task<int> work = world.AddHost("a").CreateLoop().RunInThreadAsync(() => thread = Environment.CurrentManagedThreadId);

        world.RunUntilComplete(work);

        Assert.Equal(Environment.CurrentManagedThreadId, thread);
        Assert.InRange(world.Time, TimeSpan.FromTicks(1), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void Post_OfAnotherThread_IsAnErrorWithItsStack()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        world.RunUntilIdle();
        var thread = new Thread(() => PostFromElsewhere(loop));
        thread.Start();
        thread.Join();

        ForeignThreadException foreign = Assert.Throws<ForeignThreadException>(world.RunUntilIdle);

        Assert.Contains(nameof(PostFromElsewhere), foreign.Message, StringComparison.Ordinal);
        Assert.Contains("RunInThreadAsync", foreign.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ForeignWork_Declared_HoldsTheClock()
    {
        using var world = new SimulatedWorld();
        EventLoop loop = world.AddHost("a").CreateLoop();
        bool late = false;
        loop.CallLater(TimeSpan.FromSeconds(1), () => Volatile.Write(ref late, true));
        world.RunUntilIdle();
        Assert.True(world.IsReproducible);
        var result = new TaskCompletionSource<TimeSpan>();
        IDisposable work = world.DeclareForeignWork();
        Thread driver = Thread.CurrentThread;
        var thread = new Thread(() =>
        {
            // Until the world waits for us, or its clock has run away.
            SpinWait.SpinUntil(
                () => Volatile.Read(ref late) || driver.ThreadState.HasFlag(System.Threading.ThreadState.WaitSleepJoin),
                TimeSpan.FromSeconds(30));
            loop.CallSoonThreadSafe(() => result.SetResult(loop.Time));
            work.Dispose();
        });
        thread.Start();

        TimeSpan at = world.RunUntilComplete(result.Task);
        thread.Join();

        Assert.Equal(TimeSpan.Zero, at);
        Assert.False(late);
        Assert.False(world.IsReproducible);
    }

    [Fact]
    public void Run_OnAnotherThread_SaysSo()
    {
        using var world = new SimulatedWorld();
        world.RunUntilIdle();
        Exception? thrown = null;
        var thread = new Thread(() => thrown = Record.Exception(world.RunUntilIdle));
        thread.Start();
        thread.Join();

        Assert.IsType<InvalidOperationException>(thrown);
        Assert.Contains("lives on one thread", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hosts_Thousand_ExchangeMessages()
    {
        const int Hosts = 1000;
        using var world = new SimulatedWorld();
        SimulatedHost hub = world.AddHost("hub", "10.255.0.1");
        int served = 0;
        hub.Start(async loop =>
        {
            Server server = await loop.CreateServerAsync(
                () => new TestProtocol
                {
                    OnMade = _ => served++,
                    OnData = (self, data) => self.Transport.Write(data),
                },
                new IPEndPoint(IPAddress.Any, 80),
                new ServerOptions { Backlog = Hosts });
            await server.WaitClosedAsync();
        });
        var answers = new List<Task>();
        for (int i = 0; i < Hosts; i++)
        {
            answers.Add(world.AddHost($"host{i}").Start(async loop =>
            {
                Connection<TestProtocol> connection = await loop.CreateConnectionAsync(() => new TestProtocol(), "hub", 80);
                connection.Transport.Write("hello"u8);
                await connection.Protocol.FirstData.Task;
                connection.Transport.Close();
                await connection.Protocol.Lost.Task;
            }));
        }

        world.RunUntilComplete(Task.WhenAll(answers));

        Assert.Equal(Hosts, served);
    }

    [Fact]
    public void BadInput_IsRefused()
    {
        using var world = new SimulatedWorld();
        SimulatedHost host = world.AddHost("a", "10.0.0.1");
        Assert.Contains("There are: a", Assert.Throws<KeyNotFoundException>(() => world["b"]).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => world.AddHost("A"));
        Assert.Throws<ArgumentException>(() => world.AddHost("b", "10.0.0.1"));
        Assert.Throws<ArgumentException>(() => world.AddHost("b", "127.0.0.1"));
        Assert.Throws<FormatException>(() => world.AddHost("b", "10.0.0"));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => world.SetLink(host, host, new LinkConditions { Latency = TimeSpan.FromTicks(-1) }));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.SetLink(host, host, new LinkConditions { Loss = 1.5 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.SetLink(host, host, new LinkConditions { Loss = double.NaN }));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.SetLink(host, host, new LinkConditions { MaxSegment = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.SetLink(host, host, new LinkConditions { Bandwidth = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => world.Chance(1.01));
        Assert.Throws<ArgumentOutOfRangeException>(() => host.DescriptorLimit = -1);
        Assert.Throws<InvalidOperationException>(host.Restart);
        Assert.Throws<InvalidOperationException>(host.Resume);
        Assert.Throws<FormatException>(() => SimulationOptions.ParseSeed("0xZZ"));
        Assert.Throws<ArgumentOutOfRangeException>(() => SimulationRun.Explore(_ => { }, count: 0));
        using var other = new SimulatedWorld();
        Assert.Throws<ArgumentException>(() => world.Partition(host, other.AddHost("x")));
    }

    [Fact]
    public void Serve_OnOnePort_TwiceIsRefused()
    {
        using var world = new SimulatedWorld();
        Task twice = world.AddHost("a").Start(async loop =>
        {
            await loop.CreateServerAsync(() => new TestProtocol(), new IPEndPoint(IPAddress.Any, 80));
            ListenFailedException refused = await Assert.ThrowsAsync<ListenFailedException>(
                () => loop.CreateServerAsync(() => new TestProtocol(), new IPEndPoint(IPAddress.Any, 80)));
            Assert.Equal(SocketError.AddressAlreadyInUse, refused.Error);
        });

        world.RunUntilComplete(twice);
    }

    [MethodImpl(MethodImplOptions.NoInlining)] // it is looked for in a stack trace
    private static void PostFromElsewhere(EventLoop loop) => loop.CallSoonThreadSafe(() => { });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Send_BytesChangedBeforeItsEnd_IsAnError(bool released)
    {
        using var world = new SimulatedWorld();
        SimulatedHost server = world.AddHost("server", "10.0.0.1");
        SimulatedHost client = world.AddHost("client", "10.0.0.2");
        var address = new IPEndPoint(server.Addresses[0], 80);
        using SimulatedPeerListener listener = server.ListenAsPeer(address);
        byte[] data = new byte[10_000_000];
        var owner = new Sender();
        client.Start(async loop =>
        {
            IoBackend backend = loop.Host.Backend;
            IoHandle handle = backend.Open(new HandleSpec { AddressFamily = address.AddressFamily }, out _)!;
            backend.Submit(new ConnectOperation(handle, address, owner));
            await owner.Connected.Task;
            int sent = backend.TrySend(handle, data, out _);
            backend.Submit(new SendOperation(handle, owner) { Data = data.AsMemory(sent) });
            if (released)
            {
                backend.Release(handle, reset: true);
            }

            data[^1]++;
        });

        SimulationException error = Assert.Throws<SimulationException>(() => world.RunFor(TimeSpan.FromMinutes(1)));

        Assert.Contains("client: the bytes of a send to 10.0.0.1:80 were changed before its end was told", error.Message);
    }

    private sealed class Sender : ISender, IConnector
    {
        public TaskCompletionSource Connected { get; } = new();

        public void OnSent(int count, SocketError error)
        {
        }

        public void OnConnectEnded(SocketError error) => Connected.SetResult();
    }
}
