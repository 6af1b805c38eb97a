using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>What a datagram costs in memory, received and sent: nothing, in the long run.</summary>
public abstract class DatagramAllocationContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int Datagrams = 20_000;
    private const int InFlight = 32;
    private const int Attempts = 5;
    private const long ChanceBytes = 200_000; // as for streams: what others allocate meanwhile; one object for each is 480 KB

    [Fact]
    public void Echo_ManyDatagrams_AllocatesNothing() => Run(async loop =>
    {
        (DatagramTransport transport, _) = await loop.CreateDatagramEndpointAsync(
            () => new Echo(), new DatagramOptions { LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 0) });
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 20_000 };
        EndPoint echo = transport.LocalEndPoint!;

        long allocated = await loop.RunInThreadAsync(() =>
        {
            peer.Connect(echo);
            Exchange(peer, Datagrams / 4, InFlight);
            long least = long.MaxValue;
            for (int attempt = 0; attempt < Attempts && least >= ChanceBytes; attempt++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                Exchange(peer, Datagrams / 2, InFlight);
                Exchange(peer, Datagrams / 2, 1); // a turn of the loop for each
                least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            return least;
        });

        TestContext.Current.SendDiagnosticMessage($"{Kind}: {allocated} bytes for {Datagrams} datagrams");
        Assert.True(allocated < ChanceBytes, $"{allocated} bytes were allocated for {Datagrams} datagrams.");
        transport.Close();
    });

    private static void Exchange(Socket peer, int count, int inFlight)
    {
        Span<byte> datagram = stackalloc byte[64];
        for (int sent = 0; sent < count; sent += inFlight)
        {
            for (int i = 0; i < inFlight; i++)
            {
                peer.Send(datagram);
            }

            for (int i = 0; i < inFlight; i++)
            {
                peer.Receive(datagram);
            }
        }
    }

    private sealed class Echo : DatagramProtocol
    {
        public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
            => Transport.SendTo(data, from);
    }
}
