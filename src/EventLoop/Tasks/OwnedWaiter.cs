using Toolkit.Backends;

namespace Toolkit.Tasks;

/// <summary>One who waits in a <see cref="PendingWait{T}"/>.</summary>
internal sealed class OwnedWaiter<T> : Waiter<T>, IWaiterOwner
{
    private const int FreeLimit = 64;

    [ThreadStatic]
    private static Stack<OwnedWaiter<T>>? s_free;

    private IPendingWaitOwner? _target;

    private OwnedWaiter(EventLoop loop)
        : base(loop)
    {
    }

    public static OwnedWaiter<T> Begin(EventLoop loop, IPendingWaitOwner target)
    {
        OwnedWaiter<T> waiter = s_free is { Count: > 0 } free ? free.Pop() : new OwnedWaiter<T>(loop);
        waiter._target = target;
        waiter.BeginCore(loop, waiter);
        return waiter;
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _target!.OnWaitCancelled();

    WaitDescription IWaiterOwner.Describe(Waiter waiter) => new(_target!.DescribeWait(), null);

    protected override void Free()
    {
        _target = null;
        s_free ??= new Stack<OwnedWaiter<T>>();
        if (s_free.Count < FreeLimit)
        {
            s_free.Push(this);
        }
    }
}
