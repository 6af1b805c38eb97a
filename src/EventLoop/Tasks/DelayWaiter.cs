namespace Toolkit.Tasks;

/// <summary>A wait for time to pass: a waiter with a timer of its own, which serves again with it.</summary>
internal sealed class DelayWaiter : Waiter<bool>, IWaiterOwner
{
    private readonly TimerHandle _timer;

    public DelayWaiter(EventLoop loop)
        : base(loop)
        => _timer = new TimerHandle(loop, static waiter => ((DelayWaiter)waiter!).Complete(true), this, null, null);

    public void Begin(TimeSpan delay)
    {
        BeginCore(Loop, this);
        if (delay > TimeSpan.Zero)
        {
            Loop.Timers.Schedule(_timer, Loop.DeadlineAfter(delay));
        }
        else
        {
            Complete(true);
        }
    }

    void IWaiterOwner.Abandon(Waiter waiter) => Loop.Timers.Remove(_timer);

    protected override void Free() => Loop.Free(this);
}
