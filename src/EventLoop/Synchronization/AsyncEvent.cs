using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// A flag that coroutines wait for. Setting it releases all who wait at that moment, even if it is cleared at once. All members
/// belong to the thread of the loop on which it is first used.
/// </summary>
[DebuggerDisplay("{IsSet ? \"set\" : \"not set\",nq}, {_waiters.Count} wait")]
public sealed class AsyncEvent : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();
    private LoopBinding _binding;

    /// <summary>Whether the flag is set.</summary>
    public bool IsSet { get; private set; }

    /// <summary>Sets the flag, and releases all who wait, by posts, in the order in which they came.</summary>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public void Set()
    {
        _binding.Verify();
        IsSet = true;
        while (_waiters.TryTake(out Waiter? waiter))
        {
            ((Waiter<bool>)waiter).Complete(true);
        }
    }

    /// <summary>Clears the flag.</summary>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public void Clear()
    {
        _binding.Verify();
        IsSet = false;
    }

    /// <summary>Waits until the flag is set; returns at once when it is. Awaited once.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask WaitAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        return IsSet ? default : Waiter<bool>.Begin(loop, this, _waiters, cancellationToken).ToValueTask();
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("for", this, $"{_waiters.Count} wait");
}
