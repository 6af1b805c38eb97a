namespace Toolkit.Scheduling;

/// <summary>
/// The loop's clock and timers as a <see cref="TimeProvider"/>. Timers may be made, changed and disposed from any thread:
/// off the loop's thread that is a post. Their callbacks run on the loop's thread.
/// </summary>
internal sealed class LoopTimeProvider(EventLoop loop) : TimeProvider
{
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => loop.Clock.Now;

    public override DateTimeOffset GetUtcNow() => loop.Clock.UtcNow;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new LoopTimer(loop, callback, state);
        try
        {
            timer.Start(dueTime, period);
        }
        catch
        {
            timer.Dispose();
            throw;
        }

        return timer;
    }

    /// <summary>One timer. What other threads ask for travels as a post, so that only the loop's thread touches the wheel.</summary>
    private sealed class LoopTimer : ITimer
    {
        // Set once.
        private readonly EventLoop _loop;
        private readonly TimerHandle _timer;
        private readonly TimerCallback _callback;
        private readonly object? _state;

        // Loop thread only.
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        // Any thread.
        private volatile bool _disposed;

        public LoopTimer(EventLoop loop, TimerCallback callback, object? state)
        {
            _loop = loop;
            _callback = callback;
            _state = state;
            _timer = new TimerHandle(loop, static self => ((LoopTimer)self!).Fire(), this, CancelScope.CaptureContext(), null);
        }

        public void Start(TimeSpan dueTime, TimeSpan period)
        {
            Validate(dueTime);
            Validate(period);
            Apply(dueTime, period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Validate(dueTime);
            Validate(period);
            if (_disposed)
            {
                return false;
            }

            Apply(dueTime, period);
            return true;
        }

        public void Dispose()
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_loop.IsCurrent)
            {
                _loop.Timers.Remove(_timer);
            }
            else
            {
                // After the loop's end there is nothing left to take the timer out of.
                _loop.TryPost(static self => ((LoopTimer)self!).RemoveDisposed(), this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private static void Validate(TimeSpan time)
        {
            if (time != Timeout.InfiniteTimeSpan)
            {
                ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
            }
        }

        private void Apply(TimeSpan dueTime, TimeSpan period)
        {
            long deadline = dueTime == Timeout.InfiniteTimeSpan ? TimerWheel.Never : _loop.DeadlineAfter(dueTime);
            if (_loop.IsCurrent)
            {
                Set(deadline, period);
            }
            else
            {
                _loop.PostOrThrow(
                    static change =>
                    {
                        var (self, deadline, period) = ((LoopTimer, long, TimeSpan))change!;
                        self.Set(deadline, period);
                    },
                    (this, deadline, period));
            }
        }

        private void Set(long deadline, TimeSpan period)
        {
            _loop.Timers.Remove(_timer);
            _period = period;
            if (!_disposed && deadline != TimerWheel.Never)
            {
                _loop.Timers.Schedule(_timer, deadline);
            }
        }

        private void RemoveDisposed() => _loop.Timers.Remove(_timer);

        private void Fire()
        {
            if (_disposed)
            {
                return;
            }

            if (_period > TimeSpan.Zero)
            {
                // In step with the first tick; ticks that a busy loop missed are skipped, not made up for.
                long missed = Math.Max(0, _loop.Clock.Now - _timer.Deadline) / _period.Ticks;
                long last = _timer.Deadline + (missed * _period.Ticks);
                _loop.Timers.Schedule(_timer, TimerWheel.Add(last, _period.Ticks));
            }

            _callback(_state);
        }
    }
}
