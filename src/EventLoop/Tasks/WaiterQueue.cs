using System.Diagnostics;

namespace Toolkit.Tasks;

/// <summary>
/// Those who wait, first come, first served. The list runs through the waiters, so that one leaves without a search.
/// </summary>
internal sealed class WaiterQueue
{
    private Waiter? _last;

    public Waiter? First { get; private set; }

    public int Count { get; private set; }

    public bool IsEmpty => First is null;

    public void Append(Waiter waiter)
    {
        Debug.Assert(waiter.Queue is null && waiter.Next is null && waiter.Previous is null, "A waiter stands in one queue.");
        waiter.Queue = this;
        waiter.Previous = _last;
        if (_last is null)
        {
            First = waiter;
        }
        else
        {
            _last.Next = waiter;
        }

        _last = waiter;
        Count++;
    }

    /// <summary>Takes the waiter out. Nothing happens when it stands here no more.</summary>
    public void Remove(Waiter waiter)
    {
        if (waiter.Queue != this)
        {
            return;
        }

        if (waiter.Previous is null)
        {
            First = waiter.Next;
        }
        else
        {
            waiter.Previous.Next = waiter.Next;
        }

        if (waiter.Next is null)
        {
            _last = waiter.Previous;
        }
        else
        {
            waiter.Next.Previous = waiter.Previous;
        }

        waiter.Queue = null;
        waiter.Next = null;
        waiter.Previous = null;
        Count--;
    }

    public bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Waiter? waiter)
    {
        waiter = First;
        if (waiter is null)
        {
            return false;
        }

        Remove(waiter);
        return true;
    }
}
