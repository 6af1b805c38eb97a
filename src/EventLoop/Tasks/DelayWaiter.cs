namespace Toolkit.Tasks;

/// <summary>A wait for time to pass: a waiter with a timer of its own, which serves again with it.</summary>
internal sealed class DelayWaiter : Waiter<bool>, IWaiterOwner
{
    private static readonly Action<object?> s_elapsed = static waiter => ((DelayWaiter)waiter!).OnElapsed();

    private readonly TimerHandle _timer;
    private bool _isPosted;

    public DelayWaiter(EventLoop loop)
        : base(loop)
        => _timer = new TimerHandle(loop, s_elapsed, this, null, null);

    public void Begin(TimeSpan delay)
    {
        BeginCore(Loop, this);
        _isPosted = delay == TimeSpan.Zero;
        if (_isPosted)
        {
            Loop.Enqueue(s_elapsed, this);
        }
        else
        {
            Loop.Timers.Schedule(_timer, Loop.DeadlineAfter(delay));
        }
    }

    void IWaiterOwner.Abandon(Waiter waiter)
    {
        Loop.Timers.Remove(_timer);

        // What was posted still comes, and must not end the wait of another.
        IsReusable &= !_isPosted;
    }

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new(_isPosted ? "for the next iteration" : $"until {_timer.When}", null);

    protected override void Free() => Loop.Free(this);

    private void OnElapsed()
    {
        if (!IsOver)
        {
            EndInPlace();
        }
    }
}
