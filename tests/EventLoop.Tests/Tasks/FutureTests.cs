namespace Toolkit.Tests.Tasks;

/// <summary>A future ends once, and tells of it in order and never from within the call.</summary>
public sealed class FutureTests
{
    [Fact]
    public void States_OfEachEnd_AreAsSaid() => Scenario.Run(loop =>
    {
        var succeeded = new Future<int>(loop);
        Assert.Equal(FutureState.Pending, succeeded.State);
        succeeded.SetResult(5);
        Assert.Equal((FutureState.Succeeded, 5, null), (succeeded.State, succeeded.Result, succeeded.Exception));

        var failed = new Future(loop);
        var mine = new FormatException("mine");
        failed.SetException(mine);
        Assert.Equal(FutureState.Failed, failed.State);
        Assert.Same(mine, failed.Exception);

        var cancelled = new Future<int>();
        Assert.True(cancelled.Cancel("no need"));
        Assert.False(cancelled.Cancel());
        Assert.Equal(FutureState.Cancelled, cancelled.State);
        Assert.Contains(
            "no need", Assert.Throws<OperationCanceledException>(() => cancelled.Result).Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(() => cancelled.Exception);
        return Task.CompletedTask;
    });

    [Fact]
    public void End_Twice_IsAnErrorAndTheTryFormsSayFalse() => Scenario.Run(loop =>
    {
        var future = new Future<int>(loop);
        Assert.Throws<InvalidOperationException>(future.SetResult); // which has no value
        future.SetResult(1);
        Assert.Throws<InvalidOperationException>(() => future.SetResult(2));
        Assert.Throws<InvalidOperationException>(() => future.SetException(new FormatException()));
        Assert.False(future.TrySetResult(2));
        Assert.False(future.TrySetException(new FormatException()));
        Assert.Equal(1, future.Result);
        return Task.CompletedTask;
    });

    [Fact]
    public void Result_WhilePending_IsAnError() => Scenario.Run(loop =>
    {
        var future = new Future<int>(loop);
        Assert.Throws<InvalidOperationException>(() => future.Result);
        Assert.Throws<InvalidOperationException>(() => future.Exception);
        Assert.Throws<InvalidOperationException>(() => future.GetAwaiter().GetResult());
        return Task.CompletedTask;
    });

    [Fact]
    public void AwaitersAndCallbacks_AreToldInOrderByPosts() => Scenario.Run(async loop =>
    {
        var future = new Future<int>(loop);
        var told = new List<string>();
        Task first = AwaitAsync("first");
        future.AddDoneCallback(_ => told.Add("callback"));
        Task second = AwaitAsync("second");
        future.AddDoneCallback(_ => told.Add("removed")).Cancel();
        Task third = AwaitAsync("third");
        future.SetResult(7);
        Assert.Empty(told);
        future.AddDoneCallback(_ => told.Add("late"));
        Assert.Empty(told);
        await Task.WhenAll(first, second, third);
        await Scenario.TurnsAsync(1);

        Assert.Equal(["first", "callback", "second", "third", "late"], told);
        Assert.Equal(7, await future);

        async Task AwaitAsync(string name)
        {
            Assert.Equal(7, await future);
            told.Add(name);
        }
    });

    [Fact]
    public void DoneCallback_Context_IsThatOfTheRegistration() => Scenario.Run(async loop =>
    {
        var local = new AsyncLocal<string> { Value = "registered" };
        var future = new Future(loop);
        string? seen = null;
        ILoopTask? task = null;
        CancelScope? scope = null;
        await CancelScope.RunAsync(async _ =>
        {
            future.AddDoneCallback(_ => (seen, task, scope) = (local.Value, LoopTask.Current, CancelScope.Current));
            local.Value = "changed";
            future.SetResult();
            await future;
        });
        await Scenario.TurnsAsync(1);

        Assert.Equal(("registered", null, null), (seen, task, scope));
    });

    [Fact]
    public void Awaiters_ThatGiveUp_DoNotPileUp() => Scenario.Run(async loop =>
    {
        var future = new Future(loop);
        Task holder = AwaitAsync();
        var reference = new List<WeakReference>();
        for (int i = 0; i < 100; i++)
        {
            Assert.False(await CancelScope.MoveOnAfterAsync(TimeSpan.FromSeconds(1), async _ => await future));
            future.AddDoneCallback(Keep(reference)).Cancel();
        }

        GC.Collect();
        Assert.True(reference.Count(r => r.IsAlive) < 20, "Cancelled callbacks are kept.");
        future.SetResult();
        await holder;

        async Task AwaitAsync() => await future;

        static Action<Future> Keep(List<WeakReference> references)
        {
            var large = new object();
            references.Add(new WeakReference(large));
            return _ => GC.KeepAlive(large);
        }
    });

    [Fact]
    public void Await_OfALoopThatDoesNotRunHere_IsRefusedAndSaysWhatToDo()
    {
        using var other = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        var foreign = new Future(other);
        Scenario.Run(async loop =>
        {
            InvalidOperationException refusal = await Assert.ThrowsAsync<InvalidOperationException>(async () => await foreign);
            Assert.Contains("InvokeAsync", refusal.Message, StringComparison.Ordinal);
            refusal = Assert.Throws<InvalidOperationException>(foreign.SetResult);
            Assert.Contains("CallSoonThreadSafe", refusal.Message, StringComparison.Ordinal);
        });
        Scenario.Run(
            async loop =>
            {
                var future = new Future(loop);
                TestThread.Run(() =>
                {
                    Assert.Contains(
                        "CallSoonThreadSafe",
                        Assert.Throws<InvalidOperationException>(future.SetResult).Message,
                        StringComparison.Ordinal);
                    Assert.Throws<InvalidOperationException>(() => future.GetAwaiter().IsCompleted);
                });
                future.Cancel();
                await Assert.ThrowsAsync<OperationCanceledException>(async () => await future);
            },
            LoopKind.Portable);
    }

    [Fact]
    public void Tasks_ThereAndBack_KeepWhatCameOfIt() => Scenario.Run(async loop =>
    {
        var future = new Future<int>(loop);
        Task<int> task = future.AsTask();
        Future<int> back = task.OnLoop(loop);
        future.SetResult(3);
        Assert.Equal(3, await back);
        Assert.Equal(3, await future.AsTask());

        var failure = new FormatException("mine");
        Future failed = Task.FromException(failure).OnLoop(loop);
        Assert.Same(failure, await Assert.ThrowsAsync<FormatException>(async () => await failed));
        using var source = new CancellationTokenSource();
        await source.CancelAsync();
        Future cancelled = Task.FromCanceled(source.Token).OnLoop(loop);
        Assert.Equal(FutureState.Pending, cancelled.State);
        OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await cancelled);
        Assert.Equal(source.Token, exception.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(cancelled.AsTask);
    });

    [Fact]
    public void WaitAsync_Token_EndsTheWaitAndLeavesTheFuture() => Scenario.Run(async loop =>
    {
        var future = new Future<int>(loop);
        using var source = new CancellationTokenSource();
        loop.CallSoon(source.Cancel);
        OperationCanceledException exception = await Assert.ThrowsAsync<OperationCanceledException>(
            async () => await future.WaitAsync(source.Token));
        Assert.Equal(source.Token, exception.CancellationToken);
        Assert.Equal(FutureState.Pending, future.State);
        future.SetResult(1);
        Assert.Equal(1, await future.WaitAsync(source.Token)); // completion wins
    });

    [Fact]
    public void Await_OfAPendingFuture_AllocatesNothingButTheFuture() => Scenario.Run(async loop =>
    {
        var futures = new Future<int>[1001];
        for (int i = 0; i < futures.Length; i++)
        {
            futures[i] = new Future<int>(loop);
        }

        int next = 0;
        Action<object?> end = _ => futures[next].SetResult(next);
        long before = 0;
        int sum = 0;
        for (next = 0; next < futures.Length; next++)
        {
            if (next == 1)
            {
                before = GC.GetAllocatedBytesForCurrentThread(); // the coroutine is on the heap by now
            }

            loop.UnsafeCallSoon(end, null);
            sum += await futures[next];
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    });
}
