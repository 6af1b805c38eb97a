using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Transports.Linux;

/// <summary>
/// A child by its descriptor, which becomes readable when it has ended, stands for this process and for no other that gets its
/// number later, and is waited for alone: whoever else has children in this process loses nothing to it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxChild : IChildProcess, IReadableWatcher
{
    private readonly SafeFileHandle _process;
    private readonly bool _hasOwnGroup;
    private IoHandle? _handle;
    private IChildWatcher? _watcher;
    private bool _isReaped;

    public LinuxChild(SpawnedChild child, bool hasOwnGroup)
    {
        Pid = child.Pid;
        _process = child.Process;
        _hasOwnGroup = hasOwnGroup;
    }

    public int Pid { get; }

    /// <summary>Makes the child's descriptor known to the loop. Before <see cref="Watch"/>, which cannot fail.</summary>
    /// <exception cref="AdoptFailedException">The process has no descriptor to spare.</exception>
    public void Adopt(EventLoop loop) => _handle = PipeConnecting.Adopt(loop, _process, IoHandleKind.Event);

    public void Watch(EventLoop loop, IChildWatcher watcher)
    {
        _watcher = watcher;
        _handle!.Backend.Submit(new ReadableOperation(_handle, this));
    }

    public bool Signal(int signal, bool entireGroup)
    {
        if (_process.IsClosed || (_isReaped && !entireGroup))
        {
            return false;
        }

        if (ProcessCalls.SendSignal(_process, signal, entireGroup ? ProcessCalls.SignalToGroup : 0) == 0)
        {
            return true;
        }

        int errno = Marshal.GetLastPInvokeError();
        if (errno == ProcessCalls.ErrorInvalid && entireGroup && signal is > 0 and <= 64)
        {
            // Before Linux 6.9. The number is the child's, and its group's, for as long as nobody has reaped it.
            if (_isReaped)
            {
                return false;
            }

            errno = ProcessCalls.Kill(-Pid, signal) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }

        return errno switch
        {
            0 => true,
            ProcessCalls.ErrorNoSuchProcess => false,
            ProcessCalls.ErrorInvalid => throw new ArgumentOutOfRangeException(
                nameof(signal), signal, "There is no such signal."),
            ProcessCalls.ErrorNotPermitted => throw new UnauthorizedAccessException(
                $"Process {Pid} has become another user's, and takes no signals from this one."),
            _ => throw new IOException($"The signal cannot be sent: {Marshal.GetPInvokeErrorMessage(errno)}."),
        };
    }

    public void Kill()
    {
        // In its own group nothing of it is to be left, whether or not it has ended itself.
        _ = Signal(ProcessCalls.SignalKill, _hasOwnGroup);
    }

    public ExitStatus ReapNow()
    {
        Kill();
        ExitStatus status = SpawnedChild.KillAndReap(_process);
        _isReaped = true;
        Unwatch();
        return status;
    }

    public void Dispose()
    {
        Unwatch();
        _process.Dispose();
    }

    void IReadableWatcher.OnReadable(SocketError error)
    {
        if (_isReaped || error == SocketError.OperationAborted)
        {
            return;
        }

        if (SpawnedChild.TryReap(_process) is not { } status)
        {
            _handle!.Backend.Submit(new ReadableOperation(_handle, this));
            return;
        }

        _isReaped = true;
        Unwatch();
        _watcher!.OnExited(status);
    }

    private void Unwatch()
    {
        if (_handle is { } handle)
        {
            _handle = null;
            handle.Backend.Release(handle, reset: false);
        }
    }
}
