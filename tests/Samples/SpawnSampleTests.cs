using System.Globalization;
using System.Runtime.InteropServices;

namespace Toolkit.Tests.Samples;

/// <summary>The spawn sample from outside. Few, because each is two processes.</summary>
public sealed class SpawnSampleTests
{
    [Fact]
    public async Task Streams_AndExitCode_AreTheChilds()
    {
        using SampleProcess spawn = Start("-- sh -c \"sort; echo oops >&2; exit 5\"");
        await spawn.Process.StandardInput.WriteAsync("b\na\n");
        spawn.Process.StandardInput.Close();

        Assert.Equal(5, await spawn.WaitForExitAsync());
        Assert.Equal("a\nb\n", spawn.Output);
        Assert.Equal("oops\n", spawn.Errors);
    }

    [Fact]
    public async Task Child_HasNothingOfOursButItsStreams()
    {
        (int code, string output, _) = await RunAsync("-- sh -c \"ls /proc/self/fd; grep Sig /proc/self/status\"");

        Assert.Equal(0, code);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["0", "1", "2", "3"], lines.TakeWhile(line => char.IsDigit(line[0]))); // 3 is what ls has opened
        Assert.Contains("SigIgn:\t0000000000000000", lines);
        Assert.Contains("SigBlk:\t0000000000000000", lines);
    }

    [Theory]
    [InlineData("-- sh -c \"kill -9 $$\"", 137)]
    [InlineData("--timeout 0.1 -- sleep 1000", 124)]
    [InlineData("-- no-such-program-anywhere", 127)]
    [InlineData("-- /etc/passwd", 126)]
    [InlineData("--shell -- \"exit 3; exit 4\"", 3)]
    [InlineData("--no-such-option -- true", 2)]
    public async Task Ends_HaveTheirExitCodes(string arguments, int code)
        => Assert.Equal(code, (await RunAsync(arguments)).ExitCode);

    [Fact]
    public async Task Signals_GoToTheChild()
    {
        using SampleProcess spawn = Start("-- sh -c \"trap 'echo got it; exit 9' TERM; echo ready; while :; do read x; done\"");
        await spawn.UntilAsync(() => spawn.Output == "ready\n");
        spawn.Signal(SampleProcess.Terminate);
        spawn.Process.StandardInput.Write("\n"); // a trap runs between two commands
        spawn.Process.StandardInput.Flush();

        Assert.Equal(9, await spawn.WaitForExitAsync());
        Assert.Equal("ready\ngot it\n", spawn.Output);
    }

    [Fact]
    public async Task Grandchild_ThatHoldsTheOutput_IsNotWaitedFor()
    {
        (int code, string output, _) = await RunAsync("-- sh -c \"sleep 1000 & echo $!\"");

        Assert.Equal(0, code);
        using var left = System.Diagnostics.Process.GetProcessById(int.Parse(output, CultureInfo.InvariantCulture));
        left.Kill(); // and it was left alone
    }

    [Fact]
    public async Task Terminal_IsAChildsOwn()
    {
        (int code, string output, _) = await RunAsync("--pty -- sh -c \"stty size; test -t 0 && test -t 2\"");

        Assert.Equal(0, code);
        Assert.Equal("24 80\n", output.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Interrupt_OfTheKeyboard_ReachesTheChildOnce()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Terminals are those of Linux.");
        const string Counting = "trap 'n=$((n+1)); echo got $n' INT; trap 'echo total $n; kill $p; exit 4' TERM; "
            + "sleep 1000 & p=$!; echo ready; while :; do wait; done";
        EventLoop.Run(async loop =>
        {
            var screen = new ChildProtocol();
            SubprocessTransport spawn = (await loop.SpawnAsync(() => screen, new SpawnOptions
            {
                FileName = "dotnet",
                Arguments = [SampleProcess.Spawn, "--", "sh", "-c", Counting],
                Terminal = TerminalSize.Default,
            })).Transport;
            await UntilAsync("ready");
            spawn.GetPipeTransport(0)!.Write([3]); // Ctrl-C, which the terminal tells to all in the foreground
            await UntilAsync("got 1");
            spawn.SendSignal(PosixSignal.SIGTERM); // which it knows nothing of, and which is behind what else was handed on

            Assert.Equal(4, (await spawn.WaitCompletedAsync()).Code);
            Assert.Contains("total 1\r\n", screen.Output, StringComparison.Ordinal);

            async Task UntilAsync(string text)
            {
                while (!screen.Output.Contains(text, StringComparison.Ordinal))
                {
                    Assert.Null(spawn.ExitStatus);
                    await loop.Delay(TimeSpan.FromMilliseconds(5));
                }
            }
        });
    }

    private static SampleProcess Start(string arguments) => SampleProcess.Start(arguments, program: SampleProcess.Spawn);

    private static Task<(int ExitCode, string Output, string Errors)> RunAsync(string arguments)
        => SampleProcess.RunAsync(arguments, program: SampleProcess.Spawn);
}
