using System.Buffers;
using System.Net.Sockets;

namespace Toolkit.Backends.Portable;

/// <summary>
/// One of a handle's two places for what .NET has in flight: one for the read side, one for the write side. What comes
/// of it is only queued here, on whatever thread .NET says it.
/// </summary>
internal sealed class PortableRequest : SocketAsyncEventArgs
{
    private readonly PortableBackend _backend;

    public PortableRequest(PortableBackend backend, PortableHandle handle)
        : base(unsafeSuppressExecutionContextFlow: true)
    {
        _backend = backend;
        Handle = handle;
    }

    public PortableHandle Handle { get; }

    /// <summary>Started, and what came of it not yet looked at. Loop thread only, as all but the completion.</summary>
    public bool IsInFlight { get; set; }

    /// <summary>The send was cancelled: it cannot be stopped any more, but nobody is to be told of it.</summary>
    public bool IsOrphan { get; set; }

    /// <summary>Takes a copy of what is to be sent.</summary>
    public void FillBuffer(ReadOnlySpan<byte> data)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(data.Length);
        data.CopyTo(buffer);
        SetBuffer(buffer, 0, data.Length);
    }

    public void ReturnBuffer()
    {
        if (Buffer is { Length: > 0 } buffer)
        {
            SetBuffer(null, 0, 0);
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Takes the connection that was accepted, if one was.</summary>
    public Socket? TakeNewcomer()
    {
        Socket? newcomer = AcceptSocket;
        AcceptSocket = null;
        return newcomer;
    }

    /// <summary>
    /// Gives everything back. Only when nothing is in flight. A newcomer that nobody was told of is reset, like those that
    /// still stand in the queue of a listener that is closed.
    /// </summary>
    public void Discard()
    {
        if (TakeNewcomer() is { } newcomer)
        {
            PortableSocket.ResetOnClose(newcomer);
            newcomer.Dispose();
        }

        ReturnBuffer();
        Dispose();
    }

    protected override void OnCompleted(SocketAsyncEventArgs e) => _backend.OnCompleted(this);
}
