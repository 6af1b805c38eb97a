using System.Net;
using System.Text;
using Toolkit.Samples.Chat;

namespace Toolkit.Tests.Samples;

/// <summary>The chat's rooms on a network that breaks.</summary>
public sealed class ChatSimulationTests
{
    private const int Port = 9000;
    private const int People = 6;
    private const int Lines = 30;

    [Fact]
    public void Room_UnderPartitionAndCrash_IsHeardInOneOrderByAllWhoStay() => SimulationRun.Explore(
        world =>
        {
            SimulatedHost server = world.AddHost("server", "10.0.0.1");
            server.Start(async loop =>
            {
                Server listening = await new ChatHall().ListenAsync(loop, "0.0.0.0", Port);
                await listening.WaitClosedAsync();
            });
            world.RunUntilIdle();

            var hosts = new SimulatedHost[People];
            var people = new Person[People];
            for (int i = 0; i < People; i++)
            {
                hosts[i] = world.AddHost($"client-{i}", $"10.0.1.{i + 1}");
                world.SetLink(server, hosts[i], new LinkConditions
                {
                    Latency = TimeSpan.FromMilliseconds(1 + world.Random.Next(50)),
                    Jitter = TimeSpan.FromMilliseconds(world.Random.Next(20)),
                    Loss = world.Random.Next(3) == 0 ? 0.05 : 0,
                });
                Person person = people[i] = new Person($"person-{i}");
                TimeSpan[] pauses = [.. Enumerable.Range(0, Lines)
                    .Select(_ => TimeSpan.FromMilliseconds(world.Random.Next(3_000)))];
                hosts[i].Start(async loop =>
                {
                    await loop.CreateConnectionAsync(() => person, new IPEndPoint(server.Addresses[0], Port));
                    await Task.Delay(TimeSpan.FromSeconds(30), loop.TimeProvider); // all are in the room by then
                    foreach (TimeSpan pause in pauses)
                    {
                        await Task.Delay(pause, loop.TimeProvider);
                        person.Say();
                    }
                });
            }

            // One is cut off and comes back, one loses power for good, and one just leaves.
            int begin = 30 + world.Random.Next(20);
            world.CallLater(TimeSpan.FromSeconds(begin), () => world.Partition(server, hosts[0]));
            world.CallLater(TimeSpan.FromSeconds(begin + 1 + world.Random.Next(40)), () => world.Heal(server, hosts[0]));
            world.CallLater(TimeSpan.FromSeconds(30 + world.Random.Next(40)), () => hosts[1].Crash());
            people[2].LinesUntilQuit = world.Random.Next(Lines);
            world.RunFor(TimeSpan.FromMinutes(10));

            Person[] stayed = [people[0], .. people[3..]];
            foreach (Person person in stayed)
            {
                Assert.False(person.IsLost, $"{person.Name} lost the connection");
                Assert.Equal(stayed[0].Heard, person.Heard);
                Assert.Equal(
                    Enumerable.Range(0, Lines).Select(n => $"<{person.Name}> line {n}"),
                    stayed[0].Heard.Where(line => line.StartsWith($"<{person.Name}>", StringComparison.Ordinal)));
            }

            // Whoever left has heard a beginning of the same.
            Assert.Equal(stayed[0].Heard[..people[1].Heard.Count], people[1].Heard);
            Assert.Equal(stayed[0].Heard[..people[2].Heard.Count], people[2].Heard);
            Assert.Equal(
                people[2].LinesUntilQuit,
                stayed[0].Heard.Count(line => line.StartsWith("<person-2>", StringComparison.Ordinal)));
        },
        count: 50);

    [Fact]
    public void Drain_UnderPartitionAndCrash_LosesNothingThatHadArrived() => SimulationRun.Explore(
        world =>
        {
            TimeSpan drainAt = TimeSpan.FromMilliseconds(12_000 + world.Random.Next(10_000));
            TimeSpan farthest = TimeSpan.FromMilliseconds(70);
            var hall = new ChatHall();
            SimulatedHost server = world.AddHost("server", "10.0.0.1");
            Task drained = server.Start(async loop =>
            {
                Server listening = await hall.ListenAsync(loop, "0.0.0.0", Port);
                await loop.Delay(drainAt);
                await hall.DrainAsync(listening, TimeSpan.FromSeconds(30));
            });
            world.RunFor(TimeSpan.FromMilliseconds(1));

            var hosts = new SimulatedHost[People];
            var people = new Person[People];
            var said = new List<string>(); // so early that it must have arrived
            for (int i = 0; i < People; i++)
            {
                hosts[i] = world.AddHost($"client-{i}", $"10.0.1.{i + 1}");
                world.SetLink(server, hosts[i], new LinkConditions
                {
                    Latency = TimeSpan.FromMilliseconds(1 + world.Random.Next(50)),
                    Jitter = TimeSpan.FromMilliseconds(world.Random.Next(20)),
                });
                bool isQuiet = i < 2; // who is cut off, and who crashes
                Person person = people[i] = new Person($"person-{i}");
                TimeSpan[] pauses = [.. Enumerable.Range(0, 200)
                    .Select(_ => TimeSpan.FromMilliseconds(world.Random.Next(500)))];
                hosts[i].Start(async loop =>
                {
                    await loop.CreateConnectionAsync(() => person, new IPEndPoint(server.Addresses[0], Port));
                    await Task.Delay(TimeSpan.FromSeconds(10), loop.TimeProvider); // all are in the room by then
                    for (int n = 0; !isQuiet && !person.IsLost && n < pauses.Length; n++)
                    {
                        await Task.Delay(pauses[n], loop.TimeProvider);
                        if (loop.Time + farthest < drainAt)
                        {
                            said.Add($"<{person.Name}> line {n}");
                        }

                        person.Say();
                    }
                });
            }

            int cutOff = 10_000 + world.Random.Next(8_000);
            world.CallLater(TimeSpan.FromMilliseconds(cutOff), () => world.Partition(server, hosts[0]));
            int healed = cutOff + 1 + world.Random.Next(6_000); // what is due at one moment comes in any order
            world.CallLater(TimeSpan.FromMilliseconds(healed), () => world.Heal(server, hosts[0]));
            world.CallLater(TimeSpan.FromMilliseconds(10_000 + world.Random.Next(12_000)), () => hosts[1].Crash());
            world.RunFor(TimeSpan.FromMinutes(3));

            Assert.True(drained.IsCompletedSuccessfully);
            Person[] stayed = [people[0], .. people[2..]];
            foreach (Person person in stayed)
            {
                Assert.True(person.IsLost, $"{person.Name} was told of no end.");
                Assert.Equal(people[2].Heard, person.Heard);
            }

            Assert.NotEmpty(said);
            Assert.Empty(said.Except(people[2].Heard));
            Assert.Equal(people[2].Heard[..people[1].Heard.Count], people[1].Heard);
        },
        count: 25);

    [Fact]
    public void Flood_IsSlowedDownAndNothingOfItIsLost() => SimulationRun.Explore(
        world =>
        {
            var hall = new ChatHall(new ChatSettings { LinesPerSecond = 10 });
            (Person flooder, Person other, _) = Connect(world, hall, drainAt: TimeSpan.FromHours(1));

            for (int i = 0; i < 500; i++)
            {
                flooder.Say();
            }

            int Flooded(Person person) => person.Heard.Count(line => line.StartsWith("<flooder>", StringComparison.Ordinal));
            for (int second = 1; second <= 20; second++)
            {
                world.RunFor(TimeSpan.FromSeconds(1));
                Assert.InRange(Flooded(other), 15 + (10 * (second - 1)), 20 + (11 * second));
                other.Say(); // who talks little is not kept waiting
                world.RunFor(TimeSpan.FromMilliseconds(10));
                Assert.Equal(second, flooder.Heard.Count(line => line.StartsWith("<other>", StringComparison.Ordinal)));
            }

            world.RunFor(TimeSpan.FromSeconds(60));
            Assert.Equal(
                Enumerable.Range(0, 500).Select(n => $"<flooder> line {n}"),
                other.Heard.Where(line => line.StartsWith("<flooder>", StringComparison.Ordinal)));
            Assert.Equal(flooder.Heard, other.Heard);
        },
        count: 5);

    [Fact]
    public void Drain_InTheMiddleOfAFlood_SaysAllThatHadArrived() => SimulationRun.Explore(
        world =>
        {
            var hall = new ChatHall(new ChatSettings { LinesPerSecond = 10 });
            (Person flooder, Person other, Task drained) = Connect(world, hall, drainAt: TimeSpan.FromSeconds(5));

            for (int i = 0; i < 500; i++)
            {
                flooder.Say();
            }

            world.RunFor(TimeSpan.FromSeconds(3));
            Assert.True(other.Heard.Count < 100);
            world.RunFor(TimeSpan.FromSeconds(10));

            Assert.True(drained.IsCompletedSuccessfully);
            Assert.Equal(Enumerable.Range(0, 500).Select(n => $"<flooder> line {n}"), other.Heard);
            Assert.Equal(other.Heard, flooder.Heard);
        },
        count: 5);

    [Fact]
    public void Silence_OfNewcomersAndOfMembers_EndsInTime() => SimulationRun.Explore(
        world =>
        {
            var hall = new ChatHall(new ChatSettings { FirstByteTime = TimeSpan.FromSeconds(30), IdleTime = TimeSpan.FromMinutes(5) });
            SimulatedHost server = world.AddHost("server", "10.0.0.1");
            Server listening = null!;
            server.Start(async loop =>
            {
                listening = await hall.ListenAsync(loop, "0.0.0.0", Port);
                await listening.WaitClosedAsync();
            });
            world.RunFor(TimeSpan.FromMilliseconds(1));
            SimulatedHost client = world.AddHost("client", "10.0.1.1");
            var endPoint = new IPEndPoint(server.Addresses[0], Port);
            var member = new Person("member");
            var silent = new TestProtocol();
            client.Start(async loop =>
            {
                await loop.CreateConnectionAsync(() => member, endPoint);
                await loop.CreateConnectionAsync(() => silent, endPoint);
                await silent.Lost.Task;
            });

            world.RunFor(TimeSpan.FromSeconds(29));
            Assert.Equal(2, listening.ConnectionCount);
            world.RunFor(TimeSpan.FromSeconds(4));
            Assert.Equal(1, listening.CountLimitedBy(ConnectionLimit.FirstByte));
            world.RunFor(TimeSpan.FromMinutes(4.9)); // since the member was told that the other has left
            Assert.False(member.IsLost);
            world.RunFor(TimeSpan.FromSeconds(10));
            Assert.True(member.IsLost);
            Assert.Equal(1, listening.CountLimitedBy(ConnectionLimit.Idle));
        },
        count: 3);

    // Two people in the lobby of a hall that is drained some time later.
    private static (Person Flooder, Person Other, Task Drained) Connect(SimulatedWorld world, ChatHall hall, TimeSpan drainAt)
    {
        SimulatedHost server = world.AddHost("server", "10.0.0.1");
        Task drained = server.Start(async loop =>
        {
            Server listening = await hall.ListenAsync(loop, "0.0.0.0", Port);
            await loop.Delay(drainAt);
            await hall.DrainAsync(listening, TimeSpan.FromSeconds(5));
        });
        world.RunFor(TimeSpan.FromMilliseconds(1));
        SimulatedHost client = world.AddHost("client", "10.0.1.1");
        (var flooder, var other) = (new Person("flooder"), new Person("other"));
        client.Start(async loop =>
        {
            var endPoint = new IPEndPoint(server.Addresses[0], Port);
            await loop.CreateConnectionAsync(() => flooder, endPoint);
            await loop.CreateConnectionAsync(() => other, endPoint);
            await loop.Delay(TimeSpan.FromHours(1));
        });
        world.RunFor(TimeSpan.FromSeconds(1));
        return (flooder, other, drained);
    }

    private sealed class Person(string name) : LineProtocol
    {
        private int _said;

        public string Name => name;

        public List<string> Heard { get; } = [];

        public bool IsLost { get; private set; }

        public int LinesUntilQuit { get; set; } = int.MaxValue;

        public void Say()
        {
            if (_said == LinesUntilQuit)
            {
                SendLine("/quit");
            }

            if (_said++ < LinesUntilQuit && !Transport.IsClosing)
            {
                SendLine($"line {_said - 1}");
            }
        }

        public override void ConnectionMade() => SendLine($"/nick {name}");

        public override void ConnectionLost(Exception? reason) => IsLost = true;

        protected override void LineReceived(ReadOnlySpan<byte> line)
        {
            if (line.StartsWith("<"u8))
            {
                Heard.Add(Encoding.UTF8.GetString(line));
            }
        }
    }
}
