using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// A number of permits that coroutines take and give back. First come, first served: who comes while others wait, waits behind
/// them. Cancelled before it is handed a permit, one who waits gives up its place; after that it has the permit.
/// All members belong to the thread of the loop on which it is first used.
/// </summary>
[DebuggerDisplay("{Available} available, {_waiters.Count} wait")]
public sealed class AsyncSemaphore : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();
    private readonly int _maximum;
    private LoopBinding _binding;

    /// <summary>Makes a semaphore.</summary>
    /// <param name="permits">How many permits there are at first.</param>
    /// <param name="maximum">
    /// How many there may be: to give back more is an error then. Null for no bound, which makes sense where permits are counts
    /// of something that is produced.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or above the maximum.</exception>
    public AsyncSemaphore(int permits, int? maximum = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(permits);
        _maximum = maximum ?? int.MaxValue;
        ArgumentOutOfRangeException.ThrowIfLessThan(_maximum, Math.Max(1, permits), nameof(maximum));
        Available = permits;
    }

    /// <summary>How many permits can be taken at once. Zero while anybody waits.</summary>
    public int Available { get; private set; }

    /// <summary>Waits for a permit. Returns at once, and allocates nothing, when there is one.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>
    /// What gives the permit back when it is disposed, for those who do not call <see cref="Release"/>. Awaited once.
    /// </returns>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask<Permit> AcquireAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<Permit>(refusal);
        }

        if (Available > 0)
        {
            Available--;
            return new ValueTask<Permit>(new Permit(this));
        }

        return Waiter<Permit>.Begin(loop, this, _waiters, cancellationToken).ToValueTaskOfResult();
    }

    /// <summary>Takes a permit if there is one, and nobody waits for it.</summary>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public bool TryAcquire()
    {
        _binding.Verify();
        if (Available == 0)
        {
            return false;
        }

        Available--;
        return true;
    }

    /// <summary>Gives permits back: to those who wait, by posts, in the order in which they came.</summary>
    /// <exception cref="InvalidOperationException">
    /// There would be more than the maximum; nothing happens then. Or this is not the thread of its loop.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative.</exception>
    public void Release(int count = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        _binding.Verify();
        if (count - _waiters.Count > _maximum - Available)
        {
            throw new InvalidOperationException(
                $"The semaphore has at most {_maximum} permits, and more are given back than were taken. Release each once.");
        }

        for (; count > 0; count--)
        {
            if (_waiters.TryTake(out Waiter? waiter))
            {
                ((Waiter<Permit>)waiter).Complete(new Permit(this));
            }
            else
            {
                Available += count;
                break;
            }
        }
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("for a permit of", this, $"{Available} available, {_waiters.Count} wait");

    /// <summary>Gives a permit back when it is disposed, each time.</summary>
    public readonly struct Permit : IDisposable, IEquatable<Permit>
    {
        private readonly AsyncSemaphore? _semaphore;

        internal Permit(AsyncSemaphore semaphore) => _semaphore = semaphore;

        /// <summary>Compares the semaphores.</summary>
        public static bool operator ==(Permit left, Permit right) => left.Equals(right);

        /// <summary>Compares the semaphores.</summary>
        public static bool operator !=(Permit left, Permit right) => !left.Equals(right);

        /// <summary>As <see cref="Release"/>.</summary>
        public void Dispose() => _semaphore?.Release();

        /// <inheritdoc/>
        public bool Equals(Permit other) => _semaphore == other._semaphore;

        /// <inheritdoc/>
        public override bool Equals(object? obj) => obj is Permit other && Equals(other);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(_semaphore);
    }
}
