using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What a message costs in memory: nothing, in the long run.</summary>
public abstract class AllocationContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int MessageSize = 64;
    private const int Connections = 128; // more than write in one batch

    // What the runtime and the test runner allocate meanwhile, 100 KB at times; one object per message would be over a
    // megabyte. On a busy machine they may be over it, too, but hardly time after time, as a message would.
    private const long ChanceBytes = 300_000;
    private const int Attempts = 5;

    private static int Messages => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_ALLOCATION_MESSAGES") ?? "50000", CultureInfo.InvariantCulture);

    [Fact]
    public void Echo_ManyMessages_AllocatesNothing() => CountAllocations(() => new PlainEcho());

    [Fact]
    public void BufferedEcho_ManyMessages_AllocatesNothing() => CountAllocations(() => new BufferedEcho());

    private void CountAllocations(Func<StreamProtocol> factory) => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(factory, new IPEndPoint(IPAddress.Loopback, 0));
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
