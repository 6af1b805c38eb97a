namespace Toolkit.Simulation;

/// <summary>A callback of a protocol, by name.</summary>
public enum ProtocolCallback
{
    /// <summary><see cref="StreamProtocol.ConnectionMade"/>.</summary>
    ConnectionMade,

    /// <summary><see cref="Protocol.DataReceived"/>.</summary>
    DataReceived,

    /// <summary><see cref="BufferedProtocol.GetBuffer"/>.</summary>
    GetBuffer,

    /// <summary><see cref="BufferedProtocol.BufferUpdated"/>.</summary>
    BufferUpdated,

    /// <summary><see cref="StreamProtocol.EofReceived"/>.</summary>
    EofReceived,

    /// <summary><see cref="StreamProtocol.PauseWriting"/>.</summary>
    PauseWriting,

    /// <summary><see cref="StreamProtocol.ResumeWriting"/>.</summary>
    ResumeWriting,

    /// <summary><see cref="StreamProtocol.ConnectionLost"/>.</summary>
    ConnectionLost,
}

/// <summary>
/// Checks the order in which a transport calls its protocol: for tests of protocols that hand callbacks on, of transports, and
/// of what stands between the two.
/// </summary>
/// <remarks>
/// <para>
/// What it holds the transport to: <see cref="StreamProtocol.ConnectionMade"/>, then data any number of times, then perhaps
/// <see cref="StreamProtocol.EofReceived"/>, then <see cref="StreamProtocol.ConnectionLost"/>, once, when there is a
/// <see cref="Transport.CloseReason"/>. Pauses and resumptions of writing alternate in between, beginning with a pause. Data is
/// never empty, and comes neither while reading is paused nor on a closing transport, on which nothing but the end is told. No
/// callback but <see cref="StreamProtocol.PauseWriting"/> is made from within another, and all of them are made on the loop's
/// thread, with its synchronization context.
/// </para>
/// <para>
/// It collects what is wrong instead of throwing, since an exception out of a callback would change what is being watched: the
/// transport aborts. Ask for it afterwards, by <see cref="Violations"/> or <see cref="ThrowIfViolated"/>.
/// </para>
/// <para>One object checks one protocol, on the thread of its transport. It allocates nothing as long as all is well.</para>
/// </remarks>
/// <example>
/// <code>
/// public override void DataReceived(ReadOnlySpan&lt;byte&gt; data)
/// {
///     using CallbackEntry entry = Grammar.Enter(ProtocolCallback.DataReceived, Transport, data.Length);
///     ...
/// }
/// </code>
/// </example>
public sealed class CallbackGrammar
{
    private const int MaxViolations = 100; // the first tells the cause, and who is wrong may be so for ever

    private readonly List<string> _violations = [];
    private State _state = State.New;
    private bool _writingPaused;
    private bool _bufferGiven;
    private bool _isRunning;
    private bool _isFinished;

    private enum State
    {
        New,
        Open,
        EndOfFile,
        Lost,
        Replaced,
    }

    /// <summary>What was wrong so far, in the order in which it happened; the first hundred of it.</summary>
    public IReadOnlyList<string> Violations => _violations;

    /// <summary>Whether <see cref="StreamProtocol.ConnectionMade"/> was called, here or on one that was replaced.</summary>
    public bool IsMade => _state != State.New;

    /// <summary>Whether <see cref="StreamProtocol.ConnectionLost"/> was called.</summary>
    public bool IsLost => _state == State.Lost;

    /// <summary>
    /// Enters a callback, and checks whether it may be made now. It runs until the result is disposed, so that calls from
    /// within it are seen.
    /// </summary>
    /// <param name="callback">Which one.</param>
    /// <param name="transport">The transport that makes the call; null, a violation, when the protocol has none.</param>
    /// <param name="length">
    /// How many bytes <see cref="Protocol.DataReceived"/> or <see cref="BufferedProtocol.BufferUpdated"/> tell of.
    /// </param>
    public CallbackEntry Enter(ProtocolCallback callback, Transport? transport, int length = 0)
    {
        // PauseWriting alone is called from within a call, and so perhaps from within another callback.
        bool mayNest = callback == ProtocolCallback.PauseWriting;
        Require(mayNest || !_isRunning, callback, "was called from within another callback");
        Require(_state != State.Lost, callback, "was called after ConnectionLost");
        Require(_state != State.Replaced, callback, "was called on a protocol that was replaced");
        Require(transport is not null, callback, "was called without a transport");
        if (transport is not null)
        {
            RequireThread(callback);
        }

        switch (callback)
        {
            case ProtocolCallback.ConnectionMade:
                Require(_state == State.New, callback, "was called twice");
                _state = State.Open;
                break;
            case ProtocolCallback.DataReceived:
                RequireReading(callback, transport);
                Require(length > 0, callback, "was called without data");
                break;
            case ProtocolCallback.GetBuffer:
                RequireReading(callback, transport);
                _bufferGiven = true;
                break;
            case ProtocolCallback.BufferUpdated:
                RequireReading(callback, transport);
                Require(length > 0, callback, "was called without data");
                Require(_bufferGiven, callback, "was called without GetBuffer before it");
                _bufferGiven = false;
                break;
            case ProtocolCallback.EofReceived:
                RequireState(_state == State.Open, callback);
                RequireOpen(callback, transport);
                _state = State.EndOfFile;
                break;
            case ProtocolCallback.PauseWriting:
                RequireState(_state is State.Open or State.EndOfFile, callback);
                RequireOpen(callback, transport);
                Require(!_writingPaused, callback, "was called twice without a resumption");
                _writingPaused = true;
                break;
            case ProtocolCallback.ResumeWriting:
                RequireState(_state is State.Open or State.EndOfFile, callback);
                RequireOpen(callback, transport);
                Require(_writingPaused, callback, "was called without a pause");
                _writingPaused = false;
                break;
            case ProtocolCallback.ConnectionLost:
                Require(_state != State.New, callback, "was called before ConnectionMade");
                Require(transport is not { CloseReason: CloseReason.None }, callback, "was called without a close reason");
                _state = State.Lost;
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(callback), callback, "There is no such callback.");
        }

        bool wasRunning = _isRunning;
        _isRunning = true;
        return new CallbackEntry(this, wasRunning);
    }

    /// <summary>
    /// This checker's protocol is about to replace another on its transport: it goes on where the other was, which is called no
    /// more.
    /// </summary>
    /// <param name="former">The other's checker.</param>
    public void TakeOver(CallbackGrammar former)
    {
        ArgumentNullException.ThrowIfNull(former);
        if (_state != State.New)
        {
            Add("A protocol that was connected replaced another");
        }

        _state = former._state;
        _writingPaused = former._writingPaused;
        former._state = State.Replaced;
    }

    /// <summary>
    /// Says that nothing more will be called, as when the loop is gone, and checks what must hold then: whoever was told of a
    /// connection was told of its end. A second call does nothing.
    /// </summary>
    public void Finish()
    {
        if (!_isFinished && _state is State.Open or State.EndOfFile)
        {
            Add("ConnectionMade was called, and ConnectionLost never");
        }

        _isFinished = true;
    }

    /// <summary>Throws when something was wrong. Not from within a callback: see the remarks.</summary>
    /// <exception cref="InvalidOperationException">There are <see cref="Violations"/>, which the message lists.</exception>
    public void ThrowIfViolated()
    {
        if (_violations.Count > 0)
        {
            throw new InvalidOperationException($"The order of callbacks was broken. {string.Join("; ", _violations)}.");
        }
    }

    internal void Leave(bool wasRunning) => _isRunning = wasRunning;

    private void RequireReading(ProtocolCallback callback, Transport? transport)
    {
        RequireState(_state == State.Open, callback);
        RequireOpen(callback, transport);
        Require(transport is not { IsReading: false }, callback, "was called while reading was paused");
    }

    private void RequireOpen(ProtocolCallback callback, Transport? transport)
        => Require(transport is not { IsClosing: true }, callback, "was called on a closing transport");

    private void RequireThread(ProtocolCallback callback)
    {
        bool isOnLoop = EventLoop.TryGetCurrent(out EventLoop? loop);
        Require(isOnLoop, callback, "was called off the loop's thread");
        Require(
            !isOnLoop || SynchronizationContext.Current == loop!.SynchronizationContext,
            callback,
            "was called without the loop's synchronization context");
    }

    private void RequireState(bool condition, ProtocolCallback callback)
    {
        if (!condition)
        {
            Add($"{callback} was called when {_state}");
        }
    }

    private void Require(bool condition, ProtocolCallback callback, string violation)
    {
        if (!condition)
        {
            Add($"{callback} {violation}");
        }
    }

    private void Add(string violation)
    {
        if (_violations.Count < MaxViolations)
        {
            _violations.Add(violation);
        }
    }
}

/// <summary>The time during which a callback runs; made by <see cref="CallbackGrammar.Enter"/>.</summary>
public readonly ref struct CallbackEntry
{
    private readonly CallbackGrammar? _grammar;
    private readonly bool _wasRunning;

    internal CallbackEntry(CallbackGrammar grammar, bool wasRunning)
    {
        _grammar = grammar;
        _wasRunning = wasRunning;
    }

    /// <summary>The callback has returned.</summary>
    public void Dispose() => _grammar?.Leave(_wasRunning);
}
