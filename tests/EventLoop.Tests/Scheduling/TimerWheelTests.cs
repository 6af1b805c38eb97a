using System.Runtime.CompilerServices;
using Toolkit.Scheduling;

namespace Toolkit.Tests.Scheduling;

public sealed class TimerWheelTests
{
    private static readonly long[] s_starts = [0, 1, 63, 64, (1L << 36) - 5, 1L << 36, (1L << 42) - 1, long.MaxValue / 3];

    [Fact]
    public void Wheel_RandomOperations_FiresExactlyAsTheOracle()
    {
        int fired = 0;
        for (int seed = 1; seed <= 160; seed++)
        {
            fired += new Comparison(seed).Run(operations: 2500);
        }

        Assert.True(fired >= 100_000, $"Only {fired} timers fired.");
    }

    [Fact]
    public void Wheel_DrivenByNextDeadline_FiresAllAndNeverLate()
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            var random = new Random(seed);
            long now = s_starts[seed % s_starts.Length];
            var wheel = new TimerWheel(now);
            var expected = new List<long>();
            for (int i = 0; i < 500; i++)
            {
                long deadline = now + RandomDelay(random);
                wheel.Schedule(NewTimer(), deadline);
                expected.Add(deadline);
            }

            expected.Sort();
            var fired = new List<long>();
            int passes = 0;
            while (wheel.NextDeadline() is var next and not TimerWheel.Never)
            {
                long earliest = expected[fired.Count];
                Assert.True(next <= earliest, $"Seed {seed}: the loop would wake at {next}, and {earliest} is due.");
                Assert.True(next >= now, $"Seed {seed}: the next deadline {next} is behind {now}.");
                now = next;
                wheel.TakeDue(now);
                while (wheel.TryTakeNextDue(out TimerHandle? timer))
                {
                    fired.Add(timer!.Deadline);
                    Assert.True(timer.Deadline == now, $"Seed {seed}: {timer.Deadline} fired at {now}.");
                }

                // Eleven levels: a timer moves down ten times at the most.
                Assert.True(++passes <= 500 * 11, $"Seed {seed}: the loop spins.");
            }

            Assert.Equal(expected, fired);
            Assert.Equal(0, wheel.Count);
        }
    }

    [Fact]
    public void TakeDue_TimerScheduledByCallbackOfThePass_WaitsForTheNext()
    {
        var wheel = new TimerWheel(0);
        wheel.Schedule(NewTimer(), 10);
        wheel.TakeDue(10);
        Assert.True(wheel.TryTakeNextDue(out _));

        TimerHandle late = NewTimer();
        wheel.Schedule(late, 5);

        Assert.False(wheel.TryTakeNextDue(out _));
        Assert.Equal(10, wheel.NextDeadline());
        wheel.TakeDue(10);
        Assert.True(wheel.TryTakeNextDue(out TimerHandle? next));
        Assert.Same(late, next);
    }

    [Fact]
    public void Remove_TimerDueInTheSamePass_IsNotFired()
    {
        var wheel = new TimerWheel(0);
        TimerHandle[] timers = [NewTimer(), NewTimer(), NewTimer()];
        foreach (TimerHandle timer in timers)
        {
            wheel.Schedule(timer, 100);
        }

        wheel.TakeDue(200);
        Assert.True(wheel.TryTakeNextDue(out TimerHandle? first));
        Assert.True(wheel.Remove(timers[1]));
        Assert.True(wheel.TryTakeNextDue(out TimerHandle? second));

        Assert.Same(timers[0], first);
        Assert.Same(timers[2], second);
        Assert.False(wheel.TryTakeNextDue(out _));
        Assert.Equal(0, wheel.Count);
    }

    [Fact]
    public void NextDeadline_PassNotDrained_IsNow()
    {
        var wheel = new TimerWheel(0);
        wheel.Schedule(NewTimer(), 7);
        wheel.TakeDue(9);

        Assert.Equal(1, wheel.Count);
        Assert.Equal(9, wheel.NextDeadline());
    }

    [Fact]
    public void Remove_TimerThatIsNotScheduled_IsFalse()
    {
        var wheel = new TimerWheel(0);
        TimerHandle timer = NewTimer();
        Assert.False(wheel.Remove(timer));

        wheel.Schedule(timer, 5);
        Assert.True(wheel.Remove(timer));
        Assert.False(wheel.Remove(timer));
        Assert.Equal(TimerWheel.Never, wheel.NextDeadline());

        wheel.TakeDue(100);
        Assert.False(wheel.TryTakeNextDue(out _));
    }

    [Theory]
    [InlineData(1L << 31)]
    [InlineData(1L << 40)]
    [InlineData(1L << 60)]
    [InlineData((1L << 60) + 1)]
    [InlineData(1L << 62)]
    [InlineData(long.MaxValue - 1)]
    public void Schedule_FarDeadline_FiresThenAndNotATickBefore(long deadline)
    {
        var wheel = new TimerWheel(12345);
        TimerHandle timer = NewTimer();
        wheel.Schedule(timer, deadline);
        Assert.Equal(deadline, wheel.NextDeadline());

        wheel.TakeDue(deadline - 1);
        Assert.False(wheel.TryTakeNextDue(out _));
        Assert.Equal(deadline, wheel.NextDeadline());

        wheel.TakeDue(deadline);
        Assert.True(wheel.TryTakeNextDue(out TimerHandle? fired));
        Assert.Same(timer, fired);
    }

    [Fact]
    public void Schedule_Never_NeitherFiresNorWakes()
    {
        var wheel = new TimerWheel(5);
        TimerHandle[] timers = [.. Enumerable.Range(0, 40).Select(_ => NewTimer())];
        foreach (TimerHandle timer in timers)
        {
            wheel.Schedule(timer, TimerWheel.Never);
        }

        // Forty in one slot are more than are looked at one by one: the slot's start then serves, and must be far as well.
        Assert.True(wheel.NextDeadline() > 1L << 58);
        wheel.TakeDue(1L << 58);
        Assert.False(wheel.TryTakeNextDue(out _));
        Assert.Equal(40, wheel.Count);
        Assert.All(timers, timer => Assert.True(wheel.Remove(timer)));
        Assert.Equal(TimerWheel.Never, wheel.NextDeadline());
    }

    [Fact]
    public void Schedule_EqualDeadlinesFromDifferentDistances_FireInOrderOfScheduling()
    {
        const long Deadline = 1 << 20;
        var wheel = new TimerWheel(0);
        var scheduled = new List<TimerHandle>();
        foreach (long now in (long[])[0, 1, 1000, Deadline - 70_000, Deadline - 4097, Deadline - 65, Deadline - 1, Deadline])
        {
            wheel.TakeDue(now);
            for (int i = 0; i < 20; i++)
            {
                TimerHandle timer = NewTimer();
                wheel.Schedule(timer, Deadline);
                scheduled.Add(timer);
            }

            if (now < Deadline)
            {
                Assert.False(wheel.TryTakeNextDue(out _));
            }
        }

        // The last twenty came after the pass had begun.
        var fired = new List<TimerHandle>();
        Drain(wheel, fired);
        Assert.Equal(scheduled[..^20], fired);
        wheel.TakeDue(Deadline);
        Drain(wheel, fired);
        Assert.Equal(scheduled, fired);
    }

    [Theory]
    [InlineData(0, 5, 5)]
    [InlineData(10, long.MaxValue, TimerWheel.Never)]
    [InlineData(10, long.MaxValue - 10, TimerWheel.Never)]
    [InlineData(10, long.MaxValue - 11, long.MaxValue - 1)]
    [InlineData(long.MaxValue, 0, TimerWheel.Never)]
    public void Add_BeyondTheRange_IsNever(long time, long ticks, long expected)
        => Assert.Equal(expected, TimerWheel.Add(time, ticks));

    [Fact]
    public void Remove_HundredThousandTimers_KeepsNoneOfThem()
    {
        var wheel = new TimerWheel(0);
        List<WeakReference> gone = ScheduleAndRemove(wheel);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        Assert.Equal(0, wheel.Count);
        Assert.DoesNotContain(gone, reference => reference.IsAlive);
        GC.KeepAlive(wheel);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static List<WeakReference> ScheduleAndRemove(TimerWheel wheel)
    {
        var random = new Random(7);
        TimerHandle[] timers = [.. Enumerable.Range(0, 100_000).Select(_ => NewTimer())];
        foreach (TimerHandle timer in timers)
        {
            wheel.Schedule(timer, RandomDelay(random));
        }

        Assert.Equal(timers.Length, wheel.Count);
        random.Shuffle(timers);
        Assert.All(timers, timer => Assert.True(wheel.Remove(timer)));
        return [.. timers.Take(1000).Select(timer => new WeakReference(timer))];
    }

    private static void Drain(TimerWheel wheel, List<TimerHandle> fired)
    {
        while (wheel.TryTakeNextDue(out TimerHandle? timer))
        {
            fired.Add(timer!);
        }
    }

    // The wheel never asks a timer for its loop.
    private static TimerHandle NewTimer(object? state = null) => new(null!, static _ => { }, state, null, null);

    private static long RandomDelay(Random random) => random.Next(10) switch
    {
        0 => 0,
        1 or 2 => random.Next(64),
        3 or 4 => random.Next(4096),
        5 or 6 => random.Next(1 << 18),
        7 => random.NextInt64(TimeSpan.TicksPerSecond * 10),
        8 => random.NextInt64(TimeSpan.TicksPerDay),
        _ => random.NextInt64(TimeSpan.TicksPerDay * 3650),
    };

    /// <summary>A wheel, and a sorted set that does the same.</summary>
    private sealed class Comparison
    {
        private readonly int _seed;
        private readonly Random _random;
        private readonly TimerWheel _wheel;
        private readonly SortedSet<(long Deadline, long Sequence, int Id)> _oracle = [];
        private readonly Dictionary<int, (long Deadline, long Sequence)> _scheduled = [];
        private readonly List<TimerHandle> _timers = [];
        private long _now;
        private long _sequence;

        public Comparison(int seed)
        {
            _seed = seed;
            _random = new Random(seed);
            _now = s_starts[seed % s_starts.Length];
            _wheel = new TimerWheel(_now);
        }

        public int Run(int operations)
        {
            int fired = 0;
            for (int i = 0; i < operations; i++)
            {
                switch (_random.Next(10))
                {
                    case < 5:
                        ScheduleNew();
                        break;
                    case 5:
                        RemoveAny();
                        break;
                    case 6:
                        RescheduleAny();
                        break;
                    default:
                        fired += Advance();
                        break;
                }

                CheckNextDeadline();
            }

            while (_oracle.Count > 0)
            {
                _now = _oracle.Min.Deadline;
                fired += Fire();
            }

            Check(_wheel.Count == 0, $"{_wheel.Count} timers are left");
            Check(_wheel.NextDeadline() == TimerWheel.Never, "an empty wheel has a deadline");
            return fired;
        }

        private void ScheduleNew()
        {
            // From time to time one that has fired or was removed, as a user's rescheduled timer is.
            int id = _timers.Count > 0 && _random.Next(4) == 0 ? _random.Next(_timers.Count) : _timers.Count;
            if (id == _timers.Count)
            {
                _timers.Add(NewTimer(id));
            }

            if (!_scheduled.ContainsKey(id))
            {
                Schedule(id);
            }
        }

        private void Schedule(int id)
        {
            long delay = _random.Next(12) == 0 ? -_random.Next(1000) : RandomDelay(_random);
            if (_oracle.Count > 0 && _random.Next(4) == 0)
            {
                delay = _oracle.Min.Deadline - _now; // for the very moment of another
            }

            long deadline = Math.Max(0, _now + delay);
            _wheel.Schedule(_timers[id], deadline);
            deadline = Math.Max(deadline, _now);
            _scheduled[id] = (deadline, _sequence);
            _oracle.Add((deadline, _sequence++, id));
        }

        private int AnyScheduled() => _oracle.Count == 0
            ? -1
            : _oracle.GetViewBetween((_random.NextInt64(_now, _oracle.Max.Deadline + 1), 0, 0), _oracle.Max) is { Count: > 0 } view
                ? view.Min.Id
                : _oracle.Min.Id;

        private bool RemoveAny()
        {
            int id = AnyScheduled();
            return id >= 0 && Remove(id);
        }

        private bool Remove(int id)
        {
            (long deadline, long sequence) = _scheduled[id];
            _scheduled.Remove(id);
            _oracle.Remove((deadline, sequence, id));
            Check(_wheel.Remove(_timers[id]), $"timer {id} is not in the wheel");
            return true;
        }

        private void RescheduleAny()
        {
            int id = AnyScheduled();
            if (id >= 0 && Remove(id))
            {
                Schedule(id);
            }
        }

        private int Advance()
        {
            _now = _random.Next(4) switch
            {
                0 => _now,
                1 when _oracle.Count > 0 => _oracle.Min.Deadline,
                2 when _oracle.Count > 0 && _oracle.Min.Deadline > _now => _oracle.Min.Deadline - 1,
                _ => _now + RandomDelay(_random),
            };
            return Fire();
        }

        // One pass, with callbacks that schedule, remove and reschedule.
        private int Fire()
        {
            int fired = 0;
            long firstOfNextPass = _sequence;
            _wheel.TakeDue(_now);
            while (true)
            {
                bool expected = TryGetExpected(firstOfNextPass, out var due);
                bool taken = _wheel.TryTakeNextDue(out TimerHandle? timer);
                Check(expected == taken, expected ? $"timer {due.Id} did not fire" : $"a timer fired that nobody expected");
                if (!taken)
                {
                    return fired;
                }

                int id = (int)State(timer!);
                Check(id == due.Id, $"timer {id} ({timer!.Deadline}) fired instead of {due}");
                Check(timer!.Deadline == due.Deadline, $"timer {id} says {timer.Deadline} instead of {due.Deadline}");
                Check(timer.Deadline <= _now, $"timer {id} fired early");
                Check(timer.List is null, $"timer {id} fired and is still scheduled");
                _oracle.Remove(due);
                _scheduled.Remove(id);
                fired++;
                switch (_random.Next(8))
                {
                    case 0:
                        ScheduleNew();
                        break;
                    case 1 when _oracle.Count > 0:
                        Remove(_oracle.Min.Id);
                        break;
                    case 2 when _oracle.Count > 0:
                        int moved = _oracle.Min.Id;
                        Remove(moved);
                        Schedule(moved);
                        break;
                }
            }
        }

        // What was scheduled after the pass had begun waits, even when it is due.
        private bool TryGetExpected(long firstOfNextPass, out (long Deadline, long Sequence, int Id) due)
        {
            foreach (var candidate in _oracle)
            {
                if (candidate.Deadline > _now)
                {
                    break;
                }

                if (candidate.Sequence < firstOfNextPass)
                {
                    due = candidate;
                    return true;
                }
            }

            due = default;
            return false;
        }

        private void CheckNextDeadline()
        {
            Check(_wheel.Count == _oracle.Count, $"the wheel counts {_wheel.Count} timers instead of {_oracle.Count}");
            long next = _wheel.NextDeadline();
            if (_oracle.Count == 0)
            {
                Check(next == TimerWheel.Never, $"an empty wheel says {next}");
            }
            else
            {
                Check(next <= _oracle.Min.Deadline, $"the next deadline {next} is after {_oracle.Min.Deadline}");
                Check(next >= _now, $"the next deadline {next} is before {_now}");
            }
        }

        private static object State(TimerHandle timer)
        {
            timer.GetCallback(out object? state);
            return state!;
        }

        private void Check(bool condition, string message)
        {
            if (!condition)
            {
                Assert.Fail($"Seed {_seed}, time {_now}: {message}.");
            }
        }
    }
}
