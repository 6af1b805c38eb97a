using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// The rules of the seam, each through operations that are submitted by hand: what a transport relies on, without one.
/// </summary>
public abstract class SeamContract(LoopUnderTest subject) : ServerSuite(subject)
{
    private static readonly byte[] s_hello = "hello"u8.ToArray();

    [Fact]
    public void Receive_DataThenEnd_TellsBothAndEndsOnce() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        Assert.Empty(owner.Told);
        Assert.True(receive.IsArmed);

        await peer.SendAsync(s_hello);
        peer.ShutdownSend();
        await UntilAsync(loop, () => !receive.IsArmed);
        await SettleAsync(loop);

        Assert.Equal(["data hello", "receive Success"], owner.Told);
        Assert.Null(handle.ReadSide);
    });

    [Fact]
    public void Receive_OwnBuffer_IsAskedForJustBeforeItIsFilled() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop) { OwnBuffer = new byte[3] };
        ReceiveOperation receive = owner.Receive(handle);

        await peer.SendAsync(s_hello);
        peer.ShutdownSend();
        await UntilAsync(loop, () => !receive.IsArmed);

        Assert.Equal(["filled hello", "receive Success"], owner.Told);
    });

    [Fact]
    public void Receive_Cancelled_EndsOnceAndKeepsTheData() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        await SettleAsync(loop);
        await peer.SendAsync(s_hello);
        peer.ShutdownSend();

        owner.Quietly(backend => backend.Cancel(receive));
        owner.Quietly(backend => backend.Cancel(receive));
        bool armed = receive.IsArmed;
        await UntilAsync(loop, () => !receive.IsArmed);
        await SettleAsync(loop);
        Assert.True(armed, "The end of the arming was not told from Poll.");
        Assert.Equal(["receive OperationAborted"], owner.Told);

        owner.Quietly(backend => backend.Submit(receive));
        await UntilAsync(loop, () => !receive.IsArmed);
        Assert.Equal(["receive OperationAborted", "data hello", "receive Success"], owner.Told);
    });

    [Fact]
    public void Receive_CancelledTenThousandTimesAgainstArrivingBytes_LosesNone() => Run(async loop =>
    {
        const int Rounds = 10_000;
        byte[] data = new byte[Rounds * 4];
        new Random(11).NextBytes(data);
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        using var received = new MemoryStream();
        var ends = new List<SocketError>();
        var receiver = new CountingReceiver(received, ends);
        var receive = new ReceiveOperation(handle, receiver);
        Task sending = Network.RunBesideAsync(async () =>
        {
            for (int offset = 0; offset < data.Length; offset += 4)
            {
                await peer.SendAsync(data.AsMemory(offset, 4));
                await Task.Yield(); // where there is one thread only, the loop has these moments
            }

            peer.ShutdownSend();
        });

        for (int round = 0; round < Rounds; round++)
        {
            loop.Host.Backend.Submit(receive);
            if (round % 3 != 0)
            {
                await NextIterationAsync(loop);
            }

            if (receive.IsArmed)
            {
                loop.Host.Backend.Cancel(receive);
                long before = received.Length;
                while (receive.IsArmed)
                {
                    await NextIterationAsync(loop);
                }

                Assert.Equal(before, received.Length); // between a cancellation and its end nothing is told
            }
        }

        loop.Host.Backend.Submit(receive);
        await UntilAsync(loop, () => !receive.IsArmed);
        await sending;
        Assert.True(data.AsSpan().SequenceEqual(received.ToArray()), $"{received.Length} of {data.Length} bytes arrived.");
        Assert.Equal(SocketError.Success, ends[^1]);
    });

    [Fact]
    public void Receive_OwnerPauses_KeepsBytesFirstAndTheEndBehindThem() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        byte[] sent = Pattern(300_000);
        var received = new List<byte>();
        var owner = new Owner(loop) { StaysArmed = false };
        owner.OnData = data => received.AddRange(data);
        ReceiveOperation receive = owner.Receive(handle);
        Task sending = SendAllAndEndAsync(peer, sent);

        while (received.Count < sent.Length)
        {
            await UntilAsync(loop, () => !receive.IsArmed);
            await NextIterationAsync(loop);
            Assert.DoesNotContain(owner.Told, told => told.StartsWith("receive", StringComparison.Ordinal));
            owner.Quietly(backend => backend.Submit(receive));
        }

        await sending;
        await UntilAsync(loop, () => !receive.IsArmed);
        Assert.Equal(sent, received);
        if (owner.Told[^1] != "receive Success")
        {
            owner.Quietly(backend => backend.Submit(receive));
            await UntilAsync(loop, () => !receive.IsArmed);
        }

        Assert.Equal("receive Success", owner.Told[^1]);
    });

    [Fact]
    public void Receive_PeerResets_EndsWithTheError() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);

        peer.Reset();
        await UntilAsync(loop, () => !receive.IsArmed);

        Assert.Equal(["receive ConnectionReset"], owner.Told);
    });

    [Fact]
    public void Submit_PlaceIsTaken_Throws() => Run(async loop =>
    {
        (IoHandle handle, _) = await OpenPairAsync(loop);
        IoBackend backend = loop.Host.Backend;
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        HangUpOperation watch = owner.Watch(handle);

        Assert.Throws<InvalidOperationException>(() => backend.Submit(receive));
        Assert.Throws<InvalidOperationException>(() => owner.Receive(handle));
        Assert.Throws<InvalidOperationException>(() => owner.Accept(handle));
        Assert.Throws<InvalidOperationException>(() => backend.Submit(watch));
        Assert.Throws<InvalidOperationException>(() => owner.Watch(handle));

        Assert.Same(receive, handle.ReadSide);
        Assert.Same(watch, handle.HangUp);
        await SettleAsync(loop);
        Assert.Empty(owner.Told);
    });

    [Fact]
    public void Submit_ReleasedHandle_Throws() => Run(async loop =>
    {
        (IoHandle handle, _) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        var receive = new ReceiveOperation(handle, owner);

        owner.Quietly(backend => backend.Release(handle, reset: false));

        Assert.Throws<ObjectDisposedException>(() => loop.Host.Backend.Submit(receive));
        Assert.False(receive.IsArmed);
        owner.Quietly(backend => backend.Cancel(receive));
        await SettleAsync(loop);
        Assert.Empty(owner.Told);
    });

    [Fact]
    public void Calls_HandleOfAnotherBackend_Throw() => Run(async loop =>
    {
        using var other = new EventLoop(OptionsOf());
        IoHandle foreign = other.Host.Backend.Open(Listening(), out _)!;
        IoBackend backend = loop.Host.Backend;
        var accept = new AcceptOperation(foreign, new Owner(loop));

        Assert.Throws<InvalidOperationException>(() => backend.Submit(accept));
        Assert.Throws<InvalidOperationException>(() => backend.Cancel(accept));
        Assert.Throws<InvalidOperationException>(() => backend.Release(foreign, reset: false));

        Assert.False(accept.IsArmed);
        Assert.False(foreign.IsReleased);
        await SettleAsync(loop);
    });

    [Fact]
    public void Release_ArmedOperations_EndAbortedOnceEach() => Run(async loop =>
    {
        (IoHandle handle, _) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        HangUpOperation watch = owner.Watch(handle);
        SendOperation send = owner.FillAndSend(handle);
        await SettleAsync(loop);
        bool sending = send.IsArmed;
        owner.Told.Clear();

        owner.Quietly(backend => backend.Release(handle, reset: true));
        owner.Quietly(backend => backend.Release(handle, reset: true));
        owner.Quietly(backend => backend.Cancel(receive));
        await UntilAsync(loop, () => !receive.IsArmed && !watch.IsArmed && !send.IsArmed);
        await SettleAsync(loop);

        string[] expected = ["receive OperationAborted", "hang-up OperationAborted", "sent 0 OperationAborted"];
        Assert.Equal(expected[..(sending ? 3 : 2)].Order(StringComparer.Ordinal), owner.Told.Order(StringComparer.Ordinal));
        Assert.True(handle.IsReleased);
    });

    [Fact]
    public void Release_WithinTheCallback_IsTheEndOfTheArming() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        owner.OnData = _ => loop.Host.Backend.Release(handle, reset: false);
        ReceiveOperation receive = owner.Receive(handle);

        await peer.SendAsync(s_hello);
        await UntilAsync(loop, () => !receive.IsArmed);
        await SettleAsync(loop);

        Assert.StartsWith("data h", Assert.Single(owner.Told), StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Release_PeerSeesAResetOrAnEnd(bool reset) => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);

        loop.Host.Backend.Release(handle, reset);

        if (reset)
        {
            await RequireResetAsync(peer);
        }
        else
        {
            Assert.Empty(await peer.ReadToEndAsync());
        }
    });

    [Fact]
    public void Release_InTheSameBatch_TheOtherIsNotToldOfItsEvent() => Run(async loop =>
    {
        // Both have data before anybody polls; whoever comes first releases the other.
        for (int round = 0; round < 20; round++)
        {
            (IoHandle first, Peer firstPeer) = await OpenPairAsync(loop);
            (IoHandle second, Peer secondPeer) = await OpenPairAsync(loop);
            var firstOwner = new Owner(loop);
            var secondOwner = new Owner(loop);
            firstOwner.OnData = _ => loop.Host.Backend.Release(second, reset: false);
            secondOwner.OnData = _ => loop.Host.Backend.Release(first, reset: false);
            ReceiveOperation firstReceive = firstOwner.Receive(first);
            ReceiveOperation secondReceive = secondOwner.Receive(second);
            await SettleAsync(loop);
            firstPeer.SendNow(s_hello); // no poll comes in between
            secondPeer.SendNow(s_hello);

            await UntilAsync(loop, () => !firstReceive.IsArmed || !secondReceive.IsArmed);
            await SettleAsync(loop);

            (Owner winner, Owner loser) = first.IsReleased ? (secondOwner, firstOwner) : (firstOwner, secondOwner);
            Assert.Equal(["data hello"], winner.Told);
            Assert.Equal(["receive OperationAborted"], loser.Told);
            loop.Host.Backend.Release(first, reset: true);
            loop.Host.Backend.Release(second, reset: true);
        }
    });

    [Fact]
    public void Release_DescriptorGivenToAnother_TheStrangerIsToldNothing() => Run(async loop =>
    {
        IPEndPoint silent = await Network.SilentEndPointAsync();
        IoBackend backend = loop.Host.Backend;
        for (int round = 0; round < 20; round++)
        {
            (IoHandle first, Peer firstPeer) = await OpenPairAsync(loop);
            (IoHandle second, Peer secondPeer) = await OpenPairAsync(loop);
            var stranger = new Owner(loop);
            IoHandle? newcomer = null;
            ConnectOperation? connect = null;
            new Owner(loop) { OnEnd = () => Replace(second) }.Receive(first);
            new Owner(loop) { OnEnd = () => Replace(first) }.Receive(second);
            await SettleAsync(loop);

            // Both are reset before anybody polls; whoever is told first has the other replaced.
            firstPeer.Reset();
            secondPeer.Reset();
            await UntilAsync(loop, () => newcomer is not null);
            await SettleAsync(loop);

            Assert.Empty(stranger.Told);
            Assert.True(connect!.IsArmed);
            foreach (IoHandle handle in (IoHandle[])[first, second, newcomer!])
            {
                backend.Release(handle, reset: true);
            }

            // The lowest free number is given out, so the newcomer gets that of the released one; an event that is not
            // its own would tell it that it is connected.
            void Replace(IoHandle other)
            {
                if (newcomer is null)
                {
                    backend.Release(other, reset: true);
                    newcomer = Connecting(loop);
                    connect = stranger.Connect(newcomer, silent);
                }
            }
        }
    });

    [Fact]
    public void Accept_Newcomers_AreToldUntilTheOwnerHasEnough() => Run(async loop =>
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        var owner = new Owner(loop);
        owner.OnAcceptedHandle = _ => owner.Accepted.Count < 2;
        AcceptOperation accept = owner.Accept(listener);
        for (int i = 0; i < 4; i++)
        {
            await ConnectAsync(listener.LocalEndPoint!);
        }

        await UntilAsync(loop, () => !accept.IsArmed);
        await SettleAsync(loop);
        Assert.Equal(["accepted", "accepted"], owner.Told);

        owner.OnAcceptedHandle = _ => true;
        owner.Quietly(backend => backend.Submit(accept));
        await UntilAsync(loop, () => owner.Accepted.Count >= 4);

        owner.Quietly(backend => backend.Cancel(accept));
        await UntilAsync(loop, () => !accept.IsArmed);
        Assert.Equal("accept OperationAborted", owner.Told[^1]);
        Assert.All(owner.Accepted, connection =>
        {
            Assert.Equal(listener.LocalEndPoint, connection.LocalEndPoint);
            Assert.NotNull(connection.RemoteEndPoint);
        });
    });

    [Fact]
    public void Accept_Cancelled_KeepsTheNewcomers() => Run(async loop =>
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        var owner = new Owner(loop);
        AcceptOperation accept = owner.Accept(listener);
        await SettleAsync(loop);
        Network.ConnectNow((IPEndPoint)listener.LocalEndPoint!); // no poll comes in between
        owner.Quietly(backend => backend.Cancel(accept));
        await UntilAsync(loop, () => !accept.IsArmed);
        await SettleAsync(loop);
        Assert.Equal(["accept OperationAborted"], owner.Told);

        owner.Quietly(backend => backend.Submit(accept));
        await UntilAsync(loop, () => owner.Accepted.Count >= 1);
    });

    [Fact]
    public void Accept_ListenerReleasedWithinTheCallback_TellsNoMore() => Run(async loop =>
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        EndPoint endPoint = listener.LocalEndPoint!;
        Peer[] peers = [await ConnectAsync(endPoint), await ConnectAsync(endPoint), await ConnectAsync(endPoint)];
        var owner = new Owner(loop);
        owner.OnAcceptedHandle = _ =>
        {
            loop.Host.Backend.Release(listener, reset: false);
            return true;
        };
        AcceptOperation accept = owner.Accept(listener);

        await UntilAsync(loop, () => !accept.IsArmed);
        await SettleAsync(loop);

        Assert.Equal(["accepted"], owner.Told);
        await RequireResetAsync(peers[1]);
        await RequireResetAsync(peers[2]);
    });

    [Fact]
    public void Connect_Listener_EndsOnceWithAddresses() => Run(async loop =>
    {
        IPEndPoint target = Network.Listen().LocalEndPoint;
        var owner = new Owner(loop);
        IoHandle handle = Connecting(loop);

        ConnectOperation connect = owner.Connect(handle, target);
        Assert.Throws<InvalidOperationException>(() => owner.Connect(handle, target));
        await UntilAsync(loop, () => !connect.IsArmed);
        await SettleAsync(loop);

        Assert.Equal(["connect Success"], owner.Told);
        Assert.Equal(target, handle.RemoteEndPoint);
        Assert.NotNull(handle.LocalEndPoint);
    });

    [Fact]
    public void Connect_Refused_EndsOnceFromPoll() => Run(async loop =>
    {
        var owner = new Owner(loop);
        ConnectOperation connect = owner.Connect(Connecting(loop), Network.DeadEndPoint());

        await UntilAsync(loop, () => !connect.IsArmed);
        await SettleAsync(loop);

        Assert.Equal(["connect ConnectionRefused"], owner.Told);
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    public void Connect_Cancelled_EndsOnce(int iterations) => Run(async loop =>
    {
        var owner = new Owner(loop);
        ConnectOperation connect = owner.Connect(Connecting(loop), Network.Listen().LocalEndPoint);
        for (int i = 0; i < iterations; i++)
        {
            await NextIterationAsync(loop);
        }

        owner.Quietly(backend => backend.Cancel(connect));
        await UntilAsync(loop, () => !connect.IsArmed);
        await SettleAsync(loop);

        Assert.True(Assert.Single(owner.Told) is "connect OperationAborted" or "connect Success", owner.Told[0]);
    });

    [Fact]
    public void TrySend_RoomInTheKernel_SendsOrWouldBlock() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);

        int sent = loop.Host.Backend.TrySend(handle, s_hello, out SocketError error);
        Assert.True(IsTry(sent, 5, error), $"{sent} {error}");
        long vectored = loop.Host.Backend.TrySend(
            handle, [s_hello, ReadOnlyMemory<byte>.Empty, s_hello], out error);
        Assert.True(IsTry(vectored, 10, error), $"{vectored} {error}");

        Assert.Equal(SocketError.Success, loop.Host.Backend.ShutdownSend(handle));
        Assert.Equal(sent + vectored, (await peer.ReadToEndAsync()).Length);
    });

    [Fact]
    public void Send_KernelIsFull_GoesOnWhenThePeerReads() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        SendOperation send = owner.FillAndSend(handle);
        Assert.Throws<InvalidOperationException>(() => loop.Host.Backend.Submit(send));

        // What has left before, and this one, and no more.
        Task<byte[]> reading = peer.ReadToEndAsync();
        await UntilAsync(loop, () => !send.IsArmed);
        loop.Host.Backend.ShutdownSend(handle);

        string told = Assert.Single(owner.Told);
        Assert.EndsWith(" Success", told, StringComparison.Ordinal);
        Assert.True(owner.SentCount > owner.TriedCount, told);
        Assert.Equal(owner.SentCount, (await reading).Length);
    });

    [Fact]
    public void TrySend_PeerIsGone_TheReadSideEndsAsWell() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        peer.Reset();

        SocketError error = SocketError.Success;
        for (int i = 0; i < 10 && error is SocketError.Success; i++)
        {
            loop.Host.Backend.TrySend(handle, s_hello, out error);
        }

        Assert.NotEqual(SocketError.Success, error);
        Assert.Empty(owner.Told);
        await UntilAsync(loop, () => !receive.IsArmed);
        Assert.True(Assert.Single(owner.Told) is "receive ConnectionReset" or "receive Success", owner.Told[0]);
    });

    [Fact]
    public void HangUp_PeerResets_IsTold() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        HangUpOperation watch = owner.Watch(handle);

        peer.Reset();
        await UntilAsync(loop, () => !watch.IsArmed);
        await SettleAsync(loop);

        Assert.Equal(["hang-up ConnectionReset"], owner.Told);
    });

    [Fact]
    public void HangUp_PeerEndsAndThenResets_IsToldOfTheResetAlone() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        ReceiveOperation receive = owner.Receive(handle);
        peer.ShutdownSend();
        await UntilAsync(loop, () => !receive.IsArmed);
        HangUpOperation watch = owner.Watch(handle);
        await SettleAsync(loop);
        Assert.True(watch.IsArmed);

        peer.Reset();
        await UntilAsync(loop, () => !watch.IsArmed);

        Assert.Equal(2, owner.Told.Count);
        Assert.Equal("receive Success", owner.Told[0]);
        Assert.True(owner.Told[1] is "hang-up ConnectionReset" or "hang-up Shutdown", owner.Told[1]);
    });

    [Fact]
    public void HangUp_PeerSendsAndEnds_IsNotTold() => Run(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var owner = new Owner(loop);
        HangUpOperation watch = owner.Watch(handle);

        await peer.SendAsync(s_hello);
        peer.ShutdownSend();
        await SettleAsync(loop);
        ReceiveOperation receive = owner.Receive(handle);
        await UntilAsync(loop, () => !receive.IsArmed);
        await SettleAsync(loop);

        Assert.True(watch.IsArmed);
        Assert.Equal(["data hello", "receive Success"], owner.Told);
        owner.Quietly(backend => backend.Cancel(watch));
        await UntilAsync(loop, () => !watch.IsArmed);
        Assert.Equal("hang-up OperationAborted", owner.Told[^1]);
    });

    [Fact]
    public void Open_WhatCannotBe_IsAValue() => Run(async loop =>
    {
        IoBackend backend = loop.Host.Backend;
        IPEndPoint taken = Network.Listen().LocalEndPoint;
        var foreign = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0);

        RequireError(SocketError.AddressAlreadyInUse, Listening(taken));
        RequireError(SocketError.AddressNotAvailable, Listening(foreign));
        RequireError(SocketError.AddressNotAvailable, Listening(foreign) with { Backlog = null });
        RequireError(SocketError.AddressFamilyNotSupported, Listening() with { AddressFamily = AddressFamily.AppleTalk });
        await Task.CompletedTask;

        void RequireError(SocketError expected, HandleSpec spec)
        {
            Assert.Null(backend.Open(spec, out SocketError error));
            Assert.Equal(expected, error);
        }
    });

    [Fact]
    public void SetOption_Unknown_IsAValue() => Run(async loop =>
    {
        (IoHandle handle, _) = await OpenPairAsync(loop);

        Assert.Equal(SocketError.ProtocolOption, loop.Host.Backend.SetOption(handle, (IoOption)999, 1));
        Assert.Equal(SocketError.Success, loop.Host.Backend.SetOption(handle, IoOption.NoDelay, 1));
    });

    [Fact]
    public void Poll_Deadline_IsNeverEarly()
    {
        RequireKind(Kind);
        using var loop = new EventLoop(OptionsOf());
        IoBackend backend = loop.Host.Backend;
        backend.Attach();
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            long until = backend.Clock.Now + random.Next((int)TimeSpan.TicksPerMillisecond * 2);
            Assert.Equal(0, backend.Poll(until));
            Assert.True(backend.Clock.Now >= until, "The poll was early.");
        }

        backend.Poll(0);
        backend.Poll(-1);
    }

    [Fact]
    public void Wake_FromManyThreads_EndsOneWaitAndIsThenForgotten()
    {
        RequireRealMachine(NoOtherThread);
        RequireKind(Kind);
        using var loop = new EventLoop(OptionsOf());
        IoBackend backend = loop.Host.Backend;
        backend.Wake(); // before Attach, too
        backend.Attach();
        backend.Poll(long.MaxValue);
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(_ => new Thread(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                backend.Wake();
            }
        }))];

        Array.ForEach(threads, thread => thread.Start());
        backend.Poll(long.MaxValue);
        Array.ForEach(threads, thread => thread.Join());
        backend.Poll(0);

        long until = backend.Clock.Now + TimeSpan.TicksPerMillisecond;
        backend.Poll(until);
        Assert.True(backend.Clock.Now >= until, "Of many calls, more than one wait was ended.");
        loop.Dispose();
        backend.Wake(); // after disposal, too
    }

    private static HandleSpec Listening(IPEndPoint? endPoint = null) => new()
    {
        AddressFamily = AddressFamily.InterNetwork,
        LocalEndPoint = endPoint ?? AnyPort,
        Backlog = 16,
    };

    private static bool IsTry(long sent, long wanted, SocketError error)
        => sent >= 0 && sent <= wanted && error == (sent == wanted ? SocketError.Success : SocketError.WouldBlock);

    private static IoHandle Connecting(EventLoop loop)
        => loop.Host.Backend.Open(new HandleSpec { AddressFamily = AddressFamily.InterNetwork }, out _)!;

    private static async Task SendAllAndEndAsync(Peer peer, byte[] data)
    {
        await peer.SendAsync(data);
        peer.ShutdownSend();
    }

    private async Task<(IoHandle Handle, Peer Peer)> OpenPairAsync(EventLoop loop)
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        var owner = new Owner(loop) { OnAcceptedHandle = _ => false };
        owner.Accept(listener);
        Peer peer = await ConnectAsync(listener.LocalEndPoint!);
        await UntilAsync(loop, () => owner.Accepted.Count >= 1);
        loop.Host.Backend.Release(listener, reset: false);
        return (owner.Accepted[0], peer);
    }

    private sealed class CountingReceiver(MemoryStream received, List<SocketError> ends) : IReceiver
    {
        bool IReceiver.ProvidesBuffer => false;

        Memory<byte> IReceiver.GetBuffer() => throw new InvalidOperationException("Nobody was to ask.");

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        {
            received.Write(data);
            return true;
        }

        bool IReceiver.OnBufferFilled(int count) => throw new InvalidOperationException("Nobody was to fill it.");

        void IReceiver.OnReceiveEnded(SocketError error) => ends.Add(error);
    }

    /// <summary>The owner of operations: it writes down what it is told, and sees that it is told by nobody but Poll.</summary>
    private sealed class Owner(EventLoop loop) : IReceiver, ISender, IAcceptor, IConnector, IHangUpWatcher
    {
        private bool _isCalling;

        public List<string> Told { get; } = [];

        public List<IoHandle> Accepted { get; } = [];

        public byte[]? OwnBuffer { get; init; }

        public bool StaysArmed { get; init; } = true;

        public Action<byte[]>? OnData { get; set; }

        public Action? OnEnd { get; init; }

        public Func<IoHandle, bool>? OnAcceptedHandle { get; set; }

        public long TriedCount { get; private set; }

        public long SentCount { get; private set; }

        bool IReceiver.ProvidesBuffer => OwnBuffer is not null;

        /// <summary>Calls the backend, which must not tell anything meanwhile.</summary>
        public void Quietly(Action<IoBackend> call)
        {
            _isCalling = true;
            try
            {
                call(loop.Host.Backend);
            }
            finally
            {
                _isCalling = false;
            }
        }

        public ReceiveOperation Receive(IoHandle handle) => Submit(new ReceiveOperation(handle, this));

        public AcceptOperation Accept(IoHandle handle) => Submit(new AcceptOperation(handle, this));

        public HangUpOperation Watch(IoHandle handle) => Submit(new HangUpOperation(handle, this));

        public ConnectOperation Connect(IoHandle handle, EndPoint target)
            => Submit(new ConnectOperation(handle, target, this));

        /// <summary>Sends until the kernel takes no more, and then submits a send.</summary>
        public SendOperation FillAndSend(IoHandle handle)
        {
            byte[] data = new byte[256 * 1024];
            SocketError error;
            do
            {
                TriedCount += loop.Host.Backend.TrySend(handle, data, out error);
            }
            while (error == SocketError.Success);
            Assert.Equal(SocketError.WouldBlock, error);
            SentCount = TriedCount;
            return Submit(new SendOperation(handle, this) { Data = data });
        }

        Memory<byte> IReceiver.GetBuffer() => OwnBuffer;

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data) => OnBytes("data", data.ToArray());

        bool IReceiver.OnBufferFilled(int count) => OnBytes("filled", OwnBuffer![..count]);

        void IReceiver.OnReceiveEnded(SocketError error)
        {
            Tell($"receive {error}");
            OnEnd?.Invoke();
        }

        void ISender.OnSent(int count, SocketError error)
        {
            SentCount += count;
            Tell($"sent {count} {error}");
        }

        bool IAcceptor.OnAccepted(IoHandle connection)
        {
            Accepted.Add(connection);
            Tell("accepted");
            return OnAcceptedHandle?.Invoke(connection) ?? true;
        }

        void IAcceptor.OnShed() => Tell("shed");

        void IAcceptor.OnAcceptEnded(SocketError error) => Tell($"accept {error}");

        void IConnector.OnConnectEnded(SocketError error) => Tell($"connect {error}");

        void IHangUpWatcher.OnHungUp(SocketError error) => Tell($"hang-up {error}");

        private TOperation Submit<TOperation>(TOperation operation)
            where TOperation : IoOperation
        {
            Quietly(backend => backend.Submit(operation));
            return operation;
        }

        // A stream has no messages: what comes in several pieces is written down as one.
        private bool OnBytes(string what, byte[] data)
        {
            string text = data.Length <= 16 ? System.Text.Encoding.ASCII.GetString(data) : "";
            if (!_isCalling && Told.Count > 0 && Told[^1].StartsWith($"{what} ", StringComparison.Ordinal))
            {
                Told[^1] += text;
            }
            else
            {
                Tell($"{what} {text}");
            }

            OnData?.Invoke(data);
            return StaysArmed;
        }

        private void Tell(string what) => Told.Add(_isCalling ? $"{what} WITHIN A CALL" : what);
    }
}
