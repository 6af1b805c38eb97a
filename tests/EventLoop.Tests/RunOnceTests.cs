using System.Net;
using Toolkit.Backends;
using Toolkit.Tests.Backends;
using Toolkit.Tests.Tasks;

namespace Toolkit.Tests;

/// <summary>A loop as the guest of a host that owns the thread.</summary>
public sealed class RunOnceTests : IDisposable
{
    private static readonly TimeSpan s_frame = TimeSpan.FromMilliseconds(16);

    private readonly ManualClock _clock = new(now: 1000);
    private readonly ManualBackend _backend;
    private readonly EventLoop _loop;

    public RunOnceTests()
    {
        _backend = new ManualBackend(_clock);
        _loop = new EventLoop(new EventLoopOptions { BackendFactory = () => _backend });
    }

    public void Dispose() => _loop.Dispose();

    [Fact]
    public void NothingToDo_WaitsForSoLong()
    {
        Assert.False(_loop.RunOnce(s_frame));
        Assert.Equal([1000 + s_frame.Ticks], _backend.Polls);
    }

    [Fact]
    public void Zero_DoesNotWait()
    {
        _loop.CallLater(s_frame, () => { });
        Assert.False(_loop.RunOnce(TimeSpan.Zero));
        Assert.Equal([0], _backend.Polls);
    }

    [Fact]
    public void MaxValue_WaitsForAPost()
    {
        bool ran = false;
        _backend.OnPoll = () => TestThread.Run(() => _loop.CallSoonThreadSafe(() => ran = true));
        Assert.True(_loop.RunOnce(TimeSpan.MaxValue));
        Assert.Equal((long.MaxValue, false), (Assert.Single(_backend.Polls), ran));
        _backend.OnPoll = null;
        Assert.False(_loop.RunOnce(TimeSpan.Zero));
        Assert.True(ran);
    }

    [Fact]
    public void Timer_EndsTheWaitAndIsMoreToDo()
    {
        bool fired = false;
        TimerHandle timer = _loop.CallLater(s_frame / 2, () => fired = true);
        Assert.True(_loop.RunOnce(s_frame));
        Assert.Equal((timer.When, false), (_loop.Time, fired));
        Assert.False(_loop.RunOnce(TimeSpan.Zero));
        Assert.True(fired);
    }

    [Fact]
    public void Timer_OverdueSinceTheLastCall_FiresAfterALookAtIo()
    {
        var order = new List<string>();
        _loop.RunOnce(TimeSpan.Zero);
        _loop.CallLater(s_frame, () => order.Add("timer"));
        _clock.Advance(2 * s_frame);
        _backend.OnPoll = () => order.Add("poll");
        Assert.False(_loop.RunOnce(TimeSpan.Zero));
        Assert.Equal(["poll", "timer", "poll"], order);
    }

    [Fact]
    public void Callbacks_ThatScheduleCallbacks_RunOnePerCall()
    {
        int ran = 0;
        _loop.CallSoon(Again);
        for (int i = 1; i < 5; i++)
        {
            Assert.True(_loop.RunOnce(s_frame));
            Assert.Equal(i, ran);
        }

        Assert.All(_backend.Polls, until => Assert.Equal(0, until));

        void Again()
        {
            ran++;
            _loop.CallSoon(Again);
        }
    }

    [Fact]
    public void Stop_HasItNotWaitThisOnce()
    {
        _loop.Stop();
        Assert.False(_loop.RunOnce(s_frame));
        _loop.CallSoon(_loop.Stop);
        Assert.False(_loop.RunOnce(s_frame));
        Assert.Equal([0, 0], _backend.Polls);
        Assert.False(_loop.RunOnce(s_frame));
        Assert.Equal(1000 + s_frame.Ticks, _backend.Polls[^1]);
    }

    [Fact]
    public void Rules_AreThoseOfARun()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _loop.RunOnce(TimeSpan.FromTicks(-1)));
        Exception? nested = null;
        Exception? other = null;
        Exception? disposal = null;
        _loop.CallSoon(() =>
        {
            Assert.True(_loop.IsRunning);
            Assert.Same(_loop, EventLoop.Current);
            nested = Record.Exception(() => _loop.RunOnce(TimeSpan.Zero));
            using var second = new EventLoop(new EventLoopOptions { BackendFactory = () => new ManualBackend(_clock) });
            other = Record.Exception(() => second.RunOnce(TimeSpan.Zero));
            disposal = Record.Exception(_loop.Dispose);
        });
        SynchronizationContext? context = SynchronizationContext.Current;
        _loop.RunOnce(TimeSpan.Zero);
        Assert.All([nested, other, disposal], exception => Assert.IsType<InvalidOperationException>(exception));
        Assert.False(_loop.IsRunning);
        Assert.False(EventLoop.TryGetCurrent(out _));
        Assert.Same(context, SynchronizationContext.Current);
        TestThread.Run(() => Assert.Throws<InvalidOperationException>(() => _loop.RunOnce(TimeSpan.Zero)));
        _loop.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _loop.RunOnce(TimeSpan.Zero));
    }

    [Fact]
    public void Exception_OfACallback_GoesToTheHandler()
    {
        var errors = new List<LoopError>();
        _loop.ExceptionHandler = errors.Add;
        _loop.CallSoon(() => throw new FormatException());
        _loop.CreateTask(() => throw new FormatException());
        _loop.RunOnce(TimeSpan.Zero);
        Assert.Equal(2, errors.Count);
    }

    [Fact]
    public void Backend_Failed_IsThrownAndEndsTheLoop()
    {
        _backend.OnPoll = () => throw new BackendFailedException("manual", "broken");
        Assert.Throws<BackendFailedException>(() => _loop.RunOnce(TimeSpan.Zero));
        Assert.Throws<InvalidOperationException>(() => _loop.RunOnce(TimeSpan.Zero));
    }

    [Fact]
    public void Disposal_BetweenTwoCalls_EndsWhatLives()
    {
        string? end = null;
        LoopTask task = _loop.CreateTask(async () =>
        {
            try
            {
                await _loop.Delay(TimeSpan.FromDays(1));
            }
            catch (OperationCanceledException exception)
            {
                end = exception.Message;
                throw;
            }
        });
        _loop.RunOnce(TimeSpan.Zero);
        Assert.False(task.IsCompleted);
        _loop.Dispose();
        Assert.Equal(FutureState.Cancelled, task.State);
        Assert.Contains("disposed", end, StringComparison.Ordinal);
    }

    [Fact]
    public void Conversation_GoesOnByTurns()
    {
        using var loop = new EventLoop(new EventLoopOptions { Kind = LoopKind.Simulated });
        LoopTask<string> talk = loop.CreateTask(async () =>
        {
            await using Server server = await loop.CreateServerAsync(
                () => new TestProtocol { OnData = (self, data) => self.Transport.Write(data) },
                new IPEndPoint(IPAddress.Loopback, 0));
            var client = new TestProtocol { OnMade = self => self.Transport.Write("hello"u8) };
            await loop.CreateConnectionAsync(() => client, server.EndPoints[0]);
            await loop.Delay(10 * s_frame);
            client.Transport.Abort();
            return client.ReceivedText;
        });
        int frames = 0;
        while (!talk.IsCompleted)
        {
            while (loop.RunOnce(s_frame))
            {
                // there is more for this frame
            }

            frames++;
            Assert.True(frames < 100, "It does not end.");
        }

        Assert.Equal("hello", talk.Result);
        Assert.InRange(frames, 5, 50);
        Assert.Empty(loop.Tasks);
    }
}
