using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// A backend that lives on the loop of another: it never waits, and is polled from turns, callbacks that it posts, which run as a
/// poll of the loop's own does, with the synchronization context cleared and the flush of writes behind them.
/// </summary>
internal abstract class TurnBackend(EventLoop loop) : IoBackend
{
    private static readonly Action<object?> s_takeTurn = static self => ((TurnBackend)self!).TakeTurn();

    private bool _turnIsPosted;

    public override IoClock Clock => Loop.Host.Backend.Clock;

    protected EventLoop Loop { get; } = loop;

    public override void Attach()
    {
        // Nothing here is bound to a thread.
    }

    public override void Wake()
    {
        // It never sleeps.
    }

    /// <summary>Has a turn come, once however often this is called before.</summary>
    protected void PostTurn()
    {
        if (!_turnIsPosted)
        {
            _turnIsPosted = true;
            Loop.UnsafeCallSoon(s_takeTurn, this);
        }
    }

    protected override void Dispose(bool disposing)
    {
        // There is nothing that the garbage collector does not see.
    }

    private void TakeTurn()
    {
        _turnIsPosted = false;
        SynchronizationContext.SetSynchronizationContext(null); // the loop sets it again after each callback
        Poll(0);
        if (LastPoll == PollEnding.HasMore)
        {
            PostTurn();
        }
    }
}
