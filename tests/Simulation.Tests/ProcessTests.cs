using System.Text;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Children of a simulation: programs that are coroutines.</summary>
public sealed class ProcessTests
{
    [Fact]
    public void Program_ReadsItsInputAndAnswers() => Run(async loop =>
    {
        ProcessResult result = await loop.RunProcessAsync(
            new SpawnOptions { FileName = "sort", Arguments = ["-r"] }, "a\nc\nb\n"u8.ToArray());

        Assert.Equal("c\nb\na\n", Encoding.UTF8.GetString(result.Output.Span));
        Assert.Equal("sorted", Encoding.UTF8.GetString(result.Error.Span));
        Assert.Equal(3, result.Status.Code);
    });

    [Fact]
    public void Program_ThatIgnoresTheRequestToEnd_IsKilledWhenItsTimeIsOver() => Run(async loop =>
    {
        var protocol = new ChildProtocol();
        SubprocessTransport child = (await loop.SpawnAsync(() => protocol, new SpawnOptions { FileName = "stubborn" })).Transport;
        await loop.Delay(TimeSpan.FromSeconds(1));
        TimeSpan began = loop.Time;

        ExitStatus status = await child.TerminateAsync(TimeSpan.FromHours(1));

        Assert.Equal(9, status.Signal);
        Assert.Equal(TimeSpan.FromHours(1), loop.Time - began);
        Assert.Equal(status, await child.WaitCompletedAsync());
        Assert.Equal("end", protocol.Events[^1]);
        Assert.Empty(protocol.Violations);
    });

    [Fact]
    public void Grandchild_ThatHoldsThePipe_DelaysOnlyTheCompletion() => Run(async loop =>
    {
        var protocol = new ChildProtocol();
        SubprocessTransport child = (await loop.SpawnAsync(() => protocol, new SpawnOptions { FileName = "daemon" })).Transport;

        Assert.True((await child.WaitExitedAsync()).IsSuccess);
        TimeSpan exited = loop.Time;
        await child.WaitCompletedAsync();
        Assert.Equal(TimeSpan.FromDays(1), loop.Time - exited);
        Assert.Equal("late", protocol.Output);
        Assert.Empty(protocol.Violations);
    });

    [Fact]
    public void Signals_EndWhatDoesNotHandleThem() => Run(async loop =>
    {
        ChildProtocol killed = (await loop.SpawnAsync(() => new ChildProtocol(), Of("stubborn"))).Protocol;
        Assert.True(killed.Transport.Kill());
        Assert.Equal(9, (await killed.Transport.WaitCompletedAsync()).Signal);
        Assert.False(killed.Transport.Kill());

        // Asked to end, and given time for it: the polite one takes an hour of the two.
        ChildProtocol polite = (await loop.SpawnAsync(() => new ChildProtocol(), Of("polite"))).Protocol;
        await loop.Delay(TimeSpan.FromSeconds(1));
        TimeSpan began = loop.Time;
        Assert.Equal(0, (await polite.Transport.TerminateAsync(TimeSpan.FromHours(2))).Code);
        Assert.Equal(TimeSpan.FromHours(1), loop.Time - began);
        await polite.Transport.WaitCompletedAsync();
        Assert.Equal("bye", polite.Output);

        ChildProtocol closed = (await loop.SpawnAsync(() => new ChildProtocol(), Of("stubborn"))).Protocol;
        closed.Transport.Close();
        Assert.Null(await closed.Lost.Task);
        Assert.Equal(9, closed.Transport.ExitStatus!.Value.Signal);
        Assert.All([killed, polite, closed], protocol => Assert.Empty(protocol.Violations));
    });

    [Fact]
    public void Program_ThatThrowsOrIsMissing_SaysSo()
    {
        var errors = new List<LoopError>();
        Run(
            async loop =>
            {
                ProcessResult result = await loop.RunProcessAsync(new SpawnOptions { FileName = "broken" });
                Assert.Equal(6, result.Status.Signal);
                SpawnFailedException failure = await Assert.ThrowsAsync<SpawnFailedException>(
                    () => loop.RunProcessAsync(new SpawnOptions { FileName = "missing" }));
                Assert.Equal(SpawnError.ProgramNotFound, failure.Error);
            },
            errors);
        Assert.Equal("broken", Assert.Single(errors).Exception.Message);
    }

    private static SpawnOptions Of(string program) => new() { FileName = program };

    private static void Run(Func<EventLoop, Task> scenario, List<LoopError>? errors = null)
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        errors ??= [];
        loop.ExceptionHandler = errors.Add;
        SimulatedWorld world = SimulatedWorld.Of(loop);
        world.AddProgram("sort", SortAsync);
        world.AddProgram("stubborn", async process =>
        {
            process.Ignore(15);
            await process.Input!.ReadLineAsync();
            return 0;
        });
        world.AddProgram("polite", async process =>
        {
            var asked = new AsyncEvent();
            process.OnSignal(15, asked.Set);
            await asked.WaitAsync();
            await loop.Delay(TimeSpan.FromHours(1));
            await process.Output!.WriteAsync("bye"u8.ToArray());
            return 0;
        });
        world.AddProgram("daemon", process =>
        {
            IDisposable held = process.Share();
            loop.CallLater(TimeSpan.FromDays(1), () =>
            {
                process.Output!.Write("late"u8);
                held.Dispose();
            });
            return Task.FromResult(0);
        });
        world.AddProgram("broken", _ => throw new InvalidOperationException("broken"));
        loop.RunUntilComplete(() => scenario(loop));
        Assert.All(errors, error => Assert.Equal("broken", error.Exception.Message));
    }

    private static async Task<int> SortAsync(SimulatedProcess process)
    {
        var lines = new List<string>();
        while (await process.Input!.ReadLineAsync() is { } line)
        {
            lines.Add(Encoding.UTF8.GetString(line.Span));
        }

        lines.Sort(StringComparer.Ordinal);
        if (process.Arguments.Contains("-r"))
        {
            lines.Reverse();
        }

        await process.Output!.WriteAsync(Encoding.UTF8.GetBytes(string.Concat(lines.Select(line => $"{line}\n"))));
        await process.Error!.WriteAsync("sorted"u8.ToArray());
        return lines.Count;
    }
}
