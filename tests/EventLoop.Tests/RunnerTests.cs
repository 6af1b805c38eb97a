using System.Runtime.InteropServices;
using Toolkit.Tests.Tasks;

namespace Toolkit.Tests;

/// <summary>A main coroutine, its end, and the end of all beside it.</summary>
public sealed class RunnerTests
{
    private const int TasksLeftEvent = 10;
    private const int ThreadWorkLeftEvent = 11;

    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Main_IsATask() => Run(async loop =>
    {
        ILoopTask main = LoopTask.Current!;
        Assert.Equal("main", main.Name);
        Assert.Same(main, Assert.Single(loop.Tasks));
        await loop.Yield();
        Assert.Same(main, LoopTask.Current);
        await CancelScope.RunAsync(_ =>
        {
            Assert.Same(main, LoopTask.Current);
            return Task.CompletedTask;
        });
    });

    [Fact]
    public void Main_CancelledByItself_RunThrowsWhy()
    {
        bool cleanedUp = false;
        var exception = Assert.Throws<ScopeCancelledException>(() => Run(async loop =>
        {
            LoopTask.Current!.Cancel("enough");
            try
            {
                await loop.Delay(s_second);
            }
            finally
            {
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
                cleanedUp = true;
            }
        }));
        Assert.Contains("enough", exception.Message, StringComparison.Ordinal);
        Assert.True(cleanedUp);
    }

    [Fact]
    public void Main_Failed_IsThrownAndNotReported()
    {
        var errors = new List<LoopError>();
        Assert.Throws<FormatException>(() => Run(
            async loop =>
            {
                await loop.Yield();
                throw new FormatException();
            },
            errors));
        Assert.Empty(errors);
    }

    [Fact]
    public void Main_OutlivesItsRun_GoesOnAndIsReported()
    {
        var errors = new List<LoopError>();
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        loop.ExceptionHandler = errors.Add;
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(async () =>
        {
            loop.Stop();
            await loop.Delay(s_second);
            throw new FormatException();
        }));
        ILoopTask left = Assert.Single(loop.Tasks);
        loop.RunUntilComplete(async () => await loop.Delay(2 * s_second));
        Assert.Equal(FutureState.Failed, left.State);
        Assert.Same(left, Assert.IsType<TaskError>(Assert.Single(errors)).Task);
    }

    [Fact]
    public void Leftovers_AreCancelledAwaitedAndTheirFailuresReported()
    {
        var errors = new List<LoopError>();
        var ends = new List<string>();
        Run(
            async loop =>
            {
                _ = loop.CreateTask(() => EndAsync(loop, "first", fails: false));
                _ = loop.CreateTask(() => EndAsync(loop, "second", fails: true));
                _ = loop.CreateTask(() => TaskGroup.RunAsync(group =>
                {
                    _ = group.Start(() => EndAsync(loop, "child", fails: false));
                    return Task.CompletedTask;
                }));
                await Scenario.TurnsAsync(3);
            },
            errors);
        Assert.Equal(["child", "first", "second"], ends.Order());
        Assert.IsType<FormatException>(Assert.IsType<TaskError>(Assert.Single(errors)).Exception);

        async Task EndAsync(EventLoop loop, string name, bool fails)
        {
            try
            {
                await loop.Delay(TimeSpan.FromDays(1));
            }
            catch (OperationCanceledException exception)
            {
                Assert.Contains("disposed", exception.Message, StringComparison.Ordinal);
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
                ends.Add(name);
                if (fails)
                {
                    throw new FormatException();
                }

                throw;
            }
        }
    }

    [Fact]
    public void Leftovers_ThatDoNotEnd_AreNamed()
    {
        using var log = new MemoryLoggerFactory();
        Run(
            async loop =>
            {
                _ = loop.CreateTask(
                    () => CancelScope.RunAsync(async _ => await loop.Delay(TimeSpan.FromDays(1)), shield: true), "stubborn");
                await Scenario.TurnsAsync(3);
            },
            log: log);
        Assert.Contains("stubborn", Assert.Single(log.Of(TasksLeftEvent)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void ThreadWork_ThatIsLeft_IsJoined()
    {
        using var log = new MemoryLoggerFactory();
        int ran = 0;
        Task? abandoned = null;
        Run(
            async loop =>
            {
                for (int i = 0; i < 10; i++)
                {
                    abandoned = loop.RunInThreadAsync(() => ran++);
                }

                await Task.Yield();
            },
            log: log);
        Assert.True(abandoned!.IsCanceled);
        Assert.Empty(log.Of(ThreadWorkLeftEvent));
        Assert.Equal(0, ran); // none had begun when all were abandoned
    }

    [Fact]
    public void ThreadWork_UnderAShield_ComesToItsEnd()
    {
        int result = 0;
        Run(async loop =>
        {
            _ = loop.CreateTask(() => CancelScope.RunAsync(
                async _ => result = await loop.RunInThreadAsync(() => 42), shield: true));
            await Scenario.TurnsAsync(3);
        });
        Assert.Equal(42, result);
    }

    [Fact]
    public void ThreadWork_ThatRuns_IsWaitedForWithinTheTime()
    {
        using var goOn = new ManualResetEventSlim();
        using var log = new MemoryLoggerFactory();
        bool hasReturned = false;
        EventLoop.Run(
            async loop =>
            {
                var began = new TaskCompletionSource();
                _ = loop.RunInThreadAsync(() =>
                {
                    began.SetResult();
                    TestThread.WaitFor(goOn);
                    Volatile.Write(ref hasReturned, true);
                });
                await began.Task;
                _ = loop.CreateTask(async () =>
                {
                    await CancelScope.RunAsync(async _ => await loop.Delay(TimeSpan.Zero), shield: true);
                    goOn.Set(); // while the loop is ending
                });
            },
            new EventLoopOptions { Kind = LoopKind.Portable, LoggerFactory = log, ThreadTimeout = TimeSpan.FromMinutes(1) });
        Assert.True(hasReturned);
        Assert.Empty(log.Of(ThreadWorkLeftEvent));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    public void ThreadWork_ThatHangs_IsLeftAndCounted(int milliseconds, int warnings)
    {
        using var goOn = new ManualResetEventSlim();
        using var log = new MemoryLoggerFactory();
        EventLoop.Run(
            async loop =>
            {
                var began = new TaskCompletionSource();
                _ = loop.RunInThreadAsync(() =>
                {
                    began.SetResult();
                    TestThread.WaitFor(goOn);
                });
                await began.Task;
            },
            new EventLoopOptions
            {
                Kind = LoopKind.Portable,
                LoggerFactory = log,
                ThreadTimeout = TimeSpan.FromMilliseconds(milliseconds),
            });
        goOn.Set();
        Assert.Equal(warnings, log.Of(ThreadWorkLeftEvent).Length);
    }

    [Fact]
    public void Interrupt_TheFirst_CancelsMainWhoseCleanupRuns()
    {
        bool cleanedUp = false;
        var exception = Assert.Throws<ScopeCancelledException>(() => Run(
            async loop =>
            {
                InterruptLater(loop, PosixSignal.SIGTERM, s_second);
                try
                {
                    await loop.Delay(TimeSpan.FromDays(1));
                }
                finally
                {
                    Assert.Equal(s_second, loop.Time);
                    await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
                    cleanedUp = true;
                }
            },
            handlesInterrupts: true));
        Assert.Contains("SIGTERM", exception.Message, StringComparison.Ordinal);
        Assert.True(cleanedUp);
    }

    [Fact]
    public void Interrupt_OfAMainThatEndsWell_RunReturns()
    {
        string? reason = null;
        Run(
            loop => CancelScope.RunAsync(
                async _ =>
                {
                    InterruptLater(loop, PosixSignal.SIGINT, s_second);
                    try
                    {
                        await loop.Delay(TimeSpan.FromDays(1));
                    }
                    catch (OperationCanceledException)
                    {
                        reason = CancelScope.Current!.CancelReason;
                    }
                }),
            handlesInterrupts: true);
        Assert.Contains("SIGINT", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Interrupt_TheSecond_Forces()
    {
        bool ended = false;
        TimeSpan end = default;
        EventLoop? used = null;
        var exception = Assert.Throws<OperationCanceledException>(() => Run(
            async loop =>
            {
                used = loop;
                InterruptLater(loop, PosixSignal.SIGINT, s_second);
                InterruptLater(loop, PosixSignal.SIGINT, 2 * s_second);
                _ = loop.CreateTask(async () =>
                {
                    try
                    {
                        await loop.Delay(TimeSpan.FromDays(1));
                    }
                    finally
                    {
                        end = loop.Time;
                    }
                });
                await CancelScope.RunAsync(async _ => await loop.Delay(TimeSpan.FromDays(1)), shield: true);
                ended = true;
            },
            handlesInterrupts: true));
        Assert.IsNotType<ScopeCancelledException>(exception);
        Assert.Equal((false, 2 * s_second), (ended, end));
        Assert.Null(used!.Interrupts);
    }

    [Fact]
    public void Interrupt_TheThird_IsNotTaken()
        => Assert.Throws<OperationCanceledException>(() => Run(
            async loop =>
            {
                bool[] taken = [.. Enumerable.Range(0, 3).Select(_ => loop.Interrupts!.OnSignal(PosixSignal.SIGINT))];
                Assert.Equal([true, true, false], taken);
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
            },
            handlesInterrupts: true));

    [Fact]
    public void Interrupt_BeforeMainBegins_CancelsItAtItsFirstWait()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, HandleInterrupts = true });
        bool began = false;
        loop.CallSoon(() => loop.Interrupts!.OnSignal(PosixSignal.SIGINT));
        Assert.Throws<ScopeCancelledException>(() => loop.RunUntilComplete(async () =>
        {
            began = true;
            await loop.Delay(s_second);
        }));
        Assert.True(began);
        Assert.Equal(TimeSpan.Zero, loop.Time);
    }

    [Fact]
    public void Interrupts_NotAskedFor_AreNotTaken() => Run(loop =>
    {
        Assert.Null(loop.Interrupts);
        return Task.CompletedTask;
    });

    private static void InterruptLater(EventLoop loop, PosixSignal signal, TimeSpan delay)
        => loop.CallLater(delay, () => Assert.True(loop.Interrupts!.OnSignal(signal)));

    private static void Run(
        Func<EventLoop, Task> main,
        List<LoopError>? errors = null,
        MemoryLoggerFactory? log = null,
        bool handlesInterrupts = false)
        => EventLoop.Run(
            loop =>
            {
                loop.ExceptionHandler = errors is null ? null : errors.Add;
                return main(loop);
            },
            new EventLoopOptions
            {
                Kind = LoopKind.Simulated,
                LoggerFactory = log,
                HandleInterrupts = handlesInterrupts,
            });
}
