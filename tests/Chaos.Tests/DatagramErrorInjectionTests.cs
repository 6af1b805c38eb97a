using Toolkit.Simulation;
using Toolkit.Tests.Contracts;

namespace Toolkit.Tests.Chaos;

public sealed class EpollDatagramErrorInjectionTests() : DatagramErrorInjectionContract(LoopKind.Epoll);

public sealed class UringDatagramErrorInjectionTests() : DatagramErrorInjectionContract(LoopKind.Uring);

public sealed class PortableDatagramErrorInjectionTests() : DatagramErrorInjectionContract(LoopKind.Portable);

public sealed class SimulatedDatagramErrorInjectionTests() : DatagramErrorInjectionContract(LoopKind.Simulated);

/// <summary>
/// A client and a server that echoes datagrams, while calls fail at random: the protocols are told, nobody gets what was not sent,
/// and both end points go on.
/// </summary>
public abstract class DatagramErrorInjectionContract(LoopUnderTest subject) : DatagramSuite(subject)
{
    private const int Seeds = 5;
    private const int Count = 100;

    [Fact]
    public void Echo_UnderRandomErrors_IsToldOfThemAndGoesOn()
    {
        int first = TestSeed.Draw();
        int faults = 0;
        int echoed = 0;
        for (int seed = first; seed < first + Seeds; seed++)
        {
            TestSeed.Print(seed);
            RunDatagrams(
                async loop =>
                {
                    RecordingDatagrams server = await OpenAsync(loop);
                    server.OnReceived = (self, data, from) => self.Transport.SendTo(data, from);
                    RecordingDatagrams client = await ConnectAsync(loop, server.Transport.LocalEndPoint!);
                    for (int i = 0; i < Count; i++)
                    {
                        client.Transport.Send(BitConverter.GetBytes(i));
                        await NextTurnAsync(loop);
                    }

                    // Both are there, and what goes on until it is answered comes through.
                    byte[] last = BitConverter.GetBytes(Count);
                    await UntilAsync(loop, () =>
                    {
                        if (client.Transport.UnsentDatagrams == 0)
                        {
                            client.Transport.Send(last);
                        }

                        return client.Received.Exists(data => data.AsSpan().SequenceEqual(last));
                    });

                    Assert.False(client.Transport.IsClosing || server.Transport.IsClosing);
                    Assert.All(server.Received.Concat(client.Received), data => Assert.InRange(BitConverter.ToInt32(data), 0, Count));
                    Assert.All(client.Faults.Concat(server.Faults), fault => Assert.IsType<DatagramException>(fault));
                    Assert.Equal(client.Received.Count, client.Transport.Counters.Received);
                    faults += client.Faults.Count + server.Faults.Count;
                    echoed += client.Received.Count;
                },
                new EventLoopOptions { Chaos = ChaosOptions.Harsh with { Seed = (ulong)seed, OpenError = 0 } });
        }

        Assert.True(faults > 0, "Nothing has failed.");
        Assert.True(echoed > Seeds * Count / 2, $"Only {echoed} came back.");
    }
}
