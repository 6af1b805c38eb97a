namespace Toolkit.Tests.Tasks;

/// <summary>Cancellation is a state of a scope, seen by every wait inside it and by nobody else.</summary>
public sealed class CancelScopeTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Fact]
    public void Cancel_EveryWaitInside_ThrowsUntilTheScopeIsLeft() => Scenario.Run(async loop =>
    {
        int thrown = 0;
        bool completed = await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel("enough");
            Assert.Equal((true, "enough"), (scope.IsCancelled, scope.CancelReason));
            for (int i = 0; i < 3; i++)
            {
                try
                {
                    await loop.Delay(s_second);
                }
                catch (ScopeCancelledException exception)
                {
                    Assert.Same(scope, exception.Scope);
                    Assert.Contains("enough", exception.Message, StringComparison.Ordinal);
                    thrown++;
                }
            }

            await new Future(loop);
        });

        Assert.Equal((false, 3), (completed, thrown));
        await loop.Delay(s_second); // outside, nothing is cancelled
    });

    [Fact]
    public void Cancel_ACompletedWait_ReturnsItsResult() => Scenario.Run(async loop =>
    {
        Assert.True(await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            var future = new Future<int>(loop);
            future.SetResult(5);
            Assert.Equal(5, await future);
        }));
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CancelAndComplete_InOneTick_ReturnsTheResultAndTheNextWaitThrows(bool completeFirst) => Scenario.Run(async loop =>
    {
        int? result = null;
        bool completed = await CancelScope.RunAsync(async scope =>
        {
            var future = new Future<int>(loop);
            loop.CallSoon(() =>
            {
                if (completeFirst)
                {
                    future.SetResult(5);
                    scope.Cancel();
                }
                else
                {
                    scope.Cancel();
                    future.SetResult(5);
                }
            });
            result = await future;
            await loop.Yield();
        });

        Assert.Equal((5, false), (result, completed));
    });

    [Fact]
    public void Nested_TheOuterIsCancelled_TheInnerDoesNotSwallow() => Scenario.Run(async loop =>
    {
        bool innerReturned = false;
        bool completed = await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                inner.Cancel();
                outer.Cancel();
                await loop.Yield();
            });
            innerReturned = true;
        });

        Assert.Equal((false, false), (completed, innerReturned));
    });

    [Fact]
    public void Nested_TheOuterIsCancelledAfterTheInnersWaitHasEnded_TheOuterGetsIt() => Scenario.Run(async loop =>
    {
        bool innerReturned = false;
        bool completed = await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                loop.CallSoon(() =>
                {
                    inner.Cancel();
                    outer.Cancel();
                });
                await new Future(loop);
            });
            innerReturned = true;
        });

        Assert.Equal((false, false), (completed, innerReturned));
    });

    [Fact]
    public void Nested_TheOuterIsCancelledWhileTheInnersExceptionIsOnItsWay_TheOuterGetsIt() => Scenario.Run(async loop =>
    {
        bool innerReturned = false;
        bool completed = await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                inner.Cancel();
                try
                {
                    await loop.Yield();
                }
                finally
                {
                    outer.Cancel();
                }
            });
            innerReturned = true;
        });

        Assert.Equal((false, false), (completed, innerReturned));
    });

    [Fact]
    public void Deadlines_NestedAndExpiredTogether_TheOutermostEndsIt() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        bool completed = await CancelScope.MoveOnAfterAsync(
            s_second,
            _ => CancelScope.FailAfterAsync(
                s_second, _ => CancelScope.FailAfterAsync(s_second, async _ => await loop.Delay(s_second * 9))));

        Assert.False(completed);
        Assert.Equal(s_second, loop.Time - start);
    });

    [Fact]
    public void FailAfter_OfItsOwnTime_ThrowsTimeoutException() => Scenario.Run(async loop =>
    {
        TimeoutException timeout = await Assert.ThrowsAsync<TimeoutException>(
            () => CancelScope.FailAfterAsync(s_second, async _ => await loop.Delay(s_second * 2)));
        Assert.IsType<ScopeCancelledException>(timeout.InnerException);
        Assert.Equal(4, await CancelScope.FailAfterAsync(s_second, async _ =>
        {
            await loop.Delay(s_second / 2);
            return 4;
        }));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CancelScope.FailAfterAsync(s_second, async scope =>
        {
            scope.Cancel();
            await loop.Yield();
        }));
        Assert.Equal(7, await CancelScope.MoveOnAfterAsync(
            s_second,
            async _ =>
            {
                await loop.Delay(s_second * 2);
                return 8;
            },
            fallback: 7));
        await Assert.ThrowsAsync<FormatException>(
            () => CancelScope.FailAfterAsync(s_second, _ => throw new FormatException()));
    });

    [Fact]
    public void Deadline_InThePast_CancelsAtTheNextWait() => Scenario.Run(async loop =>
    {
        bool reached = false;
        Assert.False(await CancelScope.MoveOnAfterAsync(TimeSpan.Zero, async scope =>
        {
            reached = true;
            await loop.Yield();
            Assert.Fail("The wait went on.");
        }));
        Assert.True(reached);
        Assert.True(await CancelScope.MoveOnAfterAsync(TimeSpan.Zero, _ => Task.CompletedTask));
        await CancelScope.FailAfterAsync(TimeSpan.Zero, _ => Task.CompletedTask);
    });

    [Fact]
    public void Deadline_WhileActive_MayBeMoved() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        Assert.False(await CancelScope.RunAsync(async scope =>
        {
            Assert.Null(scope.Deadline);
            scope.Deadline = start + s_second;
            loop.CallLater(s_second / 2, () => scope.Deadline = start + (s_second * 5));
            await loop.Delay(s_second * 100);
        }));
        Assert.Equal(s_second * 5, loop.Time - start);

        Assert.True(await CancelScope.RunAsync(
            async scope =>
            {
                scope.Deadline = null;
                await loop.Delay(s_second * 100);
            },
            deadline: loop.Time + s_second));
    });

    [Fact]
    public void Shield_HidesTheScopesOutside_AndMayBeTakenAway() => Scenario.Run(async loop =>
    {
        TimeSpan start = loop.Time;
        bool finished = false;
        Assert.False(await CancelScope.RunAsync(async outer =>
        {
            outer.Cancel();
            await CancelScope.RunAsync(
                async inner =>
                {
                    await loop.Delay(s_second);
                    finished = true;
                    loop.CallLater(s_second, () => inner.Shield = false);
                    await loop.Delay(s_second * 10);
                },
                shield: true);
        }));
        Assert.True(finished);
        Assert.Equal(s_second * 2, loop.Time - start);
    });

    [Fact]
    public void Shield_AroundACleanup_DoesNotSpin() => Scenario.Run(async loop =>
    {
        int turns = 0;
        Assert.False(await CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            try
            {
                await loop.Yield();
            }
            finally
            {
                loop.UnsafeCallSoon(Count, null);
                await CancelScope.RunAsync(async _ => await loop.Delay(s_second), shield: true);
            }
        }));
        Assert.True(turns < 5, $"The loop turned {turns} times while it had to wait.");

        // Counts the turns of one moment: time jumps only when nothing is ready, and this lets the loop wait when nothing else
        // is.
        void Count(object? _)
        {
            if (turns++ < 1)
            {
                loop.UnsafeCallSoon(Count, null);
            }
        }
    });

    [Fact]
    public void Shield_RaisedAfterTheWaitHasEnded_StillTellsOfTheCancellation() => Scenario.Run(async loop =>
    {
        Assert.False(await CancelScope.RunAsync(outer => CancelScope.RunAsync(async inner =>
        {
            loop.CallSoon(() =>
            {
                outer.Cancel();
                inner.Shield = true;
            });
            await new Future(loop);
        })));
    });

    [Fact]
    public void Token_OfTheScope_IsCancelledAndKnownAgain() => Scenario.Run(async loop =>
    {
        Assert.False(await CancelScope.MoveOnAfterAsync(
            s_second, _ => Task.Delay(s_second * 5, loop.TimeProvider, CancelScope.CurrentToken)));

        // The token of an inner scope, which the outer does not know.
        Assert.False(await CancelScope.MoveOnAfterAsync(
            s_second,
            _ => CancelScope.RunAsync(_ => Task.Delay(s_second * 5, loop.TimeProvider, CancelScope.CurrentToken))));

        Assert.False(await CancelScope.RunAsync(scope =>
        {
            CancellationToken token = CancelScope.CurrentToken;
            scope.Cancel();
            Assert.False(token.IsCancellationRequested); // nothing of others runs within the call
            return Task.Delay(s_second, loop.TimeProvider, token);
        }));
        Assert.False(await CancelScope.RunAsync(scope =>
        {
            scope.Cancel();
            Assert.True(CancelScope.CurrentToken.IsCancellationRequested);
            return Task.FromCanceled(CancelScope.CurrentToken);
        }));
    });

    [Fact]
    public void Token_OfTheUser_PassesThroughACancelledScope() => Scenario.Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        OperationCanceledException exception = await Assert.ThrowsAsync<OperationCanceledException>(
            () => CancelScope.RunAsync(async scope =>
            {
                loop.CallSoon(() =>
                {
                    source.Cancel();
                    scope.Cancel();
                });
                await loop.Delay(s_second, source.Token);
            }));
        Assert.Equal(source.Token, exception.CancellationToken);
    });

    [Fact]
    public void InScope_APlainTask_IsAWaitOfTheScope() => Scenario.Run(async loop =>
    {
        var never = new TaskCompletionSource<int>();
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, async _ => await never.Task.InScope()));
        Assert.False(await CancelScope.MoveOnAfterAsync(s_second, async _ => await ((Task)never.Task).InScope()));
        never.SetResult(6);
        Assert.Equal(6, await never.Task.InScope());
    });

    [Fact]
    public void Wait_ThatOutlivesItsScope_BelongsToTheOneOutside() => Scenario.Run(async loop =>
    {
        Task? stray = null;
        bool completed = await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                stray = StrayAsync();
                await loop.Yield();
                inner.Cancel("only those inside");
            });
        });
        Assert.True(completed);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stray!);

        // And one that was not cancelled goes on, with what surrounds it.
        Task? other = null;
        Assert.False(await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                other = StrayAsync();
                await loop.Yield();
            });
            outer.Cancel();
            await loop.Yield();
        }));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other!);

        async Task StrayAsync() => await loop.Delay(s_second * 3);
    });

    [Fact]
    public void Scope_ThatWasLeft_IsTransparentAndCannotBeChanged() => Scenario.Run(async loop =>
    {
        CancelScope? left = null;
        Task? stray = null;
        var go = new TaskCompletionSource();
        await CancelScope.RunAsync(async outer =>
        {
            await CancelScope.RunAsync(async inner =>
            {
                left = inner;
                stray = StrayAsync(outer);
                await loop.Yield();
            });
            left!.Cancel();
            Assert.False(left.IsCancelled);
            Assert.Throws<InvalidOperationException>(() => left.Deadline = loop.Time);
            Assert.Throws<InvalidOperationException>(() => left.Shield = true);
            go.SetResult();
            await stray!;
        });

        async Task StrayAsync(CancelScope outer)
        {
            await go.Task;
            Assert.Same(outer, CancelScope.Current);
            await loop.Yield();
        }
    });

    [Fact]
    public void Callbacks_BelongToNoScopeAndNoTask() => Scenario.Run(async loop =>
    {
        var seen = new List<(CancelScope?, ILoopTask?)>();
        var local = new AsyncLocal<int> { Value = 5 };
        await loop.CreateTask(() => CancelScope.RunAsync(async scope =>
        {
            Assert.NotNull(LoopTask.Current);
            Assert.Same(scope, CancelScope.Current);
            loop.CallSoon(Look);
            loop.CallSoonThreadSafe(Look);
            loop.CallLater(s_second, Look);
            loop.CallAt(loop.Time + s_second, Look);
            using ITimer timer = loop.TimeProvider.CreateTimer(_ => Look(), null, s_second, Timeout.InfiniteTimeSpan);
            await loop.Delay(s_second * 2);
            Assert.Same(scope, CancelScope.Current);
        }));
        Assert.Equal(Enumerable.Repeat<(CancelScope?, ILoopTask?)>((null, null), 5), seen);

        void Look()
        {
            Assert.Equal(5, local.Value);
            seen.Add((CancelScope.Current, LoopTask.Current));
        }
    });

    [Fact]
    public void Callbacks_ScheduledInOneContext_StripItOnce() => Scenario.Run(async loop =>
    {
        await CancelScope.RunAsync(_ =>
        {
            static void Nothing(object? _)
            {
            }

            loop.CallSoon(Nothing, null);
            long before = GC.GetAllocatedBytesForCurrentThread();
            loop.CallSoon(Nothing, null);
            long handle = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(handle < 80, $"{handle} bytes for a callback.");
            return Task.CompletedTask;
        });
    });

    [Fact]
    public void Scope_OfAnotherLoop_IsIgnored()
    {
        using var world = new SimulatedWorld();
        EventLoop inner = world.AddHost("inner").CreateLoop();
        EventLoop outer = world.AddHost("outer").CreateLoop();
        bool done = false;
        outer.CallSoon(() => _ = CancelScope.RunAsync(async scope =>
        {
            scope.Cancel();
            inner.SynchronizationContext.Post(
                async _ =>
                {
                    Assert.Null(CancelScope.Current);
                    await inner.Delay(s_second);
                    done = true;
                },
                null);
            await outer.Yield();
        }));
        world.RunFor(s_second * 2);
        Assert.True(done);
    }

    [Fact]
    public void Cancel_FromAnotherThread_IsRefused() => Scenario.Run(
        loop => CancelScope.RunAsync(scope =>
        {
            TestThread.Run(() =>
            {
                Assert.Contains(
                    "CallSoonThreadSafe",
                    Assert.Throws<InvalidOperationException>(() => scope.Cancel()).Message,
                    StringComparison.Ordinal);
                Assert.Throws<InvalidOperationException>(() => { _ = CancelScope.RunAsync(_ => Task.CompletedTask); });
                Assert.Null(CancelScope.Current);
                Assert.False(CancelScope.CurrentToken.CanBeCanceled);
            });
            return Task.CompletedTask;
        }),
        LoopKind.Portable);

    [Fact]
    public void Token_FromAnotherThread_EndsTheWait() => Scenario.Run(
        async loop =>
        {
            for (int i = 0; i < 100; i++)
            {
                using var source = new CancellationTokenSource();
                TestThread canceller = TestThread.Start(source.Cancel);
                await Assert.ThrowsAnyAsync<OperationCanceledException>(
                    async () => await loop.Delay(TimeSpan.FromMinutes(1), source.Token));
                canceller.Join();
            }
        },
        LoopKind.Portable);
}
