using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>What the owner of a <see cref="DatagramReceiveOperation"/> is told.</summary>
public interface IDatagramReceiver
{
    /// <summary>A datagram has arrived. The span is the backend's and dies when the call returns.</summary>
    /// <param name="data">Its bytes, of which there may be none.</param>
    /// <param name="from">Who has sent it; no address when a Unix socket without a path has.</param>
    /// <param name="isTruncated">Whether it was longer than <see cref="DatagramReceiveOperation.ReceiveSize"/>.</param>
    /// <returns>Whether to stay armed. False ends this arming, with no further word.</returns>
    bool OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated);

    /// <summary>
    /// The arming has ended: <see cref="SocketError.OperationAborted"/> is the answer to a cancellation or a release. Anything
    /// else is an error that the system tells once, mostly of a datagram that was sent; the socket is as good as before, and the
    /// operation may be submitted again.
    /// </summary>
    void OnReceiveEnded(SocketError error);
}

/// <summary>
/// Receives datagrams. It is standing, like <see cref="ReceiveOperation"/>. What a backend had already taken when its owner wants
/// no more is kept, and told first after the next submission.
/// </summary>
/// <param name="handle">The handle of a datagram socket.</param>
/// <param name="receiver">Who is told.</param>
/// <param name="receiveSize">How many bytes of a datagram are received at most; 1 to <see cref="MaxReceiveSize"/>.</param>
public sealed class DatagramReceiveOperation(IoHandle handle, IDatagramReceiver receiver, int receiveSize) : IoOperation(handle)
{
    /// <summary>The largest receive size: no UDP datagram is longer, and hardly one of a Unix socket.</summary>
    public const int MaxReceiveSize = 64 * 1024;

    /// <summary>
    /// How many bytes of a datagram are received at most. The rest is lost, and the datagram told as truncated.
    /// </summary>
    public int ReceiveSize { get; } = receiveSize is > 0 and <= MaxReceiveSize
        ? receiveSize
        : throw new ArgumentOutOfRangeException(nameof(receiveSize), receiveSize, $"A receive size is 1 to {MaxReceiveSize}.");

    internal IDatagramReceiver Receiver { get; } = receiver;

    internal override void NotifyEnded(SocketError error) => Receiver.OnReceiveEnded(error);
}

/// <summary>A datagram that is to be sent.</summary>
/// <param name="Data">Its bytes. Left alone by the owner until it was taken, or the operation has ended.</param>
/// <param name="To">Where it goes; no address for the peer of a connected socket.</param>
/// <param name="SegmentSize">
/// When not 0, the bytes are several datagrams of this size, and a last one that may be shorter, which the kernel is to cut. Only
/// where <see cref="IoOption.SegmentationOffload"/> could be set.
/// </param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct OutgoingDatagram(ReadOnlyMemory<byte> Data, IoAddress To, ushort SegmentSize = 0);

/// <summary>What the owner of a <see cref="DatagramSendOperation"/> is told.</summary>
public interface IDatagramSender
{
    /// <summary>The send has ended. With <see cref="SocketError.Success"/> the system has taken the datagram, whole.</summary>
    void OnSent(SocketError error);
}

/// <summary>Sends a datagram that <see cref="IoBackend.TrySendTo"/> could not.</summary>
public sealed class DatagramSendOperation(IoHandle handle, IDatagramSender sender) : IoOperation(handle)
{
    /// <summary>What to send. Set before submitting, and left alone until the end.</summary>
    public OutgoingDatagram Datagram { get; set; }

    internal override void NotifyEnded(SocketError error) => sender.OnSent(error);
}
