namespace Toolkit.Tests;

/// <summary>
/// Checks the order in which a transport calls its protocol: made, then data any number of times, then perhaps end of
/// file, then lost, once; pauses and resumptions of writing alternate in between, beginning with a pause. It collects what
/// is wrong instead of throwing, since an exception out of a callback would change what is being watched.
/// </summary>
public sealed class CallbackGrammar
{
    private readonly List<string> _violations = [];
    private State _state = State.New;
    private bool _writingPaused;
    private bool _running;

    private enum State
    {
        New,
        Open,
        EndOfFile,
        Lost,
        Replaced,
    }

    public IReadOnlyList<string> Violations => _violations;

    public bool IsMade => _state != State.New;

    public bool IsLost => _state == State.Lost;

    /// <summary>Enters a callback. <paramref name="transport"/> is null before there is one.</summary>
    public IDisposable Enter(string callback, Transport? transport, int length = 0)
    {
        // PauseWriting alone is called from within a call, and so perhaps from within another callback.
        bool nested = _running && callback != nameof(StreamProtocol.PauseWriting);
        Require(!nested, $"{callback} was called from within another callback");
        Require(_state != State.Lost, $"{callback} was called after ConnectionLost");
        Require(_state != State.Replaced, $"{callback} was called on a protocol that was replaced");
        Require(transport is not null, $"{callback} was called without a transport");
        if (transport is not null)
        {
            RequireThread(callback);
        }

        switch (callback)
        {
            case nameof(StreamProtocol.ConnectionMade):
                Require(_state == State.New, "ConnectionMade was called twice");
                _state = State.Open;
                break;
            case nameof(BufferedProtocol.GetBuffer):
                Require(_state == State.Open, $"GetBuffer was called when {_state}");
                Require(transport is not { IsClosing: true }, "GetBuffer was called on a closing transport");
                Require(transport is not { IsReading: false }, "GetBuffer was called while reading was paused");
                break;
            case nameof(Protocol.DataReceived):
                Require(_state == State.Open, $"DataReceived was called when {_state}");
                Require(length > 0, "DataReceived was called without data");
                Require(transport is not { IsClosing: true }, "DataReceived was called on a closing transport");
                Require(transport is not { IsReading: false }, "DataReceived was called while reading was paused");
                break;
            case nameof(StreamProtocol.EofReceived):
                Require(_state == State.Open, $"EofReceived was called when {_state}");
                Require(transport is not { IsClosing: true }, "EofReceived was called on a closing transport");
                _state = State.EndOfFile;
                break;
            case nameof(StreamProtocol.PauseWriting):
                Require(_state is State.Open or State.EndOfFile, $"PauseWriting was called when {_state}");
                Require(!_writingPaused, "PauseWriting was called twice without a resumption");
                Require(transport is not { IsClosing: true }, "PauseWriting was called on a closing transport");
                _writingPaused = true;
                break;
            case nameof(StreamProtocol.ResumeWriting):
                Require(_state is State.Open or State.EndOfFile, $"ResumeWriting was called when {_state}");
                Require(_writingPaused, "ResumeWriting was called without a pause");
                Require(transport is not { IsClosing: true }, "ResumeWriting was called on a closing transport");
                _writingPaused = false;
                break;
            case nameof(StreamProtocol.ConnectionLost):
                Require(_state != State.New, "ConnectionLost was called before ConnectionMade");
                Require(
                    transport is not { CloseReason: CloseReason.None }, "ConnectionLost was called without a close reason");
                _state = State.Lost;
                break;
        }

        bool outer = _running;
        _running = true;
        return new Leave(() => _running = outer);
    }

    /// <summary>
    /// The protocol is about to replace another on its transport: it goes on where the other was, and the other is called
    /// no more.
    /// </summary>
    public void TakeOver(CallbackGrammar former)
    {
        Require(_state == State.New, "A protocol that was connected replaced another");
        _state = former._state;
        _writingPaused = former._writingPaused;
        former._state = State.Replaced;
    }

    /// <summary>What must hold once the loop is gone: whoever was told of a connection was told of its end.</summary>
    public void Finish()
        => Require(_state is State.New or State.Lost or State.Replaced, "ConnectionMade was called, and ConnectionLost never");

    private void Require(bool condition, string violation)
    {
        if (!condition)
        {
            _violations.Add(violation);
        }
    }

    private void RequireThread(string callback)
    {
        Require(EventLoop.TryGetCurrent(out EventLoop? loop), $"{callback} was called off the loop's thread");
        Require(
            loop is null || SynchronizationContext.Current == loop.SynchronizationContext,
            $"{callback} was called without the loop's synchronization context");
    }

    private sealed class Leave(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
