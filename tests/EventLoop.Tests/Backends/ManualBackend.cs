using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Backends;

/// <summary>A clock that stands still until it is moved.</summary>
internal sealed class ManualClock(long now = 0) : IoClock
{
    private long _now = now;

    public override long Now => Volatile.Read(ref _now);

    public override DateTimeOffset UtcNow => WallClock;

    public DateTimeOffset WallClock { get; set; } = DateTimeOffset.UnixEpoch;

    public void Advance(TimeSpan time) => Interlocked.Add(ref _now, time.Ticks);

    public void AdvanceTo(long time) => Volatile.Write(ref _now, Math.Max(time, Now));
}

/// <summary>
/// A backend without I/O, whose waits for a timer end at once, at the time that was waited for: what the loop does with
/// time can be told to the tick.
/// </summary>
internal sealed class ManualBackend(ManualClock clock) : IoBackend
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly ManualResetEventSlim _woken = new();

    public override string Name => "manual";

    public override IoClock Clock => clock;

    /// <summary>Until when each poll was to wait.</summary>
    public List<long> Polls { get; } = [];

    public Action? OnPoll { get; set; }

    public Action? OnAttach { get; set; }

    /// <summary>What each poll says of itself; null for what is so.</summary>
    public Func<PollEnding?>? Left { get; set; }

    public bool IsDisposed { get; private set; }

    public override void Attach() => OnAttach?.Invoke();

    public override int Poll(long untilTicks)
    {
        Polls.Add(untilTicks);
        OnPoll?.Invoke();
        if (untilTicks == long.MaxValue)
        {
            Assert.True(_woken.Wait(s_patience), "The loop sleeps for ever.");
        }
        else if (!_woken.IsSet)
        {
            clock.AdvanceTo(untilTicks);
        }

        LastPoll = Left?.Invoke() ?? (_woken.IsSet ? PollEnding.ToldAll : PollEnding.TimedOut);
        _woken.Reset();
        return 0;
    }

    public override void Wake() => _woken.Set();

    public override IoHandle? Open(in HandleSpec spec, out SocketError error) => throw new NotSupportedException();

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => throw new NotSupportedException();

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
        => throw new NotSupportedException();

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
        => throw new NotSupportedException();

    public override SocketError ShutdownSend(IoHandle handle) => throw new NotSupportedException();

    protected override void Arm(IoOperation operation) => throw new NotSupportedException();

    protected override void Disarm(IoOperation operation) => throw new NotSupportedException();

    protected override void Close(IoHandle handle, bool reset) => throw new NotSupportedException();

    protected override void Dispose(bool disposing) => IsDisposed = true;
}
