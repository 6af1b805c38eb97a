namespace Toolkit.Samples.Spawn;

/// <summary>Exit codes of our own, beside the command's: those of env(1) and timeout(1).</summary>
internal static class ExitCode
{
    public const int TimedOut = 124;
    public const int CannotRun = 125;
    public const int NotExecutable = 126;
    public const int NotFound = 127;
}
