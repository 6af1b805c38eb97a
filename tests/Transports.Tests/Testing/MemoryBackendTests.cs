using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Testing;

/// <summary>The rules of the seam, as two ends in memory keep them.</summary>
public sealed class MemoryBackendTests
{
    [Fact]
    public void Receive_IsToldLaterWithTheContextCleared() => OnPair(async (loop, backend, owner) =>
    {
        backend.Submit(owner.Receive(backend.Second));
        Assert.Equal(5, backend.TrySend(backend.First, "hello"u8, out SocketError error));
        Assert.Equal(SocketError.Success, error);
        backend.ShutdownSend(backend.First);
        Assert.Empty(owner.Told);
        await MemoryLoop.SettleAsync(loop);

        Assert.Equal(["data hello", "receive Success"], owner.Told);
        Assert.True(owner.ContextWasCleared);
        Assert.Equal(loop.SynchronizationContext, SynchronizationContext.Current);
    });

    [Fact]
    public void Receive_Cancelled_EndsOnceAndKeepsTheData() => OnPair(async (loop, backend, owner) =>
    {
        ReceiveOperation receive = owner.Receive(backend.Second);
        backend.Submit(receive);
        backend.TrySend(backend.First, "hello"u8, out _);
        backend.ShutdownSend(backend.First);
        backend.Cancel(receive);
        backend.Cancel(receive);
        Assert.True(receive.IsArmed);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["receive OperationAborted"], owner.Told);

        backend.Submit(receive);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["receive OperationAborted", "data hello", "receive Success"], owner.Told);
        Assert.Null(backend.Second.ReadSide);
    });

    [Fact]
    public void Receive_OwnerPauses_KeepsTheRestFirst() => OnPair(async (loop, backend, owner) =>
    {
        owner.StaysArmed = false;
        owner.OwnBuffer = new byte[2];
        ReceiveOperation receive = owner.Receive(backend.Second);
        backend.TrySend(backend.First, "hello"u8, out _);
        backend.ShutdownSend(backend.First);
        for (int i = 1; i <= 3; i++)
        {
            backend.Submit(receive);
            await MemoryLoop.SettleAsync(loop);
            Assert.Equal(i, owner.Told.Count);
            Assert.False(receive.IsArmed);
        }

        backend.Submit(receive);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["filled he", "filled ll", "filled o", "receive Success"], owner.Told);
    });

    [Fact]
    public void Receive_OwnerHasThePeerSendMeanwhile_IsToldWhatWasThere() => OnPair(async (loop, backend, owner) =>
    {
        owner.OnTold = () =>
        {
            owner.OnTold = null;
            for (int i = 0; i < 100; i++)
            {
                backend.TrySend(backend.First, "many more bytes"u8, out _);
            }
        };
        backend.Submit(owner.Receive(backend.Second));
        backend.TrySend(backend.First, "hello"u8, out _);
        await MemoryLoop.SettleAsync(loop);

        Assert.Equal("data hello", owner.Told[0]);
        Assert.Equal(1_500, owner.Told[1..].Sum(told => told.Length - "data ".Length));
    });

    [Fact]
    public void TrySend_WindowIsFull_WouldBlockAndASendWaits() => OnPair(
        async (loop, backend, owner) =>
        {
            Assert.Equal(8, backend.TrySend(backend.First, [new byte[8], default], out SocketError error));
            Assert.Equal(SocketError.Success, error);
            Assert.Equal(2, backend.TrySend(backend.First, [new byte[1], new byte[8], new byte[8]], out error));
            Assert.Equal(SocketError.WouldBlock, error);
            Assert.Equal(0, backend.TrySend(backend.First, new byte[1], out error));
            Assert.Equal(SocketError.WouldBlock, error);
            backend.Submit(owner.Send(backend.First, new byte[25]));
            await MemoryLoop.SettleAsync(loop);
            Assert.Empty(owner.Told);

            owner.StaysArmed = false;
            backend.Submit(owner.Receive(backend.Second));
            await MemoryLoop.SettleAsync(loop);
            Assert.Equal(2, owner.Told.Count);
            Assert.Equal("sent 10 Success", owner.Told[1]);
        },
        window: 10);

    [Fact]
    public void Reset_EndsEveryOperationOfTheOtherEnd() => OnPair(
        async (loop, backend, owner) =>
        {
            backend.TrySend(backend.First, new byte[10], out _);
            backend.Submit(owner.Receive(backend.First));
            backend.Submit(owner.Send(backend.First, new byte[1]));
            backend.Submit(owner.HangUp(backend.First));
            await MemoryLoop.SettleAsync(loop);
            Assert.Empty(owner.Told);
            backend.Release(backend.Second, reset: true);
            Assert.Equal(0, backend.TrySend(backend.First, new byte[1], out SocketError error));
            Assert.Equal(SocketError.ConnectionReset, error);
            Assert.Equal(SocketError.NotConnected, backend.ShutdownSend(backend.First));
            await MemoryLoop.SettleAsync(loop);

            Assert.Equal(
                ["hung up ConnectionReset", "receive ConnectionReset", "sent 0 ConnectionReset"], owner.Told.Order().ToArray());
        },
        window: 10);

    [Fact]
    public void Release_OnUnreadBytes_IsAReset() => OnPair(async (loop, backend, owner) =>
    {
        backend.TrySend(backend.First, new byte[10], out _);
        backend.Submit(owner.Receive(backend.First));
        backend.Release(backend.Second, reset: false);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["receive ConnectionReset"], owner.Told);
    });

    [Fact]
    public void Release_WithinTheCallbackOfTheLastBytes_IsAnEnd() => OnPair(async (loop, backend, owner) =>
    {
        owner.OnTold = () =>
        {
            owner.OnTold = null;
            backend.Release(backend.Second, reset: false);
            backend.Release(backend.Second, reset: false);
        };
        backend.Submit(owner.Receive(backend.Second));
        backend.TrySend(backend.First, "hello"u8, out _);
        backend.Submit(owner.Receive(backend.First));
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["data hello", "receive Success"], owner.Told);
    });

    [Fact]
    public void Release_WithOperationsInFlight_EndsThem() => OnPair(async (loop, backend, owner) =>
    {
        backend.Submit(owner.Receive(backend.First));
        backend.Submit(owner.HangUp(backend.First));
        backend.Release(backend.First, reset: false);
        Assert.Empty(owner.Told);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["receive OperationAborted", "hung up OperationAborted"], owner.Told);
    });

    [Fact]
    public void HangUp_BothDirectionsHaveEnded_IsToldWhateverIsUnread() => OnPair(async (loop, backend, owner) =>
    {
        backend.TrySend(backend.First, "unread"u8, out _);
        backend.Submit(owner.HangUp(backend.Second));
        backend.ShutdownSend(backend.First);
        await MemoryLoop.SettleAsync(loop);
        Assert.Empty(owner.Told);
        backend.ShutdownSend(backend.Second);
        Assert.Equal(0, backend.TrySend(backend.Second, new byte[1], out SocketError error));
        Assert.Equal(SocketError.Shutdown, error);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["hung up Success"], owner.Told);

        // Nothing is left that could be reset.
        backend.Release(backend.First, reset: true);
        backend.Submit(owner.Receive(backend.Second));
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["hung up Success", "data unread", "receive Success"], owner.Told);
    });

    [Fact]
    public void What_HasNoMeaningInMemory_IsRefused() => OnPair(async (loop, backend, owner) =>
    {
        Assert.Null(backend.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out SocketError error));
        Assert.Equal(SocketError.OperationNotSupported, error);
        Assert.Equal(SocketError.ProtocolOption, backend.SetOption(backend.First, IoOption.NoDelay, 1));
        backend.Submit(new ConnectOperation(backend.First, new IPEndPoint(IPAddress.Loopback, 1), owner));
        backend.Submit(new AcceptOperation(backend.Second, owner));
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(["connect OperationNotSupported", "accept OperationNotSupported"], owner.Told);
        Assert.Equal("memory", backend.Name);
        Assert.Same(loop.Host.Backend.Clock, backend.Clock);
        Assert.Throws<InvalidOperationException>(() => loop.Host.Backend.Submit(owner.Receive(backend.First)));
    });

    private static void OnPair(Func<EventLoop, MemoryBackend, Owner, Task> scenario, int window = 64 * 1024)
        => MemoryLoop.Run(loop => scenario(
            loop, new MemoryBackend(loop, new MemoryConnectionOptions { Window = window }), new Owner()));

    /// <summary>Owns operations of every kind, and notes what it is told.</summary>
    private sealed class Owner : IReceiver, ISender, IHangUpWatcher, IConnector, IAcceptor
    {
        public List<string> Told { get; } = [];

        public bool StaysArmed { get; set; } = true;

        public byte[]? OwnBuffer { get; set; }

        public Action? OnTold { get; set; }

        public bool ContextWasCleared { get; private set; } = true;

        bool IReceiver.ProvidesBuffer => OwnBuffer is not null;

        public ReceiveOperation Receive(IoHandle handle) => new(handle, this);

        public SendOperation Send(IoHandle handle, byte[] data) => new(handle, this) { Data = data };

        public HangUpOperation HangUp(IoHandle handle) => new(handle, this);

        Memory<byte> IReceiver.GetBuffer() => OwnBuffer;

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        {
            OnTold?.Invoke();
            Tell($"data {System.Text.Encoding.ASCII.GetString(data)}");
            return StaysArmed;
        }

        bool IReceiver.OnBufferFilled(int count)
        {
            Tell($"filled {System.Text.Encoding.ASCII.GetString(OwnBuffer!, 0, count)}");
            return StaysArmed;
        }

        void IReceiver.OnReceiveEnded(SocketError error) => Tell($"receive {error}");

        void ISender.OnSent(int count, SocketError error) => Tell($"sent {count} {error}");

        void IHangUpWatcher.OnHungUp(SocketError error) => Tell($"hung up {error}");

        void IConnector.OnConnectEnded(SocketError error) => Tell($"connect {error}");

        bool IAcceptor.OnAccepted(IoHandle connection) => throw new NotSupportedException();

        void IAcceptor.OnShed() => throw new NotSupportedException();

        void IAcceptor.OnAcceptEnded(SocketError error) => Tell($"accept {error}");

        private void Tell(string what)
        {
            ContextWasCleared &= SynchronizationContext.Current is null;
            Told.Add(what);
        }
    }
}
