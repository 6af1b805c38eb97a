using System.Diagnostics;
using System.Net;

namespace Toolkit;

/// <summary>
/// A datagram end point, as a protocol sees it: datagrams are sent by it, and it calls the protocol when something arrives. All
/// members belong to the loop's thread and throw <see cref="InvalidOperationException"/> elsewhere, except where they say
/// otherwise. Every method may be called from every callback.
/// </summary>
[DebuggerDisplay("#{Id} {LocalEndPoint}, {IsClosing ? CloseReason.ToString() : \"open\",nq}")]
public abstract class DatagramTransport
{
    private static long s_lastId;

    private DatagramProtocol _protocol;

    /// <summary>Creates a transport that will call the given protocol.</summary>
    protected DatagramTransport(DatagramProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        Id = Interlocked.Increment(ref s_lastId);
        _protocol = protocol;
    }

    /// <summary>A number that no other datagram end point of the process has or had. Any thread.</summary>
    public long Id { get; }

    /// <summary>When the end point was made. Any thread.</summary>
    public abstract DateTimeOffset StartTime { get; }

    /// <summary>
    /// This end's address; null of a Unix socket without a path. Until the first send it may have no port yet. Readable after the
    /// end, too.
    /// </summary>
    public abstract EndPoint? LocalEndPoint { get; }

    /// <summary>The peer of a connected end point, the only one that is sent to and heard; else null.</summary>
    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>What has gone through so far.</summary>
    public abstract DatagramCounters Counters { get; }

    /// <summary>How many datagrams were accepted and have not left for the operating system.</summary>
    public abstract int UnsentDatagrams { get; }

    /// <summary>What they count: their bytes, and <see cref="DatagramQueueLimits.Overhead"/> for each.</summary>
    public abstract long UnsentBytes { get; }

    /// <summary>When unsent datagrams are too many.</summary>
    public abstract DatagramQueueLimits QueueLimits { get; }

    /// <summary>A place for whatever the user wants to find again with the transport.</summary>
    public object? UserState { get; set; }

    /// <summary>
    /// The protocol that is called. When it is replaced, the new one gets no <see cref="DatagramProtocol.ConnectionMade"/>, and
    /// everything from the next datagram on.
    /// </summary>
    /// <exception cref="ArgumentNullException">Null was assigned.</exception>
    public DatagramProtocol Protocol
    {
        get => _protocol;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            VerifyAccess();
            value.BindTo(this);
            _protocol = value;
        }
    }

    /// <summary>Whether the end point is on its way out or gone: nothing is received, and nothing more can be sent.</summary>
    public abstract bool IsClosing { get; }

    /// <summary>Why the end point is closing or closed; <see cref="CloseReason.None"/> while it is open.</summary>
    public abstract CloseReason CloseReason { get; }

    /// <summary>Whether datagrams are being received: not paused, not closing.</summary>
    public abstract bool IsReading { get; }

    /// <summary>
    /// Sends a datagram to the peer of a connected end point. Never blocks, and never throws for what the network does: it leaves
    /// whole, with the other sends of the running callbacks and in their order, and waits in a bounded queue when the system
    /// takes no more. The memory is the caller's again when the call returns. <see cref="DatagramProtocol.PauseWriting"/> is
    /// called from within, when the high-water mark is passed.
    /// </summary>
    /// <param name="data">The bytes, of which there may be none.</param>
    /// <returns>Whether it was taken, and whether to wait before sending more.</returns>
    /// <exception cref="InvalidOperationException">
    /// The end point has no peer, or this is not the loop's thread.
    /// </exception>
    public abstract DatagramSendStatus Send(ReadOnlySpan<byte> data);

    /// <summary>Sends a datagram to an address. A connected end point sends to its own peer only.</summary>
    /// <inheritdoc cref="Send(ReadOnlySpan{byte})"/>
    /// <param name="data">The bytes, of which there may be none.</param>
    /// <param name="to">A numeric address of the end point's own family, so that no name is ever looked up here.</param>
    /// <exception cref="ArgumentException">The address is none, of another family, or another than that of the peer.</exception>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public abstract DatagramSendStatus SendTo(ReadOnlySpan<byte> data, in DatagramAddress to);

    /// <summary>
    /// Sends several datagrams of one size, the last of which may be shorter, that lie one behind the other. Where
    /// <c>DatagramOptions.SegmentationOffload</c> is in force the kernel cuts them (UDP_SEGMENT, udp(7)), up to 64 at a
    /// time; elsewhere they are cut here. They are taken or dropped together only as far as the kernel cuts them.
    /// </summary>
    /// <param name="data">The datagrams.</param>
    /// <param name="segmentSize">How long each is, at least 1.</param>
    /// <param name="to">Where they go; the default for the peer of a connected end point.</param>
    /// <returns>The worst that became of any of them.</returns>
    /// <exception cref="ArgumentException">As <see cref="SendTo"/>, or the size is less than 1.</exception>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public abstract DatagramSendStatus SendSegments(ReadOnlySpan<byte> data, int segmentSize, in DatagramAddress to = default);

    /// <summary>
    /// Receives no more until <see cref="ResumeReading"/>: the system keeps what its buffer holds and drops the rest. Any number
    /// of calls count as one; nothing on a closing end point.
    /// </summary>
    public abstract void PauseReading();

    /// <summary>Receives again. What has arrived is told later, from the loop.</summary>
    public abstract void ResumeReading();

    /// <summary>Joins a multicast group, whose datagrams are received from here on.</summary>
    /// <param name="group">A multicast address of the end point's own family.</param>
    /// <param name="interfaceIndex">The index of the interface to join on; 0 leaves it to the system.</param>
    /// <exception cref="ArgumentException">The address is no multicast address, or of another family.</exception>
    /// <exception cref="DatagramException">The system does not let us; the exception says why.</exception>
    /// <exception cref="ObjectDisposedException">The end point is closing or gone.</exception>
    public abstract void JoinGroup(IPAddress group, int interfaceIndex = 0);

    /// <summary>Leaves a multicast group.</summary>
    /// <inheritdoc cref="JoinGroup"/>
    public abstract void LeaveGroup(IPAddress group, int interfaceIndex = 0);

    /// <summary>
    /// Ends the end point in good order: receives no more, sends what was accepted, and then
    /// <see cref="DatagramProtocol.ConnectionLost"/>, with no other callback in between. It is bounded: when nothing has left for
    /// the linger time, the end point is aborted.
    /// </summary>
    public abstract void Close();

    /// <summary>
    /// Ends the end point at once: what is unsent is dropped. <see cref="DatagramProtocol.ConnectionLost"/> comes later, from the
    /// loop.
    /// </summary>
    public abstract void Abort();

    /// <summary>Throws unless the caller is on the loop's thread.</summary>
    protected abstract void VerifyAccess();

    /// <summary>Makes the transport known to its first protocol. Before <see cref="DatagramProtocol.ConnectionMade"/>.</summary>
    protected void BindProtocol() => _protocol.BindTo(this);
}
