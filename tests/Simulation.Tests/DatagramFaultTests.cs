using System.Net;
using Toolkit.Simulation;
using Toolkit.Tests.Contracts;

namespace Toolkit.Tests.Simulated;

/// <summary>What a simulated network does to datagrams.</summary>
public sealed class DatagramFaultTests
{
    private const int Count = 1000;

    private static readonly LinkConditions s_quiet = new() { Latency = TimeSpan.FromMilliseconds(1) };

    [Fact]
    public void Loss_LosesForGood_AndTheSameSeedLosesTheSame()
    {
        ulong seed = (ulong)TestSeed.Draw();
        (int[] first, ulong firstHash) = Send(s_quiet with { Loss = 0.3 }, seed);
        (int[] second, ulong secondHash) = Send(s_quiet with { Loss = 0.3 }, seed);

        Assert.InRange(first.Length, Count / 2, Count - 100);
        Assert.Equal(first.Order(), first); // those that come keep their order
        Assert.Equal(first, second);
        Assert.Equal(firstHash, secondHash);
    }

    [Fact]
    public void Duplication_BringsSomeTwice()
    {
        (int[] received, _) = Send(s_quiet with { Duplication = 0.5 }, (ulong)TestSeed.Draw());

        Assert.InRange(received.Length, Count + 300, Count + 700);
        Assert.Equal(Count, received.Distinct().Count());
    }

    [Fact]
    public void Reordering_BringsAllInAnotherOrder()
    {
        (int[] received, _) = Send(s_quiet with { Reordering = 0.5 }, (ulong)TestSeed.Draw());

        Assert.Equal(Enumerable.Range(0, Count), received.Order());
        Assert.NotEqual(received.Order(), received);
    }

    [Fact]
    public void Partition_LosesAllUntilItIsHealed()
    {
        using var pair = new Pair(s_quiet, (ulong)TestSeed.Draw());
        pair.World.Partition(pair.A, pair.B);
        pair.Client.Transport.Send([1]);
        pair.World.RunFor(TimeSpan.FromSeconds(1));
        pair.World.Heal(pair.A, pair.B);
        pair.Client.Transport.Send([2]);
        pair.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Equal([[2]], pair.Server.Received);
    }

    [Fact]
    public void Refusal_TakesTheWayThereAndBack_AndComesNoMoreWhenSomebodyIsThere()
    {
        using var pair = new Pair(s_quiet, (ulong)TestSeed.Draw());
        pair.Server.Transport.Close();
        pair.World.RunUntilIdle();

        pair.Client.Transport.Send([1]);
        pair.World.RunFor(TimeSpan.FromMilliseconds(1.5));
        Assert.Empty(pair.Client.Faults);
        pair.World.RunFor(TimeSpan.FromMilliseconds(1));

        Assert.Equal(DatagramFault.Refused, ((DatagramException)Assert.Single(pair.Client.Faults)).Fault);
        Assert.False(pair.Client.Transport.IsClosing);
    }

    [Fact]
    public void ReceiveBuffer_Full_LosesWhatComes()
    {
        using var pair = new Pair(s_quiet, (ulong)TestSeed.Draw(), server: new() { ReceiveBufferSize = 20_000 });
        pair.Server.Transport.PauseReading();
        pair.World.RunUntilIdle();
        for (int i = 0; i < 100; i++)
        {
            pair.Client.Transport.Send(new byte[500]);
        }

        pair.World.RunFor(TimeSpan.FromSeconds(1));
        pair.Server.Transport.ResumeReading();
        pair.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.InRange(pair.Server.Received.Count, 10, 50);
    }

    [Theory]
    [InlineData(DatagramDropPolicy.Newest)]
    [InlineData(DatagramDropPolicy.Oldest)]
    public void Bandwidth_HoldsTheSenderBack_WhichPausesDropsAndResumes(DatagramDropPolicy policy)
    {
        using var pair = new Pair(s_quiet with { Bandwidth = 10_000 }, (ulong)TestSeed.Draw(), client: new()
        {
            SendBufferSize = 1000,
            QueueLimits = new DatagramQueueLimits(high: 500, low: 100, capacity: 1500),
            DropPolicy = policy,
        });
        for (int i = 0; i < 100; i++)
        {
            byte[] data = new byte[100];
            data[0] = (byte)i;
            pair.Client.Transport.Send(data);
        }

        Assert.Equal(1, pair.Client.PauseCount);
        long dropped = pair.Client.Transport.Counters.Dropped;
        Assert.InRange(dropped, 50, 99);
        pair.World.RunFor(TimeSpan.FromSeconds(10));

        Assert.Equal(1, pair.Client.ResumeCount);
        Assert.Equal(100 - dropped, pair.Server.Received.Count);
        Assert.Equal(policy == DatagramDropPolicy.Oldest, pair.Server.Received[^1][0] == 99);
    }

    [Fact]
    public void Crash_OfTheReceiver_LosesWhatIsUnderWay()
    {
        using var pair = new Pair(s_quiet, (ulong)TestSeed.Draw());
        pair.Client.Transport.Send([1]);
        pair.World.RunUntilIdle();
        pair.B.Crash();
        pair.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Empty(pair.Server.Received);
        Assert.Empty(pair.Client.Faults); // nobody is there to refuse
    }

    [Fact]
    public void Group_ReachesItsMembersOnOtherHosts()
    {
        using var pair = new Pair(s_quiet, (ulong)TestSeed.Draw());
        RecordingDatagrams member = pair.Open(pair.B, new() { LocalEndPoint = new IPEndPoint(IPAddress.Any, 5353) });
        RecordingDatagrams other = pair.Open(pair.A, new() { LocalEndPoint = new IPEndPoint(IPAddress.Any, 5353) });
        member.Transport.JoinGroup(IPAddress.Parse("224.0.0.251"));
        RecordingDatagrams sender = pair.Open(pair.A, new() { LocalEndPoint = new IPEndPoint(IPAddress.Any, 0) });
        sender.Transport.SendTo([7], DatagramAddress.Parse("224.0.0.251:5353"));
        pair.World.RunFor(TimeSpan.FromSeconds(1));

        Assert.Equal([[7]], member.Received);
        Assert.Empty(other.Received);
        Assert.Equal(pair.A.Addresses[0].ToString(), ((IPEndPoint)member.Senders[0].ToEndPoint()!).Address.ToString());
    }

    private static (int[] Received, ulong Hash) Send(LinkConditions conditions, ulong seed)
    {
        using var pair = new Pair(conditions, seed);
        for (int i = 0; i < Count; i++)
        {
            pair.Client.Transport.Send(BitConverter.GetBytes(i));
            if (i % 10 == 9)
            {
                pair.World.RunFor(TimeSpan.FromMilliseconds(1));
            }
        }

        pair.World.RunFor(TimeSpan.FromSeconds(1));
        return ([.. pair.Server.Received.Select(data => BitConverter.ToInt32(data))], pair.World.TraceHash);
    }

    /// <summary>A server on one host, and on another an end point that is connected to it.</summary>
    private sealed class Pair : IDisposable
    {
        public Pair(LinkConditions conditions, ulong seed, DatagramOptions? server = null, DatagramOptions? client = null)
        {
            World = new SimulatedWorld(new SimulationOptions { Seed = seed, Links = conditions });
            A = World.AddHost("a");
            B = World.AddHost("b");
            Server = Open(B, (server ?? new()) with { LocalEndPoint = new IPEndPoint(IPAddress.Any, 7) });
            Client = Open(A, (client ?? new()) with { RemoteEndPoint = new IPEndPoint(B.Addresses[0], 7) });
        }

        public SimulatedWorld World { get; }

        public SimulatedHost A { get; }

        public SimulatedHost B { get; }

        public RecordingDatagrams Server { get; }

        public RecordingDatagrams Client { get; }

        public RecordingDatagrams Open(SimulatedHost host, DatagramOptions options)
        {
            var protocol = new RecordingDatagrams();
            World.RunUntilComplete(host.Start(loop => loop.CreateDatagramEndpointAsync(() => protocol, options)));
            return protocol;
        }

        public void Dispose() => World.Dispose();
    }
}
