using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// Lets coroutines that hold a lock wait for a change of what the lock guards. All members belong to the thread of the loop on
/// which it is first used.
/// </summary>
[DebuggerDisplay("{_waiters.Count} wait")]
public sealed class AsyncCondition : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();

    /// <summary>Makes a condition, on a lock of its own unless one is given.</summary>
    public AsyncCondition(AsyncLock? @lock = null) => Lock = @lock ?? new AsyncLock();

    /// <summary>The lock, which several conditions may share.</summary>
    public AsyncLock Lock { get; }

    /// <summary>Takes the lock: <see cref="AsyncLock.EnterAsync"/>.</summary>
    public ValueTask<AsyncLock.Releaser> EnterAsync(CancellationToken cancellationToken = default)
        => Lock.EnterAsync(cancellationToken);

    /// <summary>
    /// Gives the lock back, waits to be notified, and takes the lock again: cancelled, too, so that the caller holds it however
    /// this ends, and its releaser stays good. What was waited for may be over by then: look again, or use
    /// <see cref="WaitUntilAsync"/>.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait for the notification; from any thread.</param>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled before a notification came.</exception>
    /// <exception cref="InvalidOperationException">Nobody holds the lock, or this is not the thread of its loop.</exception>
    public async ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        VerifyHeld();
        if (Waiter.Refuse(Lock.Loop, cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        ValueTask notified = Waiter<bool>.Begin(Lock.Loop, this, _waiters, cancellationToken).ToValueTask();
        long holder = Lock.Holder;
        Lock.Release(holder);
        try
        {
            await notified;
        }
        finally
        {
            await Lock.ReenterAsync(holder);
        }
    }

    /// <summary>As <see cref="WaitAsync"/>, until the predicate holds; it is asked at once, and with the lock held.</summary>
    /// <inheritdoc cref="WaitAsync"/>
    public async ValueTask WaitUntilAsync(Func<bool> predicate, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(predicate);
        VerifyHeld();
        while (!predicate())
        {
            await WaitAsync(cancellationToken);
        }
    }

    /// <summary>Wakes so many of those who wait, in the order in which they came; each goes on when it has the lock.</summary>
    /// <exception cref="InvalidOperationException">Nobody holds the lock, or this is not the thread of its loop.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative.</exception>
    public void Notify(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        VerifyHeld();
        for (; count > 0 && _waiters.TryTake(out Waiter? waiter); count--)
        {
            ((Waiter<bool>)waiter).Complete(true);
        }
    }

    /// <summary>Wakes all who wait.</summary>
    /// <exception cref="InvalidOperationException">Nobody holds the lock, or this is not the thread of its loop.</exception>
    public void NotifyAll() => Notify(int.MaxValue);

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("for a notification of", this, $"{_waiters.Count} wait");

    private void VerifyHeld()
    {
        _ = Lock.Loop;
        if (!Lock.IsHeld)
        {
            throw new InvalidOperationException("Enter the condition's lock first, and leave it afterwards.");
        }
    }
}
