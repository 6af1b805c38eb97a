using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// Lets so many coroutines at a time do something, such as talk to one server. As a semaphore, but its capacity may be changed
/// while it is used, and nobody can give back what they have not taken. All members belong to the thread of the loop on which it
/// is first used.
/// </summary>
[DebuggerDisplay("{InUse} of {Capacity} in use, {_waiters.Count} wait")]
public sealed class CapacityLimiter : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();
    private readonly HashSet<long> _entries = [];
    private LoopBinding _binding;
    private int _capacity;
    private long _lastEntry;

    /// <summary>Makes a limiter.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative.</exception>
    public CapacityLimiter(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        _capacity = capacity;
    }

    /// <summary>
    /// How many may be in at a time. More lets those in who wait; less sends nobody out, but lets nobody in until enough have
    /// left.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public int Capacity
    {
        get => _capacity;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _binding.Verify();
            _capacity = value;
            Admit();
        }
    }

    /// <summary>How many are in.</summary>
    public int InUse => _entries.Count;

    /// <summary>How many wait to get in.</summary>
    public int Waiting => _waiters.Count;

    /// <summary>Waits for a place, in the order of coming. Returns at once when there is one.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>What gives the place back when it is disposed, once. Awaited once.</returns>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask<Place> EnterAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<Place>(refusal);
        }

        return HasRoom
            ? new ValueTask<Place>(Enter())
            : Waiter<Place>.Begin(loop, this, _waiters, cancellationToken).ToValueTaskOfResult();
    }

    /// <summary>Takes a place if there is one.</summary>
    /// <param name="place">What gives the place back when it is disposed.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public bool TryEnter(out Place place)
    {
        _binding.Verify();
        bool hasRoom = HasRoom;
        place = hasRoom ? Enter() : default;
        return hasRoom;
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("to enter", this, $"{InUse} of {Capacity} in use, {_waiters.Count} wait");

    private bool HasRoom => _entries.Count < _capacity;

    private Place Enter()
    {
        _entries.Add(++_lastEntry);
        return new Place(this, _lastEntry);
    }

    private void Leave(long entry)
    {
        _binding.Verify();
        if (!_entries.Remove(entry))
        {
            throw new InvalidOperationException("The place was given back already. Dispose of it once, and of no copy.");
        }

        Admit();
    }

    private void Admit()
    {
        while (HasRoom && _waiters.TryTake(out Waiter? waiter))
        {
            ((Waiter<Place>)waiter).Complete(Enter());
        }
    }

    /// <summary>Gives the place back when it is disposed.</summary>
    public readonly struct Place : IDisposable, IEquatable<Place>
    {
        private readonly CapacityLimiter? _limiter;
        private readonly long _entry;

        internal Place(CapacityLimiter limiter, long entry)
        {
            _limiter = limiter;
            _entry = entry;
        }

        /// <summary>Compares the places.</summary>
        public static bool operator ==(Place left, Place right) => left.Equals(right);

        /// <summary>Compares the places.</summary>
        public static bool operator !=(Place left, Place right) => !left.Equals(right);

        /// <summary>Gives the place back: to the first who waits, by a post.</summary>
        /// <exception cref="InvalidOperationException">It was given back already, or this is not the thread of its
        /// loop.</exception>
        public void Dispose() => _limiter?.Leave(_entry);

        /// <inheritdoc/>
        public bool Equals(Place other) => _limiter == other._limiter && _entry == other._entry;

        /// <inheritdoc/>
        public override bool Equals(object? obj) => obj is Place other && Equals(other);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(_limiter, _entry);
    }
}
