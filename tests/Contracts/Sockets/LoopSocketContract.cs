using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Raw sockets for straight-line code.</summary>
public abstract class LoopSocketContract(LoopUnderTest subject) : ServerSuite(subject)
{
    [Fact]
    public void Connection_BothWays_CarriesEverythingAndTheEnds() => Run(async loop =>
    {
        using LoopSocket listener = loop.ListenSocket(AnyPort);
        Task<LoopSocket> connecting = loop.ConnectSocketAsync(listener.LocalEndPoint!);
        using LoopSocket server = await listener.AcceptAsync();
        using LoopSocket client = await connecting;
        Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
        Assert.Equal(client.RemoteEndPoint, listener.LocalEndPoint);
        byte[] forth = Pattern(1_000_000, 1);
        byte[] back = Pattern(700_000, 2);

        LoopTask<byte[]> atServer = loop.CreateTask(() => ReadToEndAsync(server));
        LoopTask<byte[]> atClient = loop.CreateTask(() => ReadToEndAsync(client));
        LoopTask<bool> sending = loop.CreateTask(() => SendAndEndAsync(server, back));
        await SendAndEndAsync(client, forth);
        await sending;

        Assert.Equal(forth, await atServer);
        Assert.Equal(back, await atClient);
        Assert.Equal((forth.Length, back.Length), (client.BytesSent, server.BytesSent));
        Assert.Equal(0, await client.ReceiveAsync(new byte[1])); // asked again
        client.ShutdownSend();
        Assert.Throws<InvalidOperationException>(() => { _ = client.SendAllAsync(new byte[1]).AsTask(); });
        client.Dispose();
        client.Dispose();
        Assert.True(client.IsClosed);
        Assert.NotNull(client.RemoteEndPoint);
    });

    [Fact]
    public void Connection_AtAPath_IsAConnectionLikeOthers() => Run(async loop =>
    {
        string path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");
        var endPoint = new UnixDomainSocketEndPoint(path);
        using (LoopSocket listener = loop.ListenSocket(endPoint))
        {
            using LoopSocket client = await loop.ConnectSocketAsync(endPoint);
            using LoopSocket server = await listener.AcceptAsync();
            await SendAndEndAsync(client, "over there"u8.ToArray());
            Assert.Equal("over there"u8.ToArray(), await ReadToEndAsync(server));
            Assert.Equal(path, client.RemoteEndPoint?.ToString());
        }

        Assert.False(Path.Exists(path));
        await Assert.ThrowsAsync<ConnectFailedException>(() => loop.ConnectSocketAsync(endPoint));
    });

    [Fact]
    public void Datagrams_AreWholeTruncatedOrEmpty() => Run(async loop =>
    {
        using LoopSocket first = loop.OpenDatagramSocket(new DatagramOptions { LocalEndPoint = AnyPort });
        using LoopSocket second = loop.OpenDatagramSocket(new DatagramOptions { RemoteEndPoint = first.LocalEndPoint });
        DatagramAddress address = DatagramAddress.FromEndPoint(second.LocalEndPoint!);
        byte[] buffer = new byte[4];

        await second.SendToAsync("12345"u8.ToArray());
        await second.SendToAsync(default);
        await second.SendToAsync("12"u8.ToArray());
        await second.SendToAsync("1"u8.ToArray());
        await second.SendToAsync("last"u8.ToArray(), DatagramAddress.FromEndPoint(first.LocalEndPoint!));

        Assert.Equal(new ReceivedDatagram(4, address, DatagramFlags.Truncated), await first.ReceiveFromAsync(buffer));
        Assert.Equal("1234"u8.ToArray(), buffer);
        Assert.Equal(new ReceivedDatagram(0, address, DatagramFlags.None), await first.ReceiveFromAsync(buffer));
        Assert.Equal(new ReceivedDatagram(2, address, DatagramFlags.None), await first.ReceiveFromAsync(buffer));
        Assert.Equal(new ReceivedDatagram(0, address, DatagramFlags.Truncated), await first.ReceiveFromAsync(default));
        Assert.Equal(new ReceivedDatagram(4, address, DatagramFlags.None), await first.ReceiveFromAsync(buffer));
        Assert.Equal(12, second.BytesSent);

        await first.SendToAsync("back"u8.ToArray(), address);
        Assert.Equal(4, (await second.ReceiveFromAsync(buffer)).Length);
        Assert.Throws<ArgumentException>(() => { _ = first.SendToAsync(buffer).AsTask(); });
        DatagramException tooLong = await Assert.ThrowsAsync<DatagramException>(
            async () => await first.SendToAsync(new byte[65_508], address));
        Assert.Equal(DatagramFault.TooLong, tooLong.Fault);
        await first.SendToAsync("on"u8.ToArray(), address);
        Assert.Equal(2, (await second.ReceiveFromAsync(buffer)).Length);
    });

    [Fact]
    public void Datagrams_ThatNobodyTakes_AreToldOfOnceAndTheSocketGoesOn() => Run(async loop =>
    {
        LoopSocket gone = loop.OpenDatagramSocket(new DatagramOptions { LocalEndPoint = AnyPort });
        using LoopSocket socket = loop.OpenDatagramSocket(new DatagramOptions { RemoteEndPoint = gone.LocalEndPoint });
        gone.Dispose();
        await socket.SendToAsync("x"u8.ToArray());

        DatagramException refused = await Assert.ThrowsAsync<DatagramException>(
            async () => await socket.ReceiveFromAsync(new byte[10]));

        Assert.Equal(DatagramFault.Refused, refused.Fault);
        Assert.False(await CancelScope.MoveOnAfterAsync(
            TimeSpan.FromMilliseconds(1), async _ => await socket.ReceiveFromAsync(new byte[10])));
    });

    [Fact]
    public void Calls_ThatAreMistakes_ThrowAtOnce() => Run(async loop =>
    {
        (LoopSocket connection, Peer peer) = await OpenPairAsync(loop);
        using LoopSocket listener = loop.ListenSocket(AnyPort);
        using LoopSocket datagrams = loop.OpenDatagramSocket(new DatagramOptions { LocalEndPoint = AnyPort });
        byte[] buffer = new byte[8];
        Throws("use ReceiveAsync", () => { _ = connection.AcceptAsync().AsTask(); });
        Throws("use ReceiveAsync", () => { _ = connection.SendToAsync(buffer).AsTask(); });
        Throws("use ReceiveAsync", () => { _ = connection.ReceiveFromAsync(buffer).AsTask(); });
        Throws("AcceptAsync", () => { _ = listener.ReceiveAsync(buffer).AsTask(); });
        Throws("AcceptAsync", () => { _ = listener.SendAllAsync(buffer).AsTask(); });
        Throws("ReceiveFromAsync", () => { _ = datagrams.ReceiveAsync(buffer).AsTask(); });
        Throws("ReceiveFromAsync", () => { _ = datagrams.SendAllAsync(buffer).AsTask(); });
        Throws("ReceiveFromAsync", datagrams.ShutdownSend);

        ValueTask<int> receiving = connection.ReceiveAsync(buffer);
        ValueTask<LoopSocket> accepting = listener.AcceptAsync();
        Throws("one reader at a time", () => { _ = connection.ReceiveAsync(buffer).AsTask(); });
        Throws("one reader at a time", () => { _ = listener.AcceptAsync().AsTask(); });
        ValueTask sending = connection.SendAllAsync(new byte[64 * 1024 * 1024]);
        Throws("one writer at a time", () => { _ = connection.SendAllAsync(buffer).AsTask(); });
        Throws("one writer at a time", connection.ShutdownSend);
        peer.SendNow("x"u8);
        Assert.Equal(1, await receiving);

        connection.Abort();
        Assert.Throws<ObjectDisposedException>(() => { _ = connection.ReceiveAsync(buffer).AsTask(); });
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await sending);
        listener.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await accepting);
        Assert.Throws<ArgumentException>(() => { _ = loop.ConnectSocketAsync(new DnsEndPoint("localhost", 80)); });
        Assert.Throws<ArgumentException>(() => { _ = loop.ConnectSocketAsync(AnyPort); });
        Assert.Throws<ArgumentException>(
            () => { _ = loop.ConnectSocketAsync(Network.DeadEndPoint(), new ConnectOptions { Tls = new TlsClientOptions() }); });
        Assert.Throws<ArgumentException>(() => loop.ListenSocket(new UnixDomainSocketEndPoint("\0abstract")));
        Assert.Throws<ArgumentOutOfRangeException>(() => loop.ListenSocket(AnyPort, backlog: 0));

        void Throws(string expected, Action call)
            => Assert.Contains(expected, Assert.Throws<InvalidOperationException>(call).Message, StringComparison.Ordinal);
    });

    [Fact]
    public void Faults_OfTheNetwork_AreIOExceptionsWithTheReason() => Run(async loop =>
    {
        using LoopSocket taken = loop.ListenSocket(AnyPort);
        Assert.Equal(
            SocketError.AddressAlreadyInUse,
            Assert.Throws<LoopSocketException>(() => loop.ListenSocket(taken.LocalEndPoint!)).Error);
        ConnectFailedException refused = await Assert.ThrowsAsync<ConnectFailedException>(
            () => loop.ConnectSocketAsync(Network.DeadEndPoint()));
        Assert.Equal(SocketError.ConnectionRefused, refused.Failures[0].Error.SocketErrorCode);

        (LoopSocket socket, Peer peer) = await OpenPairAsync(loop);
        peer.Reset();
        for (int i = 0; i < 2; i++)
        {
            ConnectionException reset = await Assert.ThrowsAsync<ConnectionException>(
                async () => await socket.ReceiveAsync(new byte[1]));
            Assert.Equal(CloseReason.Reset, reset.Reason);
        }

        await Assert.ThrowsAsync<ConnectionException>(async () => await socket.SendAllAsync(new byte[1]));
        socket.Dispose();

        (socket, peer) = await OpenPairAsync(loop);
        socket.Abort();
        await RequireResetAsync(peer);
    });

    [Fact]
    public void EmptyBuffer_WaitsAndTakesNothing() => Run(async loop =>
    {
        (LoopSocket socket, Peer peer) = await OpenPairAsync(loop);
        ValueTask<int> waiting = socket.ReceiveAsync(default);
        await SettleAsync(loop);
        Assert.False(waiting.IsCompleted);

        peer.SendNow("abc"u8);
        Assert.Equal(0, await waiting);
        Assert.Equal(0, await socket.ReceiveAsync(default));
        byte[] buffer = new byte[2];
        Assert.Equal(2, await ReceiveAllAsync(socket, buffer));
        Assert.Equal("ab"u8.ToArray(), buffer);
        Assert.Equal(0, await socket.ReceiveAsync(default)); // what is left of a buffer that the backend has
        Assert.Equal(1, await socket.ReceiveAsync(buffer));

        // One that was cancelled, and then one that takes something, and the end.
        using var source = new CancellationTokenSource();
        waiting = socket.ReceiveAsync(default, source.Token);
        source.Cancel();
        peer.SendNow("d"u8);
        Assert.Equal(1, await socket.ReceiveAsync(buffer));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await waiting);
        peer.ShutdownSend();
        Assert.Equal(0, await socket.ReceiveAsync(default));
        Assert.Equal(0, await socket.ReceiveAsync(buffer));
        await socket.SendAllAsync(default);
        Assert.Equal(0, socket.BytesSent);
    });

    [Fact]
    public void CancelledScope_NothingBegins() => Run(async loop =>
    {
        (LoopSocket socket, Peer peer) = await OpenPairAsync(loop);
        peer.SendNow("here"u8);
        byte[] buffer = new byte[10];
        await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.ReceiveAsync(buffer));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.SendAllAsync(buffer));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop.ConnectSocketAsync(peer.LocalEndPoint));
        });

        Assert.Equal(0, socket.BytesSent);
        Assert.Equal(4, await ReceiveAllAsync(socket, buffer.AsMemory(0, 4)));
        await CancelScope.RunAsync(async scope =>
        {
            loop.CallSoon(() => scope.Cancel());
            await socket.ReceiveAsync(buffer);
            Assert.Fail("Nothing was to come.");
        });
    });

    [Fact]
    public void Send_Cancelled_SaysToTheByteWhatHasLeft() => Run(async loop =>
    {
        (LoopSocket socket, Peer peer) = await OpenPairAsync(loop);
        byte[] data = Pattern(16 * 1024 * 1024);
        byte[] copy = (byte[])data.Clone();
        using var source = new CancellationTokenSource();
        ValueTask sending = socket.SendAllAsync(data, source.Token);
        Assert.False(sending.IsCompleted);
        await SettleAsync(loop);
        source.Cancel();
        long sent = socket.BytesSent;
        Array.Clear(data); // it is the caller's again
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await sending);
        Assert.InRange(sent, 1, data.Length - 1);
        ValueTask more = socket.SendAllAsync(copy.AsMemory((int)sent, 1000));

        Task<byte[]> reading = peer.ReadToEndAsync();
        await more;
        socket.ShutdownSend();

        Assert.Equal(sent + 1000, socket.BytesSent);
        byte[] received = await reading;
        Assert.True(received.AsSpan().SequenceEqual(copy.AsSpan(0, (int)sent + 1000)), $"{received.Length} of {sent} + 1000");
    });

    [Fact]
    public void Receive_CancelledTenThousandTimesAgainstArrivingBytes_LosesNone() => Run(async loop =>
    {
        const int Rounds = 10_000;
        var random = new Random(TestSeed.Draw());
        byte[] data = Pattern(Rounds * 4);
        (LoopSocket socket, Peer peer) = await OpenPairAsync(loop);
        using var received = new MemoryStream();
        Task sending = Network.RunBesideAsync(async () =>
        {
            for (int offset = 0; offset < data.Length; offset += 4)
            {
                await peer.SendAsync(data.AsMemory(offset, 4));
                await Task.Yield(); // where there is one thread only, the loop has these moments
            }

            peer.ShutdownSend();
        });

        byte[] buffer = new byte[64];
        byte[] untouched = [.. Enumerable.Repeat((byte)0xEE, 64)];
        int cancelled = 0;
        for (int round = 0; round < Rounds; round++)
        {
            untouched.CopyTo(buffer, 0);
            int count = -1;
            Memory<byte> target = buffer.AsMemory(0, random.Next(1, buffer.Length));
            await CancelAsync(loop, random, async token => count = await socket.ReceiveAsync(target, token));
            if (count < 0)
            {
                cancelled++;
                Assert.True(buffer.AsSpan().SequenceEqual(untouched), "A cancelled receive has written.");
                continue;
            }

            received.Write(buffer, 0, count);
        }

        received.Write(await ReadToEndAsync(socket));
        await sending;
        Assert.True(data.AsSpan().SequenceEqual(received.ToArray()), $"{received.Length} of {data.Length} bytes arrived.");
        Assert.True(cancelled > Rounds / 100, $"{cancelled} were cancelled.");
    });

    [Fact]
    public void ReceiveFrom_CancelledAgainstArrivingDatagrams_LosesNone() => Run(async loop =>
    {
        const int Rounds = 1000;
        var random = new Random(TestSeed.Draw());
        using LoopSocket receiver = loop.OpenDatagramSocket(new DatagramOptions { LocalEndPoint = AnyPort });
        using LoopSocket sender = loop.OpenDatagramSocket(new DatagramOptions { RemoteEndPoint = receiver.LocalEndPoint });
        byte[] buffer = new byte[4];
        int sent = 0;
        int received = 0;
        int cancelled = 0;
        while (received < Rounds)
        {
            if (sent < Rounds && sent - received < 50)
            {
                await sender.SendToAsync(BitConverter.GetBytes(sent++));
            }

            bool hasCome = false;
            await CancelAsync(loop, random, async token =>
            {
                Assert.Equal(4, (await receiver.ReceiveFromAsync(buffer, token)).Length);
                hasCome = true;
            });
            if (hasCome)
            {
                Assert.Equal(received++, BitConverter.ToInt32(buffer));
            }
            else
            {
                cancelled++;
            }
        }

        Assert.True(cancelled > Rounds / 100, $"{cancelled} were cancelled.");
    });

    [Fact]
    public void Accept_CancelledAgainstNewcomers_LosesNone() => Run(async loop =>
    {
        const int Rounds = 100;
        var random = new Random(TestSeed.Draw());
        using LoopSocket listener = loop.ListenSocket(AnyPort);
        var peers = new List<Peer>();
        int accepted = 0;
        int cancelled = 0;
        while (accepted < Rounds)
        {
            if (peers.Count < Rounds)
            {
                peers.Add(Network.ConnectNow((IPEndPoint)listener.LocalEndPoint!));
            }

            LoopSocket? socket = null;
            await CancelAsync(loop, random, async token => socket = await listener.AcceptAsync(token));
            if (socket is null)
            {
                cancelled++;
                continue;
            }

            Assert.Equal(peers[accepted++].LocalEndPoint, socket.RemoteEndPoint);
            socket.Dispose();
        }

        Assert.True(cancelled > 0, "Nobody was cancelled.");
        foreach (Peer peer in peers)
        {
            Assert.Empty(await peer.ReadToEndAsync());
        }
    });

    [Fact]
    public void LoopShutdown_EndsTheWaits()
    {
        var ends = new List<Exception?>();
        using (EventLoop loop = NewLoop())
        {
            loop.RunUntilComplete(async () =>
            {
                LoopSocket first = loop.ListenSocket(AnyPort);
                LoopSocket second = loop.OpenDatagramSocket(new DatagramOptions { LocalEndPoint = AnyPort });
                _ = loop.CreateTask(async () => ends.Add(await Record.ExceptionAsync(async () => await first.AcceptAsync())));
                _ = loop.CreateTask(() => CancelScope.RunAsync(
                    async _ => ends.Add(await Record.ExceptionAsync(
                        async () => await second.ReceiveFromAsync(new byte[1]))),
                    shield: true));
                await NextIterationAsync(loop);
                await NextIterationAsync(loop);
            });
        }

        Assert.Equal(2, ends.Count);
        Assert.Contains(ends, end => end is OperationCanceledException);
        Assert.Contains(ends, end => end is ObjectDisposedException);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Adopted_Sockets_AreTheLoops() => Run(async loop =>
    {
        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(AnyPort);
        listening.Listen();
        if (IsSimulated)
        {
            Assert.Throws<NotSupportedException>(() => loop.AdoptSocket(listening));
            return;
        }

        using var connected = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        connected.Connect(listening.LocalEndPoint!);
        using var datagrams = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        datagrams.Bind(AnyPort);
        using LoopSocket listener = loop.AdoptSocket(listening);
        using LoopSocket client = loop.AdoptSocket(connected);
        using LoopSocket receiver = loop.AdoptSocket(datagrams);
        Assert.Throws<AdoptFailedException>(() => loop.AdoptSocket(connected)); // it is closed

        using LoopSocket server = await listener.AcceptAsync();
        await SendAndEndAsync(client, "from afar"u8.ToArray());
        Assert.Equal("from afar"u8.ToArray(), await ReadToEndAsync(server));
        using LoopSocket sender = loop.OpenDatagramSocket(new DatagramOptions { RemoteEndPoint = receiver.LocalEndPoint });
        await sender.SendToAsync("one"u8.ToArray());
        byte[] buffer = new byte[10];
        ReceivedDatagram one = await receiver.ReceiveFromAsync(buffer);
        Assert.Equal((3, DatagramAddress.FromEndPoint(sender.LocalEndPoint!)), (one.Length, one.From));
        await receiver.SendToAsync(default, one.From);
        Assert.Equal(0, (await sender.ReceiveFromAsync(buffer)).Length);

        using var unconnected = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        AdoptFailedException refusal = Assert.Throws<AdoptFailedException>(() => loop.AdoptSocket(unconnected));
        Assert.Contains("ConnectSocketAsync", refusal.Message, StringComparison.Ordinal);
        if (OperatingSystem.IsLinux())
        {
            using var packets = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
            refusal = Assert.Throws<AdoptFailedException>(() => loop.AdoptSocket(packets));
            Assert.Contains("WatchReadable", refusal.Message, StringComparison.Ordinal);
        }
    });

    // Begins a wait and ends it in the same turn, in the next, or a little later: by a token, or by its scope.
    private static async Task CancelAsync(EventLoop loop, Random random, Func<CancellationToken, Task> wait)
    {
        int turns = random.Next(3);
        if (random.Next(2) == 0)
        {
            using var source = new CancellationTokenSource();
            Task waiting = wait(source.Token);
            for (int i = 0; i < turns; i++)
            {
                await NextIterationAsync(loop);
            }

            source.Cancel();
            try
            {
                await waiting;
            }
            catch (OperationCanceledException)
            {
                // As was asked for.
            }

            return;
        }

        await CancelScope.RunAsync(async scope =>
        {
            Task waiting = wait(default);
            for (int i = 0; i < turns; i++)
            {
                await NextIterationAsync(loop);
            }

            scope.Cancel();
            await waiting;
        });
    }

    private static async Task<int> ReceiveAllAsync(LoopSocket socket, Memory<byte> buffer)
    {
        int total = 0;
        while (total < buffer.Length && await socket.ReceiveAsync(buffer[total..]) is var count and > 0)
        {
            total += count;
        }

        return total;
    }

    private static async Task<byte[]> ReadToEndAsync(LoopSocket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[16 * 1024];
        while (await socket.ReceiveAsync(buffer) is var count and > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    }

    private static async Task<bool> SendAndEndAsync(LoopSocket socket, byte[] data)
    {
        await socket.SendAllAsync(data);
        socket.ShutdownSend();
        return true;
    }

    private async Task<(LoopSocket Socket, Peer Peer)> OpenPairAsync(EventLoop loop)
    {
        using LoopSocket listener = loop.ListenSocket(AnyPort);
        ValueTask<LoopSocket> accepting = listener.AcceptAsync();
        Peer peer = await ConnectAsync(listener.LocalEndPoint!);
        return (await accepting, peer);
    }
}
