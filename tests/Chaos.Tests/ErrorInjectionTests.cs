using System.Globalization;
using System.Net;
using Toolkit.Simulation;
using Toolkit.Tests.Contracts;

namespace Toolkit.Tests.Chaos;

public sealed class EpollErrorInjectionTests() : ErrorInjectionContract(LoopKind.Epoll);

public sealed class UringErrorInjectionTests() : ErrorInjectionContract(LoopKind.Uring);

public sealed class PortableErrorInjectionTests() : ErrorInjectionContract(LoopKind.Portable);

public sealed class SimulatedErrorInjectionTests() : ErrorInjectionContract(LoopKind.Simulated);

/// <summary>
/// Clients and a server that echoes, while everything fails that can: who is connected is told of the end once, nobody gets
/// a byte that was not sent, and nothing is left. TOOLKIT_CHAOS is the number of seeds, and TOOLKIT_SEED the first of them.
/// </summary>
public abstract class ErrorInjectionContract(LoopUnderTest subject) : StreamContract(subject)
{
    private const int Clients = 12;
    private const int Bytes = 200_000;

    private static int Seeds => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_CHAOS") ?? "20", CultureInfo.InvariantCulture);

    protected override TimeSpan Patience => base.Patience + TimeSpan.FromSeconds(Seeds);

    [Fact]
    public void Echo_UnderRandomErrors_KeepsEveryPromise()
    {
        int first = NextSeed();
        var total = new Tally();
        for (int i = 0; i < Seeds; i++)
        {
            int seed = first + i;
            TestSeed.Print(seed);
            RunWith(ChaosOptions.Harsh with { Seed = (ulong)seed }, seed, total);
        }

        // The errors were there, and not everywhere.
        Assert.True(total.Whole > 0, "No connection survived.");
        Assert.True(total.Broken > 0, "No connection failed.");
        Assert.True(total.Refused > 0, "No connect failed.");
    }

    [Fact]
    public void Echo_WithoutErrors_EveryByteComesBack()
    {
        int first = NextSeed();
        var total = new Tally();
        for (int i = 0; i < Seeds; i++)
        {
            int seed = first + i;
            TestSeed.Print(seed);
            ChaosOptions options = ChaosOptions.Harsh with
            {
                Seed = (ulong)seed,
                OpenError = 0,
                AcceptError = 0,
                ConnectError = 0,
                SendError = 0,
                ReceiveError = 0,
            };
            RunWith(options, seed, total);
        }

        Assert.Equal(Clients * Seeds, total.Whole);
    }

    private void RunWith(ChaosOptions chaos, int seed, Tally total)
    {
        using var log = new MemoryLoggerFactory();
        var options = new EventLoopOptions { Chaos = chaos, LoggerFactory = log };
        Run(loop => EchoAsync(loop, seed, total), options);
    }

    private async Task EchoAsync(EventLoop loop, int seed, Tally total)
    {
        byte[][] sent = [.. Enumerable.Range(0, Clients).Select(client => Pattern(Bytes, seed ^ client))];
        for (int client = 0; client < Clients; client++)
        {
            sent[client][0] = (byte)client; // by which the server's end knows whose bytes it gets
        }

        List<TestProtocol> served = [];
        Server server = await ListenAsync(loop, () =>
        {
            TestProtocol protocol = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });
            served.Add(protocol);
            return protocol;
        });
        TestProtocol?[] clients = await Task.WhenAll(
            sent.Select((data, client) => VisitAsync(loop, server.EndPoints[0], data, new Random(seed + client))));
        server.Close();
        await UntilDesertedAsync(loop);

        for (int client = 0; client < Clients; client++)
        {
            if (clients[client] is not { } protocol)
            {
                total.Refused++;
                continue;
            }

            RequirePrefix(protocol.Received, sent[client]);
            bool isWhole = protocol.Received.Length == Bytes && protocol.Lost.Task.Result is null;
            total.Whole += isWhole ? 1 : 0;
            total.Broken += isWhole ? 0 : 1;
        }

        foreach (TestProtocol protocol in served)
        {
            Assert.True(protocol.Lost.Task.IsCompleted);
            Assert.Single(protocol.Callbacks, callback => callback == nameof(StreamProtocol.ConnectionLost));
            if (protocol.Received is { Length: > 0 } received)
            {
                RequirePrefix(received, sent[received[0]]);
            }
        }
    }

    // Writes everything in lumps of all sizes, waits for it to come back, and closes.
    private async Task<TestProtocol?> VisitAsync(EventLoop loop, IPEndPoint server, byte[] data, Random random)
    {
        int offset = 0;
        TestProtocol protocol = Watch(new TestProtocol { OnMade = WriteOn, OnResume = WriteOn });
        protocol.OnData = (p, _) =>
        {
            if (p.ReceivedLength == data.Length)
            {
                p.Transport.Close();
            }
        };
        try
        {
            await loop.CreateConnectionAsync(() => protocol, server);
        }
        catch (ConnectFailedException)
        {
            Assert.False(protocol.Grammar.IsMade);
            return null;
        }

        await protocol.Lost.Task;
        return protocol;

        void WriteOn(TestProtocol p)
        {
            WriteStatus status = WriteStatus.Accepted;
            while (offset < data.Length && status == WriteStatus.Accepted)
            {
                int count = Math.Min(random.Next(1, 1 << random.Next(1, 18)), data.Length - offset);
                status = p.Transport.Write(data.AsSpan(offset, count));
                offset += count;
            }
        }
    }

    private async Task<Server> ListenAsync(EventLoop loop, Func<StreamProtocol> factory)
    {
        while (true)
        {
            try
            {
                return await ServeAsync(loop, factory);
            }
            catch (ListenFailedException)
            {
                // Chaos has it that there is no socket; the next time there may be.
            }
        }
    }

    private static void RequirePrefix(ReadOnlySpan<byte> received, ReadOnlySpan<byte> sent)
    {
        Assert.True(received.Length <= sent.Length, "More was received than sent.");
        AssertSame(sent[..received.Length], received);
    }

    private sealed class Tally
    {
        public int Whole { get; set; }

        public int Broken { get; set; }

        public int Refused { get; set; }
    }
}
