using System.Diagnostics;
using Toolkit.Bench.Cells;

namespace Toolkit.Bench.Peers;

/// <summary>Python's protocols or streams, on one of its loops.</summary>
internal sealed class PythonPeer(string name, string title, string loop) : Peer(name, title)
{
    /// <summary>The system's, which has the system's packages.</summary>
    public const string Interpreter = "/usr/bin/python3";

    private static readonly string s_script = Path.Combine(AppContext.BaseDirectory, "Peers/Python/server.py");

    /// <summary>Whether a coroutine with streams serves each connection, instead of a protocol.</summary>
    public bool UsesStreams { get; init; }

    public override Presence Probe()
    {
        (string? version, string? error) = ExternalProgram.Run(Interpreter, s_script, loop, "--version");
        return new(version, error?.Split('\n')[^1]);
    }

    public override ProcessStartInfo Start(Cell cell)
        => ExternalProgram.PinTo(ServerCore, Interpreter, [s_script, loop, UsesStreams ? "streams" : ModeOf(cell), .. TlsArgumentsOf(cell)]);
}
