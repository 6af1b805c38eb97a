namespace Toolkit.Bench.Primitives;

/// <summary>What coroutines do on the toolkit's loop.</summary>
internal sealed class LoopTasks(EventLoop loop)
{
    public async Task MeasureAsync(Timing timing)
    {
        await timing.MeasureAsync(PrimitiveName.SwitchTasks, CoroutineCount.All, SwitchAsync);
        await timing.MeasureAsync(PrimitiveName.PingPongOne, CoroutineCount.All, () => PingPongAsync(pairs: 1));
        await timing.MeasureAsync(PrimitiveName.PingPong, CoroutineCount.All, () => PingPongAsync(CoroutineCount.Pairs));
        await timing.MeasureAsync(PrimitiveName.Create, CoroutineCount.All, CreateAsync);

        var door = new AsyncLock();
        await timing.MeasureAsync(PrimitiveName.Lock, CoroutineCount.All, () => EnterAsync(door));
        var semaphore = new AsyncSemaphore(1);
        await timing.MeasureAsync(PrimitiveName.Semaphore, CoroutineCount.All, () => AcquireAsync(semaphore));
        await timing.MeasureAsync(PrimitiveName.Queue, CoroutineCount.All, PutAndGetAsync);
        await timing.MeasureAsync(PrimitiveName.QueueBetween, CoroutineCount.All, ProduceAndConsumeAsync);
    }

    private Task SwitchAsync() => TaskGroup.RunAsync(group =>
    {
        for (int i = 0; i < CoroutineCount.Tasks; i++)
        {
            _ = group.Start(GiveWayAsync);
        }

        return Task.CompletedTask;
    });

    private async Task GiveWayAsync()
    {
        for (int i = 0; i < CoroutineCount.All / CoroutineCount.Tasks; i++)
        {
            await loop.Yield();
        }
    }

    private static Task PingPongAsync(int pairs) => TaskGroup.RunAsync(group =>
    {
        for (int i = 0; i < pairs; i++)
        {
            var table = new Table();
            int hops = CoroutineCount.All / pairs / 2;
            _ = group.Start(() => PlayAsync(table, 0, hops));
            _ = group.Start(() => PlayAsync(table, 1, hops));
        }

        return Task.CompletedTask;
    });

    // One serves; each waits for the ball and hits it back.
    private static async Task PlayAsync(Table table, int side, int hops)
    {
        if (side == 1)
        {
            table.Sides[0].SetResult();
        }

        for (int i = 0; i < hops; i++)
        {
            await table.Sides[side];
            table.Sides[side] = new Future();
            table.Sides[1 - side].SetResult();
        }
    }

    private async Task CreateAsync()
    {
        var tasks = new LoopTask[CoroutineCount.Tasks];
        for (int i = 0; i < CoroutineCount.All; i += tasks.Length)
        {
            for (int k = 0; k < tasks.Length; k++)
            {
                tasks[k] = loop.CreateTask(static () => Task.CompletedTask);
            }

            await Future.WhenAll(tasks);
        }
    }

    private static async Task EnterAsync(AsyncLock door)
    {
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            using (await door.EnterAsync())
            {
            }
        }
    }

    private static async Task AcquireAsync(AsyncSemaphore semaphore)
    {
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            using (await semaphore.AcquireAsync())
            {
            }
        }
    }

    private static async Task PutAndGetAsync()
    {
        var queue = new AsyncQueue<int>(CoroutineCount.QueueSize);
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            await queue.PutAsync(i);
            await queue.GetAsync();
        }
    }

    private static async Task ProduceAndConsumeAsync()
    {
        var queue = new AsyncQueue<int>(CoroutineCount.QueueSize);
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(async () =>
            {
                for (int i = 0; i < CoroutineCount.All; i++)
                {
                    await queue.PutAsync(i);
                }
            });
            for (int i = 0; i < CoroutineCount.All; i++)
            {
                await queue.GetAsync();
            }
        });
    }

    private sealed class Table
    {
        public Future[] Sides { get; } = [new(), new()];
    }
}

/// <summary>How many there are of each; the script in Python has the same numbers.</summary>
internal static class CoroutineCount
{
    public const int All = 100_000;
    public const int Tasks = 1000;
    public const int Pairs = 500;
    public const int QueueSize = 100;
}
