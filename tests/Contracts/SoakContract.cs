using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Connect, echo, close, again and again: what a connection leaves behind adds up.</summary>
public abstract class SoakContract(LoopUnderTest subject) : LoopContract(subject)
{
    // Ten bytes that every connection leaves behind are seen in a million; what the runtime comes and goes with is not.
    private const long ChanceBytes = 4_000_000;

    private static int Connections => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_SOAK") ?? "2000", CultureInfo.InvariantCulture);

    protected override TimeSpan Patience => base.Patience + TimeSpan.FromMilliseconds(Connections);

    [Fact]
    public void ConnectEchoClose_ManyTimes_EndsWithTheMemoryItBeganWith() => Run(async loop =>
    {
        Server server = await loop.CreateServerAsync(() => new Echo(), new IPEndPoint(IPAddress.Loopback, 0));
        await loop.RunInThreadAsync(() => Visit(server.EndPoints[0], Connections / 10));
        long managed = GC.GetTotalMemory(forceFullCollection: true);
        long resident = Resident();

        await loop.RunInThreadAsync(() => Visit(server.EndPoints[0], Connections));
        while (server.ConnectionCount > 0)
        {
            await NextIterationAsync(loop);
        }

        long managedGrowth = GC.GetTotalMemory(forceFullCollection: true) - managed;
        long residentGrowth = Resident() - resident;
        TestContext.Current.SendDiagnosticMessage(
            $"{Kind}: {Connections} connections, {managedGrowth} bytes more on the heap, {residentGrowth} resident");
        Assert.True(managedGrowth < ChanceBytes, $"{managedGrowth} bytes were left behind by {Connections} connections.");
        Assert.Equal(Connections + (Connections / 10), server.AcceptedCount);
        await server.DrainAsync(TimeSpan.FromSeconds(5));
    });

    private static long Resident()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    // By a reset, so that no port is left that waits.
    private static void Visit(EndPoint server, int count)
    {
        Span<byte> message = stackalloc byte[16];
        Span<byte> answer = stackalloc byte[16];
        for (int i = 0; i < count; i++)
        {
            using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            peer.LingerState = new LingerOption(true, 0);
            peer.Connect(server);
            message.Fill((byte)i);
            peer.Send(message);
            for (int read = 0; read < answer.Length; read += peer.Receive(answer[read..]))
            {
            }

            Assert.True(message.SequenceEqual(answer));
        }
    }

    private sealed class Echo : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data) => Transport.Write(data);
    }
}
