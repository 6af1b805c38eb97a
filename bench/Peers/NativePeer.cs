using System.Diagnostics;
using System.Globalization;
using Toolkit.Bench.Cells;
using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Peers;

/// <summary>A server in C, compiled on the spot. It has no framed mode.</summary>
internal sealed class NativePeer(string name, string title, NativeProgram program) : Peer(name, title)
{
    /// <summary>The size of its receive buffer, in bytes; null leaves it to the program.</summary>
    public int? Buffer { get; init; }

    /// <summary>Whether the program says the version of what it is built on.</summary>
    public bool SaysVersion { get; init; }

    public override Presence Probe()
    {
        (string? path, string? error) = program.Build();
        if (path is null)
        {
            return new(null, error);
        }

        string compiler = $"gcc {NativeProgram.CompilerVersion.Output} -O2";
        return new(SaysVersion ? $"{ExternalProgram.Run(path, "--version").Output}, {compiler}" : compiler, null);
    }

    public override bool Serves(Cell cell)
        => cell.Mode == ServerMode.Datagrams ? HasDatagrams
            : base.Serves(cell) && cell.Mode != ServerMode.Framed && (Buffer is null || cell.IsBulk);

    public override ProcessStartInfo Start(Cell cell)
    {
        string[] buffer = Buffer is { } size ? [size.ToString(CultureInfo.InvariantCulture)] : [];
        return ExternalProgram.PinTo(ServerCore, program.Build().Path!, [ModeOf(cell), .. buffer]);
    }
}
