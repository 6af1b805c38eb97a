using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>The size of a terminal's window in characters.</summary>
/// <param name="Columns">How many characters a line has; 0 when it is not known.</param>
/// <param name="Rows">How many lines; 0 when it is not known.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct TerminalSize(ushort Columns, ushort Rows)
{
    /// <summary>80 columns and 24 rows.</summary>
    public static TerminalSize Default => new(80, 24);
}
