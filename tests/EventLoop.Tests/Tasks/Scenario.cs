using Toolkit.Simulation;

namespace Toolkit.Tests.Tasks;

/// <summary>Coroutines on a loop in virtual time, which must leave nothing behind.</summary>
internal static class Scenario
{
    // Work in threads ends in the turn in which it begins, so that what is counted in turns gets to its end.
    private static readonly SimulationOptions s_simulation = new() { ThreadWorkTime = TimeSpan.Zero };

    /// <summary>Runs the scenario, and then looks for waits, timers, tasks and errors that are left.</summary>
    public static void Run(Func<EventLoop, Task> main, LoopKind kind = LoopKind.Simulated)
    {
        var errors = new List<LoopError>();
        Run(main, errors, kind);
        Assert.Empty(errors);
    }

    /// <inheritdoc cref="Run(Func{EventLoop, Task}, LoopKind)"/>
    /// <param name="errors">Where the errors go that the scenario expects.</param>
    public static void Run(Func<EventLoop, Task> main, List<LoopError> errors, LoopKind kind = LoopKind.Simulated)
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = kind, Simulation = s_simulation });
        loop.ExceptionHandler = errors.Add;
        loop.RunUntilComplete(async () =>
        {
            await main(loop);
            await TurnsAsync(3); // what was posted last, and the report of the last failure
        });
        Assert.Empty(loop.Tasks);
        Assert.True(loop.IsTaskless, "A wait or a scope is left.");
        Assert.Equal(0, loop.Timers.Count);
    }

    /// <summary>Lets the loop turn so many times, whatever is cancelled.</summary>
    public static async Task TurnsAsync(int count)
    {
        for (int i = 0; i < count; i++)
        {
            await Task.Yield();
        }
    }

    public static async Task<TException> ThrowsAsync<TException>(Func<Task> code)
        where TException : Exception
        => await Assert.ThrowsAnyAsync<TException>(code);
}
