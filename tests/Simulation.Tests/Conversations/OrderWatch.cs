using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated.Conversations;

/// <summary>
/// Sees that a loop runs callbacks in the order in which they were scheduled, and timers in the order of their times, none early,
/// none twice and none forgotten, on one thread and in time that never goes back.
/// </summary>
internal sealed class OrderWatch
{
    private readonly EventLoop _loop;
    private readonly SeededRandom _random;
    private readonly Action<bool, string> _require;
    private readonly SortedSet<(TimeSpan Due, int Number)> _pending = [];
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private TimeSpan _lastSeen;
    private int _scheduled;
    private int _ran;
    private int _timers;
    private bool _isOver;

    public OrderWatch(EventLoop loop, SeededRandom random, Action<bool, string> require)
    {
        _loop = loop;
        _random = random;
        _require = require;
        Tick();
    }

    /// <summary>Whether all that was scheduled has run.</summary>
    public bool IsSettled => _pending.Count == 0 && _ran == _scheduled;

    /// <summary>Nothing more is scheduled.</summary>
    public void End() => _isOver = true;

    private void Tick()
    {
        See();
        if (_isOver)
        {
            return;
        }

        for (int i = _random.Next(1, 4); i > 0; i--)
        {
            int number = _scheduled++;
            _loop.CallSoon(() =>
            {
                See();
                _require(number == _ran++, "a callback overtook another");
            });
        }

        for (int i = _random.Next(0, 3); i > 0; i--)
        {
            (TimeSpan Due, int Number) timer = (_loop.Time + TimeSpan.FromMilliseconds(_random.Next(0, 50) * 10), _timers++);
            _pending.Add(timer);
            _loop.CallAt(timer.Due, () =>
            {
                See();
                _require(_loop.Time >= timer.Due, "a timer was early");
                _require(_pending.Count > 0 && _pending.Min == timer, "a timer came out of its order, or twice");
                _pending.Remove(timer);
            });
        }

        _loop.CallLater(TimeSpan.FromMilliseconds(_random.Next(1, 10_000)), Tick);
    }

    private void See()
    {
        _require(_loop.Time >= _lastSeen, "time went back");
        _require(Environment.CurrentManagedThreadId == _thread && _loop.IsCurrent, "a callback ran elsewhere");
        _lastSeen = _loop.Time;
    }
}
