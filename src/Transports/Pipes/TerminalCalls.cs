using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace Toolkit.Transports;

/// <summary>The system calls that terminals take.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class TerminalCalls
{
    public const int ReadWrite = 2;
    public const int NoControllingTerminal = 0x100;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;

    /// <summary>More than struct termios takes anywhere.</summary>
    public const int ModeSize = 256;

    public const int SetNow = 0;

    private const nuint GetWindowSize = 0x5413;
    private const nuint SetWindowSize = 0x5414;

    [LibraryImport("libc", EntryPoint = "posix_openpt", SetLastError = true)]
    public static partial int OpenMaster(int flags);

    [LibraryImport("libc", EntryPoint = "grantpt", SetLastError = true)]
    public static partial int Grant(SafeFileHandle master);

    [LibraryImport("libc", EntryPoint = "unlockpt", SetLastError = true)]
    public static partial int Unlock(SafeFileHandle master);

    [LibraryImport("libc", EntryPoint = "ptsname_r")]
    public static partial int GetSlaveName(SafeFileHandle master, byte* name, nuint length);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "isatty")]
    public static partial int IsTerminal(SafeHandle handle);

    [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
    public static partial int GetMode(SafeHandle terminal, byte* mode);

    [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
    public static partial int SetMode(SafeHandle terminal, int when, byte* mode);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    public static partial void MakeRaw(byte* mode);

    public static TerminalSize GetSize(SafeHandle terminal)
    {
        WindowSize size = default;
        return Control(terminal, GetWindowSize, &size) == 0
            ? new TerminalSize(size.Columns, size.Rows)
            : throw Failed("The size of the terminal cannot be had");
    }

    public static void SetSize(SafeHandle terminal, TerminalSize size)
    {
        WindowSize native = new() { Columns = size.Columns, Rows = size.Rows };
        if (Control(terminal, SetWindowSize, &native) != 0)
        {
            throw Failed("The size of the terminal cannot be set");
        }
    }

    /// <summary>The call of this thread that failed just now, which saves its error.</summary>
    public static IOException Failed(string what)
        => new($"{what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(SafeHandle terminal, nuint request, WindowSize* size);

    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }
}
