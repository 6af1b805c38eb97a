using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;

namespace Toolkit.Transports;

/// <summary>
/// Files, sent by the system where the backend can have it do so, and otherwise read by another thread and written. While a file
/// is on its way the protocol is paused for writing, so that nothing gets between its bytes, and it counts as unsent: the end of
/// our side waits for it.
/// </summary>
internal sealed partial class StreamTransport : IFileTransport, IWritableWatcher
{
    // So much goes by one call, since others want their turn: a reader as fast as the sender would keep the kernel at it.
    private const int MostPerCall = 1024 * 1024;
    private const int BlockSize = 256 * 1024;

    // Loop thread only.
    private FileSend? _file;
    private WritableOperation? _writable;

    /// <summary>
    /// Whether what comes next of a file is being read, so that what is unsent does not wait for the peer.
    /// </summary>
    public bool IsReadingFile { get; private set; }

    FileSend IFileTransport.SendFile(SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
    {
        VerifyAccess();
        RequireSending();
        RequireNoFile();
        if (_upgrade is not null)
        {
            throw new InvalidOperationException("The connection is about to speak TLS. Send the file when StartTlsAsync has ended.");
        }

        if (!_lifecycle.CanWrite && !_lifecycle.IsClosing)
        {
            throw new InvalidOperationException("Nothing can be sent after WriteEof, which ended the sending side.");
        }

        var send = new FileSend(_origin.Loop, this, file, offset, count);
        if (_origin.Loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            send.Completion = Task.FromException(refusal);
        }
        else if (_lifecycle.IsClosing || _sendFault != SocketError.Success)
        {
            send.Completion = Task.FromException(EndOfSending());
        }
        else if (count > 0)
        {
            _file = send;
            if (!_writingPaused)
            {
                PauseWriting(); // which may close, and more
            }

            send.Completion = SendFileAsync(send, cancellationToken);
        }

        return send;
    }

    void IWritableWatcher.OnWritable(SocketError error)
    {
        if (_lifecycle.IsOver)
        {
            return;
        }

        if (error is not (SocketError.Success or SocketError.OperationAborted))
        {
            NoteSendFault(error);
        }
        else if (_file is not null)
        {
            _file.Wake();
        }
        else
        {
            Flush(); // the file was given up
            ResumeIfLow();
        }
    }

    private void RequireNoFile()
    {
        if (_file is not null)
        {
            throw new InvalidOperationException(
                "A file is being sent, and nothing can get between its bytes. Await SendFileAsync, or wait for ResumeWriting.");
        }
    }

    private async Task SendFileAsync(FileSend send, CancellationToken cancellationToken)
    {
        try
        {
            bool isAskedOfTheSystem = true;
            if (!IsSending && !_lifecycle.IsOver)
            {
                Flush(); // what was written before, which would leave when this batch of callbacks has run
            }

            while (true)
            {
                if (_lifecycle.IsOver || _sendFault != SocketError.Success)
                {
                    throw EndOfSending();
                }

                if (!_output.IsEmpty || IsSending)
                {
                    await send.WaitAsync(cancellationToken);
                }
                else if (send.Left == 0)
                {
                    return;
                }
                else if (!isAskedOfTheSystem)
                {
                    await SendBlockAsync(send, cancellationToken);
                }
                else
                {
                    isAskedOfTheSystem = TrySendFile(send);
                }
            }
        }
        finally
        {
            // Whoever has waited comes after the protocol, which may write again.
            await EndFileAsync(send);
        }
    }

    // False when the system cannot.
    private bool TrySendFile(FileSend send)
    {
        long sent = _handle.Backend.TrySendFile(
            _handle, send.File, send.Position, Math.Min(send.Left, MostPerCall), out SocketError error);
        if (error == SocketError.OperationNotSupported)
        {
            return false;
        }

        if (error == SocketError.Success && sent == 0)
        {
            throw EndOfFile(send);
        }

        send.Sent += sent;
        CountSent(sent);
        if (sent > 0)
        {
            NoteProgress();
        }

        NoteSendFault(error);
        if (send.Left > 0 && !_lifecycle.IsOver && _sendFault == SocketError.Success)
        {
            // Also when there is room: the loop's others have their turn before the next call.
            _writable ??= new WritableOperation(_handle, this);
            _handle.Backend.Submit(_writable);
        }

        return true;
    }

    private async Task SendBlockAsync(FileSend send, CancellationToken cancellationToken)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockSize);
        int wanted = (int)Math.Min(send.Left, block.Length);
        (SafeFileHandle file, long position) = (send.File, send.Position);

        int count;
        IsReadingFile = true;
        try
        {
            // A wait that is given up leaves the thread to write into the block, which is then nobody else's.
            count = await _origin.Loop.RunInThreadAsync(
                () => RandomAccess.Read(file, block.AsSpan(0, wanted), position), cancellationToken);
        }
        finally
        {
            IsReadingFile = false;
        }

        try
        {
            if (count == 0)
            {
                throw EndOfFile(send);
            }

            if (_lifecycle.IsOver || _sendFault != SocketError.Success)
            {
                return;
            }

            NoteProgress(); // until now the peer has kept nobody waiting
            if (Take(block.AsSpan(0, count)))
            {
                send.Sent += count;
                FlushLater();
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    private Task EndFileAsync(FileSend send)
    {
        Debug.Assert(_file == send, "A file ends once.");
        _file = null;
        if (_writable is { IsArmed: true })
        {
            _handle.Backend.Cancel(_writable);
        }

        if (_lifecycle.AwaitsDrain && _sendFault == SocketError.Success)
        {
            if (send.Left > 0)
            {
                Abort(CloseReason.LocalAbort, null); // or the peer would take what it has for the whole
            }
            else
            {
                EndDrain();
            }
        }

        if (_lifecycle.IsOver || _sendFault != SocketError.Success)
        {
            return Task.CompletedTask;
        }

        // Also when the sending side has ended: its protocol may have paused more than its writing.
        var told = new TaskCompletionSource();
        _origin.Loop.UnsafeCallSoon(_ =>
        {
            ResumeIfLow();
            told.SetResult();
        }, null);
        return told.Task;
    }

    private static EndOfStreamException EndOfFile(FileSend send) => new(
        $"The file ends at {send.Position}, {send.Left} bytes before what was to be sent: it has become shorter meanwhile.");

    private ConnectionException EndOfSending()
        => _exception as ConnectionException
            ?? (_sendFault != SocketError.Success
                ? ConnectionFault.ToException(_sendFault)
                : new ConnectionException(
                    _closeReason, $"The connection is closed ({_closeReason}), and no file can be sent on it.", _exception));
}
