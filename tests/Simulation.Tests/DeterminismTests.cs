using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>One seed decides everything; and who breaks that is found out.</summary>
public sealed class DeterminismTests
{
    [Fact]
    public void Trace_SameSeed_IsTheSameByteForByte()
    {
        (string first, ulong firstHash) = TraceOf(7);
        (string second, ulong secondHash) = TraceOf(7);
        (string other, ulong otherHash) = TraceOf(8);

        Assert.Equal(first, second);
        Assert.Equal(firstHash, secondHash);
        Assert.NotEqual(first, other);
        Assert.NotEqual(firstHash, otherHash);
    }

    [Fact]
    public void Loops_ReadyAtTheSameMoment_RunInAnOrderOfTheSeed()
    {
        HashSet<string> orders = [];
        for (ulong seed = 0; seed < 50; seed++)
        {
            using var world = new SimulatedWorld(new SimulationOptions { Seed = seed });
            string order = "";
            foreach (string name in (string[])["a", "b", "c"])
            {
                world.AddHost(name).CreateLoop().CallSoon(() => order += name);
            }

            world.RunUntilIdle();
            orders.Add(order);
        }

        Assert.Equal(6, orders.Count);
    }

    [Fact]
    public void Explore_RunsEachSeedTwice()
    {
        var seeds = new List<ulong>();

        SimulationReport report = SimulationRun.Explore(
            world => seeds.Add(world.Seed), count: 3, new SimulationOptions { Seed = 10 });

        Assert.Equal([10, 10, 11, 11, 12, 12], seeds);
        Assert.Equal(new SimulationReport(10, 3, TimeSpan.Zero, 0), report);
    }

    [Fact]
    public void Explore_AFailure_SaysHowToRepeatIt()
    {
        SimulationException failure = Assert.Throws<SimulationException>(() => SimulationRun.Explore(
            world =>
            {
                world.AddHost("a").CreateLoop().CallLater(TimeSpan.FromSeconds(2), () => { });
                world.RunFor(TimeSpan.FromSeconds(2));
                Assert.NotEqual(12UL, world.Seed);
            },
            count: 5,
            new SimulationOptions { Seed = 10 }));

        Assert.Equal(12UL, failure.Seed);
        Assert.Contains(
            $"SIM_SEED=0xC SIM_COUNT=1 dotnet test --filter-method '*{nameof(Explore_AFailure_SaysHowToRepeatIt)}*'",
            failure.Message,
            StringComparison.Ordinal);
        Assert.Contains("fails at 00:00:02", failure.Message, StringComparison.Ordinal);
        Assert.Contains("0.0000000 a has a loop", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Explore_WhatDependsOnMoreThanTheSeed_IsFoundOut()
    {
        int runs = 0;

        SimulationException failure = Assert.Throws<SimulationException>(
            () => SimulationRun.Explore(world => world.AddHost($"host{runs++}").CreateLoop()));

        Assert.Contains("two runs of one seed differ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_OfTheTest_DoesNotShiftTheNetwork()
    {
        Assert.Equal(TraceOf(7).Trace, TraceOf(7, draws: 5).Trace);
    }

    private static (string Trace, ulong Hash) TraceOf(ulong seed, int draws = 0)
    {
        using var trace = new StringWriter();
        using var hosts = new TwoHosts(
            new SimulationOptions { Seed = seed, Trace = trace },
            new LinkConditions { Latency = TimeSpan.FromMilliseconds(3), Jitter = TimeSpan.FromMilliseconds(3), Loss = 0.1 });
        for (int i = 0; i < draws; i++)
        {
            hosts.World.Random.NextDouble();
        }

        hosts.Serve();
        for (int i = 0; i < 3; i++)
        {
            TestProtocol client = hosts.Connect();
            client.Transport.Write(new byte[50_000]);
            client.Transport.WriteEof();
        }

        hosts.World.RunFor(TimeSpan.FromMinutes(1));
        Assert.All(hosts.Served, served => Assert.Equal(50_000, served.ReceivedLength));
        return (trace.ToString(), hosts.World.TraceHash);
    }
}
