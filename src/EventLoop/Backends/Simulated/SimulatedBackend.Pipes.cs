using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>Pipes.</content>
internal sealed partial class SimulatedBackend
{
    public override IoHandle? Adopt(SafeHandle file, IoHandleKind kind, out SocketError error)
    {
        if (file is not SimulatedPipeHandle pipe || kind == IoHandleKind.Event)
        {
            error = SocketError.OperationNotSupported;
            return null;
        }

        SimulatedPipe.End end = pipe.End;
        if (end.Host != Host)
        {
            throw new InvalidOperationException(
                $"The pipe belongs to the host {end.Host.Name}, and the loop to {Host.Name}. A pipe stays within one machine.");
        }

        error = pipe.IsClosed ? SocketError.NotSocket
            : kind != (end.IsReader ? IoHandleKind.PipeReader : IoHandleKind.PipeWriter) ? SocketError.InvalidArgument
            : SocketError.Success;
        if (error != SocketError.Success)
        {
            return null;
        }

        var handle = new SimulatedHandle(this, bound: null) { Kind = kind };
        if (!handle.TryHold(end))
        {
            error = SocketError.TooManyOpenSockets;
            return null;
        }

        _handles.Add(handle);
        return handle;
    }
}
