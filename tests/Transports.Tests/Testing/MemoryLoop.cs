namespace Toolkit.Tests.Testing;

/// <summary>A loop of a given kind for one scenario in memory, which may hang no longer than a minute.</summary>
public static class MemoryLoop
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Every kind of loop.</summary>
    public static TheoryData<LoopKind> Kinds => [LoopKind.Epoll, LoopKind.Uring, LoopKind.Portable];

    /// <summary>Runs the scenario, and disposes the loop. An error that nobody waits for fails it, unless it is removed.</summary>
    public static void Run(Func<EventLoop, List<LoopError>, Task> scenario, LoopKind kind = LoopKind.Auto)
    {
        if (kind != LoopKind.Auto)
        {
            LoopContract.RequireKind(kind);
        }

        var errors = new List<LoopError>();
        using (var loop = new EventLoop(new EventLoopOptions { Kind = kind }))
        {
            loop.ExceptionHandler = errors.Add;
            using var watchdog = new Timer(_ => loop.Stop(), null, s_patience, Timeout.InfiniteTimeSpan);
            loop.RunUntilComplete(() => scenario(loop, errors));
        }

        Assert.Empty(errors);
    }

    /// <inheritdoc cref="Run(Func{EventLoop, List{LoopError}, Task}, LoopKind)"/>
    public static void Run(Func<EventLoop, Task> scenario, LoopKind kind = LoopKind.Auto)
        => Run((loop, _) => scenario(loop), kind);

    /// <summary>Waits, iteration by iteration, until the condition holds.</summary>
    public static async Task UntilAsync(EventLoop loop, Func<bool> condition)
    {
        while (!condition())
        {
            await TurnAsync(loop);
        }
    }

    /// <summary>Lets some iterations pass, more than anything in memory takes.</summary>
    public static async Task SettleAsync(EventLoop loop)
    {
        for (int i = 0; i < 20; i++)
        {
            await TurnAsync(loop);
        }
    }

    /// <summary>The checkers of both ends object to nothing, and both connections have ended.</summary>
    public static void RequireOrder(params ReadOnlySpan<CallbackGrammar> grammars)
    {
        foreach (CallbackGrammar grammar in grammars)
        {
            grammar.Finish();
            grammar.ThrowIfViolated();
        }
    }

    /// <summary>Bytes in which every misplaced one shows.</summary>
    public static byte[] Pattern(int length, ulong seed = 1)
    {
        byte[] bytes = new byte[length];
        new SeededRandom(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>A seed that is printed, and that TOOLKIT_SEED repeats.</summary>
    public static ulong NextSeed()
    {
        ulong seed = ulong.TryParse(Environment.GetEnvironmentVariable("TOOLKIT_SEED"), out ulong given)
            ? given
            : (ulong)Random.Shared.NextInt64();
        TestContext.Current.TestOutputHelper?.WriteLine($"TOOLKIT_SEED={seed}");
        return seed;
    }

    private static Task TurnAsync(EventLoop loop)
    {
        var next = new TaskCompletionSource();
        loop.CallSoon(next.SetResult);
        return next.Task;
    }
}
