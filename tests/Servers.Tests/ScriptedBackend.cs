using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Servers;

/// <summary>
/// A backend on which the test plays the system: it says what becomes of each attempt to accept, and its clock jumps to
/// the next deadline whenever there is nothing else to do.
/// </summary>
internal sealed class ScriptedBackend : IoBackend
{
    private readonly VirtualClock _clock = new();

    /// <summary>What the system does when an accept has been armed; by default nothing.</summary>
    public Action<ScriptedBackend, AcceptOperation>? OnAccept { get; set; }

    /// <summary>What the system says to a new handle; by default nothing against it.</summary>
    public Func<HandleSpec, SocketError>? OnOpen { get; set; }

    /// <summary>The handles that were closed.</summary>
    public int ClosedCount { get; private set; }

    /// <summary>When each accept was armed.</summary>
    public List<TimeSpan> Accepts { get; } = [];

    public override string Name => "scripted";

    public override IoClock Clock => _clock;

    public override void Attach()
    {
    }

    public override int Poll(long untilTicks)
    {
        int told = TellPendingEnds();
        LastPoll = PollEnding.ToldAll;
        if (Scheduled.TryDequeue(out Action? happening))
        {
            happening();
            return told + 1;
        }

        if (told == 0)
        {
            Assert.True(untilTicks != long.MaxValue, "The loop would wait for ever.");
            _clock.AdvanceTo(untilTicks);
            LastPoll = PollEnding.TimedOut;
        }

        return told;
    }

    public override void Wake()
    {
    }

    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        error = OnOpen?.Invoke(spec) ?? SocketError.Success;
        return error == SocketError.Success ? new Handle(this, spec.LocalEndPoint) : null;
    }

    /// <summary>A newcomer.</summary>
    public void Accept(AcceptOperation accept)
        => Scheduled.Enqueue(() =>
        {
            if (IsListening(accept))
            {
                Deliver(accept, new Handle(this, accept.Handle.LocalEndPoint));
            }
        });

    /// <summary>A newcomer that is turned away for want of descriptors.</summary>
    public void Shed(AcceptOperation accept) => Scheduled.Enqueue(() => DeliverShed(accept));

    /// <summary>Accepting fails.</summary>
    public void Fail(AcceptOperation accept, SocketError error) => EndLater(accept, error);

    public override SocketError SetOption(IoHandle handle, IoOption option, int value) => SocketError.Success;

    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        error = SocketError.Success;
        return data.Length;
    }

    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
        => throw new NotSupportedException();

    public override SocketError ShutdownSend(IoHandle handle) => SocketError.Success;

    protected override void Arm(IoOperation operation)
    {
        if (operation is AcceptOperation accept)
        {
            Accepts.Add(new TimeSpan(_clock.Now));
            OnAccept?.Invoke(this, accept);
        }
    }

    protected override void Disarm(IoOperation operation) => EndLater(operation, SocketError.OperationAborted);

    protected override void Close(IoHandle handle, bool reset) => ClosedCount++;

    protected override void Dispose(bool disposing)
    {
    }

    private Queue<Action> Scheduled { get; } = new();

    private sealed class Handle(ScriptedBackend backend, EndPoint? local) : IoHandle(backend)
    {
        public override EndPoint? LocalEndPoint => local;

        public override EndPoint? RemoteEndPoint => null;
    }

    private sealed class VirtualClock : IoClock
    {
        private long _now;

        public override long Now => Volatile.Read(ref _now);

        public override DateTimeOffset UtcNow => DateTimeOffset.UnixEpoch.AddTicks(Now);

        public void AdvanceTo(long ticks) => Volatile.Write(ref _now, Math.Max(_now, ticks));
    }
}
