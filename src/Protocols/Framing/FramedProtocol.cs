using Toolkit.Protocols;

namespace Toolkit;

/// <summary>
/// A protocol that is handed whole frames: what <see cref="LineProtocol"/>, <see cref="LengthPrefixedProtocol"/> and
/// <see cref="NetstringProtocol"/> have in common. Subclass one of those.
/// </summary>
/// <remarks>
/// <para>
/// Frames are handed out in order, on the loop's thread, one call at a time, however the network has cut them. A frame is lent
/// for the length of the call: from what was received when it is whole in there, and otherwise from a pooled buffer, which is
/// given back when no frame is unfinished. Nothing is allocated for a frame, and no memory for what has not arrived.
/// </para>
/// <para>
/// A frame's callback may do anything. When it pauses reading, or replaces the protocol, it is the last that is called, and the
/// bytes behind its frame are given back (<see cref="Transport.Unread"/>): they come after the resumption, or go to the new
/// protocol. When it closes or aborts, they are dropped. What it throws ends the connection, as out of any callback.
/// </para>
/// <para>
/// What the peer does wrong is no fault of the program's: it is told to <see cref="FramingFailed"/>, and to no exception handler.
/// </para>
/// </remarks>
public abstract class FramedProtocol : Protocol
{
    /// <summary>The default <see cref="MaxLength"/>: 64 KiB.</summary>
    public const int DefaultMaxLength = 64 * 1024;

    private protected FrameBuffer _unfinished;

    private protected FramedProtocol()
    {
    }

    /// <summary>
    /// How many bytes a frame may have, without prefix and delimiter: <see cref="DefaultMaxLength"/> unless it is set. There is
    /// no way to have none. May be changed at any time, and holds for frames of which nothing has arrived.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int MaxLength
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = DefaultMaxLength;

    /// <summary>
    /// What has arrived of an unfinished frame, as it came, with its prefix; empty within a frame's callback. Valid until the
    /// callback returns. A protocol that is replaced from elsewhere gives it back before:
    /// <c>Transport.Unread(Unfinished); Transport.Protocol = next;</c>
    /// </summary>
    protected ReadOnlySpan<byte> Unfinished => _unfinished.Span;

    // More frames may be handed out: nobody has paused, closed or replaced anything.
    private protected bool IsDelivering => Transport.IsReading && Transport.Protocol == this;

    private protected virtual bool IsInsideFrame => _unfinished.Length > 0;

    /// <summary>Cuts what has arrived into frames.</summary>
    public sealed override void DataReceived(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty && IsDelivering)
        {
            data = data[Take(data)..];
        }

        if (!data.IsEmpty)
        {
            Transport.Unread(data);
        }
    }

    /// <summary>
    /// The peer has ended its side. Inside a frame that is <see cref="FramingError.Truncated"/>, told to
    /// <see cref="FramingFailed"/>. An override calls this one first.
    /// </summary>
    /// <returns>False: the connection closes.</returns>
    public override bool EofReceived()
    {
        if (IsInsideFrame)
        {
            FramingFailed(new FramingException(
                FramingError.Truncated,
                $"The stream has ended inside a frame, of which {_unfinished.Length} bytes had arrived."));
        }

        return false;
    }

    /// <summary>
    /// The connection is gone; the buffer is given back. An override that does not call this leaves it to the garbage collector.
    /// </summary>
    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason) => _unfinished.Clear();

    /// <summary>
    /// The peer has sent what cannot be cut into frames, or ended inside of one. Called once: no frame follows.
    /// </summary>
    /// <remarks>
    /// By default this ends the connection with that error. A stream that ends inside a frame is closed, so that the answers to
    /// the whole frames before it still leave; anything else is aborted, since a peer that sends nonsense deserves no waiting.
    /// An override may write a farewell and close; if it leaves the connection open all the same, the connection is aborted
    /// after a frame that cannot be read, and closed after one that is cut short.
    /// </remarks>
    /// <param name="error">What is wrong.</param>
    protected virtual void FramingFailed(FramingException error)
    {
        ArgumentNullException.ThrowIfNull(error);
        if (error.Error == FramingError.Truncated)
        {
            Transport.Close(error);
        }
        else
        {
            Transport.Abort(error);
        }
    }

    // Takes at least one byte, and hands out at most one frame.
    private protected abstract int Take(ReadOnlySpan<byte> data);

    private protected void Fail(FramingException error)
    {
        _unfinished.Clear();
        FramingFailed(error);
        if (!Transport.IsClosing)
        {
            Transport.Abort(error); // where the next frame begins is not known any more
        }
    }

    // Takes so many bytes of data and, with what was unfinished before them, calls the frame complete. The buffer that it may lie
    // in is out of reach of whatever the callback does.
    private protected byte[]? Complete(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> frame)
    {
        if (_unfinished.Length == 0)
        {
            frame = data;
            return null;
        }

        _unfinished.Append(data);
        int length = _unfinished.Length;
        byte[]? lent = _unfinished.Detach();
        frame = lent.AsSpan(0, length);
        return lent;
    }
}
