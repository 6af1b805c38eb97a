namespace Toolkit.Tests.RealPeers;

/// <summary>Programs that people use, in the rooms of the chat sample.</summary>
public sealed class ChatPeerTests
{
    [Fact]
    public async Task NetcatAndSocat_TalkToEachOther()
    {
        PeerProgram.Require("nc");
        PeerProgram.Require("socat");
        using SampleProcess server = await ServeAsync();
        using PeerProgram ann = PeerProgram.Start("nc", "127.0.0.1", $"{server.Port}");
        using PeerProgram bob = PeerProgram.Start("socat", "-", $"TCP:127.0.0.1:{server.Port},crlf");

        await ann.SayAsync("/nick ann");
        await ann.ReadUntilAsync(" is now ann.");
        await bob.SayAsync("/nick bob");
        await bob.ReadUntilAsync(" is now bob.");
        await bob.SayAsync("hello from socat");
        Assert.Equal("<bob> hello from socat", await ann.ReadUntilAsync("<bob>"));
        await ann.SayAsync("hello from nc");
        Assert.Equal("<ann> hello from nc", await bob.ReadUntilAsync("<ann>"));

        // What they are still to hear comes before the end.
        await ann.SayAsync("good night");
        await ann.ReadUntilAsync("<ann> good night");
        server.Signal(SampleProcess.Terminate);
        Assert.Equal("<ann> good night", await bob.ReadUntilAsync("<ann>"));
        Assert.Equal("", await bob.EndAsync());
        Assert.DoesNotContain('<', await ann.EndAsync()); // perhaps that bob has left
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [Fact]
    public async Task Telnet_IsUnderstood()
    {
        PeerProgram.Require("python3");
        using SampleProcess server = await ServeAsync();

        Assert.Equal("understood", await Scripts.RunAsync("telnet_client.py", server.Port));
    }

    [Fact]
    public async Task Asyncio_HearsEverythingInOneOrder()
    {
        PeerProgram.Require("python3");
        using SampleProcess server = await ServeAsync();

        Assert.Equal("10 people, 100 lines each", await Scripts.RunAsync("chat_client.py", server.Port, 10, 100));
    }

    private Task<SampleProcess> ServeAsync()
        => SampleProcess.ServeAsync("", program: SampleProcess.Chat);
}
