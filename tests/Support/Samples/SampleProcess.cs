using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Toolkit.Tests;

/// <summary>A sample as a program of its own, as a user starts it; the echo sample unless another is named.</summary>
public sealed partial class SampleProcess : IDisposable
{
    public const int Interrupt = 2;
    public const int Quit = 3;
    public const int Terminate = 15;
    public const int Continue = 18;
    public const int Halt = 19;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TaskCompletionSource _written = NewWritten(); // ends with the next line that the program writes

    private SampleProcess(Process process) => Process = process;

    public Process Process { get; }

    public int Port { get; private set; }

    /// <summary>The server's own process, which a tool may stand in front of.</summary>
    public int ServerId { get; private set; }

    public IPEndPoint EndPoint => new(IPAddress.Loopback, Port);

    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    public static string Echo => PathOf("EchoProgram");

    public static string Chat => PathOf("ChatProgram");

    public static string Probe => PathOf("ProbeProgram");

    public static string Top => PathOf("TopProgram");

    public static string Spawn => PathOf("SpawnProgram");

    /// <summary>Starts the program with lines collected; does not wait for anything.</summary>
    /// <param name="arguments">The program's own.</param>
    /// <param name="backend">The environment's choice of a backend.</param>
    /// <param name="tool">A program that runs it, with arguments; null for none.</param>
    /// <param name="program">The program, if it is not <see cref="Echo"/>.</param>
    public static SampleProcess Start(string arguments, string? backend = null, string? tool = null, string? program = null)
    {
        string[] command = [.. (tool ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries), "dotnet"];
        var start = new ProcessStartInfo(command[0], $"{string.Join(' ', command[1..])} \"{program ?? Echo}\" {arguments}")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["TOOLKIT_BACKEND"] = backend ?? "";
        start.Environment["NO_COLOR"] = "1";
        var sample = new SampleProcess(new Process { StartInfo = start });
        sample.Process.OutputDataReceived += (_, line) => sample.OnOutput(line.Data);
        sample.Process.ErrorDataReceived += (_, line) => sample.OnError(line.Data);
        sample.Process.Start();
        sample.ServerId = sample.Process.Id;
        sample.Process.BeginOutputReadLine();
        sample.Process.BeginErrorReadLine();
        return sample;
    }

    /// <summary>Starts the server, on a port of the system's choice unless one is given, and waits until it listens.</summary>
    public static async Task<SampleProcess> ServeAsync(
        string arguments, string? backend = null, string? tool = null, string? program = null, int port = 0)
    {
        string where = arguments.Contains("--listen", StringComparison.Ordinal)
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $"--port {port} ");
        SampleProcess sample = Start($"{where}{arguments}", backend, tool, program);
        await Task.WhenAny(sample._listening.Task, sample.Process.WaitForExitAsync()).WaitAsync(s_patience);
        Assert.True(sample._listening.Task.IsCompleted, $"The server ended: {sample.Output}{sample.Errors}");
        return sample;
    }

    /// <summary>Runs the program to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(
        string arguments, string? backend = null, string? tool = null, string? program = null)
    {
        using SampleProcess sample = Start(arguments, backend, tool, program);
        sample.Process.StandardInput.Close();
        int exitCode = await sample.WaitForExitAsync();
        return (exitCode, sample.Output, sample.Errors);
    }

    /// <summary>Waits until what the program has written is as it should be.</summary>
    public async Task UntilAsync(Func<bool> condition)
    {
        while (true)
        {
            Task more = Volatile.Read(ref _written).Task; // before the look, or a line between the two would be waited for in vain
            if (condition())
            {
                return;
            }

            await Task.WhenAny(more, Process.WaitForExitAsync()).WaitAsync(s_patience);
            Assert.True(more.IsCompleted, $"The program ended: {Output}{Errors}");
        }
    }

    public void Signal(int signal)
    {
        Assert.SkipWhen(
            signal is Interrupt or Quit && IgnoresInterrupts(),
            "SIGINT is ignored by whatever has started the tests, as a shell has it for jobs in the background, and so by the samples.");
        Assert.Equal(0, Kill(ServerId, signal));
    }

    public async Task<int> WaitForExitAsync()
    {
        await Process.WaitForExitAsync().WaitAsync(s_patience);
        return Process.ExitCode;
    }

    private bool IgnoresInterrupts()
    {
        string ignored = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{ServerId}/status"))
            .Single(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
        return (ulong.Parse(ignored["SigIgn:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            & (1UL << (Interrupt - 1))) != 0;
    }

    /// <summary>How many descriptors the process has open.</summary>
    public int CountDescriptors()
        => Directory.EnumerateFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{ServerId}/fd")).Count();

    /// <summary>
    /// Sets the limit of descriptors that is in force from outside, as prlimit(1) does; null lifts it as far as can be. The
    /// hard limit stays, since raising it again takes a privilege.
    /// </summary>
    public unsafe void LimitDescriptors(long? limit)
    {
        const int Descriptors = 7;
        long* both = stackalloc long[2];
        Assert.Equal(0, ExchangeLimit(ServerId, Descriptors, null, both));
        both[0] = limit ?? both[1];
        Assert.Equal(0, ExchangeLimit(ServerId, Descriptors, both, null));
    }

    public void Dispose()
    {
        if (!Process.HasExited)
        {
            Process.Kill(entireProcessTree: true);
        }

        Process.Dispose();
    }

    private static string PathOf(string key) => typeof(SampleProcess).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == key).Value!;

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "prlimit")]
    private static unsafe partial int ExchangeLimit(int pid, int resource, long* limits, long* old);

    [GeneratedRegex(@"^listening on (?:tcp|tls|udp)://127\.0\.0\.1:(\d+) with \w+, pid (\d+)$", RegexOptions.NonBacktracking)]
    private static partial Regex Listening();

    [GeneratedRegex(@"^listening on unix:.+ with \w+, pid (\d+)$", RegexOptions.NonBacktracking)]
    private static partial Regex ListeningAtPath();

    private void OnOutput(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.AppendLine(line);
        }

        if (Listening().Match(line) is { Success: true } match)
        {
            Port = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            ServerId = int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
            _listening.TrySetResult();
        }

        if (ListeningAtPath().Match(line) is { Success: true } atPath)
        {
            ServerId = int.Parse(atPath.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            _listening.TrySetResult();
        }

        TellWritten();
    }

    private void OnError(string? line)
    {
        if (line is not null)
        {
            lock (_errors)
            {
                _errors.AppendLine(line);
            }

            TellWritten();
        }
    }

    private static TaskCompletionSource NewWritten() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void TellWritten() => Interlocked.Exchange(ref _written, NewWritten()).TrySetResult();
}
