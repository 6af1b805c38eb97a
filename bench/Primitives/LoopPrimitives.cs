using Toolkit.Bench.Results;

namespace Toolkit.Bench.Primitives;

/// <summary>The operations of the toolkit's loop.</summary>
internal sealed class LoopPrimitives
{
    private const int Count = 100_000;
    private const int PerTurn = 1000;
    private const int LiveTimers = 10_000;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(30);

    private readonly EventLoop _loop;
    private readonly Action<object?> _count;
    private readonly Timing _timing = new(Runner.Toolkit);
    private TaskCompletionSource _done = new();
    private int _left;

    private LoopPrimitives(EventLoop loop)
    {
        _loop = loop;
        _count = _ =>
        {
            if (--_left == 0)
            {
                _done.SetResult();
            }
        };
    }

    public static IReadOnlyList<PrimitiveMeasurement> Measure()
        => EventLoop.Run(loop => new LoopPrimitives(loop).MeasureAsync());

    private async Task<IReadOnlyList<PrimitiveMeasurement>> MeasureAsync()
    {
        await _timing.MeasureAsync(PrimitiveName.CallSoonChain, Count, () => RunTurns(1, then => _loop.CallSoon(then, null)));
        await _timing.MeasureAsync(
            PrimitiveName.CallSoon, Count, () => RunTurns(PerTurn, callback => _loop.CallSoon(callback, null)));
        await _timing.MeasureAsync(
            PrimitiveName.CallSoonBare, Count, () => RunTurns(PerTurn, callback => _loop.UnsafeCallSoon(callback, null)));
        await _timing.MeasureAsync(
            PrimitiveName.PostOwnThread, Count, () => RunTurns(PerTurn, callback => _loop.CallSoonThreadSafe(callback, null)));
        await _timing.MeasureAsync(
            PrimitiveName.PostOtherThread, Count, () => RunFromOtherThread(() => _loop.CallSoonThreadSafe(_count, null)));
        await _timing.MeasureAsync(
            PrimitiveName.PostOtherThreadBare,
            Count,
            () => RunFromOtherThread(() => _loop.UnsafeCallSoonThreadSafe(_count, null)));

        TimerHandle[] timers = [.. Enumerable.Range(0, LiveTimers).Select(_ => _loop.CallLater(s_idle, () => { }))];
        await _timing.MeasureAsync(PrimitiveName.TimerRestart, Count, () => Restart(timers));
        Array.ForEach(timers, timer => timer.Cancel());

        await _timing.MeasureAsync(PrimitiveName.TimerCancel, Count, InsertAndCancel);
        await _timing.MeasureAsync(PrimitiveName.TimerExpire, Count, InsertAndExpire);
        await _timing.MeasureAsync(PrimitiveName.SwitchOne, Count, () => Switching.RunAsync(tasks: 1, Count));
        await _timing.MeasureAsync(PrimitiveName.SwitchMany, Count, () => Switching.RunAsync(PerTurn, Count));
        await new LoopTasks(_loop).MeasureAsync(_timing);
        return _timing.Results;
    }

    private Task Begin(int count)
    {
        _left = count;
        _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously); // or the next run began in this
        return _done.Task;
    }

    /// <summary>Schedules so many callbacks, and from the last of them as many again, until all have run.</summary>
    private Task RunTurns(int perTurn, Action<Action<object?>> schedule)
    {
        Task done = Begin(Count);
        int leftOfTurn = 0;
        Action<object?> callback = null!;
        callback = _ =>
        {
            _count(null);
            if (--leftOfTurn == 0 && _left > 0)
            {
                ScheduleTurn();
            }
        };
        ScheduleTurn();
        return done;

        void ScheduleTurn()
        {
            leftOfTurn = perTurn;
            for (int i = 0; i < perTurn; i++)
            {
                schedule(callback);
            }
        }
    }

    private Task RunFromOtherThread(Action post)
    {
        Task done = Begin(Count);
        new Thread(() =>
        {
            for (int i = 0; i < Count; i++)
            {
                post();
            }
        }).Start();
        return done;
    }

    private static Task Restart(TimerHandle[] timers)
    {
        for (int i = 0; i < Count; i++)
        {
            timers[i % LiveTimers].Reschedule(s_idle);
        }

        return Task.CompletedTask;
    }

    private Task InsertAndCancel()
    {
        var timers = new TimerHandle[Count];
        for (int i = 0; i < Count; i++)
        {
            timers[i] = _loop.CallLater(s_idle + TimeSpan.FromMilliseconds(i % LiveTimers), _count, null);
        }

        Array.ForEach(timers, timer => timer.Cancel());
        return Task.CompletedTask;
    }

    private Task InsertAndExpire()
    {
        Task done = Begin(Count);
        for (int i = 0; i < Count; i++)
        {
            _loop.CallLater(TimeSpan.FromMicroseconds(1 + (i % PerTurn)), _count, null);
        }

        return done;
    }
}
