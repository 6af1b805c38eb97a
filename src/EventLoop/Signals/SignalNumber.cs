using System.Runtime.InteropServices;

namespace Toolkit.Signals;

/// <summary>
/// Signals as .NET has them: a few names with negative numbers of their own, the same on every system, and beside them the
/// system's numbers. One signal may have one of each.
/// </summary>
internal static class SignalNumber
{
    private const int Highest = 64;

    private static bool IsBsd => OperatingSystem.IsMacOS() || OperatingSystem.IsFreeBSD();

    /// <summary>The signal by its name, if .NET has one for it.</summary>
    /// <exception cref="ArgumentException">It cannot be taken, or is none.</exception>
    public static PosixSignal Checked(PosixSignal signal, string parameter)
    {
        int number = (int)signal;
        if (number < 0 && Enum.IsDefined(signal))
        {
            return signal;
        }

        if (number is <= 0 or > Highest)
        {
            throw new ArgumentOutOfRangeException(
                parameter,
                number,
                $"This is no signal. Use a name of {nameof(PosixSignal)}, or the system's own number, from 1 to {Highest}.");
        }

        if (ReasonAgainst(number) is { } reason)
        {
            throw new ArgumentException(reason, parameter);
        }

        return Named(number) ?? signal;
    }

    /// <summary>A name for messages.</summary>
    public static string Describe(PosixSignal signal) => Enum.IsDefined(signal) ? signal.ToString() : $"signal {(int)signal}";

    private static string? ReasonAgainst(int number)
    {
        if (number == 9 || number == (IsBsd ? 17 : 19))
        {
            string name = number == 9 ? "SIGKILL" : "SIGSTOP";
            return $"{name} cannot be taken: the system does what it says, without asking the process.";
        }

        string? fault = number switch
        {
            4 => "SIGILL",
            5 => "SIGTRAP",
            6 => "SIGABRT",
            8 => "SIGFPE",
            11 => "SIGSEGV",
            _ => number == (IsBsd ? 10 : 7) ? "SIGBUS" : null,
        };
        if (fault is not null)
        {
            return $"{fault} cannot be taken: it is a fault of the thread that runs, which cannot go on until a loop has looked "
                + "at it, and the runtime makes an exception or the end of the process of it.";
        }

        return number is 32 or 33 or 34 && OperatingSystem.IsLinux()
            ? $"Signal {number} cannot be taken: the C library and the .NET runtime use it for themselves (SIGRTMIN)."
            : null;
    }

#pragma warning disable CA1416 // Names alone: of the system nothing is asked here.
    private static PosixSignal? Named(int number)
        => number switch
        {
            1 => PosixSignal.SIGHUP,
            2 => PosixSignal.SIGINT,
            3 => PosixSignal.SIGQUIT,
            15 => PosixSignal.SIGTERM,
            21 => PosixSignal.SIGTTIN,
            22 => PosixSignal.SIGTTOU,
            28 => PosixSignal.SIGWINCH,
            _ when number == (IsBsd ? 20 : 17) => PosixSignal.SIGCHLD,
            _ when number == (IsBsd ? 19 : 18) => PosixSignal.SIGCONT,
            _ when number == (IsBsd ? 18 : 20) => PosixSignal.SIGTSTP,
            _ => null,
        };
#pragma warning restore CA1416
}
