using System.Diagnostics;
using Toolkit.Bench.Cells;

namespace Toolkit.Bench.Peers;

/// <summary>Python's protocols, on one of its loops.</summary>
internal sealed class PythonPeer(string loop) : Peer(loop, loop)
{
    /// <summary>The system's, which has the system's packages.</summary>
    public const string Interpreter = "/usr/bin/python3";

    private static readonly string s_script = Path.Combine(AppContext.BaseDirectory, "Peers/Python/server.py");

    public override Presence Probe()
    {
        (string? version, string? error) = ExternalProgram.Run(Interpreter, s_script, Name, "--version");
        return new(version, error?.Split('\n')[^1]);
    }

    public override bool Serves(Cell cell) => true;

    public override ProcessStartInfo Start(Cell cell)
        => ExternalProgram.PinTo(ServerCore, Interpreter, s_script, Name, ModeOf(cell));
}
