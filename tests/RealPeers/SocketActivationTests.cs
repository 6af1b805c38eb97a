using System.Net.Sockets;

namespace Toolkit.Tests.RealPeers;

/// <summary>The samples started with sockets that listen already, as systemd starts them.</summary>
public sealed class SocketActivationTests
{
    [Theory]
    [InlineData("epoll", "--systemd")]
    [InlineData("portable", "--listen systemd:listening")]
    [InlineData("uring", "--listen fd:3 --listen fd:4")]
    public async Task Echo_OfPassedSockets_ServesOnAllOfThem(string loop, string arguments)
    {
        using SampleProcess server = await ActivateAsync("listening,listening", $"{arguments} --loop {loop}", SampleProcess.Echo);
        string[] lines;
        while ((lines = server.Output.TrimEnd().Split('\n')).Length < 4)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken); // the second line of two
        }

        int[] ports = [.. lines[..2].Select(line => int.Parse(line["activated ".Length..]))];

        Assert.Equal(
            ports.Select(port => $"listening on tcp://127.0.0.1:{port} with {loop}, pid {server.ServerId}"), lines[2..]);
        foreach (int port in ports)
        {
            using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync("127.0.0.1", port);
            await SampleClient.PingAsync(client);
        }

        Assert.False(IsListening(3) || IsListening(4), "The descriptors that were passed are closed: the loop has its own.");
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());

        // Number 3 may be anything else by then.
        bool IsListening(int descriptor)
        {
            string? target = new FileInfo($"/proc/{server.ServerId}/fd/{descriptor}").LinkTarget;
            return target is not null && File.ReadLines("/proc/net/tcp").Any(line =>
            {
                string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                return fields[3] == "0A" && target == $"socket:[{fields[9]}]";
            });
        }
    }

    [Fact]
    public async Task Chat_OfAPassedSocket_Serves()
    {
        using SampleProcess server = await ActivateAsync("listening", "--systemd", SampleProcess.Chat);

        using ChatClient ann = await ChatClient.ConnectAsync(server, "ann");
        await ann.SendAsync("hello\n");

        Assert.Equal("<ann> hello", await ann.ReadAsync());
    }

    [Theory]
    [InlineData("stranger,listening", "No sockets were passed. Start this by a systemd socket unit.")]
    [InlineData("listening,bound", "The socket cannot be adopted: one that listens was expected and it does not, or the other way round.")]
    [InlineData("datagram", "The socket cannot be adopted: it is no stream socket.")]
    [InlineData("listening,file", "The passed descriptor 4, named \"file\", is no socket or not open.")]
    [InlineData(
        "listening,bound",
        "No socket named \"web\" was passed, or it was taken already. There are \"listening\", \"bound\".",
        "--listen systemd:web")]
    public async Task Echo_OfOtherThings_SaysSoAndExitsWithOne(string kinds, string message, string arguments = "--systemd")
    {
        PeerProgram.Require("python3");

        (int exitCode, _, string errors) = await SampleProcess.RunAsync(
            arguments, tool: $"python3 {Scripts.PathOf("activate.py")} {kinds}");

        Assert.Equal((1, message), (exitCode, errors.TrimEnd()));
    }

    [Fact]
    public async Task Echo_OfOneName_IsNotHeldUpByAnotherThatIsNoSocket()
    {
        using SampleProcess server = await ActivateAsync("file,listening", "--listen systemd:listening", SampleProcess.Echo);
        using Socket client = await SampleClient.ConnectAsync(server);

        await SampleClient.PingAsync(client);
    }

    private static Task<SampleProcess> ActivateAsync(string kinds, string arguments, string program)
    {
        PeerProgram.Require("python3");
        return SampleProcess.ServeAsync(
            arguments, tool: $"python3 {Scripts.PathOf("activate.py")} {kinds}", program: program);
    }
}
