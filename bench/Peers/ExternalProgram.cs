using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Toolkit.Bench.Peers;

/// <summary>Programs of others: asked a question, or started for long.</summary>
internal static class ExternalProgram
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    /// <summary>Runs it to its end.</summary>
    /// <returns>What it wrote, or why that is not to be had.</returns>
    public static (string? Output, string? Error) Run(string file, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> error = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(s_patience))
            {
                process.Kill();
                return (null, $"{file} does not end");
            }

            return process.ExitCode == 0 ? (output.Result.Trim(), null) : (null, error.Result.Trim());
        }
        catch (Win32Exception)
        {
            return (null, $"there is no {file}");
        }
    }

    /// <summary>
    /// Has the program run on one core, and before others if that is allowed. Both wrappers become the program, so that the
    /// process that is started is the one that is measured.
    /// </summary>
    public static ProcessStartInfo PinTo(int core, string file, params IEnumerable<string> arguments)
    {
        string[] pinned = ["taskset", "-c", core.ToString(CultureInfo.InvariantCulture), file, .. arguments];
        string[] line = Environment.IsPrivilegedProcess ? ["nice", "-n", "-10", .. pinned] : pinned;
        return new ProcessStartInfo(line[0], line[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
    }
}
