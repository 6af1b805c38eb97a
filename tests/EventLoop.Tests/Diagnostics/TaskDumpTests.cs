using Toolkit.Diagnostics;
using Toolkit.Tests.Tasks;

namespace Toolkit.Tests.Diagnostics;

/// <summary>Who waits for what, in writing.</summary>
public sealed class TaskDumpTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Tree_TasksGroupsScopesAndWaits_IsTheWholePicture() => Scenario.Run(async loop =>
    {
        var jobs = new AsyncQueue<int>(capacity: 1);
        var door = new AsyncLock();
        string dump = "";
        using (await door.EnterAsync())
        {
            LoopTask hidden = loop.CreateTask(() => Task.Delay(s_second, loop.TimeProvider), "hidden");
            await TaskGroup.RunAsync(async group =>
            {
                _ = group.Start(async () => await jobs.GetAsync(), "getter");
                _ = group.Start(() => EnterAsync(door), "entrant");
                _ = group.Start(
                    () => CancelScope.RunAsync(async _ => await loop.Delay(10 * s_second), deadline: 5 * s_second, shield: true),
                    "sleeper");
                _ = group.Start(async () => await hidden, "follower");
                Future reader = group.Start(async () => dump = await ReadAsync(loop), "reader");
                await reader;
                group.Cancel("enough");
            });
            await hidden;
        }

        Assert.Equal(
            """
              task main
                group of 5 tasks
                  waits for task reader
                  task getter
                    waits to get from AsyncQueue<Int32> #1 (0 items, 1 wait to get, 0 to put, 0 not done)
                  task entrant
                    waits to enter AsyncLock #1 (1 wait)
                  task sleeper
                    scope, deadline 00:00:05, shielded
                      waits until 00:00:10
                  task follower
                    waits for task hidden
                  task reader, running
              task hidden, ready, or awaiting what is none of the loop's waits
              task newcomer, not begun
            """,
            string.Join('\n', dump.TrimEnd().Split('\n')[1..]));
        Assert.StartsWith("simulated loop at 00:00:00: 8 tasks, ", dump, StringComparison.Ordinal);
    });

    [Fact]
    public void Objects_ThatSeveralWaitFor_AreTheSameByNumber() => Scenario.Run(async loop =>
    {
        var first = new AsyncEvent();
        var second = new AsyncEvent();
        LoopTask[] tasks =
        [
            loop.CreateTask(async () => await first.WaitAsync()),
            loop.CreateTask(async () => await second.WaitAsync()),
            loop.CreateTask(async () => await first.WaitAsync()),
        ];
        await loop.Yield();

        string[] waits = [.. loop.DumpTasks().Split('\n').Where(line => line.Contains("AsyncEvent", StringComparison.Ordinal))];
        Assert.Equal(["#1 (2 wait)", "#2 (1 wait)", "#1 (2 wait)"], waits.Select(line => line[line.IndexOf('#', StringComparison.Ordinal)..]));

        first.Set();
        second.Set();
        await Future.WhenAll(tasks);
    });

    [Fact]
    public void Waits_OfEveryPrimitive_SayWhatFor() => Scenario.Run(async loop =>
    {
        var full = new AsyncQueue<string>(capacity: 1);
        await full.PutAsync("a");
        var gate = new AsyncSemaphore(0);
        var limiter = new CapacityLimiter(0);
        var barrier = new AsyncBarrier(2);
        var condition = new AsyncCondition();
        var future = new Future<byte[]>();
        await TaskGroup.RunAsync(async group =>
        {
            _ = group.Start(async () => await full.PutAsync("b"));
            _ = group.Start(async () => await full.JoinAsync());
            _ = group.Start(async () => await gate.AcquireAsync());
            _ = group.Start(async () => await limiter.EnterAsync());
            _ = group.Start(async () => await barrier.WaitAsync());
            _ = group.Start(() => NotifiedAsync(condition));
            _ = group.Start(async () => await future);
            _ = group.Start(async () => await future.WaitAsync(CancellationToken.None));
            await loop.Yield();

            string dump = loop.DumpTasks();
            foreach (string what in (string[])
            [
                "to put into AsyncQueue<String> #1 (1 items, 0 wait to get, 1 to put, 1 not done)",
                "to join AsyncQueue<String> #1",
                "for a permit of AsyncSemaphore #1 (0 available, 1 wait)",
                "to enter CapacityLimiter #1 (0 of 0 in use, 1 wait)",
                "at AsyncBarrier #1 (1 of 2 have come)",
                "for a notification of AsyncCondition #1 (1 wait)",
                "for Future<Byte[]> #1",
            ])
            {
                Assert.Contains($"  waits {what}", dump, StringComparison.Ordinal);
            }

            Assert.Equal(2, dump.Split("for Future<Byte[]> #1").Length - 1);
            group.Cancel();
        });
    });

    [Fact]
    public void Tasks_ThatWaitForEachOther_AreACircle() => Scenario.Run(async loop =>
    {
        LoopTask? second = null;
        LoopTask first = loop.CreateTask(async () => await second!, "chicken");
        second = loop.CreateTask(async () => await first, "egg");
        LoopTask third = loop.CreateTask(async () => await first, "bystander");
        await loop.Yield();

        string[] circles = [.. loop.DumpTasks().Split('\n').Where(line => line.StartsWith("a circle", StringComparison.Ordinal))];
        Assert.Equal("a circle: chicken waits for egg waits for chicken", Assert.Single(circles));

        first.Cancel();
        second.Cancel();
        third.Cancel();
        await Scenario.TurnsAsync(3);
        Assert.DoesNotContain("circle", loop.DumpTasks(), StringComparison.Ordinal);
    });

    [Fact]
    public void Cancelled_AndNotEnded_SaysWhy() => Scenario.Run(async loop =>
    {
        Future stubborn = loop.CreateTask(
            () => CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true), "stubborn\n");
        await loop.Yield();
        stubborn.Cancel("lunch\ntime");
        Assert.Contains("task stubborn\\n, cancelled (lunch\\ntime)\n", loop.DumpTasks(), StringComparison.Ordinal);
        await loop.Delay(2 * s_second);
    });

    [Fact]
    public void Debug_LocksAndTasks_SayWhoAndWhere()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, Debug = true });
        loop.RunUntilComplete(async () =>
        {
            var door = new AsyncLock();
            var opposite = new AsyncLock();
            LoopTask left = loop.CreateTask(() => BothAsync(door, opposite), "left");
            LoopTask right = loop.CreateTask(() => BothAsync(opposite, door), "right");
            await loop.Delay(2 * s_second);

            string dump = loop.DumpTasks();
            Assert.Contains("waits to enter AsyncLock #1 (1 wait, held by task right)", dump, StringComparison.Ordinal);
            Assert.Contains("waits to enter AsyncLock #2 (1 wait, held by task left)", dump, StringComparison.Ordinal);
            Assert.Contains("a circle: left waits for right waits for left", dump, StringComparison.Ordinal);
            Assert.Contains($"created at Toolkit.Tests.Diagnostics.{nameof(TaskDumpTests)}", dump, StringComparison.Ordinal);

            // Handed on, it is held by whom it was handed to.
            LoopTask waiting = loop.CreateTask(() => EnterAsync(door), "waiting");
            await loop.Yield();
            left.Cancel();
            await loop.Delay(TimeSpan.FromMilliseconds(1));
            Assert.Contains("(1 wait, held by task right)", loop.DumpTasks(), StringComparison.Ordinal);
            right.Cancel();
            await Future.WhenAll(waiting);
        });

        async Task BothAsync(AsyncLock first, AsyncLock second)
        {
            using (await first.EnterAsync())
            {
                await loop.Delay(s_second);
                using (await second.EnterAsync())
                {
                    await loop.Delay(s_second);
                }
            }
        }
    }

    [Fact]
    public void OffTheLoopsThread_Throws()
    {
        using EventLoopThread thread = EventLoop.StartThread("elsewhere", new EventLoopOptions { Kind = LoopKind.Portable });
        Assert.Throws<InvalidOperationException>(thread.Loop.DumpTasks);
    }

    [Fact]
    public void Quit_OnASignal_TheLoopWrites()
    {
        using var output = new StringWriter();
        using EventLoopThread thread = EventLoop.StartThread("quitter", new EventLoopOptions { Kind = LoopKind.Portable });
        using var watch = new QuitWatch(thread.Loop, output);
        watch.OnSignal();
        Assert.StartsWith("portable loop at ", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Quit_OnASignal_ALoopThatIsHeldUpSaysSo()
    {
        using var output = new StringWriter();
        using var letGo = new ManualResetEventSlim();
        using EventLoopThread thread = EventLoop.StartThread("held up", new EventLoopOptions { Kind = LoopKind.Portable });
        using var watch = new QuitWatch(thread.Loop, output);
        thread.Loop.CallSoonThreadSafe(() => letGo.Wait());
        watch.OnSignal();
        Assert.Equal(
            $"The portable loop has not answered for 1 s: a callback holds its thread.{Environment.NewLine}", output.ToString());
        letGo.Set();
    }

    [Fact]
    public void Waits_MoreThanAreAskedFor_AreCounted() => Scenario.Run(async loop =>
    {
        // One task with five waits of its own, and one after it: the first of each is told.
        var door = new AsyncEvent();
        LoopTask many = loop.CreateTask(() => Task.WhenAll(Enumerable.Range(0, 5).Select(_ => EnterAsync())), "many");
        LoopTask one = loop.CreateTask(EnterAsync, "one");
        await loop.Yield();

        TaskTree tree = loop.DescribeTasks(maxEntries: 4);
        TaskTree whole = loop.DescribeTasks();
        string wait = "for AsyncEvent #1 (6 wait)";
        Assert.Equal(["main", "many", "one"], tree.Entries.Skip(1).Select(entry => entry.Name));
        Assert.Equal([wait, wait, wait, wait, "for 1 more"], tree.Entries[2].Waits);
        Assert.Equal([wait], tree.Entries[3].Waits);
        Assert.Equal(5, whole.Entries[2].Waits.Count);
        door.Set();
        await many;
        await one;

        async Task EnterAsync() => await door.WaitAsync();
    });

    private static async Task<string> ReadAsync(EventLoop loop)
    {
        await loop.Yield();
        _ = loop.CreateTask(() => Task.CompletedTask, "newcomer");
        return loop.DumpTasks();
    }

    private static async Task EnterAsync(AsyncLock door)
    {
        using (await door.EnterAsync())
        {
        }
    }

    private static async Task NotifiedAsync(AsyncCondition condition)
    {
        using (await condition.EnterAsync())
        {
            await condition.WaitAsync();
        }
    }
}
