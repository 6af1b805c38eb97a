namespace Toolkit.Tests.Contracts;

/// <summary>What other threads may ask of a loop, and what they are refused.</summary>
public abstract class LoopThreadsContract(LoopUnderTest subject) : LoopContract(subject)
{
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void CallSoonThreadSafe_EightThreads_AllRunInTheOrderOfEachThread() => Run(async loop =>
    {
        const int Threads = 8;
        const int PerThread = 100_000;
        int[] next = new int[Threads];
        int disorder = 0;
        int wrongThread = 0;
        int thisThread = Environment.CurrentManagedThreadId;
        Action<object?> callback = state =>
        {
            var (thread, number) = ((int, int))state!;
            disorder += next[thread] == number ? 0 : 1;
            next[thread] = number + 1;
            wrongThread += Environment.CurrentManagedThreadId == thisThread ? 0 : 1;
        };
        TestThread[] threads = [.. Enumerable.Range(0, Threads).Select(thread => TestThread.Start(() =>
        {
            for (int i = 0; i < PerThread; i++)
            {
                if (i % 2 == 0)
                {
                    loop.CallSoonThreadSafe(callback, (thread, i));
                }
                else
                {
                    loop.UnsafeCallSoonThreadSafe(callback, (thread, i));
                }
            }
        }))];
        await UntilAsync(loop, () => next.All(count => count >= PerThread));
        foreach (TestThread thread in threads)
        {
            thread.Join();
        }

        Assert.Equal(0, disorder);
        Assert.Equal(0, wrongThread);
    });

    [Fact]
    public void CallSoonThreadSafe_ASleepingLoop_IsWokenEveryTime()
    {
        RequireKind(Kind);
        using EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        using var answered = new SemaphoreSlim(0);
        Action<object?> answer = _ => answered.Release();
        for (int i = 0; i < 5000; i++)
        {
            thread.Loop.UnsafeCallSoonThreadSafe(answer, null);
            Assert.True(answered.Wait(TimeSpan.FromSeconds(30)), $"Wake-up {i} was lost.");
        }
    }

    [Fact]
    public void CallSoonThreadSafe_TwoThreadsAndASleepingLoop_NoWakeUpIsLost()
    {
        // Both post at the moment at which the loop goes to sleep or has just been woken by the other.
        RequireKind(Kind);
        using EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
        TestThread[] posters = [.. Enumerable.Range(0, 2).Select(_ => TestThread.Start(() =>
        {
            using var answered = new SemaphoreSlim(0);
            Action<object?> answer = _ => answered.Release();
            for (int i = 0; i < 3000; i++)
            {
                thread.Loop.UnsafeCallSoonThreadSafe(answer, null);
                Assert.True(answered.Wait(TimeSpan.FromSeconds(30)), $"Wake-up {i} was lost.");
            }
        }))];
        foreach (TestThread poster in posters)
        {
            poster.Join();
        }
    }

    [Fact]
    public void CallSoonThreadSafe_TwoLoops_PlayPingPong()
    {
        RequireKind(Kind);
        using EventLoopThread ping = EventLoop.StartThread("ping", OptionsOf());
        using EventLoopThread pong = EventLoop.StartThread("pong", OptionsOf());
        var done = new TaskCompletionSource();
        int turns = 0;
        void Play(EventLoop here, EventLoop there)
        {
            Assert.True(here.IsCurrent);
            if (++turns == 5000)
            {
                done.SetResult();
            }
            else
            {
                there.CallSoonThreadSafe(() => Play(there, here));
            }
        }

        ping.Loop.CallSoonThreadSafe(() => Play(ping.Loop, pong.Loop));
        TestThread.WaitFor(done.Task);
    }

    [Fact]
    public void Stop_AtAnyMoment_IsNotLost()
    {
        RequireKind(Kind);
        for (int i = 0; i < 300; i++)
        {
            EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
            if (i % 2 == 0)
            {
                thread.Loop.CallSoonThreadSafe(() => { });
            }

            thread.Stop();
            TestThread.WaitFor(thread.Completion);
        }
    }

    [Fact]
    public void CallSoonThreadSafe_OnTheLoopsThread_IsInLineWithCallSoon() => Run(async loop =>
    {
        var ran = new List<int>();
        loop.CallSoon(() => ran.Add(1));
        loop.CallSoonThreadSafe(() => ran.Add(2));
        loop.CallSoon(() => ran.Add(3));
        loop.UnsafeCallSoonThreadSafe(_ => ran.Add(4), null);
        loop.SynchronizationContext.Post(_ => ran.Add(5), null);
        loop.PipeScheduler.Schedule(_ => ran.Add(6), null);
        loop.CallSoon(() => ran.Add(7));
        Assert.Empty(ran);
        await NextIterationAsync(loop);

        Assert.Equal([1, 2, 3, 4, 5, 6, 7], ran);
    });

    [Fact]
    public void CallSoonThreadSafe_LoopDoesNotRun_WaitsForTheRun()
    {
        using EventLoop loop = NewLoop();
        var ran = new List<int>();
        TestThread.Run(() =>
        {
            loop.CallSoonThreadSafe(() => ran.Add(1));
            loop.CallSoonThreadSafe(() => ran.Add(2));
            loop.CallSoonThreadSafe(loop.Stop);
        });
        Assert.Empty(ran);
        RunUntilStopped(loop);

        Assert.Equal([1, 2], ran);
    }

    [Fact]
    public void Cancel_FromAnotherThread_RunsExactlyOnceOrNever() => Run(async loop =>
    {
        const int Count = 100_000;
        int[] ran = new int[Count];
        bool[] cancelled = new bool[Count];
        CallbackHandle[] handles = new CallbackHandle[Count];
        Action<object?> callback = number => ran[(int)number!]++;
        using var ready = new ManualResetEventSlim();
        TestThread canceller = TestThread.Start(() =>
        {
            for (int i = 0; i < Count; i++)
            {
                handles[i] = loop.CallSoonThreadSafe(callback, i);
                if (i % 3 != 0)
                {
                    cancelled[i] = handles[i].Cancel(); // at once: the loop may be taking it
                }
            }

            for (int i = 0; i < Count; i += 3)
            {
                cancelled[i] = handles[i].Cancel();
            }

            ready.Set();
        });
        await UntilAsync(loop, () => ready.IsSet);
        canceller.Join();
        await NextIterationAsync(loop);

        for (int i = 0; i < Count; i++)
        {
            Assert.True(ran[i] == (cancelled[i] ? 0 : 1), $"Callback {i} ran {ran[i]} times, cancelled: {cancelled[i]}.");
            Assert.Equal(cancelled[i], handles[i].IsCancelled);
        }
    });

    [Fact]
    public void Cancel_WhileTheCallbackRuns_IsFalse() => Run(async loop =>
    {
        using var started = new ManualResetEventSlim();
        using var asked = new ManualResetEventSlim();
        var ended = new TaskCompletionSource();
        CallbackHandle handle = loop.CallSoon(() =>
        {
            started.Set();
            TestThread.WaitFor(asked);
            ended.SetResult();
        });
        bool? cancelled = null;
        TestThread other = TestThread.Start(() =>
        {
            TestThread.WaitFor(started);
            cancelled = handle.Cancel();
            asked.Set();
        });
        await ended.Task;
        other.Join();

        Assert.False(cancelled);
        Assert.False(handle.IsCancelled);
    });

    [Fact]
    public void WrongThread_Calls_AreRefusedAndSayWhatToDo() => Run(loop =>
    {
        TimerHandle timer = loop.CallLater(TimeSpan.FromHours(1), () => { });
        Action[] calls =
        [
            () => loop.CallSoon(() => { }),
            () => loop.CallSoon(_ => { }, null),
            () => loop.UnsafeCallSoon(_ => { }, null),
            () => loop.CallLater(s_moment, () => { }),
            () => loop.CallLater(s_moment, _ => { }, null),
            () => loop.CallAt(s_moment, () => { }),
            () => loop.ExceptionHandler = null,
            () => timer.Cancel(),
            () => timer.Reschedule(s_moment),
            loop.VerifyAccess,
        ];
        TestThread stranger = TestThread.Start(
            () =>
            {
                for (int i = 0; i < calls.Length; i++)
                {
                    Exception? exception = Record.Exception(calls[i]);
                    Assert.True(exception is InvalidOperationException and not ObjectDisposedException, $"Call {i}: {exception}");
                    Assert.Contains("CallSoonThreadSafe", exception.Message, StringComparison.Ordinal);
                    Assert.Contains("stranger", exception.Message, StringComparison.Ordinal);
                }
            },
            "stranger");
        stranger.Join();

        Assert.True(timer.IsScheduled);
        Assert.NotNull(loop.ExceptionHandler);
        return Task.CompletedTask;
    });

    [Fact]
    public void RunInThreadAsync_Result_ComesBackToTheLoop() => Run(async loop =>
    {
        int loopThread = Environment.CurrentManagedThreadId;
        (int Thread, bool IsPool, SynchronizationContext? Context) seen = await loop.RunInThreadAsync(
            () => (Environment.CurrentManagedThreadId, Thread.CurrentThread.IsThreadPoolThread, SynchronizationContext.Current));

        Assert.NotEqual(loopThread, seen.Thread);
        Assert.True(seen.IsPool);
        Assert.Null(seen.Context);
        Assert.Equal(loopThread, Environment.CurrentManagedThreadId);

        bool ran = false;
        await loop.RunInThreadAsync(() => { ran = true; });
        Assert.True(ran);
    });

    [Fact]
    public void RunInThreadAsync_Completion_IsOnTheLoopsThread() => Run(async loop =>
    {
        int loopThread = Environment.CurrentManagedThreadId;
        var completedOn = new TaskCompletionSource<int>();
        using var attached = new ManualResetEventSlim();
        Task<int> work = loop.RunInThreadAsync(() =>
        {
            TestThread.WaitFor(attached);
            return 1;
        });
        _ = work.ContinueWith(
            _ => completedOn.SetResult(Environment.CurrentManagedThreadId),
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        attached.Set();

        Assert.Equal(loopThread, await completedOn.Task);
    });

    [Fact]
    public void RunInThreadAsync_FromAnotherThread_Works() => Run(async loop =>
    {
        int result = 0;
        TestThread other = TestThread.Start(() =>
        {
            Task<int> work = loop.RunInThreadAsync(() => 42);
            TestThread.WaitFor(work);
            result = work.Result;
        });
        await UntilAsync(loop, () => Volatile.Read(ref result) != 0);
        other.Join();

        Assert.Equal(42, result);
    });

    [Fact]
    public void RunInThreadAsync_Exception_IsTheTasks() => Run(async loop =>
    {
        var thrown = new FormatException("mine");
        Assert.Same(thrown, await Assert.ThrowsAsync<FormatException>(() => loop.RunInThreadAsync(() => throw thrown)));
        Assert.Same(thrown, await Assert.ThrowsAsync<FormatException>(() => loop.RunInThreadAsync<int>(() => throw thrown)));
        Assert.Throws<ArgumentNullException>(() => { _ = loop.RunInThreadAsync((Action)null!); });
        Assert.Throws<ArgumentNullException>(() => { _ = loop.RunInThreadAsync((Func<int>)null!); });
    });

    [Fact]
    public void RunInThreadAsync_CancelledBefore_DoesNotRun() => Run(async loop =>
    {
        bool ran = false;
        var token = new CancellationToken(canceled: true);
        Task work = loop.RunInThreadAsync(() => { ran = true; }, token);

        Assert.True(work.IsCanceled);
        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
        Assert.Equal(token, exception.CancellationToken);
        await loop.RunInThreadAsync(() => { });
        Assert.False(ran);
    });

    [Fact]
    public void RunInThreadAsync_CancelledWhileQueued_NeverRuns() => Run(async loop =>
    {
        int loopThread = Environment.CurrentManagedThreadId;
        using var source = new CancellationTokenSource();
        using var goOn = new ManualResetEventSlim();
        var taken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        // The thread that takes the work enters its context first, and is held up there. To the work that is as if all
        // threads of the pool were busy, and nobody else has to suffer it.
        var context = new AsyncLocal<bool>(change =>
        {
            if (Environment.CurrentManagedThreadId == loopThread)
            {
                return;
            }

            if (change.CurrentValue)
            {
                taken.TrySetResult();
                TestThread.WaitFor(goOn);
            }
            else
            {
                left.TrySetResult();
            }
        })
        {
            Value = true,
        };
        bool ran = false;
        Task work = loop.RunInThreadAsync(() => { ran = true; }, source.Token);
        context.Value = false;
        await taken.Task;

        source.Cancel();

        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.True(work.IsCanceled);
        goOn.Set();
        await left.Task;
        Assert.False(ran);
    });

    [Fact]
    public void RunInThreadAsync_CancelledAfterTheStart_EndsTheWaitAtOnce() => Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        using var goOn = new ManualResetEventSlim();
        var started = new TaskCompletionSource();
        var ended = new TaskCompletionSource();
        Task<int> work = loop.RunInThreadAsync(
            () =>
            {
                started.SetResult();
                TestThread.WaitFor(goOn);
                ended.SetResult();
                return 1;
            },
            source.Token);
        await started.Task;
        source.Cancel();
        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);

        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.False(ended.Task.IsCompleted);
        goOn.Set();
        await ended.Task;
        Assert.True(work.IsCanceled);
    });

    [Fact]
    public void RunInThreadAsync_CancelledAndCompletedAtOnce_HasOneOutcome() => Run(async loop =>
    {
        int cancelled = 0;
        for (int i = 0; i < 500; i++)
        {
            using var source = new CancellationTokenSource();
            Task<int> work = loop.RunInThreadAsync(() => i, source.Token);
            TestThread? canceller = i % 10 == 0 ? TestThread.Start(source.Cancel) : null;
            if (canceller is null)
            {
                source.Cancel();
            }

            try
            {
                Assert.Equal(i, await work);
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }

            canceller?.Join();
        }

        Assert.True(cancelled > 0, "None of the cancellations came in time.");
    });

    [Fact]
    public void RunInThreadAsync_ExecutionContext_Flows() => Run(async loop =>
    {
        var ambient = new AsyncLocal<string?> { Value = "caller's" };
        string? seen = await loop.RunInThreadAsync(() =>
        {
            string? value = ambient.Value;
            ambient.Value = "function's";
            return value;
        });

        Assert.Equal("caller's", seen);
        Assert.Equal("caller's", ambient.Value);
    });

    [Fact]
    public void RunInThreadAsync_LoopIsDisposedMeanwhile_TheTaskSaysSo()
    {
        EventLoop loop = NewLoop(new EventLoopOptions { ThreadTimeout = TimeSpan.Zero });
        using var goOn = new ManualResetEventSlim();
        Task<int>? work = null;
        loop.RunUntilComplete(async () =>
        {
            var started = new TaskCompletionSource();
            work = loop.RunInThreadAsync(() =>
            {
                started.SetResult();
                TestThread.WaitFor(goOn);
                return 1;
            });
            await started.Task;
        });
        loop.Dispose();
        goOn.Set();

        Assert.True(work!.IsCanceled);
    }

    [Fact]
    public void RunInThreadAsync_CancelledInTheLastIteration_TheTaskStillEnds()
    {
        EventLoop loop = NewLoop(new EventLoopOptions { ThreadTimeout = TimeSpan.Zero });
        using var goOn = new ManualResetEventSlim();
        using var source = new CancellationTokenSource();
        Task<int>? work = null;
        loop.RunUntilComplete(async () =>
        {
            var started = new TaskCompletionSource();
            work = loop.RunInThreadAsync(
                () =>
                {
                    started.SetResult();
                    TestThread.WaitFor(goOn);
                    return 1;
                },
                source.Token);
            await started.Task;
            source.Cancel();
        });
        loop.Dispose();
        bool ended = work!.IsCompleted;
        goOn.Set();

        Assert.True(ended, "The task was forgotten.");
        Assert.True(work.IsCanceled);
    }

    [Fact]
    public void Send_LoopIsDisposedMeanwhile_TheSenderIsTold()
    {
        EventLoop loop = NewLoop();
        using var sending = new ManualResetEventSlim();
        TestThread sender = TestThread.Start(() =>
        {
            sending.Set();
            Assert.Throws<ObjectDisposedException>(() => loop.SynchronizationContext.Send(_ => { }, null));
        });
        TestThread.WaitFor(sending);
        loop.Dispose();
        sender.Join();
    }

    [Fact]
    public void Send_RacingDisposal_NobodyWaitsForEver()
    {
        RequireKind(Kind);
        for (int i = 0; i < 300; i++)
        {
            EventLoopThread thread = EventLoop.StartThread("loop", OptionsOf());
            SynchronizationContext context = thread.Loop.SynchronizationContext;
            int sent = 0;
            int ran = 0;
            TestThread sender = TestThread.Start(() =>
            {
                try
                {
                    while (true)
                    {
                        context.Send(_ => ran++, null);
                        sent++;
                    }
                }
                catch (ObjectDisposedException)
                {
                    // The end that is raced for.
                }
            });
            thread.Stop();
            sender.Join();
            thread.Dispose();
            Assert.Equal(sent, ran);
        }
    }
}
