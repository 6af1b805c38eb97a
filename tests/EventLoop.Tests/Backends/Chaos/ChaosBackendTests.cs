using System.Net.Sockets;
using System.Text;
using Toolkit.Backends;
using Toolkit.Simulation;

namespace Toolkit.Tests.Backends.Chaos;

public sealed class ChaosBackendTests
{
    private const int MaxHeld = 256 * 1024;

    private readonly ScriptedBackend _inner = new();

    [Fact]
    public void PassedThrough_NameClockWakeAndDisposal_AreTheInnerOnes()
    {
        ChaosBackend chaos = Over(ChaosOptions.None);

        Assert.Equal("chaos(scripted)", chaos.Name);
        Assert.Same(_inner.Clock, chaos.Clock);
        chaos.Wake();
        Assert.Equal(1, _inner.Woken);
        chaos.Dispose();
        Assert.True(_inner.IsDisposed);
    }

    [Fact]
    public void Loop_Chaos_IsPutOverWhatWasChosen()
    {
        using var loop = new EventLoop(new EventLoopOptions { BackendFactory = () => _inner, Chaos = ChaosOptions.Gentle });

        Assert.Equal("chaos(scripted)", loop.BackendName);
    }

    [Fact]
    public void None_EveryThing_IsToldAtOnceAndWhole()
    {
        ChaosBackend chaos = Over(ChaosOptions.None);
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.Receive();
        inner.Incoming.Enqueue("hello"u8.ToArray());
        inner.IncomingEnd = SocketError.Success;

        Assert.Equal(1, chaos.Poll(100));
        Assert.Equal(1, chaos.Poll(100));
        Assert.Equal(0, chaos.Poll(100));

        Assert.Equal(["data hello", "receive Success"], owner.Told);
        Assert.Equal(PollEnding.TimedOut, chaos.LastPoll);
        Assert.Equal([100, 0, 100], _inner.Polls); // while something is held, nobody waits
    }

    [Fact]
    public void Delay_Always_IsBoundedAndTimeStandsStillMeanwhile()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { Delay = 1, MaxDelayPolls = 3 });
        for (int round = 0; round < 50; round++)
        {
            Owner owner = Open(chaos, out ScriptedHandle inner);
            owner.Receive();
            inner.Incoming.Enqueue("x"u8.ToArray());

            Assert.Equal(0, chaos.Poll(0));
            int polls = 0;
            for (; owner.Told.Count == 0; polls++)
            {
                Assert.Equal(PollEnding.HeldBack, chaos.LastPoll);
                chaos.Poll(0);
            }

            Assert.InRange(polls, 1, 3);
            Assert.NotEqual(PollEnding.HeldBack, chaos.LastPoll);
            chaos.Release(owner.Handle, reset: true);
            PollUntil(chaos, () => owner.Told.Count == 2);
        }
    }

    [Fact]
    public void Delay_NewBytesWithoutPause_TimeGoesOnRegardless()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { ShortReceive = 1, Delay = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.Receive();
        int heldBack = 0;
        for (int poll = 0; poll < 40; poll++)
        {
            inner.Incoming.Enqueue(new byte[1000]);
            chaos.Poll(0);
            heldBack += chaos.LastPoll == PollEnding.HeldBack ? 1 : 0;
        }

        Assert.InRange(heldBack, 30, 39);
    }

    [Fact]
    public void ShortReceive_Always_HandsOnEveryByteInPieces()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { ShortReceive = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.Receive();
        inner.Incoming.Enqueue(Encoding.ASCII.GetBytes(new string('a', 50) + new string('b', 50)));
        inner.IncomingEnd = SocketError.Success;

        PollUntil(chaos, () => owner.Told.Contains("receive Success"));

        Assert.InRange(owner.Told.Count, 3, 101);
        Assert.Equal(new string('a', 50) + new string('b', 50), owner.Received);
        Assert.Equal("receive Success", owner.Told[^1]);
    }

    [Fact]
    public void Receive_OwnBuffer_IsFilledInPieces()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { ShortReceive = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.OwnBuffer = new byte[7];
        owner.Receive();
        inner.Incoming.Enqueue(Encoding.ASCII.GetBytes("the quick brown fox jumps over the lazy dog"));
        inner.IncomingEnd = SocketError.Success;

        PollUntil(chaos, () => owner.Told.Contains("receive Success"));

        Assert.Equal("the quick brown fox jumps over the lazy dog", owner.Received);
        Assert.True(owner.Told.Count > 7);
    }

    [Fact]
    public void Receive_Cancelled_KeepsTheBytesFirstAndTheEndBehindThem()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { Delay = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        ReceiveOperation receive = owner.Receive();
        inner.Incoming.Enqueue("hello"u8.ToArray());
        inner.IncomingEnd = SocketError.Success;
        chaos.Poll(0);

        chaos.Cancel(receive);
        PollUntil(chaos, () => !receive.IsArmed);
        for (int i = 0; i < 10; i++)
        {
            chaos.Poll(0);
        }

        Assert.Equal(["receive OperationAborted"], owner.Told);
        chaos.Submit(receive);
        PollUntil(chaos, () => !receive.IsArmed);
        Assert.Equal(["receive OperationAborted", "data hello", "receive Success"], owner.Told);
    }

    [Fact]
    public void Receive_OwnerPauses_TheInnerBackendReceivesNothing()
    {
        ChaosBackend chaos = Over(ChaosOptions.None);
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.StaysArmed = false;
        owner.Receive();
        inner.Incoming.Enqueue("hello"u8.ToArray());
        chaos.Poll(0);
        chaos.Poll(0);
        inner.Incoming.Enqueue("world"u8.ToArray());
        chaos.Poll(0);

        Assert.Equal(["data hello"], owner.Told);
        Assert.Single(inner.Incoming);
    }

    [Fact]
    public void Receive_MuchIsHeld_TheInnerBackendIsPaused()
    {
        const int Chunk = 64 * 1024;
        ChaosBackend chaos = Over(ChaosOptions.None with { Delay = 1, MaxDelayPolls = 100 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.Receive();
        for (int i = 0; i < 32; i++)
        {
            inner.Incoming.Enqueue(new byte[Chunk]);
        }

        chaos.Poll(0);
        Assert.Equal(32 - (MaxHeld / Chunk) - 1, inner.Incoming.Count);
        PollUntil(chaos, () => owner.Received.Length == 32 * Chunk);
    }

    [Fact]
    public void BufferExhaustion_Always_PausesTheInnerReceiveForSomePolls()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { BufferExhaustion = 1, MaxDelayPolls = 3 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        owner.Receive();
        for (int i = 0; i < 5; i++)
        {
            inner.Incoming.Enqueue([(byte)('0' + i)]);
        }

        chaos.Poll(0);
        Assert.Equal(4, inner.Incoming.Count);
        chaos.Poll(long.MaxValue);
        Assert.Equal(0, _inner.Polls[^1]); // nobody waits as long as nobody receives
        int polls = 2;
        for (; owner.Received.Length < 5; polls++)
        {
            chaos.Poll(0);
        }

        Assert.InRange(polls, 1 + (4 * 2), 1 + (4 * 4));
        Assert.Equal("01234", owner.Received);
    }

    [Fact]
    public void Reorder_Always_KeepsTheOrderOfEachHandle()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { Reorder = 1, ShortReceive = 0.5, Delay = 0.5 });
        List<int> order = [];
        Owner[] owners = [.. Enumerable.Range(0, 20).Select(i =>
        {
            Owner owner = Open(chaos, out ScriptedHandle inner);
            owner.OnTold = () => order.Add(i);
            owner.Receive();
            inner.Incoming.Enqueue(Encoding.ASCII.GetBytes("abcdefgh"));
            inner.IncomingEnd = SocketError.Success;
            return owner;
        })];

        PollUntil(chaos, () => Array.TrueForAll(owners, owner => owner.Told.Contains("receive Success")));

        Assert.All(owners, owner => Assert.Equal("abcdefgh", owner.Received));
        Assert.All(owners, owner => Assert.Equal("receive Success", owner.Told[^1]));
        Assert.NotEqual(order.Distinct(), order.Distinct().Order());
    }

    [Fact]
    public void Poll_ManyCompletions_TellsABoundedNumberAndTheRestFirst()
    {
        ChaosBackend chaos = Over(ChaosOptions.None);
        Owner[] owners = [.. Enumerable.Range(0, 100).Select(_ =>
        {
            Owner owner = Open(chaos, out ScriptedHandle inner);
            owner.Receive();
            inner.Incoming.Enqueue("x"u8.ToArray());
            return owner;
        })];

        Assert.Equal(64, chaos.Poll(0));
        Assert.Equal(PollEnding.HeldBack, chaos.LastPoll);
        Assert.Equal(36, chaos.Poll(0));
        Assert.Equal(PollEnding.ToldAll, chaos.LastPoll);
        Assert.All(owners, owner => Assert.Equal(["data x"], owner.Told));
    }

    [Fact]
    public void TrySend_ShortAlways_TakesAPartAndWouldBlock()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { ShortSend = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        for (int round = 0; round < 100; round++)
        {
            inner.Sent.SetLength(0);
            int sent = chaos.TrySend(owner.Handle, "0123456789"u8, out SocketError error);

            Assert.InRange(sent, 1, 9);
            Assert.Equal(SocketError.WouldBlock, error);
            Assert.Equal("0123456789"[..sent], Encoding.ASCII.GetString(inner.Sent.ToArray()));

            inner.Sent.SetLength(0);
            ReadOnlyMemory<byte>[] buffers = ["0123"u8.ToArray(), ReadOnlyMemory<byte>.Empty, "456789"u8.ToArray()];
            sent = (int)chaos.TrySend(owner.Handle, buffers, out error);

            Assert.InRange(sent, 1, 9);
            Assert.Equal(SocketError.WouldBlock, error);
            Assert.Equal("0123456789"[..sent], Encoding.ASCII.GetString(inner.Sent.ToArray()));
        }
    }

    [Fact]
    public void TrySend_WouldBlockAlways_TakesNothing()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { WouldBlock = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);

        Assert.Equal(0, chaos.TrySend(owner.Handle, "hello"u8, out SocketError error));
        Assert.Equal(SocketError.WouldBlock, error);
        Assert.Equal(0, inner.Sent.Length);

        owner.Send("hello");
        chaos.Poll(0);
        Assert.Equal(["sent 5 Success"], owner.Told);
    }

    [Fact]
    public void Cancel_LostRaceAlways_ASendThatCompletesMeanwhileSaysSo()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { LostCancel = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        inner.TakesSends = false;
        SendOperation send = owner.Send("hello");
        chaos.Poll(0);
        chaos.Cancel(send);
        inner.TakesSends = true;
        PollUntil(chaos, () => !send.IsArmed);
        Assert.Equal(["sent 5 Success"], owner.Told);

        owner.Told.Clear();
        inner.TakesSends = false;
        send = owner.Send("hello");
        chaos.Cancel(send);
        PollUntil(chaos, () => !send.IsArmed);
        Assert.Equal(["sent 0 OperationAborted"], owner.Told); // it comes too late, but it comes
    }

    [Fact]
    public void ReceiveError_Always_TheConnectionIsDeadInBothDirections()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { ReceiveError = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        inner.TakesSends = false;
        owner.Receive();
        owner.Send("hello");
        inner.Incoming.Enqueue("hello"u8.ToArray());

        PollUntil(chaos, () => owner.Told.Exists(told => told.StartsWith("receive", StringComparison.Ordinal))
            && owner.Told.Exists(told => told.StartsWith("sent", StringComparison.Ordinal)));

        string error = owner.Told.Find(told => told.StartsWith("receive", StringComparison.Ordinal))!["receive ".Length..];
        Assert.NotEqual("Success", error);
        Assert.Contains($"sent 0 {error}", owner.Told);
        inner.TakesSends = true;
        inner.Incoming.Enqueue("more"u8.ToArray());
        Assert.Equal(0, chaos.TrySend(owner.Handle, "more"u8, out SocketError sendError));
        Assert.Equal(error, sendError.ToString());
        Assert.Equal(SocketError.NotConnected, chaos.ShutdownSend(owner.Handle));
        owner.Told.Clear();
        owner.Receive();
        owner.Send("more");
        owner.Watch();
        PollUntil(chaos, () => owner.Told.Count == 3);
        Assert.Equal([$"hang-up {error}", $"receive {error}", $"sent 0 {error}"], owner.Told.Order(StringComparer.Ordinal));
        Assert.Equal(0, inner.Sent.Length);
        Assert.Single(inner.Incoming);
        Assert.False(inner.HasEnded);
    }

    [Fact]
    public void SendError_Always_TheReadSideEndsAsWell()
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            ChaosBackend chaos = Over(ChaosOptions.None with { SendError = 1, Seed = seed });
            Owner owner = Open(chaos, out ScriptedHandle inner);
            ReceiveOperation receive = owner.Receive();

            Assert.Equal(0, chaos.TrySend(owner.Handle, "hello"u8, out SocketError error));
            Assert.True(error is not (SocketError.Success or SocketError.WouldBlock), error.ToString());
            Assert.Empty(owner.Told);
            PollUntil(chaos, () => !receive.IsArmed);

            Assert.True(owner.Told[0] == $"receive {error}" || owner.Told[0] == "receive Success", owner.Told[0]);
            Assert.Equal(0, inner.Sent.Length);
        }
    }

    [Fact]
    public void ConnectError_Always_EndsWithAnErrorWhetherThePeerSawItOrNot()
    {
        HashSet<bool> reached = [];
        for (ulong seed = 0; seed < 20; seed++)
        {
            ChaosBackend chaos = Over(ChaosOptions.None with { ConnectError = 1, Seed = seed });
            Owner owner = Open(chaos, out ScriptedHandle inner);
            ConnectOperation connect = owner.Connect();
            reached.Add(inner.WriteSide is not null);
            PollUntil(chaos, () => !connect.IsArmed);

            Assert.NotEqual("connect Success", Assert.Single(owner.Told));
        }

        Assert.Equal(2, reached.Count);
    }

    [Fact]
    public void OpenError_Always_IsAValue()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { OpenError = 1 });

        Assert.Null(chaos.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out SocketError error));
        Assert.True(error is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable, error.ToString());
        Assert.Empty(_inner.Handles);
    }

    [Fact]
    public void AcceptError_Sometimes_KeepsTheNewcomersForLater()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { AcceptError = 0.5 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        AcceptOperation accept = owner.Accept();
        for (int i = 0; i < 100; i++)
        {
            inner.Newcomers.Enqueue(_inner.NewHandle());
            chaos.Poll(0);
            if (!accept.IsArmed)
            {
                chaos.Submit(accept);
            }
        }

        PollUntil(chaos, () =>
        {
            if (!accept.IsArmed)
            {
                chaos.Submit(accept);
            }

            return owner.Told.Count(told => told == "accepted") == 100;
        });
        Assert.Contains(owner.Told, told => told is "accept TooManyOpenSockets" or "accept NoBufferSpaceAvailable");
    }

    [Fact]
    public void Release_NewcomersAreHeld_TheyAreReset()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { Delay = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        AcceptOperation accept = owner.Accept();
        ScriptedHandle newcomer = _inner.NewHandle();
        inner.Newcomers.Enqueue(newcomer);
        chaos.Poll(0);
        chaos.Release(owner.Handle, reset: false);
        PollUntil(chaos, () => !accept.IsArmed);

        Assert.Equal(["accept OperationAborted"], owner.Told);
        Assert.Equal(true, newcomer.WasReset);
        Assert.Equal(false, inner.WasReset);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Release_EverythingIsArmedAndHeld_EachEndsAbortedOnce(bool reset)
    {
        ChaosBackend chaos = Over(ChaosOptions.Harsh with { SendError = 0, ReceiveError = 0, OpenError = 0 });
        for (int round = 0; round < 100; round++)
        {
            Owner owner = Open(chaos, out ScriptedHandle inner);
            owner.Receive();
            owner.Send("hello");
            owner.Watch();
            inner.Incoming.Enqueue("hello"u8.ToArray());
            inner.IncomingEnd = SocketError.ConnectionReset;
            for (int i = 0; i < round % 3; i++)
            {
                chaos.Poll(0);
            }

            int armed = new IoOperation?[] { owner.Handle.ReadSide, owner.Handle.WriteSide, owner.Handle.HangUp }
                .Count(operation => operation is not null);
            owner.Told.Clear();
            chaos.Release(owner.Handle, reset);
            chaos.Release(owner.Handle, !reset);
            Assert.Equal(reset, inner.WasReset);
            Assert.Empty(owner.Told);
            PollUntil(chaos, () => owner.Told.Count == armed);
            for (int i = 0; i < 20; i++)
            {
                chaos.Poll(0);
            }

            Assert.Equal(armed, owner.Told.Count);
            Assert.All(owner.Told, told => Assert.EndsWith("OperationAborted", told, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void HangUp_SomebodyReads_TheErrorIsToldBehindTheBytes()
    {
        // The inner receive is paused by exhausted buffers, so the inner backend tells the watch.
        ChaosBackend chaos = Over(ChaosOptions.None with { BufferExhaustion = 1, MaxDelayPolls = 10 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        ReceiveOperation receive = owner.Receive();
        owner.Watch();
        inner.Incoming.Enqueue("one "u8.ToArray());
        chaos.Poll(0);
        inner.HungUp = SocketError.ConnectionReset;
        inner.Incoming.Enqueue("two"u8.ToArray());
        inner.IncomingEnd = SocketError.Success; // the error was taken by the watch
        PollUntil(chaos, () => !receive.IsArmed);

        Assert.Equal("one two", owner.Received);
        Assert.Equal("receive ConnectionReset", owner.Told.Find(told => told.StartsWith("receive", StringComparison.Ordinal)));
    }

    [Fact]
    public void HangUp_TheErrorWasReceivedForAReaderWhoHasPaused_TheWatchIsToldOfIt()
    {
        ChaosBackend chaos = Over(ChaosOptions.None with { Delay = 1 });
        Owner owner = Open(chaos, out ScriptedHandle inner);
        ReceiveOperation receive = owner.Receive();
        inner.IncomingEnd = SocketError.ConnectionReset;
        chaos.Poll(0);
        chaos.Cancel(receive);
        owner.Watch();
        PollUntil(chaos, () => owner.Told.Count == 2);

        Assert.Contains("receive OperationAborted", owner.Told);
        Assert.Contains("hang-up ConnectionReset", owner.Told);
    }

    [Fact]
    public void Seed_TheSame_TellsTheSame()
    {
        string first = Transcript(1);

        Assert.Equal(first, Transcript(1));
        Assert.NotEqual(first, Transcript(2));
    }

    private static string Transcript(ulong seed)
    {
        var inner = new ScriptedBackend();
        var chaos = new ChaosBackend(inner, ChaosOptions.Harsh with { Seed = seed, OpenError = 0 });
        var told = new StringBuilder();
        List<Owner> owners = [];
        for (int i = 0; i < 10; i++)
        {
            var owner = new Owner(chaos, chaos.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out _)!);
            int number = i;
            owner.OnTold = () => told.AppendLine($"{number}: {owner.Told[^1]}");
            owner.Receive();
            owners.Add(owner);
        }

        for (int poll = 0; poll < 200; poll++)
        {
            inner.Handles[poll % 10].Incoming.Enqueue(Encoding.ASCII.GetBytes($"message {poll}"));
            Owner owner = owners[poll % 10];
            told.AppendLine($"try {chaos.TrySend(owner.Handle, "0123456789"u8, out SocketError error)} {error}");
            if (owner.Handle.WriteSide is null)
            {
                owner.Send("hello");
            }

            told.AppendLine($"poll {chaos.Poll(0)} {chaos.LastPoll}");
        }

        return told.ToString();
    }

    private static void PollUntil(ChaosBackend chaos, Func<bool> condition)
    {
        for (int polls = 0; !condition(); polls++)
        {
            Assert.True(polls < 10_000, "It is never told.");
            chaos.Poll(0);
        }
    }

    private ChaosBackend Over(ChaosOptions options) => new(_inner, options);

    private Owner Open(ChaosBackend chaos, out ScriptedHandle inner)
    {
        IoHandle handle = chaos.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out _)!;
        inner = _inner.Handles[^1];
        return new Owner(chaos, handle);
    }

    /// <summary>The owner of a handle's operations, who writes down what it is told.</summary>
    private sealed class Owner(ChaosBackend chaos, IoHandle handle) : IReceiver, ISender, IAcceptor, IConnector, IHangUpWatcher
    {
        private readonly StringBuilder _received = new();

        public IoHandle Handle => handle;

        public List<string> Told { get; } = [];

        public string Received => _received.ToString();

        public byte[]? OwnBuffer { get; set; }

        public bool StaysArmed { get; set; } = true;

        public Action? OnTold { get; set; }

        bool IReceiver.ProvidesBuffer => OwnBuffer is not null;

        public ReceiveOperation Receive() => Submit(new ReceiveOperation(handle, this));

        public AcceptOperation Accept() => Submit(new AcceptOperation(handle, this));

        public HangUpOperation Watch() => Submit(new HangUpOperation(handle, this));

        public ConnectOperation Connect()
            => Submit(new ConnectOperation(handle, new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 1), this));

        public SendOperation Send(string data)
            => Submit(new SendOperation(handle, this) { Data = Encoding.ASCII.GetBytes(data) });

        Memory<byte> IReceiver.GetBuffer() => OwnBuffer;

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data) => OnBytes("data", data);

        bool IReceiver.OnBufferFilled(int count) => OnBytes("filled", OwnBuffer.AsSpan(0, count));

        void IReceiver.OnReceiveEnded(SocketError error) => Tell($"receive {error}");

        void ISender.OnSent(int count, SocketError error) => Tell($"sent {count} {error}");

        bool IAcceptor.OnAccepted(IoHandle connection)
        {
            Assert.Same(chaos, connection.Backend);
            Tell("accepted");
            return StaysArmed;
        }

        void IAcceptor.OnShed() => Tell("shed");

        void IAcceptor.OnAcceptEnded(SocketError error) => Tell($"accept {error}");

        void IConnector.OnConnectEnded(SocketError error) => Tell($"connect {error}");

        void IHangUpWatcher.OnHungUp(SocketError error) => Tell($"hang-up {error}");

        private TOperation Submit<TOperation>(TOperation operation)
            where TOperation : IoOperation
        {
            int told = Told.Count;
            chaos.Submit(operation);
            Assert.Equal(told, Told.Count);
            return operation;
        }

        private bool OnBytes(string what, ReadOnlySpan<byte> data)
        {
            string text = Encoding.ASCII.GetString(data);
            _received.Append(text);
            Tell($"{what} {text}");
            return StaysArmed;
        }

        private void Tell(string what)
        {
            Told.Add(what);
            OnTold?.Invoke();
        }
    }
}
