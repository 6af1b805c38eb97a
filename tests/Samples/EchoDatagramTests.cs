namespace Toolkit.Tests.Samples;

/// <summary>The echo sample over UDP from outside: what it prints, what it answers, how it ends.</summary>
public sealed class EchoDatagramTests
{
    [Theory]
    [InlineData("epoll", "--udp", "--udp --port ")]
    [InlineData("portable", "--listen udp://:0", "--connect udp://127.0.0.1:")]
    public async Task ServeAndClient_LinesComeBack_AndBothEndWell(string loop, string serve, string connect)
    {
        using SampleProcess server = await SampleProcess.ServeAsync($"{serve} --loop {loop}");
        using SampleProcess client = SampleProcess.Start($"client {connect}{server.Port}");
        await client.Process.StandardInput.WriteAsync("one\ntwo\n\nthree\n");
        client.Process.StandardInput.Close();

        Assert.Equal(0, await client.WaitForExitAsync());
        Assert.Equal(("one\ntwo\n\nthree\n", ""), (client.Output, client.Errors));
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.Equal($"listening on udp://127.0.0.1:{server.Port} with {loop}, pid {server.Process.Id}\n", server.Output);
        Assert.Equal("", server.Errors);
    }

    [Fact]
    public async Task Client_NobodyAnswers_SaysSoAndExitsWithOne()
    {
        int port;
        using (SampleProcess server = await SampleProcess.ServeAsync("--udp"))
        {
            port = server.Port;
            server.Signal(SampleProcess.Terminate);
            await server.WaitForExitAsync();
        }

        using SampleProcess client = SampleProcess.Start($"client --udp --port {port}");
        await client.Process.StandardInput.WriteAsync("hello\n");
        client.Process.StandardInput.Close();

        Assert.Equal(1, await client.WaitForExitAsync());
        Assert.Equal("", client.Output);
        Assert.StartsWith(
            "1 of 1 lines were not answered. Nobody takes datagrams at 127.0.0.1:", client.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_WhereItCannot_SaysWhyAndExitsWithOne()
    {
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync("--udp --host 192.0.2.1 --port 0");

        Assert.Equal((1, ""), (exitCode, output));
        Assert.Contains("the address is not this machine's", errors, StringComparison.Ordinal);
    }
}
