using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// The time during which a terminal is raw (cfmakeraw(3)): each byte comes as it is typed, none is shown, and none is a signal.
/// For a program that hands its own terminal on to a child in another. Linux only; any thread.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class RawTerminal : IDisposable
{
    private readonly SafeHandle _terminal;
    private readonly byte[] _mode;
    private bool _isRestored;

    private RawTerminal(SafeHandle terminal, byte[] mode)
    {
        _terminal = terminal;
        _mode = mode;
    }

    /// <summary>Whether a handle leads to a terminal.</summary>
    public static bool IsTerminal(SafeHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        return TerminalCalls.IsTerminal(handle) == 1;
    }

    /// <summary>The size of a terminal's window.</summary>
    /// <exception cref="IOException">It is no terminal.</exception>
    public static TerminalSize SizeOf(SafeHandle terminal)
    {
        ArgumentNullException.ThrowIfNull(terminal);
        return TerminalCalls.GetSize(terminal);
    }

    /// <summary>Makes a terminal raw until the result is disposed, which gives its former mode back.</summary>
    /// <param name="terminal">The terminal, which must stay open until then.</param>
    /// <exception cref="IOException">It is no terminal.</exception>
    public static unsafe RawTerminal Enter(SafeHandle terminal)
    {
        ArgumentNullException.ThrowIfNull(terminal);
        byte[] mode = new byte[TerminalCalls.ModeSize];
        byte* raw = stackalloc byte[TerminalCalls.ModeSize];
        fixed (byte* former = mode)
        {
            if (TerminalCalls.GetMode(terminal, former) != 0)
            {
                throw TerminalCalls.Failed("The terminal cannot be made raw");
            }
        }

        mode.CopyTo(new Span<byte>(raw, TerminalCalls.ModeSize));
        TerminalCalls.MakeRaw(raw);
        return TerminalCalls.SetMode(terminal, TerminalCalls.SetNow, raw) == 0
            ? new RawTerminal(terminal, mode)
            : throw TerminalCalls.Failed("The terminal cannot be made raw");
    }

    /// <summary>Gives the terminal its former mode. A second call does nothing.</summary>
    public unsafe void Dispose()
    {
        if (_isRestored)
        {
            return;
        }

        _isRestored = true;
        fixed (byte* mode = _mode)
        {
            _ = TerminalCalls.SetMode(_terminal, TerminalCalls.SetNow, mode);
        }
    }
}
