using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// Whatever the network does between two ends that do nothing wrong: the kernel's doing, in a network of the test's own, which it
/// may injure.
/// </summary>
public abstract partial class NetworkFaultContract(LoopUnderTest subject) : StreamContract(subject)
{
    [Fact]
    public void SilentDeath_UserTimeout_IsTold() => RunInOwnNetwork(async loop =>
    {
        var protocol = new TestProtocol();
        TimeSpan timeout = TimeSpan.FromMilliseconds(300);
        Peer peer = await ConnectPeerAsync(loop, protocol, TcpOptions.Default with { UserTimeout = timeout });
        SetRules("drop");

        protocol.Transport.Write("anybody?"u8);
        Exception? reason = await protocol.Lost.Task;
        peer.Dispose();

        Assert.Equal(CloseReason.Timeout, Assert.IsType<ConnectionException>(reason).Reason);
        Assert.Equal(CloseReason.Timeout, protocol.Transport.CloseReason);
    });

    [Fact]
    public void Unreachable_ForAMoment_LosesNothing() => RunInOwnNetwork(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        string[] errors =
        [
            "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable",
            "net-prohibited", "host-prohibited", "admin-prohibited",
        ];
        foreach (string error in errors)
        {
            long received = protocol.ReceivedLength;
            SetRules($"reject with icmp type {error}");
            protocol.Transport.Write("ping"u8);
            await peer.SendAsync("pong"u8.ToArray());
            await Task.Delay(TimeSpan.FromMilliseconds(50), loop.TimeProvider);

            // Both ends were told, and a connection outlives it.
            Assert.Equal(received, protocol.ReceivedLength);
            Assert.Equal(0, peer.Available);
            Assert.False(protocol.Transport.IsClosing, $"{error} ended the connection.");
            SetRules("accept");
            Assert.Equal("ping"u8.ToArray(), await peer.ReadAsync(4));
            await UntilAsync(loop, () => protocol.ReceivedLength >= received + 4);
        }

        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
    });

    [Fact]
    public void Unreachable_ForLongerThanTheUserTimeout_IsTold() => RunInOwnNetwork(async loop =>
    {
        var protocol = new TestProtocol();
        TimeSpan timeout = TimeSpan.FromMilliseconds(300);
        Peer peer = await ConnectPeerAsync(loop, protocol, TcpOptions.Default with { UserTimeout = timeout });
        SetRules("reject with icmp type host-unreachable");

        protocol.Transport.Write("anybody?"u8);
        Exception? reason = await protocol.Lost.Task;
        peer.Dispose();

        // What the network has said meanwhile is more than that time is up.
        ConnectionException exception = Assert.IsType<ConnectionException>(reason);
        Assert.Equal(SocketError.HostUnreachable, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
        Assert.Equal(CloseReason.NetworkError, exception.Reason);
        Assert.Equal(CloseReason.NetworkError, protocol.Transport.CloseReason);
    });

    [Fact]
    public void Reset_ByTheNetwork_IsTold() => RunInOwnNetwork(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        SetRules($"tcp dport {peer.LocalEndPoint.Port} reject with tcp reset");

        protocol.Transport.Write("anybody?"u8);
        await protocol.Lost.Task;
        peer.Dispose();

        RequireReset(protocol);
    });

    // How soon, to the tick, HappyEyeballsTests ask in virtual time; here time goes by itself.
    [Fact]
    public void NameWithBothFamilies_OneIsABlackHole_ConnectedOverTheOtherAfterTheDelay() => RunInOwnNetwork(async loop =>
    {
        Require("nft", "add rule inet t c meta nfproto ipv6 meta l4proto tcp drop");
        PeerListener listener = Network.Listen();
        IPEndPoint alive = listener.LocalEndPoint;
        loop.Host.Lookup = _ => [IPAddress.IPv6Loopback, alive.Address];
        TimeSpan began = loop.Time;

        Connection<TestProtocol> connection = await loop.CreateConnectionAsync(
            () => Watch(new TestProtocol()), "server.example", alive.Port);

        Assert.Equal(alive, connection.Transport.RemoteEndPoint);
        Assert.True(loop.Time - began >= ConnectOptions.Default.AttemptDelay, "The second attempt was early.");
        TestContext.Current.TestOutputHelper?.WriteLine($"connected after {(loop.Time - began).TotalMilliseconds:0.0} ms");
        (await listener.AcceptAsync()).Dispose();
        await connection.Protocol.Lost.Task;
    });

    [Fact]
    public void Bandwidth_Collapses_WritingRestsUntilItIsBack() => RunInOwnNetwork(async loop =>
    {
        const int Chunk = 64 * 1024;
        Require("ip", "link set lo mtu 1500"); // what is larger than the bucket would never pass
        Assert.SkipUnless(
            Tool("tc", "qdisc add dev lo root tbf rate 64kbit burst 4kb latency 400ms"), "tc cannot limit a bandwidth here.");
        byte[] data = Pattern(16 * 1024 * 1024);
        int offset = 0;
        long mostUnsent = 0;
        var protocol = new TestProtocol { OnResume = WriteOn };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Task<byte[]> reading = peer.ReadToEndAsync();

        WriteOn(protocol);
        await protocol.Paused.Task;
        await Task.Delay(TimeSpan.FromSeconds(1), loop.TimeProvider);
        Assert.InRange(offset, Chunk, data.Length / 2);
        Assert.False(protocol.Transport.IsClosing);

        Require("tc", "qdisc del dev lo root");
        byte[] received = await reading;
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, received);
        Assert.Contains("ResumeWriting", protocol.Callbacks);
        Assert.InRange(mostUnsent, WriteLimits.DefaultHigh + 1, WriteLimits.DefaultHigh + Chunk);

        void WriteOn(TestProtocol p)
        {
            while (offset < data.Length)
            {
                WriteStatus status = p.Transport.Write(data.AsSpan(offset, Chunk));
                offset += Chunk;
                mostUnsent = Math.Max(mostUnsent, p.Transport.UnsentBytes);
                if (status != WriteStatus.Accepted)
                {
                    return;
                }
            }

            p.Transport.Close();
        }
    });

    // Runs the scenario on a thread with a network of its own, which it may injure.
    private void RunInOwnNetwork(Func<EventLoop, Task> scenario)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Network namespaces are Linux's.");
        string? missing = null;
        TestThread.Run(() =>
        {
            const int NewNetwork = 0x40000000;
            if (Unshare(NewNetwork) != 0 || !Tool("ip", "link set lo up"))
            {
                missing = "No network namespace can be made here.";
            }
            else if (!Tool("nft", "add table inet t; add chain inet t c { type filter hook input priority 0 ; }"))
            {
                missing = "nft cannot be used here.";
            }
            else
            {
                Run(scenario);
            }
        });
        Assert.SkipWhen(missing is not null, missing ?? "");
    }

    // What becomes of TCP's packets from here on.
    private static void SetRules(string verdict)
        => Require("nft", $"flush chain inet t c; add rule inet t c meta l4proto tcp {verdict}");

    private static void Require(string tool, string arguments)
        => Assert.True(Tool(tool, arguments), $"This failed: {tool} {arguments}");

    [LibraryImport("libc", EntryPoint = "unshare")]
    private static partial int Unshare(int flags);
}
