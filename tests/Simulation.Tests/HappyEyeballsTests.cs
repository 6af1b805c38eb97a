using System.Net;
using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Happy eyeballs to the tick: what is dialled when, who wins, and that nothing is left of the others.</summary>
public sealed class HappyEyeballsTests
{
    private const int Port = 7000;
    private const string Name = "service.example";

    [Fact]
    public void FirstFamilyIsABlackHole_ConnectedAfterTheDelayAndARoundTrip()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = 1 });
        SimulatedHost client = world.AddHost("client", IPAddress.Parse("10.0.0.1"), IPAddress.Parse("fd00::1"));
        IPAddress hole = IPAddress.Parse("fd00::99");
        world.AddSilentAddress(hole);
        IPAddress alive = AddServer(world, client, 0, TimeSpan.FromMilliseconds(20), listens: true);
        world.Names.Add(Name, hole, alive);
        world.Names.Delay(Name, TimeSpan.FromMilliseconds(5));

        Outcome outcome = Connect(client, new ConnectOptions(), started: out TimeSpan resolved);

        Assert.Equal(alive, outcome.Address);
        Assert.Equal(TimeSpan.FromMilliseconds(250 + 40), outcome.At - resolved);
        Assert.Equal(1, outcome.Descriptors);
    }

    [Fact]
    public void OneByOne_EachHasAnEqualShare()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = 1 });
        SimulatedHost client = world.AddHost("client", IPAddress.Parse("10.0.0.1"), IPAddress.Parse("fd00::1"));
        IPAddress[] holes = [IPAddress.Parse("fd00::98"), IPAddress.Parse("fd00::99")];
        Array.ForEach(holes, world.AddSilentAddress);
        IPAddress alive = AddServer(world, client, 0, TimeSpan.FromMilliseconds(20), listens: true);

        Outcome outcome = Connect(
            client,
            new ConnectOptions { Timeout = TimeSpan.FromSeconds(9), AttemptDelay = Timeout.InfiniteTimeSpan },
            out TimeSpan resolved,
            [.. holes, alive]);

        Assert.Equal(alive, outcome.Address);
        Assert.Equal(TimeSpan.FromMilliseconds(6000 + 40), outcome.At - resolved);
    }

    [Theory]
    [InlineData(1UL)]
    [InlineData(2UL)]
    [InlineData(3UL)]
    public void TwoSucceedInOneTurn_OneIsClosed(ulong seed)
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = seed });
        SimulatedHost client = world.AddHost("client", IPAddress.Parse("10.0.0.1"), IPAddress.Parse("fd00::1"));
        IPAddress slow = AddServer(world, client, 0, TimeSpan.FromMilliseconds(175), listens: true);
        IPAddress fast = AddServer(world, client, 1, TimeSpan.FromMilliseconds(50), listens: true);

        Outcome outcome = Connect(client, new ConnectOptions(), out TimeSpan resolved, slow, fast);

        Assert.Equal(TimeSpan.FromMilliseconds(350), outcome.At - resolved);
        Assert.Equal(1, outcome.Descriptors);
    }

    [Fact]
    public void AnySchedule_GivesWhatTheModelSays()
    {
        int first = TestSeed.Draw();
        for (int i = 0; i < 150; i++)
        {
            int seed = unchecked(first + i);
            Schedule schedule = Schedule.Draw(new Random(seed));
            using var world = new SimulatedWorld(new SimulationOptions { Seed = (ulong)(uint)seed });
            SimulatedHost client = world.AddHost("client", "10.0.0.1");
            IPAddress[] addresses = [.. schedule.Answers.Select((answer, index) => AddAnswer(world, client, index, answer))];

            Outcome outcome = Connect(client, schedule.Options, out TimeSpan resolved, addresses);

            (TimeSpan at, int? winner, SocketError[] failures) = schedule.Model();
            string said = $"seed {seed}: {schedule}";
            Assert.True(outcome.Address?.Equals(winner is { } index ? addresses[index] : null) ?? winner is null, said);
            Assert.True(at == outcome.At - resolved, $"{said}: {at} and not {outcome.At - resolved}");
            Assert.True(outcome.Failures.SequenceEqual(failures), said);
            Assert.True(outcome.Descriptors == (winner is null ? 0 : 1), $"{said}: {outcome.Descriptors} descriptors");
        }
    }

    [Fact]
    public void CancelledAtAnyTime_LeavesNothing()
    {
        for (int at = 5; at <= 600; at += 10)
        {
            using var world = new SimulatedWorld(new SimulationOptions { Seed = (ulong)at });
            SimulatedHost client = world.AddHost("client", "10.0.0.1");
            IPAddress hole = AddAnswer(world, client, 0, new Answer(AnswerKind.Never, default));
            IPAddress refuses = AddServer(world, client, 1, TimeSpan.FromMilliseconds(50), listens: false);
            IPAddress alive = AddServer(world, client, 2, TimeSpan.FromMilliseconds(100), listens: true);
            bool isConnected = false;
            Task main = client.Start(
                loop => CancelScope.MoveOnAfterAsync(TimeSpan.FromMilliseconds(at), async _ =>
                {
                    Connection<TestProtocol> made = await loop.CreateConnectionAsync(() => new TestProtocol(), Name, Port);
                    isConnected = true;
                    made.Transport.Abort();
                    await ((TestProtocol)made.Protocol).Lost.Task;
                }),
                new EventLoopOptions { Resolver = new FixedResolver([hole, refuses, alive]) });

            world.RunUntilComplete(main);
            world.RunFor(TimeSpan.FromMilliseconds(1));

            Assert.Equal(0, client.DescriptorCount);
            Assert.Equal(at > 250 + 100 + 200, isConnected);
        }
    }

    private static Outcome Connect(
        SimulatedHost client, ConnectOptions options, out TimeSpan started, params IPAddress[] addresses)
    {
        var resolver = new FixedResolver(addresses);
        var outcome = new Outcome(null, default, [], 0);
        Task main = client.Start(
            async loop =>
            {
                try
                {
                    Connection<TestProtocol> made = await loop.CreateConnectionAsync(
                        () => new TestProtocol(), Name, Port, options);
                    outcome = outcome with { Address = ((IPEndPoint)made.Transport.RemoteEndPoint!).Address };
                }
                catch (ConnectFailedException exception)
                {
                    outcome = outcome with { Failures = [.. exception.Failures.Select(f => f.Error.SocketErrorCode)] };
                }

                outcome = outcome with { At = client.World.Time, Descriptors = client.DescriptorCount };
            },
            new EventLoopOptions { Resolver = resolver });
        client.World.RunUntilComplete(main);
        started = resolver.AnsweredAt;
        return outcome;
    }

    private static IPAddress AddAnswer(SimulatedWorld world, SimulatedHost client, int index, Answer answer)
    {
        if (answer.Kind == AnswerKind.Never)
        {
            var hole = IPAddress.Parse($"10.9.0.{index + 1}");
            world.AddSilentAddress(hole);
            return hole;
        }

        return AddServer(world, client, index, answer.After / 2, answer.Kind == AnswerKind.Connects);
    }

    private static IPAddress AddServer(SimulatedWorld world, SimulatedHost client, int index, TimeSpan latency, bool listens)
    {
        var address = IPAddress.Parse($"10.1.0.{index + 1}");
        SimulatedHost server = world.AddHost($"server{index}", address.ToString());
        world.SetLink(client, server, new LinkConditions { Latency = latency });
        if (listens)
        {
            server.ListenAsPeer(new IPEndPoint(address, Port));
        }

        return address;
    }

    private enum AnswerKind
    {
        Connects,
        Refuses,
        Never,
    }

    private sealed record Answer(AnswerKind Kind, TimeSpan After);

    private sealed record Outcome(IPAddress? Address, TimeSpan At, SocketError[] Failures, int Descriptors);

    /// <summary>
    /// What each address does, and the options. Every time has a bit of its own, so that no two things happen at once, whose
    /// order would be the seed's.
    /// </summary>
    private sealed record Schedule(Answer[] Answers, ConnectOptions Options)
    {
        public static Schedule Draw(Random random)
        {
            var answers = new Answer[random.Next(1, 7)];
            for (int i = 0; i < answers.Length; i++)
            {
                TimeSpan after = TimeSpan.FromMilliseconds(random.Next(1, 1500)) + TimeSpan.FromTicks(2L << i);
                answers[i] = new Answer((AnswerKind)random.Next(3), after);
            }

            return new Schedule(answers, new ConnectOptions
            {
                Timeout = TimeSpan.FromMilliseconds(random.Next(100, 5000)) + TimeSpan.FromTicks(1000),
                AttemptDelay = random.Next(4) == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(random.Next(10, 600)),
                AttemptTimeout = random.Next(2) == 0 ? null : TimeSpan.FromMilliseconds(random.Next(100, 1500)),
            });
        }

        /// <summary>The same, by looking for what happens next in a list of times.</summary>
        public (TimeSpan At, int? Winner, SocketError[] Failures) Model()
        {
            var failures = new SocketError?[Answers.Length];
            var running = new SortedList<int, (TimeSpan Ends, SocketError Error)>();
            bool oneByOne = Options.AttemptDelay == Timeout.InfiniteTimeSpan;
            TimeSpan now = TimeSpan.Zero;
            TimeSpan nextBegins = TimeSpan.Zero;
            int next = 0;
            while (true)
            {
                if (next < Answers.Length && nextBegins == now)
                {
                    TimeSpan share = oneByOne && next < Answers.Length - 1
                        ? (Options.Timeout - now) / (Answers.Length - next)
                        : TimeSpan.MaxValue;
                    TimeSpan limit = Options.AttemptTimeout ?? share;
                    Answer answer = Answers[next];
                    SocketError says = answer.Kind == AnswerKind.Connects ? SocketError.Success : SocketError.ConnectionRefused;
                    running.Add(next, answer.Kind != AnswerKind.Never && answer.After < limit
                        ? (now + answer.After, says)
                        : (limit == TimeSpan.MaxValue ? limit : now + limit, SocketError.TimedOut));
                    next++;
                    nextBegins = oneByOne ? TimeSpan.MaxValue : now + Options.AttemptDelay;
                }

                if (running.Count == 0)
                {
                    return (now, null, [.. failures.OfType<SocketError>()]);
                }

                (int index, (TimeSpan ends, SocketError error)) = running.MinBy(entry => entry.Value.Ends);
                TimeSpan begins = next < Answers.Length ? nextBegins : TimeSpan.MaxValue;
                if (Options.Timeout <= ends && Options.Timeout <= begins)
                {
                    foreach (int silent in running.Keys)
                    {
                        failures[silent] = SocketError.TimedOut;
                    }

                    return (Options.Timeout, null, [.. failures.OfType<SocketError>()]);
                }

                if (begins < ends)
                {
                    now = begins;
                    continue;
                }

                now = ends;
                running.Remove(index);
                if (error == SocketError.Success)
                {
                    return (now, index, []);
                }

                failures[index] = error;
                nextBegins = now;
            }
        }

        public override string ToString()
            => $"{string.Join(", ", Answers)}; {Options.Timeout}, {Options.AttemptDelay}, {Options.AttemptTimeout}";
    }

    private sealed class FixedResolver(IPAddress[] addresses) : NameResolver
    {
        public TimeSpan AnsweredAt { get; private set; }

        public override async ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken)
        {
            IReadOnlyList<IPAddress> answer = addresses.Length > 0
                ? addresses
                : await Default.ResolveAsync(host, cancellationToken);
            AnsweredAt = EventLoop.Current.Time;
            return answer;
        }
    }
}
