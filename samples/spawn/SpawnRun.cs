using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Samples.Spawn;

/// <summary>One command from its start to its exit code.</summary>
[SupportedOSPlatform("linux")]
internal sealed class SpawnRun(EventLoop loop, SpawnSettings settings) : SubprocessProtocol
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(1);

    private static readonly PosixSignal[] s_forwarded =
    [
        PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT,
        (PosixSignal)10, (PosixSignal)12, // SIGUSR1, SIGUSR2
    ];

    private readonly InputPump _input = new();
    private readonly OutputSink _output = new();
    private readonly OutputSink _error = new();
    private readonly AsyncEvent _isOver = new();
    private TimerHandle? _quiet;
    private bool _hasTimedOut;

    public static int Run(EventLoop loop, SpawnSettings settings)
        => loop.RunUntilComplete(new SpawnRun(loop, settings).RunAsync);

    private async Task<int> RunAsync()
    {
        using var ownInput = new SafeFileHandle(0, ownsHandle: false);
        await _output.OpenAsync(loop, 1);
        await _error.OpenAsync(loop, 2);
        bool isPumped = await _input.TryOpenAsync(loop);
        SubprocessTransport child;
        try
        {
            child = (await SpawnAsync(isPumped, ownInput)).Transport;
        }
        catch (SpawnFailedException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return exception.Error switch
            {
                SpawnError.ProgramNotFound => ExitCode.NotFound,
                SpawnError.NotExecutable => ExitCode.NotExecutable,
                _ => ExitCode.CannotRun,
            };
        }

        using RawTerminal? raw = settings.HasTerminal && RawTerminal.IsTerminal(ownInput) ? RawTerminal.Enter(ownInput) : null;
        PosixSignalRegistration[] signals = [.. ForwardSignals(child, ownInput)];
        TimerHandle? limit = settings.Timeout is { } time ? loop.CallLater(time, () => OnTimeOver(child)) : null;
        await _isOver.WaitAsync();

        limit?.Cancel();
        child.Close(); // what somebody else holds of it is not waited for
        await child.WaitCompletedAsync();
        Array.ForEach(signals, signal => signal.Dispose());
        await _output.CloseAsync();
        await _error.CloseAsync();
        return _hasTimedOut ? ExitCode.TimedOut : child.ExitStatus!.Value.ToShellCode();
    }

    public override void ConnectionMade()
    {
        _output.Connect(Transport.GetPipeTransport(1));
        _error.Connect(Transport.GetPipeTransport(2));
        if (Transport.GetPipeTransport(0) is { } target)
        {
            if (_input.IsOpen)
            {
                _input.Connect(target);
            }
            else
            {
                _ = loop.CreateTask(() => PumpFileAsync(target));
            }
        }
    }

    public override void PipeDataReceived(int fd, ReadOnlySpan<byte> data)
    {
        (fd == 2 ? _error : _output).Write(data);
        _quiet?.Reschedule(s_quiet);
    }

    public override void ResumeWriting(int fd) => _input.Resume();

    public override void ProcessExited() => _quiet = loop.CallLater(s_quiet, _isOver.Set);

    public override void ConnectionLost(Exception? reason)
    {
        _quiet?.Cancel();
        _isOver.Set();
    }

    private Task<Subprocess<SpawnRun>> SpawnAsync(bool isPumped, SafeFileHandle ownInput)
    {
        var options = new SpawnOptions
        {
            StandardInput = isPumped || settings.HasTerminal ? ChildStream.Pipe : ChildStream.Inherit,
            Terminal = !settings.HasTerminal ? null
                : RawTerminal.IsTerminal(ownInput) ? RawTerminal.SizeOf(ownInput)
                : TerminalSize.Default,
        };
        return settings.IsForShell
            ? loop.SpawnShellAsync(() => this, string.Join(' ', settings.Command), options)
            : loop.SpawnAsync(() => this, options with
            {
                FileName = settings.Command[0],
                Arguments = [.. settings.Command.Skip(1)],
            });
    }

    // A file as input of a terminal: nobody but us can type it.
    private static async Task PumpFileAsync(Transport target)
    {
        try
        {
            await using Stream file = Console.OpenStandardInput();
            byte[] buffer = new byte[4096];
            while (await file.ReadAsync(buffer) is var count and > 0)
            {
                target.Write(buffer.AsSpan(0, count));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // There is no input.
        }

        InputPump.EndInput(target);
    }

    private IEnumerable<PosixSignalRegistration> ForwardSignals(SubprocessTransport child, SafeFileHandle ownInput)
    {
        foreach (PosixSignal signal in s_forwarded)
        {
            yield return PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                if (!IsTheKeyboards(signal))
                {
                    loop.CallSoonThreadSafe(() => child.SendSignal(signal));
                }
            });
        }

        if (settings.HasTerminal && RawTerminal.IsTerminal(ownInput))
        {
            yield return PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => loop.CallSoonThreadSafe(() =>
            {
                TerminalSize size = RawTerminal.SizeOf(ownInput);
                if (child.ExitStatus is null)
                {
                    child.ResizeTerminal(size.Columns, size.Rows);
                }
            }));
        }
    }

    // Ctrl-C and Ctrl-\ are told by the terminal to each process of its foreground group, and the child, which shares ours, is
    // one of them: handed on, it would see them twice, and many a program takes the second Ctrl-C for impatience. With a
    // terminal of its own it is in no group of ours. Who sends one by kill(1) while we are in the foreground sends it to the
    // group: kill -INT -PGID.
    private bool IsTheKeyboards(PosixSignal signal)
        => signal is PosixSignal.SIGINT or PosixSignal.SIGQUIT && !settings.HasTerminal && ForegroundGroup.IsOurs();

    private void OnTimeOver(SubprocessTransport child)
    {
        _hasTimedOut = true;
        child.Terminate(settings.HasTerminal);
        loop.CallLater(s_grace, () => child.Kill(settings.HasTerminal));
    }
}
