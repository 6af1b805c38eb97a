using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// Any other backend, with everything happening that the contract of <see cref="IoBackend"/> allows and that rarely happens by
/// itself. For testing protocols: <see cref="EventLoopOptions.Chaos"/> puts it over a loop's own backend.
/// </summary>
/// <remarks>
/// <para>
/// Sends take a part, or would block out of turn. Bytes are handed on in other pieces. Completions are late, and those of
/// different connections overtake each other. A cancellation comes too late, and its end later. Buffers run out. Opening,
/// accepting, connecting, sending and receiving fail. All of it is driven by one seed.
/// </para>
/// <para>
/// <b>How.</b> Each operation that is submitted here is mirrored by one on the inner backend, which tells the side of the handle
/// that it belongs to, and that side holds what it was told until its turn comes. So user code never runs within the inner
/// backend's poll, and each side tells in order: bytes, and then the end. While something is held, polls do not wait.
/// </para>
/// <para>
/// <b>A connection that has failed</b> by an injected error stays so: whatever is armed on it ends, nothing more leaves or
/// arrives, and what had arrived is told before the end or lost, as after a real reset. The inner connection lives until the
/// handle is released, with a reset.
/// </para>
/// <para>Everything else, the clock and the wake-up among it, is the inner backend's, which is disposed with this one.</para>
/// </remarks>
public sealed partial class ChaosBackend : IoBackend
{
    /// <summary>For so many polls in succession something may be held back before the loop's time goes on regardless.</summary>
    private const int MaxHeldBackPolls = 32;

    private static readonly SocketError[] s_exhaustion = [SocketError.TooManyOpenSockets, SocketError.NoBufferSpaceAvailable];

    private static readonly SocketError[] s_connectFaults =
        [SocketError.ConnectionRefused, SocketError.TimedOut, SocketError.HostUnreachable, SocketError.NetworkUnreachable];

    private static readonly SocketError[] s_faults =
        [SocketError.ConnectionReset, SocketError.ConnectionReset, SocketError.TimedOut, SocketError.HostUnreachable];

    private static readonly SocketError[] s_sendFaults = [SocketError.ConnectionReset, SocketError.Shutdown, SocketError.TimedOut];

    // Set once.
    private readonly IoBackend _inner;
    private readonly ChaosOptions _options;
    private readonly SeededRandom _sizes;
    private readonly SeededRandom _times;
    private readonly SeededRandom _order;
    private readonly SeededRandom _cancellations;
    private readonly SeededRandom _errors;

    // Loop thread only.
    private readonly List<Side> _held = [];
    private readonly List<Side> _due = [];
    private long _polls;
    private long _seriesSince;
    private int _heldBackPolls;
    private long _exhaustedUntil;

    /// <summary>Puts chaos over a backend, which is owned from here on.</summary>
    public ChaosBackend(IoBackend inner, ChaosOptions options)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(options);
        _inner = inner;
        _options = options;
        var random = new SeededRandom(options.Seed);
        _sizes = random.Split("sizes");
        _times = random.Split("times");
        _order = random.Split("order");
        _cancellations = random.Split("cancellations");
        _errors = random.Split("errors");
    }

    /// <summary>The inner backend's name in brackets, such as <c>chaos(epoll)</c>.</summary>
    public override string Name => $"chaos({_inner.Name})";

    /// <inheritdoc/>
    public override IoClock Clock => _inner.Clock;

    /// <summary>The backend under the chaos.</summary>
    internal IoBackend Inner => _inner;

    /// <summary>Whether the next polls have something to tell that the inner backend does not know of.</summary>
    internal bool IsHolding => _held.Count > 0;

    /// <inheritdoc/>
    public override void Attach() => _inner.Attach();

    /// <inheritdoc/>
    public override void Detach() => _inner.Detach();

    /// <inheritdoc/>
    public override int Poll(long untilTicks)
    {
        _polls++;
        if (LastPoll != PollEnding.HeldBack || _inner.LastPoll == PollEnding.HasMore)
        {
            _seriesSince = _polls; // what the inner backend had left behind belongs to it too
        }

        bool waits = _held.Count == 0;
        _inner.Poll(waits ? untilTicks : 0);
        int told = TellHeld();
        LastPoll = EndPoll(waits);
        return told;
    }

    /// <inheritdoc/>
    public override void Wake() => _inner.Wake();

    /// <inheritdoc/>
    public override void OnPosted() => _inner.OnPosted();

    /// <inheritdoc/>
    public override IPAddress[] Resolve(string hostName) => _inner.Resolve(hostName);

    /// <inheritdoc/>
    public override double NextDouble() => _inner.NextDouble();

    /// <inheritdoc/>
    public override void RunInThread(Action work, Action completed) => _inner.RunInThread(work, completed);

    /// <inheritdoc/>
    public override IDisposable? RunLookup(Action work, Action completed) => _inner.RunLookup(work, completed);

    /// <inheritdoc/>
    public override IDisposable WatchSignal(PosixSignal signal, Func<bool> onSignal) => _inner.WatchSignal(signal, onSignal);

    /// <inheritdoc/>
    public override IoHandle? Adopt(Socket socket, bool isListening, out SocketError error)
        => _inner.Adopt(socket, isListening, out error) is { } adopted ? new ChaosHandle(this, adopted) : null;

    /// <inheritdoc/>
    public override IoHandle? Adopt(SafeHandle file, IoHandleKind kind, out SocketError error)
        => _inner.Adopt(file, kind, out error) is { } adopted ? new ChaosHandle(this, adopted) : null;

    /// <inheritdoc/>
    public override IoHandle? Open(in HandleSpec spec, out SocketError error)
    {
        if (_errors.Chance(_options.OpenError))
        {
            error = Pick(s_exhaustion);
            return null;
        }

        return _inner.Open(spec, out error) is { } opened ? new ChaosHandle(this, opened) : null;
    }

    /// <inheritdoc/>
    public override SocketError SetOption(IoHandle handle, IoOption option, int value)
        => _inner.SetOption(InnerOf(handle), option, value);

    /// <inheritdoc/>
    public override int TrySend(IoHandle handle, ReadOnlySpan<byte> data, out SocketError error)
    {
        IoHandle inner = InnerOf(handle);
        if (IsRefused((ChaosHandle)handle, out error))
        {
            return 0;
        }

        int part = (int)PartOf(data.Length, _options.ShortSend);
        int sent = _inner.TrySend(inner, data[..part], out error);
        if (error == SocketError.Success && part < data.Length)
        {
            error = SocketError.WouldBlock;
        }

        return sent;
    }

    /// <inheritdoc/>
    public override long TrySend(IoHandle handle, ReadOnlySpan<ReadOnlyMemory<byte>> buffers, out SocketError error)
    {
        IoHandle inner = InnerOf(handle);
        if (IsRefused((ChaosHandle)handle, out error))
        {
            return 0;
        }

        long length = 0;
        foreach (ReadOnlyMemory<byte> buffer in buffers)
        {
            length += buffer.Length;
        }

        long part = PartOf(length, _options.ShortSend);
        if (part == length)
        {
            return _inner.TrySend(inner, buffers, out error);
        }

        long sent = _inner.TrySend(inner, Cut(buffers, part), out error);
        if (error == SocketError.Success)
        {
            error = SocketError.WouldBlock;
        }

        return sent;
    }

    /// <inheritdoc/>
    public override long TrySendFile(IoHandle handle, SafeFileHandle file, long offset, long count, out SocketError error)
    {
        IoHandle inner = InnerOf(handle);
        if (IsRefused((ChaosHandle)handle, out error))
        {
            return 0;
        }

        long part = PartOf(count, _options.ShortSend);
        long sent = _inner.TrySendFile(inner, file, offset, part, out error);
        if (error == SocketError.Success && sent == part && part < count)
        {
            error = SocketError.WouldBlock;
        }

        return sent;
    }

    /// <inheritdoc/>
    public override SocketError ShutdownSend(IoHandle handle)
    {
        IoHandle inner = InnerOf(handle);
        return ((ChaosHandle)handle).Fault is null ? _inner.ShutdownSend(inner) : SocketError.NotConnected;
    }

    /// <inheritdoc/>
    protected override void Arm(IoOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        ((ChaosHandle)operation.Handle).SideOf(operation).Arm(operation);
    }

    /// <inheritdoc/>
    protected override void Disarm(IoOperation operation)
    {
        ArgumentNullException.ThrowIfNull(operation);
        ((ChaosHandle)operation.Handle).SideOf(operation).Disarm(operation);
    }

    /// <inheritdoc/>
    protected override void Close(IoHandle handle, bool reset)
    {
        IoHandle inner = InnerOf(handle);
        var closed = (ChaosHandle)handle;
        closed.Accepting?.Discard();
        closed.ReceivingDatagrams?.Discard();
        _inner.Release(inner, reset || closed.Fault is not null); // the peer learns of the end that was injected here
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inner.Dispose();
        }
    }

    private static IoHandle InnerOf(IoHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        return ((ChaosHandle)handle).Inner;
    }

    private static ReadOnlyMemory<byte>[] Cut(ReadOnlySpan<ReadOnlyMemory<byte>> buffers, long length)
    {
        var cut = new List<ReadOnlyMemory<byte>>();
        for (int i = 0; length > 0; i++)
        {
            int part = (int)Math.Min(length, buffers[i].Length);
            cut.Add(buffers[i][..part]);
            length -= part;
        }

        return [.. cut];
    }

    private bool IsRefused(ChaosHandle handle, out SocketError error)
    {
        if (handle.Fault is null && _errors.Chance(_options.SendError))
        {
            // The owner hears of it here and now, so the read side may end like any other that follows a reset.
            SocketError fault = Pick(s_sendFaults);
            handle.Fail(fault, readEnd: _errors.Chance(0.5) ? fault : SocketError.Success);
        }

        error = handle.Fault ?? (_times.Chance(_options.WouldBlock) ? SocketError.WouldBlock : SocketError.Success);
        return error != SocketError.Success;
    }

    // All of it, or some of it, small parts being as likely as large ones.
    private long PartOf(long length, double probability)
    {
        if (length <= 1 || !_sizes.Chance(probability))
        {
            return length;
        }

        int magnitude = _sizes.Next(BitOperations.Log2((ulong)length) + 1);
        return 1 + _sizes.NextInt64(Math.Min(length - 1, 1L << magnitude));
    }

    private int DrawDelay() => _times.Chance(_options.Delay) ? DrawPolls(_times) : 0;

    private int DrawPolls(SeededRandom random) => random.Next(1, _options.MaxDelayPolls + 1);

    private SocketError Pick(SocketError[] errors) => errors[_errors.Next(errors.Length)];

    // Has the side's turn come in this poll at the earliest, or so many polls later. A turn that stands stays.
    private void Hold(Side side, long polls)
    {
        if (!side.IsHeld)
        {
            side.IsHeld = true;
            side.HeldSince = _polls;
            side.DueAt = _polls + polls;
            _held.Add(side);
        }
    }

    // Something else is to be told, so the turn is another one.
    private void HoldAnew(Side side, long polls)
    {
        Hold(side, polls);
        side.DueAt = _polls + polls;
    }

    private int TellHeld()
    {
        int left = 0;
        for (int i = 0; i < _held.Count; i++)
        {
            Side side = _held[i];
            if (side.DueAt <= _polls)
            {
                _due.Add(side);
            }
            else
            {
                _held[left++] = side;
            }
        }

        _held.RemoveRange(left, _held.Count - left);
        if (_due.Count > 1 && _order.Chance(_options.Reorder))
        {
            _order.Shuffle(CollectionsMarshal.AsSpan(_due));
        }

        int told = 0;
        int turns = 0;
        for (; turns < _due.Count && told < CompletionsPerPoll; turns++)
        {
            told += GiveTurn(_due[turns]);
        }

        _held.InsertRange(0, CollectionsMarshal.AsSpan(_due)[turns..]);
        _due.Clear();
        return told;
    }

    private int GiveTurn(Side side)
    {
        if (side.DueAt > _polls)
        {
            _held.Add(side); // put off by a callback of this very poll
            return 0;
        }

        long since = side.HeldSince;
        side.IsHeld = false;
        int told = side.Tell();
        if (side.IsHeld)
        {
            side.HeldSince = since; // the rest of it
        }

        return told;
    }

    // The loop's time stands still while something waits that was there when the series of polls began; but not for ever, for a
    // connection that receives without pause may never have told all.
    private PollEnding EndPoll(bool waited)
    {
        if (_inner.LastPoll == PollEnding.HasMore)
        {
            return PollEnding.HasMore;
        }

        if (!_held.Exists(side => side.HeldSince <= _seriesSince))
        {
            _heldBackPolls = 0;
            return _inner.LastPoll == PollEnding.TimedOut && !waited ? PollEnding.ToldAll : _inner.LastPoll;
        }

        if (_heldBackPolls == MaxHeldBackPolls)
        {
            _heldBackPolls = 0;
            return PollEnding.HasMore;
        }

        _heldBackPolls++;
        return PollEnding.HeldBack;
    }

    /// <summary>A handle over the inner backend's, with a side for each of its places.</summary>
    private sealed class ChaosHandle : IoHandle
    {
        private readonly ChaosBackend _chaos;

        public ChaosHandle(ChaosBackend chaos, IoHandle inner)
            : base(chaos)
        {
            _chaos = chaos;
            Inner = inner;
            Kind = inner.Kind;
        }

        /// <summary>The handle of the inner backend.</summary>
        public IoHandle Inner { get; }

        public override EndPoint? LocalEndPoint => Inner.LocalEndPoint;

        public override EndPoint? RemoteEndPoint => Inner.RemoteEndPoint;

        public override PeerIdentity? PeerIdentity => Inner.PeerIdentity;

        /// <summary>The injected error that the connection has died of.</summary>
        public SocketError? Fault { get; private set; }

        public AcceptingSide? Accepting { get; private set; }

        public ReceivingSide? Receiving { get; private set; }

        public WritingSide? Writing { get; private set; }

        public WatchingSide? Watching { get; private set; }

        public ReadableSide? Readable { get; private set; }

        public WritableSide? Writable { get; private set; }

        /// <summary>Whether whoever reads, or accepts, has something coming.</summary>
        public bool HasUntold => Fault is not null
            || Receiving is { HasUntold: true } || Accepting is { HasUntold: true } || ReceivingDatagrams is { HasUntold: true };

        /// <summary>Whether somebody is told of what is received.</summary>
        public bool IsRead => ReadSide is ReceiveOperation { State: IoOperationState.Armed or IoOperationState.Delivering };

        public DatagramReceivingSide? ReceivingDatagrams { get; private set; }

        public DatagramSendingSide? SendingDatagrams { get; private set; }

        public Side SideOf(IoOperation operation) => operation switch
        {
            DatagramReceiveOperation { ReceiveSize: var size }
                => ReceivingDatagrams ??= new DatagramReceivingSide(_chaos, this, size),
            DatagramSendOperation => SendingDatagrams ??= new DatagramSendingSide(_chaos, this),
            ReceiveOperation => Receiving ??= new ReceivingSide(_chaos, this),
            AcceptOperation => Accepting ??= new AcceptingSide(_chaos, this),
            ReadableOperation => Readable ??= new ReadableSide(_chaos, this),
            WritableOperation => Writable ??= new WritableSide(_chaos, this),
            HangUpOperation => Watching ??= new WatchingSide(_chaos, this),
            _ => Writing ??= new WritingSide(_chaos, this),
        };

        /// <summary>The connection dies: what is armed ends with the error, except that the read side may end otherwise.</summary>
        public void Fail(SocketError fault, SocketError readEnd)
        {
            Fault = fault;
            (Receiving ??= new ReceivingSide(_chaos, this)).Fail(readEnd);
            Writing?.Fail();
            Watching?.Notice();
            Readable?.Update();
            Writable?.Fail();
        }
    }

    /// <summary>
    /// One place of a handle: it takes what the inner backend tells of it, and tells it on when its turn comes.
    /// </summary>
    private abstract class Side
    {
        /// <summary>Whether a turn is to come.</summary>
        public bool IsHeld { get; set; }

        /// <summary>The poll of that turn.</summary>
        public long DueAt { get; set; }

        /// <summary>The poll since which there has been something to tell.</summary>
        public long HeldSince { get; set; }

        /// <summary>The operation was submitted.</summary>
        public abstract void Arm(IoOperation operation);

        /// <summary>The operation was cancelled, or its handle released. Sees to its end.</summary>
        public abstract void Disarm(IoOperation operation);

        /// <summary>The turn has come.</summary>
        /// <returns>How many completions were told.</returns>
        public abstract int Tell();
    }
}
