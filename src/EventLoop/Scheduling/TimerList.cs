using System.Diagnostics;

namespace Toolkit.Scheduling;

/// <summary>A doubly linked list through the timers themselves, so that removal needs no search and no node.</summary>
internal sealed class TimerList
{
    /// <summary>Where the list stands in the wheel; the list of due timers stands nowhere.</summary>
    public int Level { get; init; } = -1;

    public int Slot { get; init; } = -1;

    public TimerHandle? First { get; private set; }

    private TimerHandle? Last { get; set; }

    public bool IsEmpty => First is null;

    public void Append(TimerHandle timer)
    {
        Debug.Assert(timer.List is null && timer.Next is null && timer.Previous is null, "A timer is in one list only.");
        timer.List = this;
        timer.Previous = Last;
        if (Last is null)
        {
            First = timer;
        }
        else
        {
            Last.Next = timer;
        }

        Last = timer;
    }

    public void Remove(TimerHandle timer)
    {
        Debug.Assert(timer.List == this, "The timer is in this list.");
        if (timer.Previous is null)
        {
            First = timer.Next;
        }
        else
        {
            timer.Previous.Next = timer.Next;
        }

        if (timer.Next is null)
        {
            Last = timer.Previous;
        }
        else
        {
            timer.Next.Previous = timer.Previous;
        }

        timer.List = null;
        timer.Next = null;
        timer.Previous = null;
    }

    public TimerHandle? TakeFirst()
    {
        TimerHandle? first = First;
        if (first is not null)
        {
            Remove(first);
        }

        return first;
    }
}
