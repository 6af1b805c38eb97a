using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A pseudo-terminal (pty(7)): a pair of which one side, the slave, is a terminal to whatever opens it, and the other, the
/// master, is the keyboard and the screen. Linux only. One thread at a time; no loop is needed.
/// </summary>
/// <remarks>
/// A child of its own gets one by <see cref="SpawnOptions.Terminal"/>, and needs none of this. To be on the master's side of any
/// other program: <c>loop.ConnectTerminalAsync(factory, terminal.OpenMaster())</c>. The pair is there until both the
/// pseudo-terminal is disposed and the transport has ended.
/// </remarks>
[DebuggerDisplay("{SlavePath}")]
public sealed class PseudoTerminal : IDisposable
{
    private readonly SafeFileHandle _master;

    private PseudoTerminal(SafeFileHandle master, string slavePath)
    {
        _master = master;
        SlavePath = slavePath;
    }

    /// <summary>Where the slave is in the file system, such as <c>/dev/pts/3</c>: what opens it sees a terminal.</summary>
    public string SlavePath { get; }

    /// <summary>The size of the window. Setting it has the programs in it told by SIGWINCH.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    /// <exception cref="IOException">The system refuses.</exception>
    public TerminalSize Size
    {
        get => OperatingSystem.IsLinux() ? TerminalCalls.GetSize(_master) : throw NotHere();
        set
        {
            if (!OperatingSystem.IsLinux())
            {
                throw NotHere();
            }

            TerminalCalls.SetSize(_master, value);
        }
    }

    /// <summary>Makes a pair. Its descriptors are close-on-exec.</summary>
    /// <param name="size">The size of its window; null for 80 by 24.</param>
    /// <exception cref="IOException">The system has no more of them, or no descriptor.</exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    public static unsafe PseudoTerminal Open(TerminalSize? size = null)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw NotHere();
        }

        int fd = TerminalCalls.OpenMaster(
            TerminalCalls.ReadWrite
            | TerminalCalls.NoControllingTerminal
            | TerminalCalls.NonBlocking
            | TerminalCalls.CloseOnExec);
        if (fd < 0)
        {
            throw TerminalCalls.Failed("No pseudo-terminal can be had");
        }

        var master = new SafeFileHandle(fd, ownsHandle: true);
        try
        {
            const int NameLength = 128;
            byte* name = stackalloc byte[NameLength];
            if (TerminalCalls.Grant(master) != 0 || TerminalCalls.Unlock(master) != 0)
            {
                throw TerminalCalls.Failed("The pseudo-terminal cannot be opened");
            }

            int error = TerminalCalls.GetSlaveName(master, name, NameLength);
            if (error != 0)
            {
                throw new IOException($"The pseudo-terminal has no name: {Marshal.GetPInvokeErrorMessage(error)}.");
            }

            TerminalCalls.SetSize(master, size ?? TerminalSize.Default);
            return new PseudoTerminal(master, Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name)));
        }
        catch
        {
            master.Dispose();
            throw;
        }
    }

    /// <summary>The master's side, for <c>loop.ConnectTerminalAsync</c>, which makes a descriptor of its own of it.</summary>
    /// <returns>A handle that does not own the descriptor: this object does.</returns>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public SafeFileHandle OpenMaster()
    {
        ObjectDisposedException.ThrowIf(_master.IsClosed, this);
        return new SafeFileHandle(_master.DangerousGetHandle(), ownsHandle: false);
    }

    /// <summary>Opens the slave, as the programs that use the terminal do; it does not become the controlling terminal.</summary>
    /// <returns>A handle, which is the caller's, close-on-exec and blocking.</returns>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    /// <exception cref="IOException">The system has no descriptor.</exception>
    public SafeFileHandle OpenSlave()
    {
        ObjectDisposedException.ThrowIf(_master.IsClosed, this);
        if (!OperatingSystem.IsLinux())
        {
            throw NotHere();
        }

        int fd = TerminalCalls.Open(
            SlavePath, TerminalCalls.ReadWrite | TerminalCalls.NoControllingTerminal | TerminalCalls.CloseOnExec, 0);
        return fd >= 0
            ? new SafeFileHandle(fd, ownsHandle: true)
            : throw TerminalCalls.Failed($"The slave {SlavePath} cannot be opened");
    }

    /// <summary>Closes the master. When no transport has it either, the programs in the terminal are hung up (SIGHUP).</summary>
    public void Dispose() => _master.Dispose();

    private static PlatformNotSupportedException NotHere()
        => new("Pseudo-terminals are there on Linux only. Elsewhere, give the child pipes.");
}
