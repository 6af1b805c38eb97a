using System.Net;

namespace Toolkit.Backends;

/// <summary>
/// Something that I/O can be done on: a listening or connected socket, a pipe, a terminal. Opened, adopted or accepted by one
/// backend, and used only with it, on its loop's thread, until it is released.
/// </summary>
/// <remarks>
/// A handle has three places for operations: one on the read side (receive, accept, or a wait until it is readable), one
/// on the write side (send, connect, or a wait until it is writable), and one that watches for hang-up. Each holds at most one
/// operation.
/// </remarks>
public abstract class IoHandle
{
    /// <summary>Creates a handle of the given backend.</summary>
    protected IoHandle(IoBackend backend) => Backend = backend;

    /// <summary>The backend that this handle belongs to.</summary>
    public IoBackend Backend { get; }

    /// <summary>What it is that I/O is done on.</summary>
    public IoHandleKind Kind { get; protected internal set; }

    /// <summary>Whether <see cref="IoBackend.Release"/> was called.</summary>
    public bool IsReleased { get; private set; }

    /// <summary>This end's address, or null when it has none. Readable after release when it was read before.</summary>
    public abstract EndPoint? LocalEndPoint { get; }

    /// <summary>
    /// The peer's address, or null when there is none or the peer was gone before it could be asked for. Readable after
    /// release when it was read before.
    /// </summary>
    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>
    /// Who the peer of a connected Unix socket is; null of any other, and where the system does not say. Stays after the release.
    /// </summary>
    public virtual PeerIdentity? PeerIdentity => null;

    /// <summary>The operation that is armed on the read side.</summary>
    public IoOperation? ReadSide { get; private set; }

    /// <summary>The operation that is armed on the write side.</summary>
    public IoOperation? WriteSide { get; private set; }

    /// <summary>The armed watch for hang-up.</summary>
    public HangUpOperation? HangUp { get; private set; }

    internal void MarkReleased() => IsReleased = true;

    internal void Occupy(IoOperation operation)
    {
        switch (operation)
        {
            case ReceiveOperation or AcceptOperation or DatagramReceiveOperation or ReadableOperation when ReadSide is null:
                ReadSide = operation;
                break;
            case SendOperation or ConnectOperation or DatagramSendOperation or WritableOperation when WriteSide is null:
                WriteSide = operation;
                break;
            case HangUpOperation watch when HangUp is null:
                HangUp = watch;
                break;
            default:
                throw new InvalidOperationException(
                    $"{operation} was submitted while another operation holds its place on the handle.");
        }
    }

    internal void Vacate(IoOperation operation)
    {
        if (ReadSide == operation)
        {
            ReadSide = null;
        }
        else if (WriteSide == operation)
        {
            WriteSide = null;
        }
        else if (HangUp == operation)
        {
            HangUp = null;
        }
    }
}
