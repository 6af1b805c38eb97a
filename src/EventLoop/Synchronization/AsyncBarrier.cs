using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// Where so many coroutines wait for each other, again and again: the last to come releases all. One that is cancelled before
/// that has not come. All members belong to the thread of the loop on which it is first used.
/// </summary>
[DebuggerDisplay("{Waiting} of {Parties} have come")]
public sealed class AsyncBarrier : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();
    private LoopBinding _binding;

    /// <summary>Makes a barrier.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is for nobody.</exception>
    public AsyncBarrier(int parties)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parties, 1);
        Parties = parties;
    }

    /// <summary>How many wait for each other.</summary>
    public int Parties { get; }

    /// <summary>How many have come, and wait for the others.</summary>
    public int Waiting => _waiters.Count;

    /// <summary>Whether it was given up by <see cref="Abort"/>.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Waits for the others. The last to come does not wait. Awaited once.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>In which order it came: 0 for the first. The number serves to have one of them do something for all.</returns>
    /// <exception cref="BarrierBrokenException">In the task: the barrier was given up, or begun anew.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask<int> WaitAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<int>(refusal);
        }

        if (IsBroken)
        {
            return ValueTask.FromException<int>(new BarrierBrokenException("The barrier was given up."));
        }

        if (_waiters.Count == Parties - 1)
        {
            for (int index = 0; _waiters.TryTake(out Waiter? waiter); index++)
            {
                ((Waiter<int>)waiter).Complete(index);
            }

            return new ValueTask<int>(Parties - 1);
        }

        return Waiter<int>.Begin(loop, this, _waiters, cancellationToken).ToValueTaskOfResult();
    }

    /// <summary>
    /// Begins anew: those who wait get a <see cref="BarrierBrokenException"/>, and the barrier is whole afterwards.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public void Reset()
    {
        _binding.Verify();
        IsBroken = false;
        FailAll("The barrier was reset while this waited.");
    }

    /// <summary>Gives it up: those who wait and those who come get a <see cref="BarrierBrokenException"/>.</summary>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public void Abort()
    {
        _binding.Verify();
        IsBroken = true;
        FailAll("The barrier was given up.");
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("at", this, $"{Waiting} of {Parties} have come");

    private void FailAll(string message)
    {
        while (_waiters.TryTake(out Waiter? waiter))
        {
            waiter.Fail(new BarrierBrokenException(message));
        }
    }
}

/// <summary>The others of an <see cref="AsyncBarrier"/> will not come.</summary>
public sealed class BarrierBrokenException : InvalidOperationException
{
    internal BarrierBrokenException(string message)
        : base(message)
    {
    }
}
