namespace Toolkit.Synchronization;

/// <summary>The items of a queue, and which is next.</summary>
internal interface IItemStore<T>
{
    int Count { get; }

    void Add(T item);

    T Take();
}

/// <summary>First in, first out.</summary>
internal sealed class FifoStore<T> : IItemStore<T>
{
    private readonly Queue<T> _items = new();

    public int Count => _items.Count;

    public void Add(T item) => _items.Enqueue(item);

    public T Take() => _items.Dequeue();
}

/// <summary>Last in, first out.</summary>
internal sealed class LifoStore<T> : IItemStore<T>
{
    private readonly Stack<T> _items = new();

    public int Count => _items.Count;

    public void Add(T item) => _items.Push(item);

    public T Take() => _items.Pop();
}

/// <summary>The smallest first, and of equal ones the first: a heap alone does not say which.</summary>
internal sealed class OrderedStore<T>(IComparer<T> comparer) : IItemStore<T>
{
    private readonly PriorityQueue<T, (T Item, long Number)> _items = new(
        Comparer<(T Item, long Number)>.Create((x, y) =>
        {
            int order = comparer.Compare(x.Item, y.Item);
            return order != 0 ? order : x.Number.CompareTo(y.Number);
        }));

    private long _added;

    public int Count => _items.Count;

    public void Add(T item) => _items.Enqueue(item, (item, _added++));

    public T Take() => _items.Dequeue();
}
