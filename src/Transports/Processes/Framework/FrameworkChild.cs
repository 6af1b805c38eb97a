using System.Diagnostics;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports.Framework;

/// <summary>
/// A child of <see cref="Process"/>, for systems that have nothing better. What that class does not know stays unknown: a child
/// that a signal has killed has 128 and its number as exit code.
/// </summary>
internal sealed partial class FrameworkChild : IChildProcess
{
    private const int SignalKill = 9;
    private const int SignalTerminate = 15;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly StreamBackend _streams;
    private readonly StreamHandle? _input;
    private bool _isOver;

    private FrameworkChild(Process process, StreamBackend streams, StreamHandle? input)
    {
        _process = process;
        _streams = streams;
        _input = input;
        Pid = process.Id;
    }

    public int Pid { get; }

    /// <summary>Starts a child, on a thread of the pool.</summary>
    /// <exception cref="SpawnFailedException">It cannot be started.</exception>
    /// <exception cref="NotSupportedException">The options ask for more than the framework can do.</exception>
    public static async Task<(FrameworkChild Child, IoHandle?[] Handles)> StartAsync(
        EventLoop loop, SpawnOptions options, CancellationToken cancellationToken)
    {
        RequireSupported(options);
        var start = new Start();
        Process process;
        try
        {
            process = await loop.RunInThreadAsync(() => start.Run(options), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            start.Abandon();
            throw;
        }

        var streams = new StreamBackend(loop);
        StreamHandle? input = options.StandardInput == ChildStream.Pipe
            ? streams.Add(process.StandardInput.BaseStream, IoHandleKind.PipeWriter)
            : null;
        IoHandle?[] handles =
        [
            input,
            options.StandardOutput == ChildStream.Pipe
                ? streams.Add(process.StandardOutput.BaseStream, IoHandleKind.PipeReader)
                : null,
            options.StandardError == ChildStream.Pipe
                ? streams.Add(process.StandardError.BaseStream, IoHandleKind.PipeReader)
                : null,
        ];
        return (new FrameworkChild(process, streams, input), handles);
    }

    public void Watch(EventLoop loop, IChildWatcher watcher)
    {
        void Tell(object? state)
        {
            if (_input is { IsReleased: false })
            {
                _streams.HangUp(_input); // nothing in .NET would tell that its reader is gone
            }

            _isOver = true;
            watcher.OnExited(ExitStatus.FromCode(_process.ExitCode));
        }

        _process.Exited += (_, _) => loop.Host.TryPost(Tell, null);
        _process.EnableRaisingEvents = true;
    }

    public bool Signal(int signal, bool entireGroup)
    {
        if (_isOver || _process.HasExited)
        {
            return false;
        }

        if (signal == SignalKill || (OperatingSystem.IsWindows() && signal == SignalTerminate))
        {
            Kill();
            return true;
        }

        return OperatingSystem.IsWindows()
            ? throw new PlatformNotSupportedException("A process of Windows takes no signals. Terminate and Kill end it.")
            : SendSignal(Pid, signal) == 0;
    }

    public void Kill()
    {
        if (_isOver)
        {
            return;
        }

        try
        {
            _process.Kill();
        }
        catch (Exception exception) when (exception is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It has ended.
        }
    }

    public ExitStatus ReapNow()
    {
        Kill();
        return _process.WaitForExit(s_patience) ? ExitStatus.FromCode(_process.ExitCode) : ExitStatus.Unknown;
    }

    public void Dispose()
    {
        _isOver = true;
        _process.Dispose();
    }

    private static void RequireSupported(SpawnOptions options)
    {
        if (options.Terminal is not null || options.ExtraDescriptors.Count > 0 || options.Group != ChildGroup.Shared)
        {
            throw new NotSupportedException(
                "Terminals, further descriptors and groups are there on Linux, with SpawnMethod.Native.");
        }

        foreach (ChildStream stream in (ReadOnlySpan<ChildStream>)
            [options.StandardInput, options.StandardOutput, options.StandardError])
        {
            if (stream.Kind is not (ChildStreamKind.Pipe or ChildStreamKind.Null or ChildStreamKind.Inherit))
            {
                throw new NotSupportedException(
                    "Without SpawnMethod.Native, which Linux has, a stream is a pipe, nobody's, or inherited. Copy it yourself.");
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int pid, int signal);

    /// <summary>A start that may be abandoned while it is under way: then nothing comes of it.</summary>
    private sealed class Start
    {
        private Process? _process;
        private int _isOver;

        public Process Run(SpawnOptions options)
        {
            Process process = StartProcess(options);
            _process = process;
            if (Interlocked.Exchange(ref _isOver, 1) != 0)
            {
                End(process);
            }

            return process;
        }

        public void Abandon()
        {
            if (Interlocked.Exchange(ref _isOver, 1) != 0 && _process is { } process)
            {
                End(process);
            }
        }

        private static void End(Process process)
        {
            process.Kill();
            process.WaitForExit(s_patience);
            process.Dispose();
        }

        private static Process StartProcess(SpawnOptions options)
        {
            if (OperatingSystem.IsWindows() && Path.GetExtension(options.FileName).ToUpperInvariant() is ".BAT" or ".CMD")
            {
                throw new SpawnFailedException(
                    SpawnError.NotExecutable,
                    options.FileName,
                    "A batch file is run by a shell, to which its arguments are code. Ask for one by SpawnShellAsync.");
            }

            var info = new ProcessStartInfo(options.FileName, options.Arguments)
            {
                WorkingDirectory = options.WorkingDirectory ?? "",
                UseShellExecute = false,
                CreateNoWindow = true,
                RedirectStandardInput = options.StandardInput != ChildStream.Inherit,
                RedirectStandardOutput = options.StandardOutput != ChildStream.Inherit,
                RedirectStandardError = options.StandardError != ChildStream.Inherit,
            };
            if (options.ClearsEnvironment)
            {
                info.Environment.Clear();
            }

            foreach ((string name, string? value) in options.Environment)
            {
                info.Environment[name] = value;
            }

            if (options.WorkingDirectory is { } directory && !Directory.Exists(directory))
            {
                throw new SpawnFailedException(
                    SpawnError.WorkingDirectory, options.FileName, $"There is no working directory '{directory}'.");
            }

            try
            {
                Process process = Process.Start(info)!;
                if (options.StandardInput == ChildStream.Null)
                {
                    process.StandardInput.Close();
                }

                Drain(options.StandardOutput, process, static child => child.StandardOutput);
                Drain(options.StandardError, process, static child => child.StandardError);
                return process;
            }
            catch (System.ComponentModel.Win32Exception exception)
            {
                throw new SpawnFailedException(
                    ErrorOf(exception.NativeErrorCode, options.FileName), options.FileName, exception.Message, exception);
            }
        }

        private static void Drain(ChildStream stream, Process process, Func<Process, StreamReader> reader)
        {
            if (stream == ChildStream.Null)
            {
                _ = reader(process).BaseStream.CopyToAsync(Stream.Null);
            }
        }

        // The numbers of Unix and those of Windows, which do not collide in what is looked at.
        private static SpawnError ErrorOf(int code, string fileName) => code switch
        {
            _ when Directory.Exists(fileName) => SpawnError.NotExecutable,
            2 or 3 => SpawnError.ProgramNotFound,
            1 or 5 or 8 or 13 or 193 => SpawnError.NotExecutable,
            7 or 206 => SpawnError.ArgumentsTooLong,
            23 or 24 => SpawnError.OutOfDescriptors,
            11 or 12 => SpawnError.OutOfProcesses,
            _ => SpawnError.Other,
        };
    }
}
