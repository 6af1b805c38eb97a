using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Toolkit.Backends;
using ConnectionEvent = Toolkit.Transports.ConnectionLifecycle.Event;

namespace Toolkit.Transports;

/// <summary>The sending side.</summary>
internal sealed partial class StreamTransport : ISender, IFlushable
{
    private static readonly Action<object?> s_tellResumed = static self => ((StreamTransport)self!).ResumeIfLow();

    // Loop thread only.
    private OutputBuffer _output;
    private SendOperation? _send;
    private StrongBox<WriteLimits>? _ownLimits; // when they are not those of the options
    private long _bytesSent;
    private SocketError _sendFault;
    private bool _writingPaused;
    private bool _isDirty; // the loop will flush

    public override long BytesSent => _bytesSent;

    public override long UnsentBytes => _output.Length + (_file?.Left ?? 0);

    public override bool CanWriteEof => _tls is null ? _handle.Kind is IoHandleKind.Socket or IoHandleKind.PipeWriter
        : _tls.Info is { } info && TlsVersions.HasHalfClose(info.Protocol);

    public override WriteLimits WriteLimits
    {
        get => _ownLimits?.Value ?? _origin.Options.WriteLimits;
        set
        {
            VerifyAccess();
            _ownLimits = new(value);
            if (_lifecycle.IsClosing && _held == 0)
            {
                return;
            }

            PauseIfHigh();
            if (_writingPaused && _output.Length <= value.Low)
            {
                _origin.Loop.UnsafeCallSoon(s_tellResumed, this);
            }
        }
    }

    private bool IsSending => _send is { IsArmed: true } || _writable is { IsArmed: true };

    public override WriteStatus Write(ReadOnlySpan<byte> data)
    {
        if (BeginWrite(data.Length) is { } refused)
        {
            return refused;
        }

        return Take(data) ? EndWrite() : WriteStatus.Closed;
    }

    public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
    {
        long length = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            length += buffer.Length;
        }

        if (BeginWrite(length) is { } refused)
        {
            return refused;
        }

        long sent = 0;
        if (length >= OutputBuffer.JoinLimit && _output.IsEmpty)
        {
            sent = _handle.Backend.TrySend(_handle, buffers, out SocketError error);
            CountSent(sent);
            NoteSendFault(error);
            if (_sendFault != SocketError.Success)
            {
                return WriteStatus.Closed;
            }
        }

        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            int skipped = (int)Math.Min(sent, buffer.Length);
            sent -= skipped;
            _output.Append(buffer.Span[skipped..], IsSending);
        }

        return EndWrite();
    }

    public override void WriteEof()
    {
        VerifyAccess();
        if (!CanWriteEof && !_lifecycle.IsClosing)
        {
            throw !IsSocket ? NoEof() : new NotSupportedException(_upgrade is null
                ? "Before TLS 1.3 no direction ends alone. Use Close, and have the peer told by a message of your own."
                : "Within the TLS handshake no direction can end. Wait for StartTlsAsync.");
        }

        if (_handle.Kind == IoHandleKind.PipeWriter)
        {
            Close(CloseReason.LocalClose); // there is no other direction that would go on
        }
        else if (_sendFault == SocketError.Success)
        {
            Do(_lifecycle.On(ConnectionEvent.WriteEof));
        }
    }

    void IFlushable.Flush()
    {
        _isDirty = false;
        if (!IsSending && !_lifecycle.IsOver)
        {
            Flush();
        }
    }

    void ISender.OnSent(int count, SocketError error)
    {
        if (_lifecycle.IsOver)
        {
            _output.Clear(); // the buffer was the operation's until now
            return;
        }

        if (error != SocketError.Success)
        {
            NoteSendFault(error);
            return;
        }

        _passing?.OnSent(_bytesSent, count);
        CountSent(count);
        _output.Consume(count);
        if (_tls is { } tls && _send!.Handle != tls)
        {
            _send = null; // in flight since before the upgrade
            ((TlsBackend)tls.Backend).OnPlainSent(tls, count);
        }

        NoteProgress();
        Flush();
        ResumeIfLow();
    }

    /// <summary>Ends the connection of a protocol that does not stop writing.</summary>
    public void AbortForOverflow(long unsent, WriteLimits limits)
        => Abort(CloseReason.WriteOverflow, new ConnectionException(
            CloseReason.WriteOverflow,
            $"The protocol went on writing with {unsent} bytes unsent, over the hard cap of {limits.HardCap}. "
            + "Stop writing when PauseWriting is called."));

    // Null when the bytes may be taken.
    private WriteStatus? BeginWrite(long length)
    {
        VerifyAccess();
        if (!(_lifecycle.CanWrite || IsReleasing) || !CanSend)
        {
            RequireSending();
            return _lifecycle.IsClosing
                ? WriteStatus.Closed
                : throw new InvalidOperationException("Nothing can be written after WriteEof, which ended the sending side.");
        }

        if (_sendFault != SocketError.Success)
        {
            return WriteStatus.Closed;
        }

        RequireNoFile();
        if (_output.Length > WriteLimits.HardCap)
        {
            AbortForOverflow(_output.Length, WriteLimits);
            return WriteStatus.Closed;
        }

        return length == 0 ? AcceptedStatus() : null;
    }

    // Sends at once what is not worth joining, and keeps the rest. False when sending has failed.
    private bool Take(ReadOnlySpan<byte> data)
    {
        if (data.Length >= OutputBuffer.JoinLimit && _output.IsEmpty)
        {
            data = data[TrySend(data)..];
            if (_sendFault != SocketError.Success)
            {
                return false;
            }
        }

        _output.Append(data, IsSending);
        return true;
    }

    private WriteStatus EndWrite()
    {
        PauseIfHigh();
        FlushLater();
        return AcceptedStatus();
    }

    private void FlushLater()
    {
        if (!_isDirty && !IsSending && !_output.IsEmpty)
        {
            _isDirty = true;
            _origin.Loop.Host.FlushSoon(this);
        }
    }

    private WriteStatus AcceptedStatus()
    {
        // A Close within PauseWriting still sends what was just taken; an abort drops it.
        if (_lifecycle.IsOver || _sendFault != SocketError.Success)
        {
            return WriteStatus.Closed;
        }

        return _writingPaused ? WriteStatus.AcceptedOverHighWater : WriteStatus.Accepted;
    }

    // The one place that calls user code from a call of the user's.
    private void PauseIfHigh()
    {
        if (_writingPaused || _output.Length <= WriteLimits.High)
        {
            return;
        }

        // The mark is about what the operating system would not take, so it is asked first.
        if (!IsSending)
        {
            Flush();
            if (_output.Length <= WriteLimits.High || !MayBeWritten)
            {
                return;
            }
        }

        PauseWriting();
    }

    private void PauseWriting()
    {
        _writingPaused = true;
        Tell(static protocol => protocol.PauseWriting(), nameof(StreamProtocol.PauseWriting));
    }

    private void ResumeIfLow()
    {
        if (!_writingPaused
            || (_lifecycle.IsClosing && _held == 0)
            || _sendFault != SocketError.Success
            || _output.Length > WriteLimits.Low
            || _file is not null)
        {
            return;
        }

        _writingPaused = false;
        Tell(static protocol => protocol.ResumeWriting(), nameof(StreamProtocol.ResumeWriting));
    }

    // Nothing that was accepted is left, here or with a layer, or is just on its way from one to another.
    private bool IsDrained => _output.IsEmpty && _held == 0 && !_isHandingDown && _file is null;

    // Bytes that had to wait have left: whoever counts how long none does begins anew.
    private void NoteProgress()
    {
        _linger?.Reschedule(_origin.Options.LingerTime);
        (Protocol as StreamLayer)?.OnBytesLeft();
    }

    private void CountSent(long count)
    {
        _bytesSent += count;
        _origin.Loop.Host.Traffic.OnSent(count);
    }

    private int TrySend(ReadOnlySpan<byte> data)
    {
        int sent = _handle.Backend.TrySend(_handle, data, out SocketError error);
        CountSent(sent);
        NoteSendFault(error);
        return sent;
    }

    // Sends until all has left or the operating system takes no more. Calls no user code.
    private void Flush()
    {
        Debug.Assert(!IsSending, "Bytes would overtake each other.");
        while (!_output.IsEmpty)
        {
            int sent = TrySendFirst(out SocketError error);
            if (sent > 0)
            {
                CountSent(sent);
                _output.Consume(sent);
            }

            if (error == SocketError.WouldBlock)
            {
                _send ??= new SendOperation(_handle, this);
                SetSend(_send);
                _handle.Backend.Submit(_send);
                return;
            }

            if (error != SocketError.Success)
            {
                NoteSendFault(error);
                return;
            }
        }

        if (_file is not null)
        {
            _file.Wake();
        }
        else if (_lifecycle.AwaitsDrain && IsDrained)
        {
            Do(_lifecycle.On(ConnectionEvent.Drained));
        }
    }

    // What the peer sent before it left is still to be read: when a receive is armed, it delivers that and then ends, and
    // the fault is told then.
    private void NoteSendFault(SocketError error)
    {
        if (error is SocketError.Success or SocketError.WouldBlock || _lifecycle.IsOver)
        {
            return;
        }

        _sendFault = error;
        _output.Clear();
        _file?.Wake();
        if (!ConnectionFault.MeansPeerIsGone(error) || _receive.State is not (IoOperationState.Armed or IoOperationState.Delivering))
        {
            Fail(error);
        }
    }
}
