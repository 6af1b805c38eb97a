namespace Toolkit.Tests.RealPeers;

/// <summary>socat gives the spawn sample a terminal, and is given one by it.</summary>
public sealed class SpawnPeerTests
{
    [Fact]
    public async Task Socat_GivesATerminal_WhoseSizeAndLinesReachTheChildsOwn()
    {
        PeerProgram.Require("socat");
        string script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, "stty size; read line; echo \"got $line\"\n");
        using PeerProgram socat = PeerProgram.Start(
            "socat", "-t", "30", $"EXEC:dotnet {SampleProcess.Spawn} --pty -- sh {script},pty,setsid,ctty,stderr", "-");

        await socat.ReadUntilAsync("0 0"); // socat's terminal has no size, and the child's has the same
        await socat.SayAsync("hello");
        Assert.Equal("got hello", (await socat.ReadUntilAsync("got")).TrimEnd('\r'));
        File.Delete(script);
    }

    [Fact]
    public async Task Socat_AsAChild_CarriesWhatItIsGiven()
    {
        PeerProgram.Require("socat");
        string text = string.Concat(Enumerable.Range(0, 20_000).Select(i => $"line {i}\n"));

        Assert.Equal(text, await PeerProgram.RunAsync(
            "dotnet", text, SampleProcess.Spawn, "--", "socat", "-t", "30", "-", "EXEC:cat"));
    }
}
