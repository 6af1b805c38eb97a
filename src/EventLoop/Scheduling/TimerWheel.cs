using System.Diagnostics;
using System.Numerics;

namespace Toolkit.Scheduling;

/// <summary>
/// The loop's timers: a hierarchical wheel in 100 ns ticks whose firing order is exactly (deadline, order of
/// scheduling), and which never fires early. Loop thread only.
/// </summary>
/// <remarks>
/// <para>
/// Eleven levels of 64 slots cover every 64-bit deadline. The level of a timer is that of the highest bit in which its
/// deadline and the wheel's time differ, not that of the distance between them. So all timers with one deadline are on
/// the same level at any moment, in the same slot, and a slot's list is in the order in which they were scheduled:
/// entering a slot of a higher level moves its list, in order, to slots of lower levels that are empty at that moment.
/// A distance-based level would let a timer that was scheduled early and one that was scheduled late, both for the same
/// instant, sit on different levels, and the order between them would be an accident.
/// </para>
/// <para>
/// Scheduling, cancelling and restarting are a few instructions each, whatever the number of timers. Time moves only
/// in <see cref="TakeDue"/>.
/// </para>
/// </remarks>
internal sealed class TimerWheel
{
    /// <summary>What <see cref="NextDeadline"/> says when no timer is scheduled; also a deadline that never comes.</summary>
    public const long Never = long.MaxValue;

    private const int BitsPerLevel = 6;
    private const int SlotsPerLevel = 1 << BitsPerLevel;
    private const int SlotMask = SlotsPerLevel - 1;
    private const int Levels = (64 + BitsPerLevel - 1) / BitsPerLevel;

    /// <summary>
    /// How many timers of the earliest slot <see cref="NextDeadline"/> looks at to find the exact minimum. Beyond it the
    /// start of the slot serves: the loop then wakes a little early, finds nothing due, and sorts the slot while at it.
    /// </summary>
    private const int ExactScanLimit = 16;

    private readonly TimerList[] _slots = new TimerList[Levels * SlotsPerLevel];
    private readonly ulong[] _occupied = new ulong[Levels];
    private readonly TimerList _due = new();
    private long _time;

    public TimerWheel(long time)
    {
        _time = time;
        for (int i = 0; i < _slots.Length; i++)
        {
            _slots[i] = new TimerList { Level = i / SlotsPerLevel, Slot = i % SlotsPerLevel };
        }
    }

    /// <summary>How many timers are scheduled, those taken as due and not yet fired included.</summary>
    public int Count { get; private set; }

    /// <summary>The time so many ticks later; <see cref="Never"/> when that is beyond the clock's range.</summary>
    public static long Add(long time, long ticks) => ticks > Never - time ? Never : time + ticks;

    /// <summary>Schedules a timer that is not scheduled. A deadline in the past fires at the next pass.</summary>
    public void Schedule(TimerHandle timer, long deadline)
    {
        Debug.Assert(timer.List is null, "A timer stands in one list at a time.");
        timer.Deadline = Math.Max(deadline, _time);
        Place(timer);
        Count++;
    }

    /// <summary>Takes a timer out, whether it waits or is due. False when it is not scheduled.</summary>
    public bool Remove(TimerHandle timer)
    {
        if (timer.List is not { } list)
        {
            return false;
        }

        list.Remove(timer);
        if (list.Level >= 0 && list.IsEmpty)
        {
            _occupied[list.Level] &= ~(1UL << list.Slot);
        }

        Count--;
        return true;
    }

    /// <summary>
    /// Moves time to <paramref name="now"/> and sets all timers aside whose deadline has come, in order. They are fetched
    /// with <see cref="TryTakeNextDue"/>, so that a callback can still cancel one of the same pass, and what a callback
    /// schedules waits for the next.
    /// </summary>
    public void TakeDue(long now)
    {
        while (TryFindEarliestSlot(out int level, out int slot, out long start) && start <= now)
        {
            _time = Math.Max(_time, start);
            TimerList list = _slots[(level * SlotsPerLevel) + slot];
            _occupied[level] &= ~(1UL << slot);
            while (list.TakeFirst() is { } timer)
            {
                if (level == 0)
                {
                    _due.Append(timer);
                }
                else
                {
                    Place(timer); // relative to the new time, always on a lower level
                }
            }
        }

        _time = Math.Max(_time, now);
    }

    public bool TryTakeNextDue(out TimerHandle? timer)
    {
        timer = _due.TakeFirst();
        if (timer is null)
        {
            return false;
        }

        Count--;
        return true;
    }

    /// <summary>
    /// When the loop must look again: the earliest deadline, or (with many timers close together) a moment before it.
    /// Never after it. <see cref="Never"/> when no timer is scheduled.
    /// </summary>
    public long NextDeadline()
    {
        if (!_due.IsEmpty)
        {
            return _time;
        }

        if (!TryFindEarliestSlot(out int level, out int slot, out long start))
        {
            return Never;
        }

        if (level == 0)
        {
            return start;
        }

        long earliest = Never;
        int seen = 0;
        for (TimerHandle? timer = _slots[(level * SlotsPerLevel) + slot].First; timer is not null; timer = timer.Next)
        {
            if (++seen > ExactScanLimit)
            {
                return start;
            }

            earliest = Math.Min(earliest, timer.Deadline);
        }

        return earliest;
    }

    private void Place(TimerHandle timer)
    {
        ulong differing = (ulong)(timer.Deadline ^ _time);
        int level = differing == 0 ? 0 : BitOperations.Log2(differing) / BitsPerLevel;
        int slot = (int)(timer.Deadline >> (level * BitsPerLevel)) & SlotMask;
        _slots[(level * SlotsPerLevel) + slot].Append(timer);
        _occupied[level] |= 1UL << slot;
    }

    // The lowest level that holds anything holds the earliest timer: its deadlines agree with the wheel's time in all
    // higher bits, while those of the levels above are larger there.
    private bool TryFindEarliestSlot(out int level, out int slot, out long start)
    {
        for (level = 0; level < Levels; level++)
        {
            if (_occupied[level] == 0)
            {
                continue;
            }

            slot = BitOperations.TrailingZeroCount(_occupied[level]);
            int shift = level * BitsPerLevel;
            long higherBits = shift + BitsPerLevel >= 64 ? 0 : (_time >> (shift + BitsPerLevel)) << (shift + BitsPerLevel);
            start = higherBits | ((long)slot << shift);
            return true;
        }

        slot = 0;
        start = Never;
        return false;
    }
}
