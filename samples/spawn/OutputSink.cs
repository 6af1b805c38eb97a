using Microsoft.Win32.SafeHandles;

namespace Toolkit.Samples.Spawn;

/// <summary>
/// One of our own output streams: a transport where it is a pipe or a terminal, and a file otherwise, which takes everything at
/// once.
/// </summary>
internal sealed class OutputSink : Protocol
{
    private readonly AsyncEvent _closed = new();
    private Stream? _file;
    private Transport? _source;
    private bool _isGone;

    /// <summary>What writes here, and waits when that is too much; its reader is gone when ours is.</summary>
    public void Connect(Transport? source) => _source = source;

    /// <param name="loop">The loop.</param>
    /// <param name="fd">1 or 2.</param>
    public async Task OpenAsync(EventLoop loop, int fd)
    {
        using var handle = new SafeFileHandle(fd, ownsHandle: false);
        try
        {
            await loop.ConnectWritePipeAsync(() => this, handle);
        }
        catch (AdoptFailedException)
        {
            // The console's stream, because one over a file would keep a place of its own in what others write to as well.
            _file = fd == 1 ? Console.OpenStandardOutput() : Console.OpenStandardError();
        }
    }

    public void Write(ReadOnlySpan<byte> data)
    {
        if (_isGone)
        {
            return;
        }

        if (_file is not null)
        {
            WriteFile(_file, data);
        }
        else if (Transport.Write(data) == WriteStatus.AcceptedOverHighWater)
        {
            _source?.PauseReading();
        }
    }

    /// <summary>Waits until all has left, or nobody reads it.</summary>
    public async Task CloseAsync()
    {
        if (_file is not null)
        {
            await _file.DisposeAsync();
        }
        else if (!_isGone)
        {
            Transport.Close();
            await _closed.WaitAsync();
        }
    }

    private void WriteFile(Stream file, ReadOnlySpan<byte> data)
    {
        try
        {
            file.Write(data);
        }
        catch (IOException)
        {
            _isGone = true; // it is closed, or the disk is full
            _source?.Abort();
        }
    }

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        // Nothing is read from an output.
    }

    public override void ResumeWriting() => _source?.ResumeReading();

    public override void ConnectionLost(Exception? reason)
    {
        _isGone = true;
        _closed.Set();
        _source?.Abort(); // the child learns it as it would from a pipe of its own
    }
}
