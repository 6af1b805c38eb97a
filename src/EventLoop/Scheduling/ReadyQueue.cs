using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Toolkit.Scheduling;

/// <summary>
/// The callbacks that are ready to run, first in, first out: a ring of (delegate, state) pairs that grows and never
/// shrinks below what one busy iteration needed. Loop thread only.
/// </summary>
internal sealed class ReadyQueue
{
    private const int InitialCapacity = 256;

    private Entry[] _ring = new Entry[InitialCapacity]; // the length is a power of two, so that a mask replaces a modulo
    private int _head;
    private int _count;

    public int Count => _count;

    public void Enqueue(Action<object?> callback, object? state)
    {
        if (_count == _ring.Length)
        {
            Grow();
        }

        ref Entry entry = ref _ring[(_head + _count) & (_ring.Length - 1)];
        entry.Callback = callback;
        entry.State = state;
        _count++;
    }

    public void Dequeue(out Action<object?> callback, out object? state)
    {
        Debug.Assert(_count > 0, "The caller counts before it takes.");
        ref Entry entry = ref _ring[_head];
        callback = entry.Callback;
        state = entry.State;
        entry = default; // or the ring would keep what the callback captured alive
        _head = (_head + 1) & (_ring.Length - 1);
        _count--;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Grow()
    {
        var larger = new Entry[_ring.Length * 2];
        int firstPart = _ring.Length - _head;
        Array.Copy(_ring, _head, larger, 0, firstPart);
        Array.Copy(_ring, 0, larger, firstPart, _head);
        _ring = larger;
        _head = 0;
    }

    private struct Entry
    {
        public Action<object?> Callback;
        public object? State;
    }
}
