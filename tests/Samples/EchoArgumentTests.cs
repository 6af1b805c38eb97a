using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>What the sample says to arguments, on whatever loop.</summary>
public sealed class EchoArgumentTests
{
    [Theory]
    [InlineData("--prt 3")]
    [InlineData("--port 65536")]
    [InlineData("--port -1")]
    [InlineData("--port x")]
    [InlineData("--loop windows")]
    [InlineData("--style loud")]
    [InlineData("--style buffered --lines")]
    [InlineData("--lines --frame 10")]
    [InlineData("serve --style stream --ignore-backpressure")]
    [InlineData("--frame 0")]
    [InlineData("--idle 0")]
    [InlineData("--idle -1")]
    [InlineData("--max 0")]
    [InlineData("--unix x --systemd")]
    [InlineData("serve extra")]
    [InlineData("client --loop epoll")]
    [InlineData("client --udp --tls")]
    [InlineData("--udp --style buffered")]
    [InlineData("serve --udp --max 3")]
    public async Task Arguments_Wrong_SaySoAndExitWithTwo(string arguments)
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(arguments);

        Assert.Equal((2, ""), (exitCode, output));
        Assert.NotEqual("", errors);
    }

    [Theory]
    [InlineData("--host 192.0.2.1 --port 0", "the address is not one of this machine's")]
    [InlineData("--host no-such-name.invalid --port 0", "the name could not be resolved")]
    [InlineData("--host 127.1 --port 0", "neither a name nor an IP address")]
    public async Task Serve_WhereItCannot_SaysWhyInOneLineAndExitsWithOne(string arguments, string reason)
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync(arguments);

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains(reason, errors, StringComparison.Ordinal);
        Assert.Single(errors.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Serve_UnknownBackendInTheEnvironment_SaysSoInOneLineAndExitsWithOne()
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync("--port 0", backend: "kqueue");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("TOOLKIT_BACKEND", errors, StringComparison.Ordinal);
        Assert.Single(errors.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Client_Refused_SaysSoInOneLineAndExitsWithOne()
    {
        // A bound socket that does not listen: its port refuses, and nobody else can take it.
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)bound.LocalEndPoint!).Port;

        (int exitCode, string output, string errors) = await SampleProcess.RunAsync($"client --port {port}");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("ConnectionRefused", errors, StringComparison.Ordinal);
        Assert.Single(errors.TrimEnd().Split('\n'));
    }
}
