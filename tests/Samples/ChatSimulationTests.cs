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
