using System.Diagnostics;

namespace Toolkit.Transports;

/// <summary>
/// The life of a connection: where it is, and what is to be done when something happens. It decides and does not act; the
/// transport acts.
/// </summary>
[DebuggerDisplay("{Current}")]
internal struct ConnectionLifecycle
{
    /// <summary>Where a connection is. In this order: nothing goes back.</summary>
    public enum State : byte
    {
        /// <summary>The protocol does not know of it yet.</summary>
        New,

        /// <summary>Both directions are open.</summary>
        Open,

        /// <summary>WriteEof was called, and bytes are still to be sent; receiving.</summary>
        Finishing,

        /// <summary>Our side has ended; receiving.</summary>
        Finished,

        /// <summary>The peer's side has ended; ours is open.</summary>
        PeerEnded,

        /// <summary>The peer's side has ended, WriteEof was called, and bytes are still to be sent.</summary>
        PeerEndedFinishing,

        /// <summary>Both sides have ended; only the close is left, which follows at once.</summary>
        BothEnded,

        /// <summary>Closing: what was written is being sent, and what arrives is thrown away.</summary>
        Closing,

        /// <summary>The end is decided, and ConnectionLost is on its way.</summary>
        Losing,

        /// <summary>ConnectionLost was called.</summary>
        Lost,
    }

    /// <summary>What can happen to a connection.</summary>
    public enum Event : byte
    {
        /// <summary>The protocol is about to be told of the connection.</summary>
        Made,

        /// <summary>The peer's end of file was read.</summary>
        PeerEnd,

        /// <summary>The user ends the sending side.</summary>
        WriteEof,

        /// <summary>Everything that was written has left.</summary>
        Drained,

        /// <summary>The connection is to end in good order.</summary>
        Close,

        /// <summary>The connection is to end now, by the user's wish or because something broke.</summary>
        Abort,

        /// <summary>ConnectionLost is about to be called.</summary>
        LostTold,
    }

    /// <summary>What the transport is to do.</summary>
    [Flags]
    public enum Actions : byte
    {
        /// <summary>Nothing.</summary>
        None = 0,

        /// <summary>Tell the protocol of the end of file.</summary>
        TellEof = 1,

        /// <summary>Send what is left, and say when it has drained.</summary>
        Drain = 2,

        /// <summary>Send the end of our side.</summary>
        ShutdownSend = 4,

        /// <summary>Drop what is unsent, and reset the connection.</summary>
        Reset = 8,

        /// <summary>Throw away what arrives from here on.</summary>
        DiscardInput = 16,

        /// <summary>Have ConnectionLost called, later.</summary>
        Lose = 32,
    }

    /// <summary>Where the connection is.</summary>
    public State Current { get; private set; }

    /// <summary>Whether data that arrives goes to the protocol.</summary>
    public readonly bool CanRead => Current is State.Open or State.Finishing or State.Finished;

    /// <summary>Whether bytes may be written.</summary>
    public readonly bool CanWrite => Current is State.Open or State.PeerEnded;

    /// <summary>Whether <see cref="Event.Drained"/> is waited for.</summary>
    public readonly bool AwaitsDrain => Current is State.Finishing or State.PeerEndedFinishing or State.Closing;

    /// <summary>Whether the connection is on its way out, or gone.</summary>
    public readonly bool IsClosing => Current >= State.Closing;

    /// <summary>Whether the end is decided.</summary>
    public readonly bool IsOver => Current >= State.Losing;

    /// <summary>Takes an event, and says what it asks for.</summary>
    /// <exception cref="UnreachableException">
    /// The event cannot happen in this state, unless the transport is wrong.
    /// </exception>
    public Actions On(Event happening)
    {
        (Current, Actions actions) = Decide(Current, happening);
        return actions;
    }

    /// <summary>The table itself: the state that follows, and what is to be done.</summary>
    public static (State Next, Actions Actions) Decide(State state, Event happening)
    {
        const Actions GoodEnd = Actions.ShutdownSend | Actions.DiscardInput | Actions.Lose;
        const Actions BadEnd = Actions.Reset | Actions.Lose;
        return (state, happening) switch
        {
            (State.New, Event.Made) => (State.Open, Actions.None),

            (State.Open, Event.PeerEnd) => (State.PeerEnded, Actions.TellEof),
            (State.Finishing, Event.PeerEnd) => (State.PeerEndedFinishing, Actions.TellEof),
            (State.Finished, Event.PeerEnd) => (State.BothEnded, Actions.TellEof),

            (State.Open, Event.WriteEof) => (State.Finishing, Actions.Drain),
            (State.PeerEnded, Event.WriteEof) => (State.PeerEndedFinishing, Actions.Drain),

            (State.Finishing, Event.Drained) => (State.Finished, Actions.ShutdownSend),
            (State.PeerEndedFinishing, Event.Drained) => (State.Losing, GoodEnd),
            (State.Closing, Event.Drained) => (State.Losing, GoodEnd),

            (State.Open or State.Finishing or State.PeerEnded or State.PeerEndedFinishing, Event.Close)
                => (State.Closing, Actions.Drain | Actions.DiscardInput),
            (State.Finished or State.BothEnded, Event.Close)
                => (State.Losing, Actions.DiscardInput | Actions.Lose),

            (_, Event.Abort) when state is not (State.New or State.Losing or State.Lost) => (State.Losing, BadEnd),

            (State.Losing, Event.LostTold) => (State.Lost, Actions.None),

            // Said twice, or too late: the user may call anything at any time, and a completion may be on its way.
            (_, Event.WriteEof) when state is not State.New => (state, Actions.None),
            (State.Closing or State.Losing or State.Lost, Event.Close) => (state, Actions.None),
            (State.Losing or State.Lost, Event.Abort) => (state, Actions.None),
            (State.Closing or State.Losing, Event.PeerEnd) => (state, Actions.None),

            // Nobody can call what is not known to anybody, and the protocol is told of the beginning and the end once.
            (State.New, _) => throw Impossible(state, happening),
            (_, Event.Made or Event.LostTold) => throw Impossible(state, happening),

            // The end of file is read once, and nothing is read after the end.
            (State.PeerEnded or State.PeerEndedFinishing or State.BothEnded or State.Lost, Event.PeerEnd)
                => throw Impossible(state, happening),

            // Only where it is waited for.
            (_, Event.Drained) => throw Impossible(state, happening),

            _ => throw new UnreachableException($"{happening} in {state} is nothing that the table knows."),
        };
    }

    private static UnreachableException Impossible(State state, Event happening)
        => new($"{happening} cannot happen to a connection that is {state}.");
}
