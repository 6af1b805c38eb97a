using System.Globalization;
using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>
/// How a child process has ended: by an exit code of its own, by a signal, or in a way that nobody can tell any more, because
/// somebody else in this process has waited for it.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ExitStatus
{
    private readonly Kind _kind;
    private readonly int _value;

    private ExitStatus(Kind kind, int value, bool hasDumpedCore = false)
    {
        _kind = kind;
        _value = value;
        HasDumpedCore = hasDumpedCore;
    }

    private enum Kind : byte
    {
        Unknown,
        Code,
        Signal,
    }

    /// <summary>It has ended, and nobody knows how. The default value.</summary>
    public static ExitStatus Unknown => default;

    /// <summary>Whether it is known how the child has ended.</summary>
    public bool IsKnown => _kind != Kind.Unknown;

    /// <summary>Whether the child has ended by itself, with code 0.</summary>
    public bool IsSuccess => _kind == Kind.Code && _value == 0;

    /// <summary>The exit code; null when it was a signal, or is unknown.</summary>
    public int? Code => _kind == Kind.Code ? _value : null;

    /// <summary>The number of the signal that has killed it; null when it was none, or is unknown.</summary>
    public int? Signal => _kind == Kind.Signal ? _value : null;

    /// <summary>Whether the signal has left a core dump.</summary>
    public bool HasDumpedCore { get; }

    /// <summary>It has ended by itself.</summary>
    /// <param name="code">The exit code: 0 to 255 on Unix.</param>
    public static ExitStatus FromCode(int code) => new(Kind.Code, code);

    /// <summary>A signal has killed it.</summary>
    /// <param name="signal">Its number.</param>
    /// <param name="hasDumpedCore">Whether there is a core dump.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is not positive.</exception>
    public static ExitStatus FromSignal(int signal, bool hasDumpedCore = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(signal);
        return new ExitStatus(Kind.Signal, signal, hasDumpedCore);
    }

    /// <summary>
    /// One number for it, as shells have it: the exit code, 128 and the number of the signal, or 255 when it is unknown.
    /// </summary>
    public int ToShellCode() => _kind switch
    {
        Kind.Code => _value,
        Kind.Signal => 128 + _value,
        _ => 255,
    };

    /// <summary>Such as <c>exit code 1</c>, <c>signal 9</c>, <c>unknown</c>.</summary>
    public override string ToString() => _kind switch
    {
        Kind.Code => string.Create(CultureInfo.InvariantCulture, $"exit code {_value}"),
        Kind.Signal => string.Create(
            CultureInfo.InvariantCulture, $"signal {_value}{(HasDumpedCore ? ", core dumped" : "")}"),
        _ => "unknown",
    };
}
