using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <content>
/// Descriptors beside the bytes. They are told as soon as the inner backend tells of them, which may be long before their bytes:
/// no later is all that the seam promises.
/// </content>
public sealed partial class ChaosBackend
{
    /// <inheritdoc/>
    public override bool CanPassHandles => _inner.CanPassHandles;

    /// <inheritdoc/>
    public override uint? UserId => _inner.UserId;

    /// <inheritdoc/>
    public override int TrySend(
        IoHandle handle, ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles, out SocketError error)
    {
        IoHandle inner = InnerOf(handle);
        if (IsRefused((ChaosHandle)handle, out error))
        {
            return 0;
        }

        int part = (int)PartOf(data.Length, _options.ShortSend);
        int sent = _inner.TrySend(inner, data[..part], handles, out error);
        if (error == SocketError.Success && part < data.Length)
        {
            error = SocketError.WouldBlock;
        }

        return sent;
    }

    /// <inheritdoc/>
    public override SocketError ReceiveHandles(IoHandle handle, IHandleReceiver receiver)
        => _inner.ReceiveHandles(InnerOf(handle), receiver);
}
