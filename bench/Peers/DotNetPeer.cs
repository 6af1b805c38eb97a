using System.Diagnostics;
using System.Reflection;
using Toolkit.Bench.Cells;

namespace Toolkit.Bench.Peers;

/// <summary>A server of this program, in a process of its own.</summary>
internal sealed class DotNetPeer(string name, string title, params string[] arguments) : Peer(name, title)
{
    private const string InlineVariable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
    private const int UsualBuffer = 16 * 1024;
    private const int BulkBuffer = 256 * 1024;

    /// <summary>Whether completions of .NET's sockets run where they arise.</summary>
    public bool InlineCompletions { get; init; }

    /// <summary>Whether it must be told how large its buffers are.</summary>
    public bool ChoosesBuffer { get; init; }

    public override bool AnswersQuestions => true;

    public override bool CompilesWhileRunning => true;

    public override Presence Probe()
    {
        string runtime = $".NET {Environment.Version}";
        string toolkit = typeof(EventLoop).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion;
        return new(arguments[0] == "toolkit" ? $"{toolkit}, {runtime}" : runtime, null);
    }

    public override ProcessStartInfo Start(Cell cell)
    {
        string[] buffer = ChoosesBuffer ? ["--buffer", $"{(cell.IsBulk ? BulkBuffer : UsualBuffer)}"] : [];
        ProcessStartInfo start = ExternalProgram.PinTo(
            ServerCore, Environment.ProcessPath!, ["serve", .. arguments, "--mode", ModeOf(cell), .. TlsArgumentsOf(cell), .. buffer]);
        start.Environment[InlineVariable] = InlineCompletions ? "1" : "0";
        return start;
    }
}
