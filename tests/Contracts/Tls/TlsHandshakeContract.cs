using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Newcomers who do not mean well, or do not speak TLS, and those who do and come at the same time.</summary>
public abstract class TlsHandshakeContract(LoopUnderTest subject) : TlsSuite(subject)
{
    // The header of a record that says how long it is, and the beginning of a ClientHello that says so too.
    private static readonly byte[] s_halfHello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03];

    public static TheoryData<string, byte[]> Nonsense => new()
    {
        { "plain HTTP", "GET / HTTP/1.1\r\nHost: server.test\r\n\r\n"u8.ToArray() },
        { "random", Pattern(2_000) },
        { "zeros", new byte[600] },
        { "an oversized record", [0x16, 0x03, 0x01, 0xFF, 0xFF, .. new byte[70_000]] },
        {
            "a message of 16 MB",
            [0x16, 0x03, 0x01, 0x00, 0x04, 0x01, 0xFF, 0xFF, 0xFF, 0x16, 0x03, 0x01, 0x40, 0x00, .. new byte[16_384]]
        },
        { "an empty record", [0x16, 0x03, 0x01, 0x00, 0x00, 0x16, 0x03, 0x01, 0x00, 0x00] },
        { "data before a handshake", [0x17, 0x03, 0x03, 0x00, 0x05, 1, 2, 3, 4, 5] },
        { "an alert", [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28] },
        { "SSL 2", [0x80, 0x2E, 0x01, 0x00, 0x02, 0x00, 0x15, 0x00, 0x00, 0x00, 0x10, .. new byte[37]] },
    };

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void Handshake_Nonsense_EndsIsNotToldAndOthersAreServed(string what, byte[] nonsense) => Run(async loop =>
    {
        Assert.NotEmpty(what);
        var protocols = new List<TestProtocol>();
        Server server = await ListenAsync(loop, () => NewEcho(protocols));
        Peer hostile = await Network.ConnectAsync(server.EndPoints[0]);
        await hostile.SendAsync(nonsense);
        hostile.ShutdownSend();
        await EndOfAsync(hostile);
        Assert.Empty(protocols);

        await EchoAsync(loop, server);
        hostile.Dispose();
        server.Close();
        await UntilDesertedAsync(loop);
        Assert.Single(protocols);
        Assert.Equal(0, server.HandshakeCount);
    });

    [Fact]
    public void Handshake_MutatedHellos_EndAndOthersAreServed() => Run(async loop =>
    {
        byte[] hello = await RecordHelloAsync(loop);
        var random = new Random(NextSeed());
        var protocols = new List<TestProtocol>();
        Server server = await ListenAsync(loop, () => NewEcho(protocols));
        for (int i = 0; i < 100; i++)
        {
            byte[] mutated = [.. hello];
            for (int flips = random.Next(1, 4); flips > 0; flips--)
            {
                mutated[random.Next(5, mutated.Length)] ^= (byte)random.Next(1, 256);
            }

            Peer hostile = await Network.ConnectAsync(server.EndPoints[0]);
            await hostile.SendAsync(mutated);
            hostile.ShutdownSend();
            await EndOfAsync(hostile);
            hostile.Dispose();
        }

        Assert.Empty(protocols);
        await EchoAsync(loop, server);
        server.Close();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Handshake_HalfSentByHundreds_EndInTimeLeaveNothingAndAGoodClientIsServedMeanwhile() => Run(async loop =>
    {
        await SendHalfHellosAsync(loop, 300);
        long before = SettledMemory();
        await SendHalfHellosAsync(loop, 300);

        // What each holds is more than the two kilobytes that this would be, if all stayed. A simulated network remembers.
        long most = IsSimulated ? long.MaxValue : 600_000;
        Assert.InRange(SettledMemory() - before, long.MinValue, most);
    });

    [Fact]
    public void Handshake_NonsenseOfSomebodyWhoStays_IsLeftAfterTheShutdownTime() => Run(async loop =>
    {
        TimeSpan time = IsSimulated ? TimeSpan.FromSeconds(3) : ShortTime;
        Server server = await ListenAsync(loop, () => Watch(new TestProtocol()), Server with { ShutdownTimeout = time });
        Peer hostile = await Network.ConnectAsync(server.EndPoints[0]);
        TimeSpan began = loop.Time;
        await hostile.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        Assert.Equal(SocketError.Success, await EndOfAsync(hostile));
        server.Close();
        await UntilDesertedAsync(loop); // it does not go

        Assert.True(loop.Time - began >= time, "A peer has that long to read what was said to it at last.");
        hostile.Dispose();
    });

    [Fact]
    public void Handshake_MoreThanAllowed_EndTheOldest() => Run(async loop =>
    {
        var protocols = new List<TestProtocol>();
        Server server = await ListenAsync(loop, () => NewEcho(protocols), Server with { MaxHandshakes = 3 });
        var hostile = new List<Peer>();
        for (int i = 0; i < 5; i++)
        {
            Peer peer = await Network.ConnectAsync(server.EndPoints[0]);
            await peer.SendAsync(s_halfHello);
            hostile.Add(peer);
            int begun = Math.Min(i + 1, 3);
            await UntilAsync(loop, () => server.HandshakeCount == begun);
        }

        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(hostile[0]));
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(hostile[1]));
        await EchoAsync(loop, server);
        Assert.Equal(2, server.HandshakeCount);
        server.Close();
        Assert.Equal(0, server.HandshakeCount);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(hostile[4]));
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Handshakes_Many_DoNotStarveThoseWhoAreDone() => Run(async loop =>
    {
        // Each has two steps on either side. Between any two of them the loop has polled, and called what was to be called.
        const int Count = 60;
        int iterations = 0;
        int atLast = 0;
        Server secure = await ListenAsync(loop, () => Watch(new TestProtocol()));
        Task<Connection<TestProtocol>>[] connecting = [.. Enumerable.Range(0, Count).Select(_ => loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), secure.EndPoints[0], new ConnectOptions { Tls = Client }))];
        void CountIteration()
        {
            iterations++;
            if (connecting.Any(each => !each.IsCompleted))
            {
                loop.CallSoon(CountIteration);
            }
        }

        CountIteration();
        foreach (Task<Connection<TestProtocol>> each in connecting)
        {
            (await each).Transport.Close();
            atLast = iterations;
        }

        Assert.True(atLast >= 4 * Count, $"Only {atLast} iterations while {Count} handshakes were made.");
        secure.Close();
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void Server_ClosedWithinHandshakes_TurnsThemAway() => Run(async loop =>
    {
        Server server = await ListenAsync(loop, () => Watch(new TestProtocol()));
        Peer peer = await Network.ConnectAsync(server.EndPoints[0]);
        await UntilAsync(loop, () => server.HandshakeCount == 1);
        await server.DrainAsync(TimeSpan.FromSeconds(1));
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
        Assert.Equal(0, server.AcceptedCount);
    });

    private async Task SendHalfHellosAsync(EventLoop loop, int count)
    {
        TimeSpan time = IsSimulated ? TimeSpan.FromSeconds(10) : TimeSpan.FromMilliseconds(300);
        var protocols = new List<TestProtocol>();
        Server server = await ListenAsync(loop, () => NewEcho(protocols), Server with { HandshakeTimeout = time });
        TimeSpan began = loop.Time;
        var hostile = new List<Peer>();
        for (int i = 0; i < count; i++)
        {
            Peer peer = await Network.ConnectAsync(server.EndPoints[0]);
            await peer.SendAsync(s_halfHello);
            hostile.Add(peer);
        }

        await EchoAsync(loop, server);
        if (IsSimulated)
        {
            Assert.Equal(count, server.HandshakeCount);
        }

        foreach (Peer peer in hostile)
        {
            Assert.NotEqual(SocketError.SocketError, await EndOfAsync(peer));
            Assert.True(loop.Time - began >= time, "It was given up early.");
        }

        await UntilAsync(loop, () => server.HandshakeCount == 0);
        Assert.True(loop.Time - began < time + TimeSpan.FromSeconds(5), "It was given up late.");
        server.Close();
        await UntilDesertedAsync(loop);
        Assert.Single(protocols);
        hostile.ForEach(peer => peer.Dispose());
    }

    private static long SettledMemory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers(); // sockets and what OpenSSL has are let go in two steps
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static async Task<byte[]> RecordHelloAsync(EventLoop loop)
    {
        var heard = new TestProtocol();
        Server ear = await loop.CreateServerAsync(() => heard, new IPEndPoint(IPAddress.Loopback, 0));
        Task<Connection<TestProtocol>> connecting = loop.CreateConnectionAsync(
            () => new TestProtocol(), ear.EndPoints[0], new ConnectOptions { Tls = Client });
        await heard.FirstData.Task;
        await UntilAsync(loop, () => heard.Received.Length >= 5
            && heard.Received.Length >= 5 + (heard.Received[3] << 8) + heard.Received[4]);
        heard.Transport.Abort();
        await Assert.ThrowsAsync<TlsException>(() => connecting);
        ear.Close();
        return heard.Received;
    }

    private TestProtocol NewEcho(List<TestProtocol> protocols)
    {
        TestProtocol protocol = Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });
        protocols.Add(protocol);
        return protocol;
    }

    private async Task EchoAsync(EventLoop loop, Server server)
    {
        var client = Watch(new TestProtocol { OnMade = p => p.Transport.Write("hello"u8) });
        await loop.CreateConnectionAsync(() => client, server.EndPoints[0], new ConnectOptions { Tls = Client });
        await UntilAsync(loop, () => client.ReceivedLength == 5);
        client.Transport.Close();
        Assert.Null(await client.Lost.Task);
    }
}
