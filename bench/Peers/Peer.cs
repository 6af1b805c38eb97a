using System.Diagnostics;
using Toolkit.Bench.Cells;
using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Peers;

/// <summary>Whether a peer can run here: its version, or why not.</summary>
internal sealed record Presence(string? Version, string? Missing);

/// <summary>A server that is measured. It says where it listens, and ends with its standard input.</summary>
/// <param name="name">What it is called on the command line and in results.</param>
/// <param name="title">What it is called in tables.</param>
internal abstract class Peer(string name, string title)
{
    public const int ServerCore = 0;

    public string Name { get; } = name;

    public string Title { get; } = title;

    /// <summary>Whether it answers <see cref="Servers.ServerControl"/>'s questions.</summary>
    public virtual bool AnswersQuestions => false;

    /// <summary>Whether it gets faster while it runs, as what is compiled just in time does.</summary>
    public virtual bool CompilesWhileRunning => false;

    /// <summary>Whether it takes part in what is encrypted.</summary>
    public bool SpeaksTls { get; init; }

    /// <summary>Builds it, if it must be built.</summary>
    public abstract Presence Probe();

    /// <summary>Which cells it takes part in; null for all that it can.</summary>
    public Predicate<Cell>? Cells { get; init; }

    /// <summary>Whether it has a server of datagrams.</summary>
    public bool HasDatagrams { get; init; }

    public virtual bool Serves(Cell cell)
        => cell.Mode == ServerMode.Datagrams ? HasDatagrams : (SpeaksTls || !cell.IsTls) && (Cells is null || Cells(cell));

    /// <summary>How it is started for a cell that it serves, after it was found to be present.</summary>
    public abstract ProcessStartInfo Start(Cell cell);

    /// <summary>How its program is told where the certificate and its key are.</summary>
    protected static string[] TlsArgumentsOf(Cell cell)
        => cell.IsTls ? ["--tls", BenchCertificate.Certificate, BenchCertificate.Key] : [];

    protected static string ModeOf(Cell cell) => cell.Mode.ToString().ToLowerInvariant();
}
