namespace Toolkit.Samples.Spawn;

/// <summary>What the command line says.</summary>
internal sealed record SpawnSettings
{
    public required IReadOnlyList<string> Command { get; init; }

    public bool HasTerminal { get; init; }

    public bool IsForShell { get; init; }

    public TimeSpan? Timeout { get; init; }
}
