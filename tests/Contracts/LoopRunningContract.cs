namespace Toolkit.Tests.Contracts;

/// <summary>Running, stopping, disposing, and what becomes of exceptions.</summary>
public abstract class LoopRunningContract(LoopUnderTest subject) : LoopContract(subject)
{
    private const int UnhandledErrorEvent = 2;
    private const int HandlerThrewEvent = 3;
    private const int ContinuationDroppedEvent = 6;

    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Stop_BeforeTheRun_RunsExactlyOneIteration()
    {
        using EventLoop loop = NewLoop();
        var ran = new List<string>();
        loop.CallLater(TimeSpan.FromHours(1), () => ran.Add("timer"));
        loop.CallSoon(() =>
        {
            ran.Add("first");
            loop.CallSoon(() => ran.Add("second"));
        });

        loop.Stop();
        RunUntilStopped(loop);
        Assert.Equal(["first"], ran);

        loop.Stop();
        loop.Stop();
        RunUntilStopped(loop);
        Assert.Equal(["first", "second"], ran);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Stop_InACallback_TheBatchFinishes()
    {
        using EventLoop loop = NewLoop();
        var ran = new List<string>();
        loop.CallSoon(() =>
        {
            loop.Stop();
            ran.Add("stops");
            loop.CallSoon(() => ran.Add("next run"));
        });
        loop.CallSoon(() => ran.Add("same batch"));
        RunUntilStopped(loop);
        Assert.Equal(["stops", "same batch"], ran);

        loop.Stop();
        RunUntilStopped(loop);
        Assert.Equal(["stops", "same batch", "next run"], ran);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Stop_InATimer_TheOtherDueTimersAndCallbacksRun()
    {
        using EventLoop loop = NewLoop();
        var ran = new List<string>();
        TimeSpan when = loop.Time;
        loop.CallAt(when, () =>
        {
            loop.Stop();
            loop.CallSoon(() => ran.Add("callback"));
        });
        loop.CallAt(when, () => ran.Add("timer"));
        RunUntilStopped(loop);

        Assert.Equal(["timer", "callback"], ran);
    }

    [Fact]
    public void Stop_IsUsedUpByARun_TheNextOneRunsOn()
    {
        using EventLoop loop = NewLoop();
        for (int i = 0; i < 5; i++)
        {
            bool fired = false;
            loop.CallLater(s_moment, () =>
            {
                fired = true;
                loop.Stop();
            });
            RunUntilStopped(loop);
            Assert.True(fired);
        }
    }

    [Fact]
    public void Stop_FromAnotherThread_EndsASleepingRun()
    {
        RequireRealMachine(NoOtherThread);
        using EventLoop loop = NewLoop();
        using var running = new ManualResetEventSlim();
        loop.CallSoon(running.Set);
        TestThread stopper = TestThread.Start(() =>
        {
            TestThread.WaitFor(running);
            loop.Stop();
        });
        RunUntilStopped(loop);
        stopper.Join();

        Assert.False(loop.IsRunning);
    }

    [Fact]
    public void RunForever_WithinTheLoop_IsRefused() => Run(async loop =>
    {
        bool started = false;
        var again = Assert.Throws<InvalidOperationException>(loop.RunForever);
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(() =>
        {
            started = true;
            return Task.CompletedTask;
        }));
        await NextIterationAsync(loop);
        await NextIterationAsync(loop);

        Assert.Contains("running already", again.Message, StringComparison.Ordinal);
        Assert.False(started);
        Assert.True(loop.IsRunning);
        Assert.True(loop.IsCurrent);
    });

    [Fact]
    public void RunForever_SecondLoopOnTheThread_IsRefused() => Run(loop =>
    {
        using EventLoop other = NewLoop();
        var exception = Assert.Throws<InvalidOperationException>(other.RunForever);
        Assert.Throws<InvalidOperationException>(() => EventLoop.Run(_ => Task.CompletedTask, OptionsOf()));

        Assert.Contains("StartThread", exception.Message, StringComparison.Ordinal);
        Assert.Same(loop, EventLoop.Current);
        return Task.CompletedTask;
    });

    [Fact]
    public void RunForever_FromAnotherThread_IsRefused()
    {
        using EventLoop loop = NewLoop();
        loop.RunUntilComplete(() =>
        {
            TestThread.Run(() => Assert.Throws<InvalidOperationException>(loop.RunForever));
            return Task.CompletedTask;
        });

        // It belongs to the thread of its first run also when it does not run.
        TestThread.Run(() =>
        {
            Assert.Throws<InvalidOperationException>(loop.RunForever);
            Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(() => Task.CompletedTask));
            Assert.Throws<InvalidOperationException>(() => loop.CallSoon(() => { }));
        });
        loop.RunUntilComplete(() => Task.CompletedTask);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Loop_SetUpOnOneThread_RunsOnAnother()
    {
        using EventLoop loop = NewLoop();
        int ranOn = 0;
        loop.CallSoon(() => ranOn = Environment.CurrentManagedThreadId);
        loop.CallLater(s_moment, loop.Stop);
        TestThread.Run(() =>
        {
            RunUntilStopped(loop);
            Assert.Equal(Environment.CurrentManagedThreadId, ranOn);
        });
        Assert.Throws<InvalidOperationException>(loop.RunForever);
    }

    [Fact]
    public void RunUntilComplete_Result_IsReturned()
    {
        using EventLoop loop = NewLoop();
        Assert.Equal(42, loop.RunUntilComplete(() => Task.FromResult(42)));
        Assert.Equal("late", loop.RunUntilComplete(async () =>
        {
            await Task.Delay(s_moment, loop.TimeProvider);
            return "late";
        }));
        Assert.Equal(7, EventLoop.Run(async _ =>
        {
            await Task.Yield();
            return 7;
        }, OptionsOf()));
    }

    [Fact]
    public void RunUntilComplete_Exception_IsRethrownAsItIs()
    {
        using EventLoop loop = NewLoop();
        var expected = new FormatException("mine");
        Assert.Same(expected, Assert.Throws<FormatException>(() => loop.RunUntilComplete(() => throw expected)));
        Assert.Same(expected, Assert.Throws<FormatException>(() => loop.RunUntilComplete(async () =>
        {
            await Task.Yield();
            throw expected;
        })));
        Assert.Same(expected, Assert.Throws<FormatException>(() => loop.RunUntilComplete<int>(() => throw expected)));
        Assert.Same(
            expected, Assert.Throws<FormatException>(() => EventLoop.Run(_ => Task.FromException(expected), OptionsOf())));

        Assert.Throws<TaskCanceledException>(() => loop.RunUntilComplete(() => Task.FromCanceled(new CancellationToken(true))));
        Task<int>? none = null;
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(() => (Task)none!));
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(() => none!));
        Assert.Empty(Errors);
    }

    [Fact]
    public void RunUntilComplete_StoppedEarly_SaysSo()
    {
        using EventLoop loop = NewLoop();
        var exception = Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(async () =>
        {
            loop.Stop();
            await new Future();
        }));
        Assert.Contains("stopped", exception.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(async () =>
        {
            loop.Stop();
            return await new Future<int>();
        }));
    }

    [Fact]
    public void RunUntilComplete_StoppedEarly_TheCoroutineDoesNotStopALaterRun()
    {
        using EventLoop loop = NewLoop();
        var main = new TaskCompletionSource();
        Assert.Throws<InvalidOperationException>(() => loop.RunUntilComplete(() =>
        {
            loop.Stop();
            return main.Task;
        }));

        bool ranOn = false;
        loop.CallSoon(main.SetResult);
        loop.CallLater(s_moment, () =>
        {
            ranOn = true;
            loop.Stop();
        });
        RunUntilStopped(loop);
        Assert.True(ranOn);
    }

    [Fact]
    public void Run_Ended_TheLoopIsDisposed()
    {
        EventLoop? used = null;
        EventLoop.Run(
            loop =>
            {
                used = loop;
                Assert.True(loop.IsRunning);
                return Task.CompletedTask;
            },
            OptionsOf());

        Assert.False(used!.IsRunning);
        Assert.Throws<ObjectDisposedException>(() => used.CallSoonThreadSafe(() => { }));
    }

    [Fact]
    public void Current_OutsideALoop_IsRefused()
    {
        Assert.Throws<InvalidOperationException>(() => EventLoop.Current);
        Assert.False(EventLoop.TryGetCurrent(out EventLoop? none));
        Assert.Null(none);
    }

    [Fact]
    public void Current_InTheLoop_IsTheLoopOnItsThreadOnly()
    {
        RequireRealMachine(NoOtherThread);
        SynchronizationContext? outer = SynchronizationContext.Current;
        using EventLoop loop = NewLoop();
        Assert.False(loop.IsCurrent);
        Assert.False(loop.IsRunning);
        loop.RunUntilComplete(async () =>
        {
            Assert.Same(loop, EventLoop.Current);
            Assert.True(EventLoop.TryGetCurrent(out EventLoop? current));
            Assert.Same(loop, current);
            Assert.True(loop.IsCurrent);
            TestThread.Run(() =>
            {
                Assert.True(loop.IsRunning);
                Assert.False(loop.IsCurrent);
                Assert.False(EventLoop.TryGetCurrent(out _));
            });
            Assert.False(await loop.RunInThreadAsync(() => EventLoop.TryGetCurrent(out _)));
        });

        Assert.False(EventLoop.TryGetCurrent(out _));
        Assert.False(loop.IsRunning);
        Assert.Same(outer, SynchronizationContext.Current);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Dispose_WhileRunning_IsRefused() => Run(loop =>
    {
        Assert.Throws<InvalidOperationException>(loop.Dispose);
        TestThread.Run(() => Assert.Throws<InvalidOperationException>(loop.Dispose));
        Assert.True(loop.IsRunning);
        return NextIterationAsync(loop);
    });

    [Fact]
    public void Dispose_Twice_OnAnyThread_IsFine()
    {
        EventLoop loop = NewLoop();
        loop.RunUntilComplete(() => Task.CompletedTask);
        TestThread.Run(loop.Dispose);
        loop.Dispose();
        loop.Dispose();

        NewLoop().Dispose(); // one that never ran
    }

    [Fact]
    public void Dispose_WhatIsScheduled_NeverRuns()
    {
        EventLoop loop = NewLoop();
        bool ran = false;
        loop.CallSoon(() => ran = true);
        loop.CallLater(TimeSpan.Zero, () => ran = true);
        loop.CallSoonThreadSafe(() => ran = true);
        loop.SynchronizationContext.Post(_ => ran = true, null);
        loop.Dispose();

        Assert.False(ran);
        Assert.Empty(Errors);
    }

    [Fact]
    public void Dispose_UseAfterwards_SaysThatItIsDisposed()
    {
        EventLoop loop = NewLoop();
        loop.RunUntilComplete(() => Task.Delay(s_moment, loop.TimeProvider));
        TimerHandle timer = loop.CallLater(s_moment, () => { });
        CallbackHandle callback = loop.CallSoon(() => { });
        loop.Dispose();
        Action[] uses =
        [
            () => timer.Cancel(),
            () => timer.Reschedule(s_moment),
            () => loop.CallSoon(() => { }),
            () => loop.UnsafeCallSoon(_ => { }, null),
            () => loop.CallLater(s_moment, () => { }),
            () => loop.CallAt(s_moment, () => { }),
            () => loop.CallSoonThreadSafe(() => { }),
            () => loop.UnsafeCallSoonThreadSafe(_ => { }, null),
            loop.RunForever,
            () => loop.RunUntilComplete(() => Task.CompletedTask),
            () => loop.RunUntilComplete(() => Task.FromResult(1)),
            () => _ = loop.RunInThreadAsync(() => { }),
            () => _ = loop.RunInThreadAsync(() => 1),
            () => loop.SynchronizationContext.Send(_ => { }, null),
            () => loop.ExceptionHandler = null,
            loop.VerifyAccess,
            () => loop.TimeProvider.CreateTimer(_ => { }, null, s_moment, s_moment),
            () => loop.PipeScheduler.Schedule(_ => { }, null),
        ];
        for (int i = 0; i < uses.Length; i++)
        {
            Exception? exception = Record.Exception(uses[i]);
            Assert.True(exception is ObjectDisposedException, $"Use {i}: {exception}");
            TestThread.Run(() => Assert.Throws<ObjectDisposedException>(uses[i]));
        }

        // What only looks, or ends what has ended, is harmless.
        loop.Stop();
        Assert.True(callback.Cancel());
        Assert.False(loop.IsRunning);
        Assert.True(loop.Time > TimeSpan.Zero);
        Assert.NotEmpty(loop.BackendName);
    }

    [Fact]
    public void Dispose_LateContinuations_AreDroppedAndLoggedOnce()
    {
        using var log = new MemoryLoggerFactory();
        EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        var outside = new TaskCompletionSource();
        bool resumed = false;
        loop.RunUntilComplete(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                _ = WaitAsync();
            }

            return Task.CompletedTask;
        });
        loop.Dispose();
        TestThread.Run(outside.SetResult);

        Assert.False(resumed);
        LogLine line = log.Of(ContinuationDroppedEvent)[0];
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Warning, line.Level);
        Assert.Single(log.Of(ContinuationDroppedEvent));

        async Task WaitAsync()
        {
            await outside.Task;
            resumed = true;
        }
    }

    [Fact]
    public void Dispose_LateContinuationAndABrokenLogger_HarmsNobody()
    {
        using var log = new MemoryLoggerFactory { OnLine = _ => throw new InvalidOperationException("broken logger") };
        EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        loop.RunUntilComplete(() => Task.CompletedTask);
        loop.Dispose();
        loop.SynchronizationContext.Post(_ => { }, null);

        Assert.Single(log.Of(ContinuationDroppedEvent));
    }

    [Fact]
    public void StartThread_Loop_RunsOnAThreadOfThatName()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        using EventLoopThread thread = EventLoop.StartThread("the loop's thread", OptionsOf());
        Assert.True(thread.Loop.IsRunning);
        Assert.Equal("the loop's thread", thread.Name);
        Assert.False(thread.Completion.IsCompleted);

        var seen = new TaskCompletionSource<(string? Name, bool IsBackground, EventLoop Current)>();
        thread.Loop.CallSoonThreadSafe(
            () => seen.SetResult((Thread.CurrentThread.Name, Thread.CurrentThread.IsBackground, EventLoop.Current)));
        TestThread.WaitFor(seen.Task);
        Assert.Equal(("the loop's thread", true, thread.Loop), seen.Task.Result);
    }

    [Fact]
    public void StartThread_CreatorsAmbientState_DoesNotFlow()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        var ambient = new AsyncLocal<string?> { Value = "creator's" };
        using EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        var seen = new TaskCompletionSource<string?>();
        thread.Loop.UnsafeCallSoonThreadSafe(_ => seen.SetResult(ambient.Value), null);
        TestThread.WaitFor(seen.Task);

        Assert.Null(seen.Task.Result);
    }

    [Fact]
    public void StartThread_Stop_EndsAndDisposesTheLoop()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        thread.Stop();
        TestThread.WaitFor(thread.Completion);

        Assert.False(thread.Loop.IsRunning);
        Assert.Throws<ObjectDisposedException>(() => thread.Loop.CallSoonThreadSafe(() => { }));
        thread.Stop();
        thread.Dispose();
        thread.Dispose();
    }

    [Fact]
    public async Task StartThread_DisposeAsync_WaitsForTheEnd()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        await thread.DisposeAsync();
        Assert.True(thread.Completion.IsCompletedSuccessfully);
        await thread.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StartThread_DisposedOnItsOwnThread_DoesNotWaitForItself(bool asynchronously)
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        var disposed = new TaskCompletionSource();
        thread.Loop.CallSoonThreadSafe(() =>
        {
            if (asynchronously)
            {
                Assert.True(thread.DisposeAsync().AsTask().IsCompletedSuccessfully);
            }
            else
            {
                thread.Dispose();
            }

            disposed.SetResult();
        });
        TestThread.WaitFor(disposed.Task);
        TestThread.WaitFor(thread.Completion);
    }

    [Fact]
    public void StartThread_ACallbackThrows_TheLoopLives()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        using var log = new MemoryLoggerFactory();
        using EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf(new EventLoopOptions { LoggerFactory = log }));
        var after = new TaskCompletionSource();
        thread.Loop.CallSoonThreadSafe(() => throw new FormatException("mine"));
        thread.Loop.CallSoonThreadSafe(after.SetResult);
        TestThread.WaitFor(after.Task);

        Assert.IsType<FormatException>(Assert.Single(log.Of(UnhandledErrorEvent)).Exception);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  ")]
    public void StartThread_WithoutAName_IsRefused(string? name)
        => Assert.ThrowsAny<ArgumentException>(() => EventLoop.StartThread(name!, OptionsOf()));

    [Fact]
    public void Exception_OfACallback_GoesToTheHandlerAndTheLoopLives() => Run(async loop =>
    {
        var thrown = new FormatException("mine");
        bool next = false;
        CallbackHandle handle = loop.CallSoon(() => throw thrown);
        loop.CallSoon(() => next = true);
        await NextIterationAsync(loop);

        var error = Assert.IsType<CallbackError>(TakeError());
        Assert.Same(thrown, error.Exception);
        Assert.Same(handle, error.Handle);
        Assert.NotEmpty(error.Message);
        Assert.True(next);
    });

    [Fact]
    public void Exception_OfAnUnsafeCallback_GoesToTheHandler() => Run(async loop =>
    {
        loop.UnsafeCallSoon(_ => throw new FormatException("mine"), null);
        await NextIterationAsync(loop);

        var error = Assert.IsType<CallbackError>(TakeError());
        Assert.IsType<FormatException>(error.Exception);
        Assert.Null(error.Handle);
    });

    [Fact]
    public void Exception_OfATimer_GoesToTheHandlerAndTheOthersFire() => Run(async loop =>
    {
        bool next = false;
        TimeSpan when = loop.Time;
        TimerHandle timer = loop.CallAt(when, () => throw new OperationCanceledException("mine"));
        loop.CallAt(when, () => next = true);
        await UntilAsync(loop, () => next);

        var error = Assert.IsType<CallbackError>(TakeError());
        Assert.IsType<OperationCanceledException>(error.Exception);
        Assert.Same(timer, error.Handle);
        timer.Reschedule(TimeSpan.Zero);
        await UntilAsync(loop, () => Errors.Count >= 1);
        TakeError();
    });

    [Fact]
    public void Exception_OfAnAsyncVoid_GoesToTheHandler() => Run(async loop =>
    {
        AtOnce();
        await UntilAsync(loop, () => Errors.Count >= 1);
        Assert.Equal("at once", TakeError().Exception.Message);

        Later();
        await UntilAsync(loop, () => Errors.Count >= 1);
        Assert.Equal("later", TakeError().Exception.Message);

#pragma warning disable VSTHRD100, MA0155, CS1998 // Such methods are what this is about.
        async void AtOnce() => throw new FormatException("at once");

        async void Later()
        {
            await Task.Delay(s_moment, loop.TimeProvider);
            throw new FormatException("later");
        }
#pragma warning restore VSTHRD100, MA0155, CS1998
    });

    [Fact]
    public void Exception_OfTheHandler_IsLoggedWithWhatItWasToHandle()
    {
        using var log = new MemoryLoggerFactory();
        using EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        var handled = new List<LoopError>();
        loop.ExceptionHandler = error =>
        {
            handled.Add(error);
            throw new NotSupportedException("the handler");
        };
        bool lives = false;
        for (int i = 0; i < 100; i++)
        {
            loop.CallSoon(() => throw new FormatException("the callback"));
        }

        loop.CallSoon(() => lives = true);
        TimeSpan took = RunOnce(loop);

        Assert.True(lives);
        Assert.Equal(100, handled.Count);
        Assert.IsType<NotSupportedException>(log.Of(HandlerThrewEvent)[0].Exception);
        Assert.IsType<FormatException>(log.Of(UnhandledErrorEvent)[0].Exception);
        Assert.InRange(log.Of(HandlerThrewEvent).Length, 1, 1 + (int)took.TotalSeconds);
        Assert.InRange(log.Of(UnhandledErrorEvent).Length, 1, 1 + (int)took.TotalSeconds);
    }

    [Fact]
    public void Exception_OfHandlerAndLogger_TheLoopLives()
    {
        using var log = new MemoryLoggerFactory { OnLine = _ => throw new InvalidOperationException("broken logger") };
        using EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        loop.ExceptionHandler = _ => throw new NotSupportedException("the handler");
        bool lives = false;
        loop.CallSoon(() => throw new FormatException("the callback"));
        loop.CallSoon(() => lives = true);
        RunOnce(loop);

        Assert.True(lives);
        Assert.NotEmpty(log.Of(UnhandledErrorEvent));
    }

    [Fact]
    public void DefaultExceptionHandler_AFlood_LogsOneLineASecondPerCause()
    {
        using var log = new MemoryLoggerFactory();
        using EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        loop.ExceptionHandler = null;
        for (int i = 0; i < 1000; i++)
        {
            loop.CallSoon(() => throw new FormatException("one cause"));
            loop.CallSoon(() => throw new NotSupportedException("another"));
        }

        TimeSpan took = RunOnce(loop);
        LogLine[] lines = log.Of(UnhandledErrorEvent);
        int[] counts = [lines.Count(l => l.Exception is FormatException), lines.Count(l => l.Exception is NotSupportedException)];
        Assert.All(counts, count => Assert.InRange(count, 1, 1 + (int)took.TotalSeconds));
        Assert.All(lines, line => Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Error, line.Level));
    }

    [Fact]
    public void DefaultExceptionHandler_CalledByAHandler_Logs()
    {
        using var log = new MemoryLoggerFactory();
        using EventLoop loop = NewLoop(new EventLoopOptions { LoggerFactory = log });
        loop.ExceptionHandler = loop.DefaultExceptionHandler;
        loop.CallSoon(() => throw new FormatException("mine"));
        RunOnce(loop);

        Assert.Single(log.Of(UnhandledErrorEvent));
    }

    private static TimeSpan RunOnce(EventLoop loop)
    {
        TimeSpan start = loop.Time;
        loop.Stop();
        RunUntilStopped(loop);
        return loop.Time - start;
    }
}
