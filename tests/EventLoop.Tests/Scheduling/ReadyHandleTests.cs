using System.Runtime.CompilerServices;
using Toolkit.Scheduling;

namespace Toolkit.Tests.Scheduling;

public sealed class ReadyHandleTests
{
    [Fact]
    public void TryTake_NotCancelled_GivesCallbackAndStateOnce()
    {
        object state = new();
        Action<object?> callback = static _ => { };
        var handle = new ReadyHandle(callback, state, null, null);

        Assert.True(handle.TryTake(out Action<object?> taken, out object? takenState));
        Assert.Same(callback, taken);
        Assert.Same(state, takenState);
        Assert.False(handle.TryTake(out _, out takenState));
        Assert.Null(takenState);
        Assert.False(handle.IsCancelled);
    }

    [Fact]
    public void Cancel_BeforeTheStart_PreventsIt()
    {
        var handle = new ReadyHandle(static _ => { }, null, null, null);

        Assert.False(handle.IsCancelled);
        Assert.True(handle.Cancel());
        Assert.True(handle.IsCancelled);
        Assert.False(handle.TryTake(out _, out _));
        Assert.True(handle.Cancel());
    }

    [Fact]
    public void Cancel_AfterTheStart_IsFalseAndChangesNothing()
    {
        var handle = new ReadyHandle(static _ => { }, null, null, null);
        handle.TryTake(out _, out _);

        Assert.False(handle.Cancel());
        Assert.False(handle.Cancel());
        Assert.False(handle.IsCancelled);
    }

    [Fact]
    public void Name_Pending_IsTheMethod()
    {
        var action = new ReadyHandle(static action => ((Action)action!)(), (Action)Named, null, null);
        var callback = new ReadyHandle(NamedWithState, "state", null, null);

        Assert.Equal("ReadyHandleTests.Named", action.Name);
        Assert.Equal("ReadyHandleTests.NamedWithState", callback.Name);
    }

    [Fact]
    public void Name_StartedOrCancelled_IsEmpty()
    {
        var started = new ReadyHandle(NamedWithState, null, null, null);
        var cancelled = new ReadyHandle(NamedWithState, null, null, null);
        started.TryTake(out _, out _);
        cancelled.Cancel();

        Assert.Equal("", started.Name);
        Assert.Equal("", cancelled.Name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Handle_CancelledOrStarted_LetsGoOfItsState(bool cancelled)
    {
        (ReadyHandle handle, WeakReference state) = MakeAndEnd(cancelled);
        GC.Collect();
        Assert.False(state.IsAlive);
        GC.KeepAlive(handle);
    }

    [Fact]
    public void Cancel_RacingTheStart_ExactlyOneWins()
    {
        const int Count = 300_000;
        var handles = new ReadyHandle[Count];
        object state = new();
        for (int i = 0; i < Count; i++)
        {
            handles[i] = new ReadyHandle(static _ => { }, state, null, null);
        }

        bool[] ran = new bool[Count];
        bool[] cancelled = new bool[Count];
        using var start = new Barrier(2);
        TestThread canceller = TestThread.Start(() =>
        {
            start.SignalAndWait();
            for (int i = 0; i < Count; i++)
            {
                cancelled[i] = handles[i].Cancel();
            }
        });
        start.SignalAndWait();
        int lost = 0;
        for (int i = 0; i < Count; i++)
        {
            ran[i] = handles[i].TryTake(out _, out object? taken);
            lost += ran[i] && taken != state ? 1 : 0;
        }

        canceller.Join();
        Assert.Equal(0, lost);
        for (int i = 0; i < Count; i++)
        {
            Assert.True(ran[i] != cancelled[i], $"Handle {i}: ran {ran[i]}, cancelled {cancelled[i]}.");
            Assert.Equal(cancelled[i], handles[i].IsCancelled);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (ReadyHandle Handle, WeakReference State) MakeAndEnd(bool cancelled)
    {
        object state = new();
        var handle = new ReadyHandle(static _ => { }, state, null, null);
        Assert.True(cancelled ? handle.Cancel() : handle.TryTake(out _, out _));
        return (handle, new WeakReference(state));
    }

    private static void Named()
    {
    }

    private static void NamedWithState(object? state)
    {
    }
}
