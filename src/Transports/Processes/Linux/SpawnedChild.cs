using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports.Linux;

/// <summary>
/// A child that runs: its descriptor, and our ends of its pipes. Whoever has it kills and reaps it, or watches it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class SpawnedChild(
    int pid, SafeFileHandle process, SafeFileHandle?[] pipes, PseudoTerminal? terminal)
{
    private const int PatienceSeconds = 10;

    public int Pid { get; } = pid;

    public SafeFileHandle Process { get; } = process;

    /// <summary>Our ends of the pipes of 0, 1 and 2.</summary>
    public SafeFileHandle?[] Pipes { get; } = pipes;

    public PseudoTerminal? Terminal { get; } = terminal;

    /// <summary>Takes the child's exit status from the system.</summary>
    /// <returns>Null when it has not ended.</returns>
    public static unsafe ExitStatus? TryReap(SafeFileHandle process)
    {
        ProcessCalls.SignalInfo info = default;
        int fd = (int)process.DangerousGetHandle();
        while (ProcessCalls.Wait(
            ProcessCalls.ByDescriptor, (uint)fd, &info, ProcessCalls.ExitOnly | ProcessCalls.DoNotWait) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case ProcessCalls.ErrorInterrupted:
                    continue;
                case ProcessCalls.ErrorNoChild:
                    // Somebody has waited for all children, or has the system reap them (SIGCHLD ignored).
                    return ProcessCalls.StatusOfReaped(process) is { } status ? Decode(status) : ExitStatus.Unknown;
                default:
                    return ExitStatus.Unknown;
            }
        }

        return info.Pid == 0 ? null : info.Code switch
        {
            ProcessCalls.HasExited => ExitStatus.FromCode(info.Status),
            ProcessCalls.WasKilled => ExitStatus.FromSignal(info.Status),
            ProcessCalls.HasDumpedCore => ExitStatus.FromSignal(info.Status, hasDumpedCore: true),
            _ => ExitStatus.Unknown,
        };
    }

    /// <summary>Kills the process and waits for its end, which takes the kernel a moment.</summary>
    /// <returns>How it has ended; unknown when it has not within ten seconds, as one that waits for a broken device.</returns>
    public static unsafe ExitStatus KillAndReap(SafeFileHandle process)
    {
        _ = ProcessCalls.SendSignal(process, ProcessCalls.SignalKill, 0);
        for (int seconds = 0; seconds < PatienceSeconds; seconds++)
        {
            if (TryReap(process) is { } status)
            {
                return status;
            }

            ProcessCalls.PollEntry entry = new() { Fd = (int)process.DangerousGetHandle(), Events = 1 };
            _ = ProcessCalls.Poll(&entry, 1, 1000);
        }

        return ExitStatus.Unknown;
    }

    /// <summary>Nobody wants the child: it is killed and reaped, and nothing of it is left.</summary>
    public void Discard()
    {
        ClosePipes();
        Terminal?.Dispose();
        KillAndReap(Process);
        Process.Dispose();
    }

    public void ClosePipes()
    {
        foreach (SafeFileHandle? pipe in Pipes)
        {
            pipe?.Dispose();
        }
    }

    private static ExitStatus Decode(int status)
    {
        int signal = status & 0x7F;
        return signal == 0 ? ExitStatus.FromCode((status >> 8) & 0xFF) : ExitStatus.FromSignal(signal, (status & 0x80) != 0);
    }
}
