using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Toolkit.Synchronization;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// Items on their way between coroutines of one loop, first in, first out; bounded, so that who puts waits for who gets.
/// </summary>
/// <remarks>
/// <para>
/// Those who wait are served in the order in which they came. An item goes straight to the first who waits for one: cancelled
/// before that it gives up its place and nothing is lost; after that it returns the item, cancelled or not. Likewise
/// a wait to put either has put the item, or never will.
/// </para>
/// <para>All members belong to the thread of the loop on which it is first used.</para>
/// </remarks>
/// <typeparam name="T">The type of the items.</typeparam>
[DebuggerDisplay("{Count} items, {_getters.Count} wait to get, {_putters.Count} to put")]
public class AsyncQueue<T> : IWaiterOwner
{
    private readonly IItemStore<T> _items;
    private readonly WaiterQueue _getters = new();
    private readonly WaiterQueue _putters = new();
    private readonly WaiterQueue _joiners = new();
    private LoopBinding _binding;

    /// <summary>Makes a queue.</summary>
    /// <param name="capacity">How many items it holds; null for as many as memory does.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is not positive.</exception>
    public AsyncQueue(int? capacity = null)
        : this(new FifoStore<T>(), capacity)
    {
    }

    private protected AsyncQueue(IItemStore<T> items, int? capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity ?? 1, 1, nameof(capacity));
        _items = items;
        Capacity = capacity;
    }

    /// <summary>How many items it holds; null for as many as memory does.</summary>
    public int? Capacity { get; }

    /// <summary>How many items are in it.</summary>
    public int Count => _items.Count;

    /// <summary>Whether an item cannot be put without waiting.</summary>
    public bool IsFull => _items.Count >= (Capacity ?? int.MaxValue);

    /// <summary>Whether <see cref="Complete"/> was called: no more is put into it.</summary>
    public bool IsCompleted { get; private set; }

    /// <summary>How many items were put and have not been reported done by <see cref="TaskDone"/>.</summary>
    public int UnfinishedCount { get; private set; }

    /// <summary>Puts an item, and waits for room first. Returns at once, and allocates nothing, when there is some.</summary>
    /// <param name="item">The item.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="QueueCompletedException">In the task: the queue was completed before there was room.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled, and the item is not
    /// put.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask PutAsync(T item, CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        if (IsCompleted)
        {
            return ValueTask.FromException(new QueueCompletedException());
        }

        if (!IsFull)
        {
            Add(item);
            return default;
        }

        Putter waiter = Putter.Begin(loop, this, item);
        _putters.Append(waiter);
        waiter.Watch(cancellationToken);
        return waiter.ToValueTask();
    }

    /// <summary>Puts an item if there is room.</summary>
    /// <exception cref="QueueCompletedException">The queue was completed.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public bool TryPut(T item)
    {
        _binding.Verify();
        if (IsCompleted)
        {
            throw new QueueCompletedException();
        }

        if (IsFull)
        {
            return false;
        }

        Add(item);
        return true;
    }

    /// <summary>
    /// Takes an item, and waits for one first. Returns at once, and allocates nothing, when there is one. Awaited once.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="QueueCompletedException">In the task: the queue was completed, and nothing is left in it.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled, and no item is
    /// taken.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask<T> GetAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException<T>(refusal);
        }

        if (_items.Count > 0)
        {
            return new ValueTask<T>(Take());
        }

        if (IsCompleted)
        {
            return ValueTask.FromException<T>(new QueueCompletedException());
        }

        return Waiter<T>.Begin(loop, this, _getters, cancellationToken).ToValueTaskOfResult();
    }

    /// <summary>Takes an item if there is one; none is left for a newcomer while others wait.</summary>
    /// <returns>False when there is none, and after the queue was completed and emptied as well.</returns>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public bool TryGet([MaybeNullWhen(false)] out T item)
    {
        _binding.Verify();
        bool hasItem = _items.Count > 0;
        item = hasItem ? Take() : default;
        return hasItem;
    }

    /// <summary>Takes item after item until the queue was completed and nothing is left in it.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public async IAsyncEnumerable<T> GetAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            T item;
            try
            {
                item = await GetAsync(cancellationToken);
            }
            catch (QueueCompletedException)
            {
                yield break;
            }

            yield return item;
        }
    }

    /// <summary>
    /// Says that what was to be done for one item that was put is done; <see cref="JoinAsync"/> waits for that.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// It was said for each item that was put already; or this is not the thread of its loop.
    /// </exception>
    public void TaskDone()
    {
        _binding.Verify();
        if (UnfinishedCount == 0)
        {
            throw new InvalidOperationException("Every item that was put is done already. Call TaskDone once for each.");
        }

        UnfinishedCount--;
        ReleaseJoiners();
    }

    /// <summary>Waits until every item that was put has been done; returns at once when that is so. Awaited once.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public ValueTask JoinAsync(CancellationToken cancellationToken = default)
    {
        EventLoop loop = _binding.Loop;
        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        return UnfinishedCount == 0
            ? default
            : Waiter<bool>.Begin(loop, this, _joiners, cancellationToken).ToValueTask();
    }

    /// <summary>
    /// Ends the queue: nothing more is put into it, and those who wait to put get a <see cref="QueueCompletedException"/>, as do
    /// those who get when nothing is left. A second call may still drop what the first has left.
    /// </summary>
    /// <param name="drain">Whether the items in it can still be taken; if not they are dropped, and count as done.</param>
    /// <exception cref="InvalidOperationException">This is not the thread of its loop.</exception>
    public void Complete(bool drain = true)
    {
        _binding.Verify();
        IsCompleted = true;
        FailAll(_putters);
        if (!drain)
        {
            for (; _items.Count > 0; UnfinishedCount--)
            {
                _items.Take();
            }

            ReleaseJoiners();
        }

        FailAll(_getters); // nothing is left for them, or they would not wait
    }

    void IWaiterOwner.Abandon(Waiter waiter) => waiter.Queue?.Remove(waiter);

    WaitDescription IWaiterOwner.Describe(Waiter waiter)
        => new(
            waiter.Queue == _getters ? "to get from" : waiter.Queue == _putters ? "to put into" : "to join",
            this,
            $"{Count} items, {_getters.Count} wait to get, {_putters.Count} to put, {UnfinishedCount} not done");

    private static void FailAll(WaiterQueue waiters)
    {
        while (waiters.TryTake(out Waiter? waiter))
        {
            waiter.Fail(new QueueCompletedException());
        }
    }

    private void Add(T item)
    {
        UnfinishedCount++;
        if (_getters.TryTake(out Waiter? getter))
        {
            ((Waiter<T>)getter).Complete(item);
        }
        else
        {
            _items.Add(item);
        }
    }

    private T Take()
    {
        T item = _items.Take();
        if (_putters.TryTake(out Waiter? waiter))
        {
            var putter = (Putter)waiter;
            Add(putter.Item!);
            putter.Complete(true);
        }

        return item;
    }

    private void ReleaseJoiners()
    {
        while (UnfinishedCount == 0 && _joiners.TryTake(out Waiter? waiter))
        {
            ((Waiter<bool>)waiter).Complete(true);
        }
    }

    /// <summary>One who waits to put, with the item.</summary>
    private sealed class Putter : Waiter<bool>
    {
        private Putter(EventLoop loop)
            : base(loop)
        {
        }

        public T? Item { get; private set; }

        public static Putter Begin(EventLoop loop, AsyncQueue<T> queue, T item)
        {
            var putter = new Putter(loop) { Item = item };
            putter.BeginCore(loop, queue);
            return putter;
        }

        protected override void Free()
        {
            // Not kept: it is no more than a waiter, and has an item.
        }
    }
}

/// <summary>An <see cref="AsyncQueue{T}"/> that gives the item first which was put last.</summary>
/// <typeparam name="T">The type of the items.</typeparam>
/// <param name="capacity">How many items it holds; null for as many as memory does.</param>
public sealed class AsyncStack<T>(int? capacity = null) : AsyncQueue<T>(new LifoStore<T>(), capacity);

/// <summary>
/// An <see cref="AsyncQueue{T}"/> that gives the smallest item first; of equal ones, the one that was put first. Who waits gets
/// the next item that is put.
/// </summary>
/// <typeparam name="T">The type of the items.</typeparam>
/// <param name="capacity">How many items it holds; null for as many as memory does.</param>
/// <param name="comparer">Says which item is smaller; null for the type's own order.</param>
public sealed class AsyncPriorityQueue<T>(int? capacity = null, IComparer<T>? comparer = null)
    : AsyncQueue<T>(new OrderedStore<T>(comparer ?? Comparer<T>.Default), capacity);

/// <summary>A queue was completed: nothing can be put into it, and nothing is left.</summary>
public sealed class QueueCompletedException : InvalidOperationException
{
    internal QueueCompletedException()
        : base("The queue was completed.")
    {
    }
}
