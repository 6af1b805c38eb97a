using System.Diagnostics;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// A lock for coroutines of one loop, held across waits: <c>using (await door.EnterAsync()) { ... }</c>. Between waits nothing
/// else runs on a loop, so that no lock is needed there.
/// </summary>
/// <remarks>
/// First come, first served. The lock belongs to whoever has its <see cref="Releaser"/>, whichever task that is, and cannot be
/// entered twice. Cancelled before it is handed the lock, one who waits gives up its place; after that it holds the lock.
/// All members belong to the thread of the loop on which it is first used.
/// </remarks>
[DebuggerDisplay("{IsHeld ? \"held\" : \"free\",nq}, {_waiters.Count} wait")]
public sealed class AsyncLock : IWaiterOwner
{
    private readonly WaiterQueue _waiters = new();
    private LoopBinding _binding;
    private long _holder; // zero when nobody is
    private long _lastHolder;
    private ILoopTask? _holderTask; // in debug mode

    /// <summary>Whether somebody holds the lock.</summary>
    public bool IsHeld => _holder != 0;

    internal long Holder => _holder;

    internal EventLoop Loop => _binding.Loop;

    /// <summary>Waits until the lock is free, and takes it. Returns at once, and allocates nothing, when it is free.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>What gives the lock back when it is disposed, once. Awaited once.</returns>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask<Releaser> EnterAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<Releaser>(refusal);
        }

        return _holder == 0
            ? new ValueTask<Releaser>(Take(loop.IsDebug ? CancelScope.TaskOf(loop) : null))
            : Waiter<Releaser>.Begin(loop, this, _waiters, cancellationToken).ToValueTaskOfResult();
    }

    /// <summary>Takes the lock if it is free.</summary>
    /// <param name="releaser">What gives the lock back when it is disposed.</param>
    /// <returns>Whether it was free.</returns>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public bool TryEnter(out Releaser releaser)
    {
        _binding.Verify();
        bool isFree = _holder == 0;
        releaser = isFree ? Take(Loop.IsDebug ? CancelScope.TaskOf(Loop) : null) : default;
        return isFree;
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _waiters.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new("to enter", this, $"{_waiters.Count} wait", _holderTask);

    /// <summary>Takes the lock back for one who has let go of it to wait for something.</summary>
    internal async ValueTask ReenterAsync(long holder)
    {
        // Whoever waits for it here cannot go on without it, cancelled or not.
        await CancelScope.RunAsync(
            async _ =>
            {
                await EnterAsync();
                _holder = holder;
            },
            shield: true);
    }

    internal void Release(long holder)
    {
        _binding.Verify();
        if (_holder != holder || holder == 0)
        {
            throw new InvalidOperationException(
                "The lock was given back already. Each entry gives it back once: dispose of its releaser, and of no copy.");
        }

        _holder = 0;
        _holderTask = null;
        if (_waiters.TryTake(out Waiter? waiter))
        {
            ((Waiter<Releaser>)waiter).Complete(Take(Loop.IsDebug ? ((IScopeWait)waiter).Link.Scope?.Task : null));
        }
    }

    private Releaser Take(ILoopTask? task)
    {
        _holderTask = task;
        _holder = ++_lastHolder;
        return new Releaser(this, _holder);
    }

    /// <summary>Gives the lock back when it is disposed.</summary>
    public readonly struct Releaser : IDisposable, IEquatable<Releaser>
    {
        private readonly AsyncLock? _lock;
        private readonly long _holder;

        internal Releaser(AsyncLock @lock, long holder)
        {
            _lock = @lock;
            _holder = holder;
        }

        /// <summary>Compares the entries.</summary>
        public static bool operator ==(Releaser left, Releaser right) => left.Equals(right);

        /// <summary>Compares the entries.</summary>
        public static bool operator !=(Releaser left, Releaser right) => !left.Equals(right);

        /// <summary>Gives the lock back: to the first who waits for it, by a post.</summary>
        /// <exception cref="InvalidOperationException">It was given back already, or this is not the thread of its
        /// loop.</exception>
        public void Dispose() => _lock?.Release(_holder);

        /// <inheritdoc/>
        public bool Equals(Releaser other) => _lock == other._lock && _holder == other._holder;

        /// <inheritdoc/>
        public override bool Equals(object? obj) => obj is Releaser other && Equals(other);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(_lock, _holder);
    }
}
