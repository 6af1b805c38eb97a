using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// What stands between a transport and a protocol: to the transport it is a protocol, and to the protocol behind it a transport.
/// It passes everything on in either direction; a subclass overrides what it is about, and calls the base where it wants that to
/// go on.
/// </summary>
/// <remarks>
/// <para>
/// Give it to a connection or a server instead of the protocol: <c>() =&gt; new TimeoutLayer(new Echo(), times)</c>. Layers
/// stack, and one object is the layer of one connection. The transport that the connection has is the one below all of them: what
/// is called on it goes past the layers, and what was written to them still comes before the end that it makes
/// (<see cref="Transport.Close()"/>).
/// </para>
/// <para>
/// The contract is kept in both directions: order, threads, back-pressure, half-close, the reasons of ends, bytes that are given
/// back, TLS in mid-stream, handles, and a protocol that is replaced, also by one of the other kind. A
/// <see cref="BufferedProtocol"/> behind it has its bytes received into its own buffer, and a <see cref="Toolkit.Protocol"/> is
/// lent them by the transport: the layer holds no memory for either, and a message costs a call or two.
/// </para>
/// <para>
/// What comes up is told by the callbacks of <see cref="StreamProtocol"/>, and by <see cref="DataReceived"/> or
/// <see cref="GetBuffer"/> with <see cref="BufferUpdated"/>. What goes down comes by <see cref="Write"/> and its relatives, which
/// the protocol's <see cref="Transport"/> calls. All of them are called on the loop's thread. What one of the first throws ends
/// the connection, as it does out of a protocol; what one of the others throws comes out of the protocol's call. From a callback
/// of its own, such as a timer's, a layer calls the protocol by <see cref="Tell"/>.
/// </para>
/// </remarks>
public abstract partial class StreamLayer : StreamProtocol
{
    private readonly StreamProtocol _first; // known before there is a transport
    private LayerTransport? _upper; // what the protocol has for its transport
    private StreamTransport? _ground; // the one below all layers; null when it is none of ours
    private EventLoop? _loop;
    private Memory<byte> _lent;
    private bool _isReadingHeld;
    private bool _isReadingPaused; // while reading is held
    private bool _wasGivenBack;

    /// <summary>Makes a layer for one connection.</summary>
    /// <param name="protocol">The protocol behind it, or another layer, which has no connection yet.</param>
    /// <exception cref="ArgumentNullException">The protocol is null.</exception>
    protected StreamLayer(StreamProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        _first = protocol;
    }

    /// <summary>The protocol behind the layer: the one it was made with, or what replaced it.</summary>
    public StreamProtocol Protocol => _upper?.Protocol ?? _first;

    /// <summary>
    /// Whether the transport receives into the buffer of a <see cref="BufferedProtocol"/> behind the layer, as it does by
    /// default. Otherwise all bytes come by <see cref="DataReceived"/>, from where they are copied: for a layer that changes what
    /// comes, or cuts it.
    /// </summary>
    protected virtual bool PassesBuffers => true;

    /// <summary>The loop of the connection.</summary>
    /// <exception cref="InvalidOperationException">There is no connection yet.</exception>
    protected EventLoop Loop => _loop ?? throw new InvalidOperationException(
        $"{GetType().Name} is not connected, or its transport is none of a loop's.");

    /// <summary>What the protocol is told of unsent bytes (<see cref="Transport.UnsentBytes"/>).</summary>
    protected virtual long UnsentBytes => Transport.UnsentBytes;

    /// <summary>What the protocol is told of received bytes (<see cref="Transport.BytesReceived"/>).</summary>
    protected virtual long BytesReceived => Transport.BytesReceived;

    /// <summary>The limits that the protocol sees and sets (<see cref="Transport.WriteLimits"/>).</summary>
    protected virtual WriteLimits WriteLimits
    {
        get => Transport.WriteLimits;
        set => Transport.WriteLimits = value;
    }

    /// <inheritdoc/>
    public override void ConnectionMade() => Protocol.ConnectionMade();

    /// <summary>Bytes have come for the protocol.</summary>
    /// <param name="data">
    /// Lent for the length of the call. The base hands them to the protocol, whichever kind it is of; what a
    /// <see cref="BufferedProtocol"/> does not take of them, since it has paused or has given something back, goes to
    /// <see cref="Unread"/>.
    /// </param>
    public virtual void DataReceived(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            StreamProtocol recipient = Protocol.Recipient;
            if (recipient is not BufferedProtocol)
            {
                Protocol.TellData(data);
                return;
            }

            _wasGivenBack = false;
            Memory<byte> buffer = Protocol.AskForBuffer(StreamTransport.WelcomeSize);
            if (buffer.IsEmpty)
            {
                throw new InvalidOperationException("GetBuffer returned an empty buffer, into which nothing can be received.");
            }

            if (IsReading && !_wasGivenBack && recipient == Protocol.Recipient)
            {
                int count = Math.Min(data.Length, buffer.Length);
                data[..count].CopyTo(buffer.Span);
                data = data[count..];
                Protocol.TellFilled(count);
            }

            if (!data.IsEmpty && (!IsReading || _wasGivenBack))
            {
                Unread(data);
                return;
            }
        }
    }

    /// <inheritdoc/>
    public override bool EofReceived() => Protocol.EofReceived();

    /// <inheritdoc/>
    public override void PauseWriting()
    {
        if (MayTellOfWriting)
        {
            Protocol.PauseWriting();
        }
    }

    /// <inheritdoc/>
    public override void ResumeWriting()
    {
        if (MayTellOfWriting)
        {
            Protocol.ResumeWriting();
        }
    }

    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason) => Protocol.ConnectionLost(reason);

    /// <summary>Asks the protocol for its buffer (<see cref="BufferedProtocol.GetBuffer"/>).</summary>
    /// <param name="sizeHint">How many bytes would be welcome; -1 when that is not known.</param>
    /// <returns>The buffer, or the beginning of it.</returns>
    protected virtual Memory<byte> GetBuffer(int sizeHint) => Protocol.AskForBuffer(sizeHint);

    /// <summary>Bytes have come into the protocol's own buffer (<see cref="BufferedProtocol.BufferUpdated"/>).</summary>
    /// <param name="data">The bytes, which are in the protocol's hands when the base is called.</param>
    protected virtual void BufferUpdated(ReadOnlySpan<byte> data) => Protocol.TellFilled(data.Length);

    /// <summary>The protocol writes (<see cref="Transport.Write(ReadOnlySpan{byte})"/>).</summary>
    /// <param name="data">The bytes, which are the protocol's again when the call returns.</param>
    /// <returns>What the protocol is answered.</returns>
    protected virtual WriteStatus Write(ReadOnlySpan<byte> data) => Transport.Write(data);

    /// <summary>The protocol writes several buffers (<see cref="Transport.WriteVectored"/>).</summary>
    /// <inheritdoc cref="Write"/>
    protected virtual WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers) => Transport.WriteVectored(buffers);

    /// <summary>The protocol writes, and passes handles; at least one of either.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="handles">The handles, which stay the caller's.</param>
    /// <returns>What the protocol is answered.</returns>
    protected virtual WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, ReadOnlySpan<SafeHandle> handles)
        => Transport.WriteWithHandles(data, handles);

    /// <summary>
    /// The protocol sends a file (<see cref="FileSending"/>), whose bytes no layer sees. By default none passes, since a layer may be
    /// there to change what is written, or to hold it back.
    /// </summary>
    /// <param name="count">How many bytes of it.</param>
    /// <returns>Whether the transport below may send it.</returns>
    protected virtual bool SendingFile(long count) => false;

    /// <summary>The protocol ends the sending side (<see cref="Transport.WriteEof"/>).</summary>
    protected virtual void WriteEof() => Transport.WriteEof();

    /// <summary>The protocol pauses reading (<see cref="Transport.PauseReading"/>).</summary>
    protected virtual void PauseReading()
    {
        if (_isReadingHeld)
        {
            _isReadingPaused = true;
        }
        else
        {
            Transport.PauseReading();
        }
    }

    /// <summary>The protocol receives again (<see cref="Transport.ResumeReading"/>).</summary>
    protected virtual void ResumeReading()
    {
        if (_isReadingHeld)
        {
            _isReadingPaused = false;
        }
        else
        {
            Transport.ResumeReading();
        }
    }

    /// <summary>
    /// The protocol gives back what it has received (<see cref="Transport.Unread"/>). A layer that changes what comes must keep
    /// it, and tell it again itself; the base gives it to the transport, which is going to tell it to the layer again.
    /// </summary>
    protected virtual void Unread(ReadOnlySpan<byte> data) => Transport.Unread(data);

    /// <summary>
    /// The protocol goes on with TLS, from this call on. What a layer holds of either direction belongs before that, and is to be
    /// written, or given to <see cref="Transport.Unread"/> when the running callback has ended.
    /// </summary>
    protected virtual void StartingTls()
    {
    }

    /// <summary>The protocol closes (<see cref="Transport.Close()"/>).</summary>
    /// <param name="reason">Why, if it has said so; never <see cref="CloseReason.None"/>.</param>
    protected virtual void Close(ConnectionException? reason)
    {
        if (reason is null)
        {
            Transport.Close();
        }
        else
        {
            Transport.Close(reason);
        }
    }

    /// <summary>The protocol aborts (<see cref="Transport.Abort()"/>).</summary>
    /// <inheritdoc cref="Close"/>
    protected virtual void Abort(ConnectionException? reason)
    {
        if (reason is null)
        {
            Transport.Abort();
        }
        else
        {
            Transport.Abort(reason);
        }
    }

    /// <summary>
    /// Another protocol stands in the layer's place from here on (<see cref="Transport.Protocol"/>), or in that of a layer below it,
    /// and it is called no more. It lets go of what it has of the transport.
    /// </summary>
    protected virtual void Replaced()
    {
    }

    /// <summary>
    /// Receives nothing until <see cref="ReleaseReading"/>, whether the protocol has paused or not, which is not told of it: its
    /// transport says that it reads. A second call does nothing.
    /// </summary>
    protected void HoldReading()
    {
        if (!_isReadingHeld)
        {
            _isReadingPaused = IsPausedBelow;
            _isReadingHeld = true;
            Transport.PauseReading();
        }
    }

    /// <summary>Receives again, unless the protocol has paused.</summary>
    protected void ReleaseReading()
    {
        if (_isReadingHeld)
        {
            _isReadingHeld = false;
            if (!_isReadingPaused)
            {
                Transport.ResumeReading();
            }
        }
    }

    /// <summary>
    /// Calls the protocol on the layer's own account, as from a timer: with the loop's synchronization context, and in the
    /// execution context of the connection. What is thrown is reported, and ends the connection, as out of any callback.
    /// </summary>
    /// <param name="callback">What to do, with this layer.</param>
    /// <param name="member">The name of the callback, for messages.</param>
    protected void Tell(Action<StreamLayer> callback, string member)
    {
        ArgumentNullException.ThrowIfNull(callback);
        ArgumentNullException.ThrowIfNull(member);
        if (_ground is not null)
        {
            _ground.RunCallback(this, callback, member);
            return;
        }

        try
        {
            using CallbackScope scope = Loop.Host.EnterUserCode(null, Innermost, member);
            callback(this);
        }
        catch (Exception exception)
        {
            string message = $"{Innermost.GetType().Name}.{member} threw; the connection is aborted.";
            Loop.ReportError(new TransportError(message, exception, Transport, Innermost));
            Transport.Abort(new ConnectionException(CloseReason.ProtocolError, message, exception));
        }
    }

    /// <summary>Whether data is told to the protocol, as its transport says.</summary>
    internal bool IsReading => _isReadingHeld
        ? !_isReadingPaused && (_ground?.CanRead ?? !Transport.IsClosing)
        : Transport.IsReading;

    internal sealed override StreamProtocol Recipient => PassesBuffers ? Protocol.Recipient : this;

    internal sealed override StreamProtocol Innermost => Protocol.Innermost;

    /// <summary>Whether <see cref="Replaced"/> was called: the layer has no say any more.</summary>
    private protected bool IsReplaced { get; private set; }

    /// <summary>The transport below all layers, for those that cannot stand on any other.</summary>
    private protected StreamTransport? Ground => _ground;

    /// <summary>
    /// Whether pauses and resumptions of writing are told above: on a closing transport only to a layer, which may still have to
    /// write what it holds.
    /// </summary>
    private protected bool MayTellOfWriting => !Transport.IsClosing || Protocol is StreamLayer;

    private bool IsPausedBelow => Transport switch
    {
        StreamTransport ground => ground.IsReadingPaused,
        LayerTransport { Layer: { _isReadingHeld: true } lower } => lower._isReadingPaused,
        LayerTransport { Layer: var lower } => lower.IsPausedBelow,
        _ => !Transport.IsReading,
    };

    internal sealed override void BindTo(Transport transport)
    {
        if (IsBoundTo(transport) && !IsReplaced)
        {
            return;
        }

        IsReplaced = false;
        base.BindTo(transport);
        _ground = transport switch
        {
            StreamTransport ground => ground,
            LayerTransport lower => lower.Layer._ground,
            _ => null,
        };
        _loop = _ground?.Loop ?? (EventLoop.TryGetCurrent(out EventLoop? current) ? current : null);
        _isReadingHeld = false;
        _upper = new LayerTransport(this, Protocol);
        Bound();
        _upper.Bind();
    }

    // What the innermost holds of the sending side is to leave first, and goes through the others.
    internal sealed override void OnReplaced()
    {
        Protocol.OnReplaced();
        IsReplaced = true;
        Replaced();
    }

    internal sealed override void TellData(ReadOnlySpan<byte> data) => DataReceived(data);

    internal sealed override Memory<byte> AskForBuffer(int sizeHint) => _lent = GetBuffer(sizeHint);

    internal sealed override void TellFilled(int count)
    {
        ReadOnlySpan<byte> data = _lent.Span[..count];
        _lent = default; // it is the protocol's, who may have done with it before the next is asked for
        BufferUpdated(data);
    }

    /// <summary>The protocol sends a file, which <see cref="SendingFile"/> has let pass.</summary>
    internal virtual FileSend SendFile(
        IFileTransport below, SafeFileHandle file, long offset, long count, CancellationToken cancellationToken)
        => below.SendFile(file, offset, count, cancellationToken);

    /// <summary>Bytes that the system had not taken at first have left; or those that a layer below has held.</summary>
    internal virtual void OnBytesLeft() => (Protocol as StreamLayer)?.OnBytesLeft();

    /// <summary>The layer has its transport, and the protocol behind it has not.</summary>
    private protected virtual void Bound()
    {
    }
}
