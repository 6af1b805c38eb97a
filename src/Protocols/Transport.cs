using System.Buffers;
using System.Diagnostics;
using System.Net;

namespace Toolkit;

/// <summary>
/// One end of a connection, as a protocol sees it: bytes are written to it, and it calls the protocol when something
/// happens. All members belong to the loop's thread and throw <see cref="InvalidOperationException"/> elsewhere, except
/// where they say otherwise. Every method may be called from every callback.
/// </summary>
[DebuggerDisplay("#{Id} {RemoteEndPoint}, {IsClosing ? CloseReason.ToString() : \"open\",nq}")]
public abstract class Transport
{
    private static long s_lastId;

    private readonly long _id;
    private StreamProtocol _protocol;

    /// <summary>Creates a transport that will call the given protocol.</summary>
    protected Transport(StreamProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        _id = Interlocked.Increment(ref s_lastId);
        _protocol = protocol;
    }

    /// <summary>
    /// A number that no other connection of the process has or had; a transport that stands in front of another has the
    /// other's. Any thread.
    /// </summary>
    public virtual long Id => _id;

    /// <summary>When the connection was made. Any thread.</summary>
    public abstract DateTimeOffset StartTime { get; }

    /// <summary>This end's address. Readable after the end, too.</summary>
    public abstract EndPoint? LocalEndPoint { get; }

    /// <summary>
    /// The peer's address; null when the peer was gone before it could be asked for, or has none, as most clients of Unix
    /// sockets. Readable after the end, too.
    /// </summary>
    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>
    /// Who the peer is, as the system vouches for it: of Unix sockets on Linux, and of simulated ones. Null of all others. What
    /// was so when the connection was made; readable after the end, too. Any thread.
    /// </summary>
    public virtual PeerCredentials? PeerCredentials => null;

    /// <summary>How many bytes were handed to the protocol, and not given back.</summary>
    public abstract long BytesReceived { get; }

    /// <summary>How many bytes the operating system has taken for sending.</summary>
    public abstract long BytesSent { get; }

    /// <summary>How many bytes were accepted and have not left for the operating system.</summary>
    public abstract long UnsentBytes { get; }

    /// <summary>A place for whatever the user wants to find again with the transport.</summary>
    public virtual object? UserState { get; set; }

    /// <summary>
    /// The protocol that is called. When it is replaced, the new one gets no
    /// <see cref="StreamProtocol.ConnectionMade"/>, and everything from the next event on; the bytes of a
    /// <see cref="Toolkit.Protocol.DataReceived"/> that is running belong to the protocol that got them, which hands on
    /// what it did not use, or gives it back (<see cref="Unread"/>).
    /// </summary>
    /// <exception cref="ArgumentNullException">Null was assigned.</exception>
    public StreamProtocol Protocol
    {
        get => _protocol;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            VerifyAccess();
            StreamProtocol former = _protocol;
            value.BindTo(this);
            _protocol = value;
            if (former != value)
            {
                former.OnReplaced();
            }
        }
    }

    /// <summary>
    /// Whether the transport is on its way out or gone: no data will be received, and nothing more can be written.
    /// </summary>
    public abstract bool IsClosing { get; }

    /// <summary>Why the transport is closing or closed; <see cref="CloseReason.None"/> while it is open.</summary>
    public abstract CloseReason CloseReason { get; }

    /// <summary>Whether data is being received: not paused, not ended by the peer, not closing.</summary>
    public abstract bool IsReading { get; }

    /// <summary>Whether <see cref="WriteEof"/> ends one direction alone.</summary>
    public abstract bool CanWriteEof { get; }

    /// <summary>
    /// When unsent bytes are too many. Setting it looks at once whether the new limits are passed, and calls
    /// <see cref="StreamProtocol.PauseWriting"/> if so; a resumption that it causes comes later, from the loop.
    /// </summary>
    public abstract WriteLimits WriteLimits { get; set; }

    /// <summary>
    /// Writes. Never blocks and never throws for what the network does: the bytes leave with the other writes of the
    /// running callbacks, and what the operating system does not take is copied and sent as soon as it does. The memory is
    /// the caller's again when the call returns. <see cref="StreamProtocol.PauseWriting"/> is called from within, when
    /// the high-water mark is passed.
    /// </summary>
    /// <returns>Whether the bytes were taken, and whether to wait before writing more.</returns>
    /// <exception cref="InvalidOperationException">
    /// <see cref="WriteEof"/> was called, or this is not the loop's thread.
    /// </exception>
    public abstract WriteStatus Write(ReadOnlySpan<byte> data);

    /// <summary>Writes several buffers as if they were one.</summary>
    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public abstract WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers);

    /// <summary>Writes a sequence, such as a <see cref="System.IO.Pipelines.PipeReader"/> gives.</summary>
    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public WriteStatus Write(in ReadOnlySequence<byte> data)
    {
        if (data.IsSingleSegment)
        {
            return Write(data.FirstSpan);
        }

        var buffers = new List<ReadOnlyMemory<byte>>();
        foreach (ReadOnlyMemory<byte> buffer in data)
        {
            buffers.Add(buffer);
        }

        return WriteVectored(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(buffers));
    }

    /// <summary>
    /// Ends the sending side once all that was written has left: the peer reads the end of the stream. Receiving goes on.
    /// Later calls, and calls on a closing transport, do nothing.
    /// </summary>
    /// <exception cref="NotSupportedException"><see cref="CanWriteEof"/> is false.</exception>
    public abstract void WriteEof();

    /// <summary>
    /// Receives no more until <see cref="ResumeReading"/>; the peer is slowed down by its own full buffers. Neither data
    /// nor the end of the stream is told meanwhile. Any number of calls count as one; nothing on a closing transport.
    /// </summary>
    public abstract void PauseReading();

    /// <summary>Receives again. What has arrived is told later, from the loop.</summary>
    public abstract void ResumeReading();

    /// <summary>
    /// Gives back bytes that were received and not used: for a protocol that stops in the middle of what it was handed, because
    /// it has paused reading, or another is to take over. They are told again from the loop, never inside this call, as soon as
    /// reading is not paused, to the protocol that is there then; whatever has not been told yet comes after them, the end of the
    /// stream too. What several calls give back comes in the order of the calls. Nothing on a closing transport.
    /// </summary>
    /// <param name="data">The bytes, which are copied.</param>
    /// <exception cref="InvalidOperationException">The end of the stream was told, or this is not the loop's thread.</exception>
    public abstract void Unread(ReadOnlySpan<byte> data);

    /// <summary>
    /// Ends the connection in good order: receives no more, sends what was written, ends the sending side, and then
    /// <see cref="StreamProtocol.ConnectionLost"/>, with no other callback in between. It is bounded: when no byte has left
    /// for the linger time, the transport is aborted. What the peer still sends is thrown away in the background until its
    /// end, since closing on unread data would make the system send a reset that destroys what the peer has not read yet.
    /// </summary>
    public abstract void Close();

    /// <summary>
    /// The same because something is wrong with the connection that is no fault of the protocol's: its end has that reason. On a
    /// transport that is closing already, the earlier reason stays.
    /// </summary>
    /// <param name="reason">What <see cref="StreamProtocol.ConnectionLost"/> and <see cref="CloseReason"/> are to say.</param>
    /// <exception cref="ArgumentNullException">The reason is null.</exception>
    /// <exception cref="ArgumentException">It has <see cref="CloseReason.None"/>.</exception>
    public abstract void Close(ConnectionException reason);

    /// <summary>
    /// Ends the connection at once: what is unsent is dropped and the peer sees a reset.
    /// <see cref="StreamProtocol.ConnectionLost"/> comes later, from the loop.
    /// </summary>
    public abstract void Abort();

    /// <summary>
    /// The same because something is wrong with the connection that is no fault of the protocol's, such as what the peer has
    /// sent: its end has that reason, and no exception handler is told.
    /// </summary>
    /// <inheritdoc cref="Close(ConnectionException)"/>
    public abstract void Abort(ConnectionException reason);

    /// <summary>Throws unless the caller is on the loop's thread.</summary>
    protected abstract void VerifyAccess();

    /// <summary>Makes the transport known to its first protocol. Before <see cref="StreamProtocol.ConnectionMade"/>.</summary>
    protected void BindProtocol() => _protocol.BindTo(this);
}
