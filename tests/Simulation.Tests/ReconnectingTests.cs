using System.Text.RegularExpressions;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Clients that last, on a network on which servers die and ways break, and in virtual time.</summary>
public sealed class ReconnectingTests
{
    private const int Worlds = 1000;
    private const int Kills = 10;

    private static readonly ConnectOptions s_connecting = new() { Timeout = TimeSpan.FromSeconds(3) };

    private static readonly ReconnectOptions s_options = new()
    {
        InitialDelay = TimeSpan.FromSeconds(1),
        MaxDelay = TimeSpan.FromSeconds(4),
        HealthyTime = TimeSpan.FromSeconds(1),
    };

    [Fact]
    public void Killed_TenTimesInAThousandWorlds_AlwaysComesBackWithinItsBackoff()
    {
        int first = TestSeed.Draw();
        for (int i = 0; i < Worlds; i++)
        {
            int seed = unchecked(first + i);
            try
            {
                RunWorld(seed);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"TOOLKIT_SEED={seed} fails: {exception.Message}", exception);
            }
        }
    }

    [Fact]
    public void Seed_Same_TheSameWaits()
    {
        Assert.Equal(WaitsOf(7), WaitsOf(7));
        Assert.NotEqual(WaitsOf(7), WaitsOf(8));
    }

    [Fact]
    public void Lines_OneWhenLostOneWhenBack()
    {
        using var hosts = new TwoHosts();
        hosts.Serve();
        using var log = new MemoryLoggerFactory();
        var clients = new List<TestProtocol>();
        _ = hosts.Client.Start(
            loop => loop.CreateReconnectingClient(MakeClient, hosts.Address, options: s_options).RunAsync(),
            new EventLoopOptions { LoggerFactory = log });
        hosts.World.RunFor(TimeSpan.FromSeconds(2));
        Assert.Empty(Lines());

        hosts.Served[^1].Transport.Abort();
        hosts.World.RunFor(TimeSpan.FromSeconds(2));
        Assert.Equal(
            [
                "Warning: The connection to 10.0.0.1:7000 was lost: The connection was reset by the peer. "
                    + "The next attempt is in *.",
                "Information: Connected to 10.0.0.1:7000 again, at attempt 1.",
            ],
            Lines());

        // One that was healthy, whose first retries fail.
        hosts.World.RunFor(TimeSpan.FromHours(1));
        hosts.World.Partition(hosts.Server, hosts.Client);
        hosts.Served[^1].Transport.Abort();
        TestProtocol client = clients[^1];
        client.Transport.Abort();
        hosts.World.RunFor(TimeSpan.FromMinutes(5));
        hosts.World.Heal(hosts.Server, hosts.Client);
        hosts.World.RunFor(TimeSpan.FromMinutes(5));
        string[] lines = Lines()[2..];
        Assert.StartsWith("Warning: The connection to 10.0.0.1:7000 was lost", lines[0], StringComparison.Ordinal);
        Assert.All(lines[1..^1], line => Assert.StartsWith("Debug: Attempt ", line, StringComparison.Ordinal));
        Assert.True(lines.Length > 3);
        Assert.StartsWith("Information: Connected to 10.0.0.1:7000 again", lines[^1], StringComparison.Ordinal);

        hosts.Server.Crash();
        hosts.World.RunFor(TimeSpan.FromHours(1)); // half-open, and silent
        Assert.Equal(2 + lines.Length, Lines().Length);

        TestProtocol MakeClient()
        {
            clients.Add(new TestProtocol());
            return clients[^1];
        }

        string[] Lines() => [.. log.Lines
            .Where(line => line.Category == "Toolkit.ReconnectingClient")
            .Select(line => $"{line.Level}: {Regex.Replace(line.Text, "in [0-9:.]+\\.$", "in *.")}")];
    }

    private static List<TimeSpan> WaitsOf(ulong seed)
    {
        using var hosts = new TwoHosts(new SimulationOptions { Seed = seed });
        List<TimeSpan> waits = [];
        var options = new ReconnectOptions
        {
            MaxAttempts = 10,
            AttemptFailed = client => waits.Add(client.RetryDelay ?? default),
        };
        Task running = hosts.Client.Start(loop => Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.CreateReconnectingClient(() => new TestProtocol(), hosts.Address, options: options).RunAsync()));
        hosts.World.RunUntilComplete(running);
        return waits;
    }

    private static void RunWorld(int seed)
    {
        using var hosts = new TwoHosts(new SimulationOptions { Seed = (ulong)seed });
        SimulatedWorld world = hosts.World;
        TimeSpan startTime = TimeSpan.Zero;
        _ = hosts.Server.Start(async loop =>
        {
            await loop.Delay(startTime); // until then it refuses
            startTime = TimeSpan.Zero;
            Server server = await loop.CreateServerAsync(
                () => new TestProtocol { OnData = (self, data) => self.Transport.Write(data) }, TwoHosts.Any);
            await server.WaitClosedAsync();
        });
        Poller? poller = null;
        int connected = 0;
        int lost = 0;
        (int Residents, int Tasks) before = default;
        (int Residents, int Tasks) after = default;
        EventLoop? loop = null;
        ReconnectingClient? client = null;
        Task running = hosts.Client.Start(async made =>
        {
            loop = made;
            before = (loop.Host.ResidentCount, loop.Tasks.Count);
            poller = new Poller(loop);
            client = loop.CreateReconnectingClient(
                poller.AskAsync,
                hosts.Address,
                s_connecting,
                options: s_options with
                {
                    Connected = _ => connected++,
                    Lost = _ => lost++,
                });
            await client.RunAsync();
            while (loop.Host.ResidentCount > before.Residents)
            {
                await loop.Delay(TimeSpan.FromMilliseconds(1)); // what is closed in good order waits for the peer's end
            }

            after = (loop.Host.ResidentCount, loop.Tasks.Count);
        });
        world.RunUntil(() => poller?.Answers > 0);

        for (int kill = 0; kill < Kills; kill++)
        {
            world.RunFor(TimeSpan.FromSeconds(world.Random.NextDouble()));
            var length = TimeSpan.FromSeconds(Math.Pow(world.Random.NextDouble(), 3) * 10);
            switch (world.Random.Next(4))
            {
                case 0:
                    hosts.Server.Crash();
                    world.RunFor(length);
                    hosts.Server.Restart();
                    break;
                case 1:
                    world.Partition(hosts.Server, hosts.Client);
                    world.RunFor(length);
                    world.HealAll();
                    break;
                case 2:
                    world.PartitionOneWay(hosts.Server, hosts.Client);
                    world.RunFor(length);
                    world.HealAll();
                    break;
                default:
                    startTime = length;
                    hosts.Server.Crash();
                    hosts.Server.Restart();
                    world.RunFor(length);
                    break;
            }

            // At worst an attempt has begun before the repair and fails after it, and the longest wait follows; or the end is
            // noticed after the repair.
            long answered = poller!.Answers;
            TimeSpan limit = s_connecting.Timeout + s_options.MaxDelay + Poller.AnswerTime;
            world.RunUntil(() => poller.Answers > answered && client!.State == ReconnectState.Connected, limit);
        }

        loop!.CallSoon(client!.Stop);
        world.RunUntil(() => running.IsCompleted, TimeSpan.FromSeconds(1));
        world.RunUntilComplete(running);
        Assert.Equal((ReconnectState.Stopped, before, connected), (client.State, after, lost));
        Assert.Null(client.Transport);
    }
}
