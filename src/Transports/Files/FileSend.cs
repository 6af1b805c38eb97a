using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// A part of a file on its way through a transport: how far it has come, and the one wait of whoever sends it, which ends
/// whenever there is something to look at.
/// </summary>
internal sealed class FileSend(EventLoop loop, Transport transport, SafeFileHandle file, long offset, long count)
    : IPendingWaitOwner
{
    private PendingWait<bool> _wait;

    /// <summary>The file, which stays the caller's.</summary>
    public SafeFileHandle File { get; } = file;

    /// <summary>Where the next byte is.</summary>
    public long Position => offset + Sent;

    /// <summary>How many bytes are left to be sent.</summary>
    public long Left => count - Sent;

    /// <summary>How many bytes were sent, or accepted by a transport that cannot have the system send a file.</summary>
    public long Sent { get; set; }

    /// <summary>The end of it.</summary>
    public Task Completion { get; set; } = Task.CompletedTask;

    /// <summary>Waits until <see cref="Wake"/>.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken) => await _wait.Begin(loop, this, cancellationToken);

    /// <summary>Something has happened.</summary>
    public void Wake()
    {
        if (_wait.IsWaiting)
        {
            _wait.Complete(true);
        }
    }

    void IPendingWaitOwner.OnWaitCancelled() => _wait.Forget();

    string IPendingWaitOwner.DescribeWait() => $"to send {Left} bytes of a file to {transport.RemoteEndPoint}";
}
