using System.Diagnostics;

namespace Toolkit.Tests.Samples;

/// <summary>A program of the system that speaks TLS; a test that needs it is skipped where it is missing.</summary>
internal static class TlsTool
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Runs it to its end.</summary>
    /// <param name="name">The program.</param>
    /// <param name="arguments">What it is told.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="until">
    /// What it is to have written before its input ends, since there are programs that leave with their input; null to end it at
    /// once.
    /// </param>
    /// <returns>Its exit code, and all that it has written.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string name, IEnumerable<string> arguments, string input = "", string? until = null)
    {
        using Process process = Start(name, arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        var output = new System.Text.StringBuilder();
        await process.StandardInput.WriteAsync(input);
        await process.StandardInput.FlushAsync();
        char[] chunk = new char[4096];
        bool ended = until is null;
        if (ended)
        {
            process.StandardInput.Close();
        }

        using var patience = new CancellationTokenSource(s_patience);
        try
        {
            while (await process.StandardOutput.ReadAsync(chunk, patience.Token) is var count and > 0)
            {
                output.Append(chunk, 0, count);
                if (!ended && output.ToString().Contains(until!, StringComparison.Ordinal))
                {
                    ended = true;
                    process.StandardInput.Close();
                }
            }

            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{name} does not end. It has written: {output}{await errors}");
        }

        return (process.ExitCode, output + await errors);
    }

    /// <summary>Starts it, or skips the test.</summary>
    public static Process Start(string name, IEnumerable<string> arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(name, arguments)
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"{name} is not installed.");
            throw;
        }
    }
}
