using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What a message costs in memory: nothing, in the long run.</summary>
public abstract class AllocationContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int MessageSize = 64;
    private const int Connections = 128; // more than write in one batch

    // What the runtime and the test runner allocate meanwhile, 100 KB at times; one object per message would be 480 KB at
    // least. On a busy machine they may be over it, too, but hardly time after time, as a message would.
    private const long ChanceBytes = 300_000;
    private const int Attempts = 5;

    private static int Messages => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_ALLOCATION_MESSAGES") ?? "20000", CultureInfo.InvariantCulture);

    [Fact]
    public void Echo_ManyMessages_AllocatesNothing() => CountAllocations(Serve(() => new PlainEcho()));

    [Fact]
    public void BufferedEcho_ManyMessages_AllocatesNothing() => CountAllocations(Serve(() => new BufferedEcho()));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EchoBehindAllLayers_ManyMessages_AllocatesNothing(bool buffered) => CountAllocations(Serve(() =>
    {
        TimeSpan time = TimeSpan.FromHours(1);
        var throttle = new Throttle(Throttle.MaxBytes);
        return new TimeoutLayer(
            new ThrottlingLayer(
                new TrafficLoggingLayer(buffered ? new BufferedEcho() : new PlainEcho()),
                buffered ? null : throttle, // which would not receive into a buffer of the protocol's
                throttle),
            new ConnectionTimeouts { Idle = time, Read = time, Write = time });
    }));

    [Fact]
    public void StreamEcho_ManyMessages_AllocatesNothing() => CountAllocations(Serve(async connection =>
    {
        while (await connection.ReadAsync() is { IsEmpty: false } data)
        {
            await connection.WriteAsync(data);
        }
    }));

    [Fact]
    public void StreamEchoOfExactBytes_ManyMessages_AllocatesNothing() => CountAllocations(Serve(async connection =>
    {
        byte[] message = new byte[MessageSize];
        while (!connection.IsAtEnd)
        {
            await connection.WriteAsync(await connection.ReadExactlyAsync(MessageSize / 2));
            await connection.ReadExactlyAsync(message.AsMemory(0, MessageSize / 4));
            connection.Write(message.AsSpan(0, MessageSize / 4));
            await connection.ReadAsync(message.AsMemory(0, MessageSize / 4));
            await connection.WriteAsync(message.AsMemory(0, MessageSize / 4));
        }
    }));

    [Fact]
    public void StreamEchoThroughPipes_ManyMessages_AllocatesNothing() => CountAllocations(Serve(async connection =>
    {
        while (await connection.Input.ReadAsync() is { IsCompleted: false } result)
        {
            foreach (ReadOnlyMemory<byte> bytes in result.Buffer)
            {
                bytes.CopyTo(connection.Output.GetMemory(bytes.Length));
                connection.Output.Advance(bytes.Length);
            }

            connection.Input.AdvanceTo(result.Buffer.End);
            await connection.Output.FlushAsync();
        }
    }));

    [Fact]
    public void RawSocketEcho_ManyMessages_AllocatesNothing() => Run(async loop =>
    {
        const int Turns = 20_000;
        using LoopSocket listener = loop.ListenSocket(new IPEndPoint(IPAddress.Loopback, 0));
        Socket peer = ((RealPeers)Network).NewSocket();
        peer.Connect(listener.LocalEndPoint!);
        using LoopSocket socket = await listener.AcceptAsync();
        LoopTask<bool> echoing = loop.CreateTask(async () =>
        {
            byte[] buffer = new byte[MessageSize];
            while (await socket.ReceiveAsync(buffer) is var count and > 0)
            {
                await socket.SendAllAsync(buffer.AsMemory(0, count));
            }

            return true;
        });
        long allocated = await loop.RunInThreadAsync(() =>
        {
            long least = long.MaxValue;
            for (int attempt = 0; attempt <= Attempts && least >= ChanceBytes; attempt++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                byte[] message = new byte[MessageSize];
                for (int i = 0; i < Turns; i++)
                {
                    peer.Send(message);
                    peer.Receive(message);
                }

                // The first time is for what is made once.
                least = attempt == 0 ? least : Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            peer.Shutdown(SocketShutdown.Send);
            return least;
        });
        Assert.True(await echoing);
        Assert.True(allocated < ChanceBytes, $"{allocated} bytes were allocated for {Turns} messages.");
    });

    [Fact]
    public void IdleStreams_Many_CostLittle() => Run(async loop =>
    {
        const int Count = 1200; // what the runtime keeps of its own meanwhile, some 20 KB at times, is little for each
        long plain = await MeasureAsync(Serve(() => new PlainEcho()));
        long stream = await MeasureAsync(Serve(async connection =>
        {
            while (await connection.ReadAsync() is { IsEmpty: false } data)
            {
                await connection.WriteAsync(data);
            }
        }));
        long bare = await MeasureAsync(Serve(() => new StreamConnection()), talks: false);
        TestContext.Current.SendDiagnosticMessage(
            $"{Kind}: {plain} bytes for an idle protocol and a peer, {bare - plain} more for a stream, {stream - plain} with handler");

        // Most of it is the handler's: a task with its scope, two coroutines, and an execution context.
        Assert.InRange(bare - plain, 1, 400);
        Assert.InRange(stream - plain, 1, 1700);

        async Task<long> MeasureAsync(Func<EventLoop, Task<Server>> listen, bool talks = true)
        {
            Server server = await listen(loop);
            var peers = new Socket[Count];
            for (int i = 0; i < Count; i++)
            {
                peers[i] = ((RealPeers)Network).NewSocket();
            }

            await ConnectAsync(0, Count / 2); // what is made once is made by these
            long before = GC.GetTotalMemory(forceFullCollection: true);
            await ConnectAsync(Count / 2, Count);
            long cost = (GC.GetTotalMemory(forceFullCollection: true) - before) / (Count / 2);
            Array.ForEach(peers, peer => peer.Dispose());
            await server.DrainAsync(TimeSpan.FromSeconds(5));
            return cost;

            async Task ConnectAsync(int from, int to)
            {
                await loop.RunInThreadAsync(() =>
                {
                    foreach (Socket peer in peers[from..to])
                    {
                        peer.Connect(server.EndPoints[0]);
                    }

                    if (talks)
                    {
                        Exchange(peers[from..to], (to - from) * 5); // each has had messages, and holds nothing of them
                    }
                });
                await UntilAsync(loop, () => server.AcceptedCount == to);
            }
        }
    });

    private static Func<EventLoop, Task<Server>> Serve(Func<StreamProtocol> factory)
        => loop => loop.CreateServerAsync(factory, new IPEndPoint(IPAddress.Loopback, 0));

    private static Func<EventLoop, Task<Server>> Serve(Func<StreamConnection, Task> handler)
        => loop => loop.StartServerAsync(handler, new IPEndPoint(IPAddress.Loopback, 0));

    private void CountAllocations(Func<EventLoop, Task<Server>> listen) => Run(async loop =>
    {
        Server server = await listen(loop);
        var peers = new Socket[Connections];
        for (int i = 0; i < Connections; i++)
        {
            peers[i] = ((RealPeers)Network).NewSocket();
        }

        long allocated = await loop.RunInThreadAsync(() =>
        {
            // A socket that once did something asynchronous allocates for what blocks, too.
            Array.ForEach(peers, peer => peer.Connect(server.EndPoints[0]));
            Exchange(peers, Messages / 10);
            long least = long.MaxValue;
            for (int attempt = 0; attempt < Attempts && least >= ChanceBytes; attempt++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                Exchange(peers, Messages / 2);
                Exchange(peers[..1], Messages / 2); // a turn of the loop for each
                least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            return least;
        });

        TestContext.Current.SendDiagnosticMessage($"{Kind}: {allocated} bytes for {Messages} messages");
        Assert.True(allocated < ChanceBytes, $"{allocated} bytes were allocated for {Messages} messages.");
        Array.ForEach(peers, peer => peer.Dispose());
        await server.DrainAsync(TimeSpan.FromSeconds(5));
    });

    // Blocking and without allocations of its own, unlike anything asynchronous.
    private static void Exchange(Socket[] peers, int messages)
    {
        Span<byte> message = stackalloc byte[MessageSize];
        Span<byte> answer = stackalloc byte[MessageSize];
        for (int sent = 0; sent < messages; sent += peers.Length)
        {
            foreach (Socket peer in peers)
            {
                peer.Send(message);
            }

            foreach (Socket peer in peers)
            {
                int read = 0;
                while (read < MessageSize)
                {
                    read += peer.Receive(answer[read..]);
                }
            }
        }
    }

    private sealed class PlainEcho : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data) => Transport.Write(data);
    }

    private sealed class BufferedEcho : BufferedProtocol
    {
        private readonly byte[] _buffer = new byte[4096];

        public override Memory<byte> GetBuffer(int sizeHint) => _buffer;

        public override void BufferUpdated(int count) => Transport.Write(_buffer.AsSpan(0, count));
    }
}
