using System.Globalization;

namespace Toolkit.Samples.Spawn;

/// <summary>The processes that a terminal sends its signals to.</summary>
internal static class ForegroundGroup
{
    /// <summary>
    /// Whether this process has a controlling terminal, whatever its streams are, and is in that terminal's foreground group:
    /// <c>pgrp</c> and <c>tpgid</c> of proc_pid_stat(5).
    /// </summary>
    public static bool IsOurs()
    {
        // The name of the program stands in parentheses, and may contain anything.
        string[] fields = File.ReadAllText("/proc/self/stat").Split(')')[^1].Trim().Split(' ');
        return int.Parse(fields[2], CultureInfo.InvariantCulture) == int.Parse(fields[5], CultureInfo.InvariantCulture);
    }
}
