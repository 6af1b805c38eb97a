using System.Threading.Channels;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Primitives;

/// <summary>What coroutines do on .NET's thread pool, with .NET's own primitives.</summary>
internal static class PoolTasks
{
    public static async Task MeasureAsync(Timing timing)
    {
        await timing.MeasureAsync(PrimitiveName.SwitchTasks, CoroutineCount.All, () => Task.Run(SwitchAsync));
        await timing.MeasureAsync(PrimitiveName.PingPongOne, CoroutineCount.All, () => Task.Run(() => PingPongAsync(pairs: 1)));
        await timing.MeasureAsync(
            PrimitiveName.PingPong, CoroutineCount.All, () => Task.Run(() => PingPongAsync(CoroutineCount.Pairs)));
        await timing.MeasureAsync(PrimitiveName.Create, CoroutineCount.All, () => Task.Run(CreateAsync));
        using var semaphore = new SemaphoreSlim(1);
        await timing.MeasureAsync(PrimitiveName.Lock, CoroutineCount.All, () => Task.Run(() => EnterAsync(semaphore)));
        await timing.MeasureAsync(PrimitiveName.Semaphore, CoroutineCount.All, () => Task.Run(() => EnterAsync(semaphore)));
    }

    public static async Task<IReadOnlyList<PrimitiveMeasurement>> MeasureChannelAsync()
    {
        var timing = new Timing(Runner.Channel);
        await timing.MeasureAsync(PrimitiveName.Queue, CoroutineCount.All, () => Task.Run(WriteAndReadAsync));
        await timing.MeasureAsync(PrimitiveName.QueueBetween, CoroutineCount.All, () => Task.Run(ProduceAndConsumeAsync));
        return timing.Results;
    }

    private static Task SwitchAsync() => Switching.RunAsync(CoroutineCount.Tasks, CoroutineCount.All);

    private static Task PingPongAsync(int pairs) => Task.WhenAll(Enumerable.Range(0, pairs).SelectMany(_ =>
    {
        var table = new Table();
        int hops = CoroutineCount.All / pairs / 2;
        return (Task[])[PlayAsync(table, 0, hops), PlayAsync(table, 1, hops)];
    }));

    private static async Task PlayAsync(Table table, int side, int hops)
    {
        if (side == 1)
        {
            table.Sides[0].SetResult();
        }

        for (int i = 0; i < hops; i++)
        {
            await table.Sides[side].Task;
            table.Sides[side] = Table.NewSide();
            table.Sides[1 - side].SetResult();
        }
    }

    private static async Task CreateAsync()
    {
        var tasks = new Task[CoroutineCount.Tasks];
        for (int i = 0; i < CoroutineCount.All; i += tasks.Length)
        {
            for (int k = 0; k < tasks.Length; k++)
            {
                tasks[k] = Task.Run(static () => Task.CompletedTask);
            }

            await Task.WhenAll(tasks);
        }
    }

    private static async Task EnterAsync(SemaphoreSlim semaphore)
    {
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            await semaphore.WaitAsync();
            semaphore.Release();
        }
    }

    private static async Task WriteAndReadAsync()
    {
        var channel = Channel.CreateBounded<int>(CoroutineCount.QueueSize);
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            await channel.Writer.WriteAsync(i);
            await channel.Reader.ReadAsync();
        }
    }

    private static async Task ProduceAndConsumeAsync()
    {
        var channel = Channel.CreateBounded<int>(
            new BoundedChannelOptions(CoroutineCount.QueueSize) { SingleReader = true, SingleWriter = true });
        Task producer = Task.Run(async () =>
        {
            for (int i = 0; i < CoroutineCount.All; i++)
            {
                await channel.Writer.WriteAsync(i);
            }
        });
        for (int i = 0; i < CoroutineCount.All; i++)
        {
            await channel.Reader.ReadAsync();
        }

        await producer;
    }

    private sealed class Table
    {
        public TaskCompletionSource[] Sides { get; } = [NewSide(), NewSide()];

        public static TaskCompletionSource NewSide() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
