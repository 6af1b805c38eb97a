using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;
using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>The rules of the seam for waits that take nothing: until a handle is readable, or writable.</summary>
public abstract class ReadinessContract(LoopUnderTest subject) : ServerSuite(subject)
{
    [Fact]
    public void Readable_Connection_EndsOnceAndTakesNothing() => RunHere(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var watch = new Watch(loop, handle);
        watch.SubmitReadable();
        Assert.Throws<InvalidOperationException>(() => new Watch(loop, handle).SubmitReadable());
        await SettleAsync(loop);
        Assert.Empty(watch.Told);

        await peer.SendAsync("hello"u8.ToArray());
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        watch.SubmitReadable();
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        Assert.Equal(["readable Success", "readable Success"], watch.Told);

        watch.SubmitReceive();
        await UntilAsync(loop, () => watch.Received == "hello");
        loop.Host.Backend.Cancel(watch.Receive);
        await UntilAsync(loop, () => !watch.Receive.IsArmed);
        peer.ShutdownSend();
        watch.SubmitReadable();
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        watch.SubmitReceive();
        await UntilAsync(loop, () => !watch.Receive.IsArmed);
        Assert.Equal(["receive OperationAborted", "readable Success", "receive Success"], watch.Told[2..]);
    });

    [Fact]
    public void Readable_AfterReceivesThatWereCancelled_SeesWhatTheyHadTaken() => RunHere(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var watch = new Watch(loop, handle);
        string expected = "";
        for (int round = 0; round < 50; round++)
        {
            watch.SubmitReceive();
            if (round % 2 == 0)
            {
                await NextIterationAsync(loop);
            }

            loop.Host.Backend.Cancel(watch.Receive);
            await UntilAsync(loop, () => !watch.Receive.IsArmed);
            peer.SendNow("x"u8);
            expected += "x";
            watch.SubmitReadable();
            await UntilAsync(loop, () => !watch.Readable.IsArmed);
            if (round % 3 == 0)
            {
                watch.SubmitReceive();
                await UntilAsync(loop, () => watch.Received == expected);
                loop.Host.Backend.Cancel(watch.Receive);
                await UntilAsync(loop, () => !watch.Receive.IsArmed);
            }
        }

        watch.SubmitReceive();
        await UntilAsync(loop, () => watch.Received == expected);
        Assert.Equal(50, watch.Told.Count(told => told == "readable Success"));
    });

    [Fact]
    public void Readable_Listener_LeavesTheNewcomer() => RunHere(async loop =>
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        var watch = new Watch(loop, listener);
        watch.SubmitReadable();
        await SettleAsync(loop);
        Assert.Empty(watch.Told);

        await ConnectAsync(listener.LocalEndPoint!);
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        watch.SubmitReadable();
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        loop.Host.Backend.Submit(new AcceptOperation(listener, watch));
        await UntilAsync(loop, () => watch.Told.Count == 3);
        Assert.Equal(["readable Success", "readable Success", "accepted"], watch.Told);
    });

    [Fact]
    public void Writable_Connection_EndsWhenThereIsRoom() => RunHere(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var watch = new Watch(loop, handle);
        watch.SubmitWritable();
        Assert.Empty(watch.Told);
        await UntilAsync(loop, () => !watch.Writable.IsArmed);
        Assert.Equal(["writable Success"], watch.Told);

        byte[] data = new byte[256 * 1024];
        long sent = 0;
        SocketError error;
        do
        {
            sent += loop.Host.Backend.TrySend(handle, data, out error);
        }
        while (error == SocketError.Success);

        Assert.Equal(SocketError.WouldBlock, error);
        watch.SubmitWritable();
        Assert.Throws<InvalidOperationException>(() => new Watch(loop, handle).SubmitWritable());
        if (!HasShortTries)
        {
            await SettleAsync(loop);
            Assert.Single(watch.Told);
        }

        Task<byte[]> reading = peer.ReadToEndAsync();
        await UntilAsync(loop, () => !watch.Writable.IsArmed);
        Assert.Equal(["writable Success", "writable Success"], watch.Told);
        if (!HasShortTries)
        {
            int more = loop.Host.Backend.TrySend(handle, data.AsSpan(0, 1000), out _);
            Assert.True(more > 0, "It was said that there is room.");
            sent += more;
        }

        loop.Host.Backend.ShutdownSend(handle);
        Assert.Equal(sent, (await reading).Length);
    });

    [Fact]
    public void Writable_PeerHasReset_EndsSinceATryWouldFail() => RunHere(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var watch = new Watch(loop, handle);
        byte[] data = new byte[256 * 1024];
        SocketError error;
        do
        {
            loop.Host.Backend.TrySend(handle, data, out error);
        }
        while (error == SocketError.Success);

        watch.SubmitWritable();
        peer.Reset();
        await UntilAsync(loop, () => !watch.Writable.IsArmed);
        Assert.Equal(["writable Success"], watch.Told);
        do
        {
            await NextTurnAsync(loop);
            loop.Host.Backend.TrySend(handle, data, out error);
        }
        while (error is SocketError.Success or SocketError.WouldBlock);

        Assert.True(error is SocketError.ConnectionReset or SocketError.Shutdown, $"{error}");
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void CancelledOrReleased_EndsOnceFromPoll(bool release) => RunHere(async loop =>
    {
        (IoHandle handle, Peer peer) = await OpenPairAsync(loop);
        var watch = new Watch(loop, handle);
        byte[] data = new byte[256 * 1024];
        SocketError error;
        do
        {
            loop.Host.Backend.TrySend(handle, data, out error);
        }
        while (error == SocketError.Success);

        watch.SubmitReadable();
        watch.SubmitWritable();
        if (!HasShortTries)
        {
            await SettleAsync(loop);
        }

        if (release)
        {
            loop.Host.Backend.Release(handle, reset: true);
        }
        else
        {
            loop.Host.Backend.Cancel(watch.Readable);
            loop.Host.Backend.Cancel(watch.Writable);
            loop.Host.Backend.Cancel(watch.Writable);
        }

        Assert.Empty(watch.Told);
        await UntilAsync(loop, () => !watch.Readable.IsArmed && !watch.Writable.IsArmed);
        await SettleAsync(loop);
        Assert.Equal(
            ["readable OperationAborted", "writable OperationAborted"], watch.Told.Order(StringComparer.Ordinal));
        if (!release)
        {
            watch.SubmitReadable(); // which serves as before
            await peer.SendAsync("x"u8.ToArray());
            await UntilAsync(loop, () => !watch.Readable.IsArmed);
            Assert.Equal("readable Success", watch.Told[^1]);
        }
    });

    [Fact]
    public void Datagrams_AreSeenAndLeft() => RunHere(async loop =>
    {
        IoBackend backend = loop.Host.Backend;
        IoHandle receiver = OpenDatagram(backend);
        IoHandle sender = OpenDatagram(backend);
        var watch = new Watch(loop, receiver);
        var room = new Watch(loop, sender);
        watch.SubmitReadable();
        room.SubmitWritable();
        await UntilAsync(loop, () => !room.Writable.IsArmed);
        Assert.Equal(["writable Success"], room.Told);
        await SettleAsync(loop);
        Assert.Empty(watch.Told);

        SendDatagram("1");
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        watch.SubmitDatagrams();
        await UntilAsync(loop, () => watch.Received == "1");
        backend.Cancel(watch.Datagrams);
        await UntilAsync(loop, () => !watch.Datagrams.IsArmed);
        SendDatagram("2");
        watch.SubmitReadable();
        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        watch.SubmitDatagrams();
        await UntilAsync(loop, () => watch.Received == "12");
        Assert.Equal(["readable Success", "receive OperationAborted", "readable Success"], watch.Told);

        void SendDatagram(string text)
        {
            OutgoingDatagram[] one =
                [new(System.Text.Encoding.ASCII.GetBytes(text), IoAddress.FromEndPoint(receiver.LocalEndPoint))];
            while (backend.TrySendTo(sender, one, out _) == 0)
            {
                // Chaos has it wait.
            }
        }
    });

    [Fact]
    public void Pipe_IsReadableAndWritable() => RunHere(async loop =>
    {
        IoBackend backend = loop.Host.Backend;
        (SafeHandle read, SafeHandle write) = MakePipe(loop);
        IoHandle reader = backend.Adopt(read, IoHandleKind.PipeReader, out _)!;
        IoHandle writer = backend.Adopt(write, IoHandleKind.PipeWriter, out _)!;
        read.Dispose();
        write.Dispose();
        var watchedReader = new Watch(loop, reader);
        var watchedWriter = new Watch(loop, writer);
        watchedReader.SubmitReadable();
        watchedWriter.SubmitWritable();
        await UntilAsync(loop, () => !watchedWriter.Writable.IsArmed);
        Assert.Empty(watchedReader.Told);

        byte[] data = new byte[256 * 1024];
        SocketError error;
        int sent = 0;
        do
        {
            sent += backend.TrySend(writer, data, out error);
        }
        while (error == SocketError.Success || sent == 0); // under chaos it may have to wait with nothing in the pipe

        watchedWriter.SubmitWritable();
        await UntilAsync(loop, () => !watchedReader.Readable.IsArmed);
        if (!HasShortTries)
        {
            await SettleAsync(loop);
            Assert.Single(watchedWriter.Told);
        }

        backend.Release(reader, reset: false);
        await UntilAsync(loop, () => !watchedWriter.Writable.IsArmed);
        Assert.Equal(["writable Success", "writable Success"], watchedWriter.Told);
        do
        {
            await NextTurnAsync(loop);
            backend.TrySend(writer, data, out error);
        }
        while (error is SocketError.Success or SocketError.WouldBlock);

        Assert.Equal(SocketError.Shutdown, error);
    });

    [Fact]
    public void UnixSocket_IsReadableAndWritable() => RunHere(async loop =>
    {
        IoBackend backend = loop.Host.Backend;
        var path = new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}"));
        var spec = new HandleSpec { AddressFamily = AddressFamily.Unix };
        IoHandle listener = backend.Open(spec with { LocalEndPoint = path, Backlog = 4 }, out _)!;
        IoHandle client = backend.Open(spec, out _)!;
        var owner = new Watch(loop, listener);
        backend.Submit(new AcceptOperation(listener, owner));
        backend.Submit(new ConnectOperation(client, path, owner));
        await UntilAsync(loop, () => owner.Accepted.Count == 1 && owner.Told.Contains("connect Success"));

        var watch = new Watch(loop, client);
        watch.SubmitReadable();
        watch.SubmitWritable();
        await UntilAsync(loop, () => !watch.Writable.IsArmed);
        while (backend.TrySend(owner.Accepted[0], "x"u8, out _) == 0)
        {
            // Chaos has it wait.
        }

        await UntilAsync(loop, () => !watch.Readable.IsArmed);
        Assert.Equal(["writable Success", "readable Success"], watch.Told);
        backend.Release(listener, reset: false);
    });

    private static HandleSpec Listening()
        => new() { AddressFamily = AddressFamily.InterNetwork, LocalEndPoint = AnyPort, Backlog = 16 };

    private static IoHandle OpenDatagram(IoBackend backend) => backend.Open(
        new HandleSpec { AddressFamily = AddressFamily.InterNetwork, IsDatagram = true, LocalEndPoint = AnyPort }, out _)!;

    private (SafeHandle Read, SafeHandle Write) MakePipe(EventLoop loop)
    {
        if (IsSimulated)
        {
            return SimulatedWorld.HostOf(loop).CreatePipe();
        }

        var server = new AnonymousPipeServerStream(PipeDirection.In);
        GC.SuppressFinalize(server); // which would close the other end at a moment of its own
        return (server.SafePipeHandle, server.ClientSafePipeHandle);
    }

    private void RunHere(Func<EventLoop, Task> scenario)
    {
        Assert.SkipUnless(IsSimulated || OperatingSystem.IsLinux(), "Elsewhere nothing waits for room.");
        Run(scenario);
    }

    private async Task<(IoHandle Handle, Peer Peer)> OpenPairAsync(EventLoop loop)
    {
        IoHandle listener = loop.Host.Backend.Open(Listening(), out _)!;
        var owner = new Watch(loop, listener);
        loop.Host.Backend.Submit(new AcceptOperation(listener, owner));
        Peer peer = await ConnectAsync(listener.LocalEndPoint!);
        await UntilAsync(loop, () => owner.Accepted.Count >= 1);
        loop.Host.Backend.Release(listener, reset: false);
        return (owner.Accepted[0], peer);
    }

    /// <summary>The owner of a handle's operations, which writes down what it is told.</summary>
    private sealed class Watch : IReadableWatcher, IWritableWatcher, IReceiver, IDatagramReceiver, IAcceptor, IConnector
    {
        private readonly IoBackend _backend;
        private bool _isSubmitting;

        public Watch(EventLoop loop, IoHandle handle)
        {
            _backend = loop.Host.Backend;
            Readable = new ReadableOperation(handle, this);
            Writable = new WritableOperation(handle, this);
            Receive = new ReceiveOperation(handle, this);
            Datagrams = new DatagramReceiveOperation(handle, this, 100);
        }

        public List<string> Told { get; } = [];

        public List<IoHandle> Accepted { get; } = [];

        public string Received { get; private set; } = "";

        public ReadableOperation Readable { get; }

        public WritableOperation Writable { get; }

        public ReceiveOperation Receive { get; }

        public DatagramReceiveOperation Datagrams { get; }

        bool IReceiver.ProvidesBuffer => false;

        public void SubmitReadable() => Submit(Readable);

        public void SubmitWritable() => Submit(Writable);

        public void SubmitReceive() => Submit(Receive);

        public void SubmitDatagrams() => Submit(Datagrams);

        void IReadableWatcher.OnReadable(SocketError error) => Tell($"readable {error}");

        void IWritableWatcher.OnWritable(SocketError error) => Tell($"writable {error}");

        Memory<byte> IReceiver.GetBuffer() => throw new InvalidOperationException("Nobody was to ask.");

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        {
            Received += System.Text.Encoding.ASCII.GetString(data);
            return true;
        }

        bool IReceiver.OnBufferFilled(int count) => throw new InvalidOperationException("Nobody was to fill it.");

        void IReceiver.OnReceiveEnded(SocketError error) => Tell($"receive {error}");

        bool IDatagramReceiver.OnDatagram(ReadOnlySpan<byte> data, in IoAddress from, bool isTruncated)
        {
            Received += System.Text.Encoding.ASCII.GetString(data);
            return true;
        }

        void IDatagramReceiver.OnReceiveEnded(SocketError error) => Tell($"receive {error}");

        bool IAcceptor.OnAccepted(IoHandle connection)
        {
            Accepted.Add(connection);
            Tell("accepted");
            return true;
        }

        void IAcceptor.OnShed() => Tell("shed");

        void IAcceptor.OnAcceptEnded(SocketError error) => Tell($"accept {error}");

        void IConnector.OnConnectEnded(SocketError error) => Tell($"connect {error}");

        private void Submit(IoOperation operation)
        {
            _isSubmitting = true;
            try
            {
                _backend.Submit(operation);
            }
            finally
            {
                _isSubmitting = false;
            }
        }

        private void Tell(string what) => Told.Add(_isSubmitting ? $"{what} WITHIN A CALL" : what);
    }
}
