using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Descriptors that are passed beside the bytes of a Unix socket.</summary>
internal sealed partial class StreamTransport : IHandleTransport
{
    // Loop thread only. Null of nearly all.
    private PassedHandles? _passing;

    WriteStatus IHandleTransport.WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
    {
        RequirePassing();
        if (BeginWrite(data.Length) is { } refused)
        {
            return refused;
        }

        _passing ??= new PassedHandles(maxReceived: 0);
        if (_passing.UnsentCount + handles.Length > PassedHandles.MaxUnsent)
        {
            AbortForHandles(_passing.UnsentCount);
            return WriteStatus.Closed;
        }

        _passing.Add(_bytesSent + _output.Length, handles);
        _output.Append(data, IsSending);
        return EndWrite();
    }

    SafeFileHandle[] IHandleTransport.TakeReceivedHandles()
    {
        VerifyAccess();
        return _passing?.Take() ?? [];
    }

    /// <summary>Throws unless handles can be passed.</summary>
    public void RequirePassing()
    {
        VerifyAccess();
        if (_handle is TlsHandle)
        {
            throw new NotSupportedException(
                "Handles cannot be passed over TLS, which knows of bytes alone. Use a second connection without it.");
        }

        if (_handle.LocalEndPoint is not UnixDomainSocketEndPoint && _handle.RemoteEndPoint is not UnixDomainSocketEndPoint)
        {
            throw new NotSupportedException(
                "Handles are passed between processes of one machine, over Unix sockets. Use CreateUnixConnectionAsync.");
        }

        HandlePassing.Require(_handle.Backend);
    }

    /// <summary>Ends the connection of a protocol that does not stop passing handles.</summary>
    public void AbortForHandles(int unsent)
        => Abort(CloseReason.WriteOverflow, new ConnectionException(
            CloseReason.WriteOverflow,
            $"The protocol went on passing handles with {unsent} unsent. Stop writing when PauseWriting is called."));

    private void BeginHandles()
    {
        if (_origin.MaxReceivedHandles > 0)
        {
            _passing = new PassedHandles(_origin.MaxReceivedHandles);
            _handle.Backend.ReceiveHandles(_handle, _passing); // who asks for it has seen that the backend can
        }
    }

    private bool FailByHandles()
    {
        Abort(CloseReason.InvalidData, new ConnectionException(
            CloseReason.InvalidData,
            $"The peer has passed more handles than the {_origin.MaxReceivedHandles} that may wait to be taken."));
        return AfterInput();
    }

    // Tries to send the bytes that are next, no further than to those that have handles of their own.
    private int TrySendFirst(out SocketError error)
    {
        if (_passing is not { UnsentCount: > 0 } passing)
        {
            return _handle.Backend.TrySend(_handle, _output.First.Span, out error);
        }

        ReadOnlyMemory<byte> part = passing.Cut(_bytesSent, _output.First, out SafeHandle[]? handles);
        int sent = handles is null
            ? _handle.Backend.TrySend(_handle, part.Span, out error)
            : _handle.Backend.TrySend(_handle, part.Span, handles, out error);
        passing.OnSent(_bytesSent, sent);
        return sent;
    }

    private void SetSend(SendOperation send)
    {
        if (_passing is not { UnsentCount: > 0 } passing)
        {
            send.Data = _output.First;
            send.Handles = null;
            return;
        }

        send.Data = passing.Cut(_bytesSent, _output.First, out SafeHandle[]? handles);
        send.Handles = handles;
    }
}
