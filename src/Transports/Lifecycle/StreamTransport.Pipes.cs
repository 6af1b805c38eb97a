using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>What is different where the handle is a pipe or a terminal: there is one direction, or neither ends alone.</summary>
internal sealed partial class StreamTransport
{
    /// <summary>What ConnectionLost was told.</summary>
    public Exception? LossReason => _exception;

    private bool IsSocket => _handle.Kind == IoHandleKind.Socket;

    private bool CanReceive => _handle.Kind != IoHandleKind.PipeWriter;

    private bool CanSend => _handle.Kind != IoHandleKind.PipeReader;

    // Nothing was on its way to a reader who has closed: an end in good order, as the end of file is to a reader.
    private bool IsReaderGone(SocketError error)
        => error == SocketError.Shutdown && _handle.Kind == IoHandleKind.PipeWriter && _output.IsEmpty
            && _sendFault == SocketError.Success;

    private static ConnectionException FaultOfPipe(SocketError error)
    {
        ConnectionException fault = ConnectionFault.ToException(error);
        return error == SocketError.Shutdown
            ? new ConnectionException(fault.Reason, "Whoever read from the pipe has closed it.", fault.InnerException)
            : fault;
    }

    private void RequireReceiving()
    {
        if (!CanReceive)
        {
            throw new InvalidOperationException("This is the end of a pipe that is written: nothing is received on it.");
        }
    }

    private void RequireSending()
    {
        if (!CanSend)
        {
            throw new InvalidOperationException("This is the end of a pipe that is read: nothing can be written to it.");
        }
    }

    private NotSupportedException NoEof() => new(_handle.Kind switch
    {
        IoHandleKind.Terminal =>
            "No direction of a terminal ends alone. A program that reads lines from it is told of the end by the byte 4, at the "
                + "start of a line; Close ends both directions.",
        IoHandleKind.DuplexPipe =>
            "No direction of a named pipe ends alone. Have the peer told by a message of your own; Close ends both directions.",
        _ => "This is the end of a pipe that is read. Close it.",
    });
}
