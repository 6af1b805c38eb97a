using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Files on a disk that takes its time, which is no fault of the peer's.</summary>
public sealed class SlowDiskTests
{
    private const int Size = 8 * 256 * 1024;

    private static readonly SimulationOptions s_slow = new() { Seed = 1, ThreadWorkTime = TimeSpan.FromSeconds(9) };

    [Fact]
    public void Blocks_ThatLeaveAtOnce_KeepAConnectionThatCloses()
    {
        // Half a minute or so, of which no block has all.
        TestProtocol server = SendTo(new TcpOptions { LingerTime = TimeSpan.FromSeconds(10) }, protocol => protocol, closes: true);

        Assert.Null(server.Lost.Task.Result);
        Assert.Equal(CloseReason.LocalClose, server.Transport.CloseReason);
    }

    [Fact]
    public void TimeToWrite_IsThePeers()
    {
        TestProtocol server = SendTo(
            TcpOptions.Default,
            protocol => new TimeoutLayer(protocol, new ConnectionTimeouts { Write = TimeSpan.FromSeconds(2) }));

        Assert.Equal(CloseReason.LocalClose, server.Transport.CloseReason);
    }

    [Fact]
    public void LimitsOfAServer_AreThePeers()
    {
        TestProtocol server = SendTo(
            TcpOptions.Default,
            protocol => protocol,
            limits: new ConnectionLimits { WriteStallTime = TimeSpan.FromSeconds(2) });

        Assert.Equal(CloseReason.LocalClose, server.Transport.CloseReason);
    }

    // The server sends a file to who takes all at once, and closes: while it is sent, or afterwards.
    private static TestProtocol SendTo(
        TcpOptions options, Func<StreamProtocol, StreamProtocol> behind, bool closes = false, ConnectionLimits? limits = null)
    {
        using var hosts = new TwoHosts(s_slow);
        using FileStream file = TestFile.Create(new byte[Size]);
        Task<long>? sending = null;
        hosts.Serve(
            () => new TestProtocol
            {
                OnMade = protocol =>
                {
                    sending = protocol.Transport.SendFileAsync(file);
                    if (closes)
                    {
                        protocol.Transport.Close();
                    }
                },
            },
            new ServerOptions { Tcp = options, Limits = limits ?? ConnectionLimits.None },
            behind);
        TestProtocol client = hosts.Connect();
        TestProtocol server = hosts.Served[0];
        hosts.World.RunUntil(() => sending!.IsCompleted);
        Assert.Equal(Size, sending!.Result);
        Assert.True(hosts.World.Time > TimeSpan.FromSeconds(12), "The disk was to be slow.");
        hosts.World.RunUntil(() => client.ReceivedLength == Size);
        server.Transport.Close();
        hosts.World.RunUntil(() => server.Lost.Task.IsCompleted);
        return server;
    }
}
