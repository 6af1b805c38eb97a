namespace Toolkit.Tests.RealPeers;

/// <summary>Programs that people use, talking to the echo sample on each kind of loop.</summary>
public abstract class EchoPeerTests(LoopKind kind) : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");

    public void Dispose()
    {
        File.Delete(_path);
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Netcat_GetsBackWhatItSends()
    {
        PeerProgram.Require("nc");
        using SampleProcess server = await ServeAsync();
        string text = Text();

        // -N ends the sending side at the end of the input.
        Assert.Equal(text, await PeerProgram.RunAsync("nc", text, "-N", "127.0.0.1", $"{server.Port}"));
    }

    [Fact]
    public async Task Socat_GetsBackWhatItSends()
    {
        PeerProgram.Require("socat");
        using SampleProcess server = await ServeAsync();
        string text = Text();

        // -t is how long it waits for the rest when its input has ended.
        Assert.Equal(text, await PeerProgram.RunAsync("socat", text, "-t", "30", "-", $"TCP:127.0.0.1:{server.Port}"));
    }

    [Fact]
    public async Task Asyncio_GetsBackWhatItSends()
    {
        PeerProgram.Require("python3");
        using SampleProcess server = await ServeAsync();

        Assert.Equal(
            "20 connections, 20 messages each", await Scripts.RunAsync("echo_client.py", server.Port, 20, 20));
    }

    [Fact]
    public async Task Netcat_OverAUnixSocket_GetsBackWhatItSends()
    {
        PeerProgram.Require("nc");
        using SampleProcess server = await ServeAtPathAsync();
        string text = Text();

        Assert.Equal(text, await PeerProgram.RunAsync("nc", text, "-N", "-U", _path));
    }

    [Fact]
    public async Task Socat_OverAUnixSocket_GetsBackWhatItSends()
    {
        PeerProgram.Require("socat");
        using SampleProcess server = await ServeAtPathAsync();
        string text = Text();

        Assert.Equal(text, await PeerProgram.RunAsync("socat", text, "-t", "30", "-", $"UNIX-CONNECT:{_path}"));
        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.False(Path.Exists(_path));
    }

    [Fact]
    public async Task Client_OfSocatsUnixSocket_GetsBackWhatItSends()
    {
        using PeerProgram server = PeerProgram.Start("socat", $"UNIX-LISTEN:{_path},unlink-early", "SYSTEM:cat");
        while (!Path.Exists(_path))
        {
            await Task.Delay(5); // it says nothing of itself
        }

        string text = Text();
        Assert.Equal(text, await PeerProgram.RunAsync("dotnet", text, SampleProcess.Echo, "client", "--unix", _path));
    }

    // More than the buffers of both sides and of the pipes take at once.
    private static string Text() => string.Concat(Enumerable.Range(0, 100_000).Select(i => $"line {i}\n"));

    private Task<SampleProcess> ServeAtPathAsync()
        => SampleProcess.ServeAsync($"--loop {kind.ToString().ToLowerInvariant()} --unix {_path}");

    private Task<SampleProcess> ServeAsync() => SampleProcess.ServeAsync($"--loop {kind.ToString().ToLowerInvariant()}");
}

public sealed class EpollEchoPeerTests() : EchoPeerTests(LoopKind.Epoll);

public sealed class PortableEchoPeerTests() : EchoPeerTests(LoopKind.Portable);

public sealed class UringEchoPeerTests() : EchoPeerTests(LoopKind.Uring);
