using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>The samples with addresses on their command lines: what one prints, the other is given.</summary>
public sealed class AddressArgumentTests
{
    [Fact]
    public async Task Echo_ListensAtSeveral_AndIsFoundAtWhatItPrints()
    {
        string path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");
        using SampleProcess server = await SampleProcess.ServeAsync($"--listen unix:{path}?mode=0660 --listen tcp://127.0.0.1:0");
        await server.UntilAsync(() => server.Port != 0);
        string printed = server.Output.Split('\n').Select(line => line.Split(' ')[2]).First(
            address => address.StartsWith("unix:", StringComparison.Ordinal));
        using SampleProcess client = SampleProcess.Start($"client --connect {printed}");
        await client.Process.StandardInput.WriteAsync("hello\n");
        client.Process.StandardInput.Close();

        Assert.Equal(0, await client.WaitForExitAsync());
        Assert.Equal($"unix:{path}", printed);
        Assert.Equal(("hello\n", ""), (client.Output, client.Errors));
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
    }

    [Fact]
    public async Task Chat_HearsTheCrowdAtAnAddress()
    {
        using SampleProcess server = await SampleProcess.ServeAsync("--listen tcp://127.0.0.1:0", program: SampleProcess.Chat);

        (int exitCode, string output, _) = await SampleProcess.RunAsync(
            $"load --connect tcp://127.0.0.1:{server.Port} --users 4 --rooms 2 --messages 20", program: SampleProcess.Chat);

        Assert.Equal(0, exitCode);
        Assert.EndsWith("; all in the same order, none lost\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Probe_LooksAtWhatItIsGiven()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        string there = $"tcp://{listener.LocalEndPoint}";

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(
            $"--connect {there} --connect unix:/nowhere", program: SampleProcess.Probe);

        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Equal(
            ["1 answer, 1 are silent, 0 were not looked at", $"{there} answers", "unix:/nowhere is silent"],
            output.TrimEnd().Split('\n').Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("--listen tcp://h", "--listen: Expected a colon and a port: tcp://host:port.\n  tcp://h\n         ^\n")]
    [InlineData("client --connect tcp://h:0", "--connect: A port to connect to is 1 to 65535. Port 0 is for a server, for which the "
        + "system chooses one.\n  tcp://h:0\n          ^\n")]
    [InlineData("--listen tcp://:0 --port 3", "--listen and --port both say where; choose one.\n")]
    [InlineData("client --connect tcp://h:1 --connect tcp://h:2", "--connect is given twice, and there is one server to connect to.\n")]
    [InlineData("--listen udp://:0 --max 3", "--max is for streams, and UDP is none.\n")]
    public async Task Echo_WrongAddresses_AreUsageErrors(string arguments, string message)
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(arguments);

        Assert.Equal((2, "", message), (exitCode, output, errors));
    }

    [Theory]
    [InlineData("serve --listen unix:/s --systemd", "--listen and --systemd both say where; choose one.\n")]
    [InlineData("load --connect tcp://h:1 --host h", "--connect and --host both say where; choose one.\n")]
    public async Task Chat_BothKinds_AreUsageErrors(string arguments, string message)
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(arguments, program: SampleProcess.Chat);

        Assert.Equal((2, "", message), (exitCode, output, errors));
    }
}
