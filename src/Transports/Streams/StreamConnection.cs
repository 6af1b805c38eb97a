using System.ComponentModel;
using System.Diagnostics;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A connection as coroutines use it: they read and write and wait, and no callback is to be written. It is a protocol, for any
/// transport there is: <c>loop.OpenConnectionAsync</c> and <c>loop.StartServerAsync</c> make connections with it, and it can be
/// handed to whatever takes a protocol, or be assigned to <see cref="Transport.Protocol"/> in the middle of a stream.
/// </summary>
/// <remarks>
/// <para>
/// All members belong to the loop's thread, and throw <see cref="InvalidOperationException"/> elsewhere. Every wait belongs to
/// the current <see cref="CancelScope"/>, takes a token, is awaited once, and allocates nothing in the long run, unless it is
/// given a token. A read that is cancelled has read nothing: the next one returns what it would have.
/// </para>
/// <para>
/// There is one reader at a time, and any number of writers. What a read returns without a destination of the caller's is lent
/// until the next read begins. Bytes that have arrived can be read before a read throws what broke the connection.
/// </para>
/// <para>
/// The transport is the connection's: its <see cref="Transport.PauseReading"/> and <see cref="Transport.WriteEof"/> are not to be
/// called, nor is it to be written to.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// await using StreamConnection connection = await loop.OpenConnectionAsync("127.0.0.1", 8888);
/// await connection.WriteAsync("hello\n"u8.ToArray());
/// ReadOnlyMemory&lt;byte&gt;? answer = await connection.ReadLineAsync();
/// </code>
/// </example>
[DebuggerDisplay("{_state}, {UnreadBytes} bytes unread")]
public sealed partial class StreamConnection : BufferedProtocol, IAsyncDisposable
{
    private readonly EventLoop _loop;
    private readonly StreamInput _input;
    private readonly Action<StreamConnection>? _made;
    private Action<StreamConnection>? _lost;
    private AsyncEvent? _closed;
    private State _state;

    /// <summary>Makes the protocol, for a transport on the loop that runs on this thread.</summary>
    /// <param name="options">The limits; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public StreamConnection(StreamOptions? options = null)
        : this(options, made: null)
    {
    }

    internal StreamConnection(StreamOptions? options, Action<StreamConnection>? made)
    {
        options ??= StreamOptions.Default;
        options.Validate();
        _loop = EventLoop.Current;
        _input = new StreamInput(_loop, this, options);
        _made = made;
    }

    private enum State : byte
    {
        Open,
        Closing,
        Lost,
    }

    /// <summary>Whether <see cref="Close"/> or an abort was called, or the connection is gone.</summary>
    public bool IsClosing => _state != State.Open || Transport.IsClosing;

    /// <summary>Why the connection is closing or closed; <see cref="CloseReason.None"/> while it is open.</summary>
    public CloseReason CloseReason => Transport.CloseReason;

    /// <summary>
    /// What broke the connection; null while it is there, and after an end in good order or a local abort
    /// (<see cref="CloseReason"/> says which).
    /// </summary>
    public Exception? CloseException { get; private set; }

    /// <summary>
    /// Carries what each of two connections receives to the other, with back-pressure, until both have ended: for gateways and
    /// proxies. The end of one side's stream becomes the end of the other's (half-close), and the other direction goes on. When
    /// one connection breaks, the other is aborted. Nobody else may read from them meanwhile; both are the caller's to close.
    /// </summary>
    /// <param name="first">One connection.</param>
    /// <param name="second">Another, on the same loop.</param>
    /// <param name="cancellationToken">Ends the relay, from any thread, and leaves both connections open.</param>
    /// <returns>How much was carried, and what broke; a fault of the network is not thrown.</returns>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled. What was read was written: nothing is
    /// lost, and another relay may go on.</exception>
    /// <exception cref="InvalidOperationException">Writing was completed on one of them, or somebody reads from it; or the loop
    /// does not run on this thread.</exception>
    public static Task<RelayResult> RelayAsync(
        StreamConnection first, StreamConnection second, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        return first != second
            ? Relay.RunAsync(first, second, cancellationToken)
            : throw new ArgumentException("A relay has two ends. To send back what arrives, write it.", nameof(second));
    }

    /// <summary>
    /// Ends the connection in good order: what was written leaves, what <see cref="Output"/> holds included, and what still
    /// arrives is thrown away (<see cref="Transport.Close()"/>). A read that is under way fails with
    /// <see cref="CloseReason.LocalClose"/>, unless the peer has ended; what has arrived can be read. A second call does nothing.
    /// </summary>
    public void Close()
    {
        if (BeginClosing())
        {
            Commit();
            Transport.Close();
            ReleaseWaits();
        }
    }

    /// <summary>Ends the connection at once: what is unsent is dropped, and the peer sees a reset.</summary>
    public void Abort()
    {
        BeginClosing();
        Transport.Abort();
        ReleaseWaits();
    }

    /// <summary>The same with a reason, as <see cref="Transport.Abort(ConnectionException)"/>.</summary>
    /// <param name="reason">What <see cref="CloseException"/> is to be.</param>
    /// <exception cref="ArgumentNullException">It is null.</exception>
    /// <exception cref="ArgumentException">It has <see cref="CloseReason.None"/>.</exception>
    public void Abort(ConnectionException reason)
    {
        Transport.Abort(reason);
        BeginClosing();
        ReleaseWaits();
    }

    /// <summary>
    /// Waits until the connection is gone. Never throws what broke it, which <see cref="CloseException"/> and
    /// <see cref="CloseReason"/> say; closes nothing itself. Any number may wait.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public ValueTask WaitClosedAsync(CancellationToken cancellationToken = default)
    {
        _loop.VerifyAccess();
        if (_state == State.Lost)
        {
            return default;
        }

        _closed ??= new AsyncEvent();
        return _closed.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Closes, and waits until the connection is gone, which is bounded by <see cref="TcpOptions.LingerTime"/>. In a cancelled
    /// scope, or when the scope is cancelled meanwhile, it aborts; that is not thrown, so as not to hide what is on its way.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_state == State.Lost)
        {
            return;
        }

        try
        {
            CancelScope.ThrowIfCancelled();
            Close();
            await WaitClosedAsync();
        }
        catch (ScopeCancelledException)
        {
            Abort();
            await CancelScope.RunAsync(async _ => await WaitClosedAsync(), shield: true);
        }
    }

    /// <summary>Called by the transport.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override void ConnectionMade() => _made?.Invoke(this);

    /// <summary>Called by the transport.</summary>
    /// <inheritdoc/>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override Memory<byte> GetBuffer(int sizeHint) => _input.Reserve();

    /// <summary>Called by the transport.</summary>
    /// <inheritdoc/>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override void BufferUpdated(int count) => _input.OnReceived(count);

    /// <summary>Called by the transport.</summary>
    /// <returns>True: the sending side stays open until <see cref="CompleteWrites"/> or <see cref="Close"/>.</returns>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override bool EofReceived()
    {
        _input.OnEnded();
        return true;
    }

    /// <summary>Called by the transport.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override void PauseWriting() => _isWritingPaused = true;

    /// <summary>Called by the transport.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override void ResumeWriting()
    {
        _isWritingPaused = false;
        ReleaseWriters();
    }

    /// <summary>Called by the transport.</summary>
    /// <inheritdoc/>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public override void ConnectionLost(Exception? reason)
    {
        _state = State.Lost;
        CloseException = reason;
        _output?.OnConnectionLost();
        ReleaseWaits();
        _closed?.Set();
        _lost?.Invoke(this);
    }

    /// <summary>Has the callback made when the connection is lost; one at a time.</summary>
    internal void OnLost(Action<StreamConnection>? callback) => _lost = callback;

    /// <summary>Whether the exception says no more than what is wrong with this connection.</summary>
    internal bool IsOwnFault(Exception exception)
        => exception == CloseException || exception == _input.Fault || exception == _closedError;

    private bool BeginClosing()
    {
        _loop.VerifyAccess();
        _ = Transport; // or there is nothing to close
        if (_state != State.Open)
        {
            return false;
        }

        _state = State.Closing;
        return true;
    }

    private void ReleaseWaits()
    {
        _input.Break(ClosedError());
        ReleaseWriters();
    }
}
