using System.Runtime.InteropServices;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>Signals of simulated hosts: who is told, when, and who is not.</summary>
public sealed class SignalTests
{
    [Fact]
    public void Signal_ReachesTheLoopsOfItsHostInTheirOrder_AndNoOther()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = 1 });
        SimulatedHost host = world.AddHost("host", "10.0.0.1");
        SimulatedHost other = world.AddHost("other", "10.0.0.2");
        var told = new List<(string, TimeSpan)>();
        (SimulatedHost, string)[] programs = [(host, "first"), (host, "second"), (other, "other")];
        foreach ((SimulatedHost at, string name) in programs)
        {
            at.Start(async loop =>
            {
                await foreach (PosixSignal signal in loop.SignalsAsync(PosixSignal.SIGHUP))
                {
                    told.Add((name, world.Time));
                }
            });
        }

        world.RunFor(TimeSpan.FromSeconds(3));
        Assert.True(host.RaiseSignal(PosixSignal.SIGHUP));
        Assert.True(host.RaiseSignal((PosixSignal)1));
        Assert.False(host.RaiseSignal(PosixSignal.SIGTERM));
        Assert.Empty(told);
        world.RunUntilIdle();

        Assert.Equal(
            [("first", TimeSpan.FromSeconds(3)), ("second", TimeSpan.FromSeconds(3))],
            told.Order().ToArray());
    }

    [Fact]
    public void HostThatHasCrashed_IsSentNothing_AndKnowsNothingAfterwards()
    {
        using var world = new SimulatedWorld(new SimulationOptions { Seed = 1 });
        SimulatedHost host = world.AddHost("host", "10.0.0.1");
        EventLoop loop = host.CreateLoop();
        loop.CallSoon(() => loop.OnSignal(PosixSignal.SIGHUP, _ => Assert.Fail("It has crashed.")));
        world.RunUntilIdle();
        host.Crash();

        Assert.Throws<InvalidOperationException>(() => host.RaiseSignal(PosixSignal.SIGHUP));
        host.Restart();
        Assert.False(host.RaiseSignal(PosixSignal.SIGHUP));
        world.RunUntilIdle();
    }

    [Fact]
    public void Interrupts_ComeBeforeCallbacks_WhichTakeTheThirdToo()
    {
        var order = new List<string>();
        var taken = new List<bool>();
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated, HandleInterrupts = true });
        SimulatedHost host = SimulatedWorld.HostOf(loop);
        IDisposable registration = null!;
        Assert.ThrowsAny<OperationCanceledException>(() => loop.RunUntilComplete(async () =>
        {
            CancelScope main = CancelScope.Current!;
            registration = loop.OnSignal(PosixSignal.SIGTERM, _ =>
            {
                order.Add(main.IsCancelled ? "main, then the callback" : "the callback");
                taken.Add(host.RaiseSignal(PosixSignal.SIGTERM));
                taken.Add(host.RaiseSignal(PosixSignal.SIGTERM)); // which would have ended the process
                registration.Dispose();
                taken.Add(host.RaiseSignal(PosixSignal.SIGTERM));
            });
            Assert.True(host.RaiseSignal(PosixSignal.SIGTERM));
            await CancelScope.RunAsync(_ => loop.Delay(TimeSpan.FromDays(1)).AsTask(), shield: true);
        }));

        Assert.Equal(["main, then the callback"], order);
        Assert.Equal([true, true, false], taken);
    }
}
