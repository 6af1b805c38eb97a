using System.Threading.Channels;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Primitives;

/// <summary>What .NET itself has of the same kind: the thread pool, its timers, and channels.</summary>
internal sealed class PoolPrimitives
{
    private const int Count = 100_000;
    private const int Tasks = 1000;
    private const int LiveTimers = 10_000;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(30);

    private TaskCompletionSource _done = new();
    private int _left;

    public static async Task<IReadOnlyList<PrimitiveMeasurement>> MeasureAsync()
    {
        var primitives = new PoolPrimitives();
        return [.. await primitives.MeasurePoolAsync(), .. await MeasureChannelAsync(), .. await PoolTasks.MeasureChannelAsync()];
    }

    private async Task<IReadOnlyList<PrimitiveMeasurement>> MeasurePoolAsync()
    {
        var timing = new Timing(Runner.ThreadPool);
        await timing.MeasureAsync(PrimitiveName.PostOwnThread, Count, () => Task.Run(() => PostAll(preferLocal: true)));
        await timing.MeasureAsync(PrimitiveName.PostOtherThread, Count, () =>
        {
            Task done = Begin();
            new Thread(() => QueueAll(preferLocal: false)).Start();
            return done;
        });

        Timer[] timers = [.. Enumerable.Range(0, LiveTimers)
            .Select(_ => new Timer(_ => { }, null, s_idle, Timeout.InfiniteTimeSpan))];
        await timing.MeasureAsync(PrimitiveName.TimerRestart, Count, () => Restart(timers));
        Array.ForEach(timers, timer => timer.Dispose());

        await timing.MeasureAsync(PrimitiveName.TimerCancel, Count, InsertAndCancel);
        await timing.MeasureAsync(PrimitiveName.TimerExpire, Count, InsertAndExpireAsync);
        await timing.MeasureAsync(PrimitiveName.SwitchOne, Count, () => Task.Run(() => Switching.RunAsync(tasks: 1, Count)));
        await timing.MeasureAsync(PrimitiveName.SwitchMany, Count, () => Task.Run(() => Switching.RunAsync(Tasks, Count)));
        await PoolTasks.MeasureAsync(timing);
        return timing.Results;
    }

    private static async Task<IReadOnlyList<PrimitiveMeasurement>> MeasureChannelAsync()
    {
        var timing = new Timing(Runner.Channel);
        await timing.MeasureAsync(PrimitiveName.PostOtherThread, Count, async () =>
        {
            Channel<object?> channel = Channel.CreateUnbounded<object?>(
                new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
            new Thread(() =>
            {
                for (int i = 0; i < Count; i++)
                {
                    channel.Writer.TryWrite(null);
                }

                channel.Writer.Complete();
            }).Start();
            while (await channel.Reader.WaitToReadAsync())
            {
                while (channel.Reader.TryRead(out _))
                {
                }
            }
        });
        return timing.Results;
    }

    private Task Begin()
    {
        _left = Count;
        _done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _done.Task;
    }

    // The pool's callbacks run side by side.
    private void CountDown()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            _done.SetResult();
        }
    }

    private Task PostAll(bool preferLocal)
    {
        Task done = Begin();
        QueueAll(preferLocal);
        return done;
    }

    private void QueueAll(bool preferLocal)
    {
        for (int i = 0; i < Count; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static primitives => primitives.CountDown(), this, preferLocal);
        }
    }

    private static Task Restart(Timer[] timers)
    {
        for (int i = 0; i < Count; i++)
        {
            timers[i % LiveTimers].Change(s_idle, Timeout.InfiniteTimeSpan);
        }

        return Task.CompletedTask;
    }

    private static Task InsertAndCancel()
    {
        var timers = new Timer[Count];
        for (int i = 0; i < Count; i++)
        {
            timers[i] = new Timer(
                _ => { }, null, s_idle + TimeSpan.FromMilliseconds(i % LiveTimers), Timeout.InfiniteTimeSpan);
        }

        Array.ForEach(timers, timer => timer.Dispose());
        return Task.CompletedTask;
    }

    private async Task InsertAndExpireAsync()
    {
        Task done = Begin();
        var timers = new Timer[Count]; // a timer that nobody holds may not fire
        for (int i = 0; i < Count; i++)
        {
            timers[i] = new Timer(
                static primitives => ((PoolPrimitives)primitives!).CountDown(), this, 1, Timeout.Infinite);
        }

        await done;
        Array.ForEach(timers, timer => timer.Dispose());
    }
}
