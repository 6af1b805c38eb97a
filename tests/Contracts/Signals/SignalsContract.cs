using System.Runtime.InteropServices;
using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// Signals: real ones, sent to the tests' own process, and on a simulated loop those of its host. None is sent that would end the
/// process if a test went wrong elsewhere, but what the test itself takes.
/// </summary>
public abstract partial class SignalsContract(LoopUnderTest subject) : LoopContract(subject)
{
    // Linux's numbers.
    private const PosixSignal User1 = (PosixSignal)10;
    private const PosixSignal User2 = (PosixSignal)12;
    private const PosixSignal Alarm = (PosixSignal)14;

    [Fact]
    public void Callbacks_AreCalledOnTheLoopInTheirOrder() => Run(async loop =>
    {
        var called = new List<string>();
        using IDisposable first = loop.OnSignal(User1, signal =>
        {
            Assert.Equal(User1, signal);
            Assert.True(loop.IsCurrent);
            called.Add("first");
        });
        using IDisposable throws = loop.OnSignal(User1, _ => throw new InvalidDataException("signal"));
        IDisposable third = null!;
        using IDisposable second = loop.OnSignal(User1, _ =>
        {
            called.Add("second");
            third.Dispose();
            third.Dispose();
        });
        third = loop.OnSignal(User1, _ => called.Add("third"));
        using IDisposable other = loop.OnSignal(User2, _ => called.Add("other"));

        Raise(loop, User1);
        await UntilAsync(loop, () => called.Count >= 2);

        Assert.Equal(["first", "second"], called);
        Assert.Equal("signal", TakeError().Exception.Message);
        Raise(loop, User2);
        await UntilAsync(loop, () => called.Count >= 3);
        Assert.Equal("other", called[^1]);
    });

    [Fact]
    public void Signals_ManyWhileNobodyLooks_AreToldOnceOrMore_AndTheLastIsNotLost() => Run(async loop =>
    {
        int raised = 0;
        int seen = 0; // of those that were raised before the callback
        int calls = 0;
        using IDisposable registration = loop.OnSignal(Alarm, _ =>
        {
            calls++;
            seen = raised;
        });
        for (int round = 0; round < 10; round++)
        {
            for (int i = 0; i < 100; i++)
            {
                raised++;
                Raise(loop, Alarm);
            }

            await UntilAsync(loop, () => seen == raised);
        }

        Assert.InRange(calls, 10, 1000);
    });

    [Fact]
    public void Registration_EndsWithTheLoop_AndOneThatWasDisposedOfMayBeAgain()
    {
        IDisposable left = null!;
        SimulatedHost? host = null;
        Run(loop =>
        {
            host = IsSimulated ? SimulatedWorld.HostOf(loop) : null;
            left = loop.OnSignal(User1, _ => { });
            IDisposable gone = loop.OnSignal(User2, _ => { });
            Assert.NotEqual(false, host?.RaiseSignal(User2));
            gone.Dispose();
            gone.Dispose();
            Assert.NotEqual(true, host?.RaiseSignal(User2));
            Assert.NotEqual(false, host?.RaiseSignal(User1));
            return Task.CompletedTask;
        });

        Assert.NotEqual(true, host?.RaiseSignal(User1));
        left.Dispose();
        left.Dispose();
    }

    [Fact]
    public void Sequence_HasEachSignalInItsOrder_AndNoneIsLostInBetween() => Run(async loop =>
    {
        var come = new List<PosixSignal>();
        Task reading = ReadAsync();
        Raise(loop, User1);
        await reading;

        Assert.Equal([User1, User2, User1, User1], come);

        async Task ReadAsync()
        {
            await foreach (PosixSignal signal in loop.SignalsAsync([User1, User2]))
            {
                come.Add(signal);
                switch (come.Count)
                {
                    case 1: // both while this runs, one after the other
                        var told = new TaskCompletionSource();
                        using (loop.OnSignal(User2, _ => told.TrySetResult()))
                        {
                            Raise(loop, User2);
                            await told.Task;
                        }

                        Raise(loop, User1);
                        break;
                    case 3:
                        Raise(loop, User1);
                        break;
                    case 4:
                        return;
                }
            }
        }
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Sequence_Cancelled_Throws(bool byToken) => Run(async loop =>
    {
        using var source = new CancellationTokenSource();
        bool isOver = await CancelScope.RunAsync(async scope =>
        {
            loop.CallSoon(() =>
            {
                if (byToken)
                {
                    source.Cancel();
                }
                else
                {
                    scope.Cancel();
                }
            });
            OperationCanceledException exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (PosixSignal signal in loop.SignalsAsync(User1, source.Token))
                {
                    Assert.Fail($"{signal} was never sent.");
                }
            });
            Assert.Equal(byToken, exception.CancellationToken == source.Token);
        });
    });

    [Fact]
    public void NumberOfANamedSignal_IsThatSignal() => Run(async loop =>
    {
        // One that whoever has started this process has not had ignored, as nohup does with SIGHUP.
        const PosixSignal Number = (PosixSignal)28;
        var called = new List<PosixSignal>();
        using IDisposable byNumber = loop.OnSignal(Number, called.Add);
#pragma warning disable CA1416 // Raise skips where there is no such signal.
        const PosixSignal Name = PosixSignal.SIGWINCH;
#pragma warning restore CA1416
        using IDisposable byName = loop.OnSignal(Name, called.Add);

        Raise(loop, Number);
        await UntilAsync(loop, () => called.Count >= 2);

        Assert.Equal([Name, Name], called);
    });

    [Fact]
    public void TwoLoops_AreBothTold() => Run(async loop =>
    {
        RequireRealMachine("The loops of a simulated host have a test of their own.");
        using EventLoopThread beside = EventLoop.StartThread("beside", OptionsOf());
        var told = new TaskCompletionSource();
        IDisposable there = null!;
        await beside.Loop.InvokeAsync(() =>
        {
            there = beside.Loop.OnSignal(User1, _ => told.TrySetResult());
            return Task.CompletedTask;
        });
        bool isTold = false;
        using IDisposable here = loop.OnSignal(User1, _ => isTold = true);

        Raise(loop, User1);
        await UntilAsync(loop, () => isTold && told.Task.IsCompleted);

        await beside.Loop.InvokeAsync(() =>
        {
            there.Dispose();
            return Task.CompletedTask;
        });
    });

    [Theory]
    [InlineData(9, "SIGKILL cannot be taken: the system does what it says")]
    [InlineData(19, "SIGSTOP cannot be taken: the system does what it says")]
    [InlineData(11, "SIGSEGV cannot be taken: it is a fault")]
    [InlineData(34, "the .NET runtime use it for themselves")]
    [InlineData(0, "This is no signal")]
    [InlineData(65, "This is no signal")]
    [InlineData(-11, "This is no signal")]
    public void SignalThatCannotBeTaken_IsRefused(int number, string reason) => Run(loop =>
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The numbers are Linux's.");
        var signal = (PosixSignal)number;
        foreach (Action call in (Action[])
        [
            () => loop.OnSignal(signal, _ => { }),
            () => loop.SignalsAsync(signal),
        ])
        {
            Assert.Contains(reason, Assert.ThrowsAny<ArgumentException>(call).Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentException>(() => loop.SignalsAsync([]));
        Assert.Throws<ArgumentNullException>(() => loop.OnSignal(PosixSignal.SIGHUP, null!));
        return Task.CompletedTask;
    });

    private void Raise(EventLoop loop, PosixSignal signal)
    {
        if (IsSimulated)
        {
            Assert.True(SimulatedWorld.HostOf(loop).RaiseSignal(signal));
            return;
        }

        Assert.SkipUnless(OperatingSystem.IsLinux(), "The numbers are Linux's.");
        Assert.Equal(0, Kill(Environment.ProcessId, (int)signal));
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
