using System.Net.Sockets;

namespace Toolkit.Tests.Samples;

/// <summary>The view of a running process from outside. Few, because each is two processes.</summary>
public sealed class TopSampleTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("tk-top-").FullName;

    private string SocketPath => Path.Combine(_directory, "s");

    [Fact]
    public async Task Once_OfAnEchoServer_PrintsItsTransports()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The sample server is told to end by a signal.");
        using SampleProcess server = await SampleProcess.ServeAsync($"--diagnostics \"{SocketPath}\"");
        using Socket client = await SampleClient.ConnectAsync(server);
        await SendAsync(client, "hello"u8.ToArray());
        await ReadAsync(client, 5);

        (int code, string output, string errors) = await RunAsync($"\"{SocketPath}\" --once --interval 0.1 --order total");

        Assert.Equal(("", 0), (errors, code));
        Assert.Contains($"process {server.ServerId} at ", output, StringComparison.Ordinal);
        string row = output.Split('\n').Single(line => line.Contains($"{client.LocalEndPoint}", StringComparison.Ordinal));
        Assert.Contains("tcp", row, StringComparison.Ordinal);
        Assert.Contains($"{server.EndPoint}", row, StringComparison.Ordinal);
        Assert.Contains("task main", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', output);

        server.Signal(SampleProcess.Terminate);
        Assert.Equal(0, await server.WaitForExitAsync());
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task Socket_ThatIsNone_IsOneLineOfError()
    {
        (int code, string output, string errors) = await RunAsync($"\"{SocketPath}\"");

        Assert.Equal((1, "", $"There is no socket at {SocketPath}.\n"), (code, output, errors.ReplaceLineEndings("\n")));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static Task<(int ExitCode, string Output, string Errors)> RunAsync(string arguments)
        => SampleProcess.RunAsync(arguments, program: SampleProcess.Top);
}
