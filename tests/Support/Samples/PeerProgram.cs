using System.Diagnostics;

namespace Toolkit.Tests;

/// <summary>A program of somebody else's that talks to ours.</summary>
public sealed class PeerProgram : IDisposable
{
    /// <summary>With the value 1 a program that is missing is a failure, and not a test that is skipped.</summary>
    public const string RequireVariable = "TOOLKIT_REQUIRE_PEERS";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    private PeerProgram(Process process) => _process = process;

    /// <summary>Skips the test where the program is missing, by its name.</summary>
    public static void Require(string program)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (!Array.Exists(folders, folder => File.Exists(Path.Combine(folder, program))))
        {
            string missing = $"{program} is not installed.";
            Assert.False(Environment.GetEnvironmentVariable(RequireVariable) == "1", $"{missing} {RequireVariable} asks for it.");
            Assert.Skip(missing);
        }
    }

    /// <summary>Starts the program, with all three streams in our hands.</summary>
    public static PeerProgram Start(string program, params string[] arguments)
    {
        Require(program);
        return new PeerProgram(Process.Start(new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!);
    }

    /// <summary>Runs the program to its end on an input, and fails unless it succeeds.</summary>
    /// <returns>What it has written to its standard output.</returns>
    public static async Task<string> RunAsync(string program, string input, params string[] arguments)
    {
        using PeerProgram running = Start(program, arguments);
        Task<string> output = running._process.StandardOutput.ReadToEndAsync();
        Task<string> errors = running._process.StandardError.ReadToEndAsync();
        await running._process.StandardInput.WriteAsync(input).WaitAsync(s_patience);
        running._process.StandardInput.Close();
        await running._process.WaitForExitAsync().WaitAsync(s_patience);
        Assert.True(running._process.ExitCode == 0, $"{program} failed: {await output}{await errors}");
        return await output;
    }

    /// <summary>Types a line.</summary>
    public async Task SayAsync(string line)
    {
        await _process.StandardInput.WriteLineAsync(line);
        await _process.StandardInput.FlushAsync();
    }

    /// <summary>Reads lines up to the first that contains the text.</summary>
    public async Task<string> ReadUntilAsync(string text)
    {
        while (await _process.StandardOutput.ReadLineAsync().WaitAsync(s_patience) is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new EndOfStreamException($"The end came before \"{text}\".");
    }

    /// <summary>Ends the input, and waits for the end of the program.</summary>
    /// <returns>What it has still written.</returns>
    public async Task<string> EndAsync()
    {
        _process.StandardInput.Close();
        string rest = await _process.StandardOutput.ReadToEndAsync().WaitAsync(s_patience);
        await _process.WaitForExitAsync().WaitAsync(s_patience);
        return rest;
    }

    /// <summary>Ends it, however it stands.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }
}
