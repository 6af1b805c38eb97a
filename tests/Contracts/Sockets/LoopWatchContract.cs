using System.IO.Pipes;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>Watches of descriptors that somebody else reads and writes.</summary>
public abstract class LoopWatchContract(LoopUnderTest subject) : ServerSuite(subject)
{
    [Fact]
    public void Readable_IsCalledOnceATurnForAsLongAsThereIsSomething() => RunHere(async loop =>
    {
        (Socket socket, Socket peer) = ConnectPair();
        using Socket first = socket;
        using Socket second = peer;
        var turns = new List<long>();
        long turn = 0;
        bool isCounting = true;
        loop.CallSoon(Count);
        byte[] buffer = new byte[1];
        using (loop.WatchReadable(socket.SafeHandle, () =>
        {
            Assert.Same(loop, EventLoop.Current);
            Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
            turns.Add(turn);
            Assert.Equal(1, socket.Receive(buffer)); // it never has to wait
        }))
        {
            await SettleAsync(loop);
            Assert.Empty(turns);
            peer.Send("abcde"u8);
            await UntilAsync(loop, () => turns.Count == 5);
            await SettleAsync(loop);
            Assert.Equal(5, turns.Count);
            Assert.Equal(turns.Distinct(), turns);
            peer.Send("f"u8);
            await UntilAsync(loop, () => turns.Count == 6);
        }

        peer.Send("g"u8);
        await SettleAsync(loop);
        Assert.Equal(6, turns.Count);
        isCounting = false;

        void Count()
        {
            turn++;
            if (isCounting)
            {
                loop.CallSoon(Count);
            }
        }
    });

    [Fact]
    public void Readable_AtTheEnd_IsCalledUntilItIsDisposed() => RunHere(async loop =>
    {
        (Socket socket, Socket peer) = ConnectPair();
        using Socket first = socket;
        peer.Dispose();
        int calls = 0;
        IDisposable? watch = null;
        watch = loop.WatchReadable(socket.SafeHandle, () =>
        {
            Assert.Equal(0, socket.Receive(new byte[1]));
            if (++calls == 3)
            {
                watch!.Dispose();
                watch.Dispose();
            }
        });
        await UntilAsync(loop, () => calls == 3);
        await SettleAsync(loop);
        Assert.Equal(3, calls);
    });

    [Fact]
    public void Writable_IsCalledWhileThereIsRoom() => RunHere(async loop =>
    {
        (Socket socket, Socket peer) = ConnectPair();
        using Socket first = socket;
        using Socket second = peer;
        socket.Blocking = false;
        int calls = 0;
        long sent = 0;
        byte[] data = new byte[1024 * 1024];
        using IDisposable watch = loop.WatchWritable(socket.SafeHandle, () =>
        {
            calls++;
            SocketError error;
            do
            {
                sent += socket.Send(data, SocketFlags.None, out error);
            }
            while (error == SocketError.Success);
        });
        await UntilAsync(loop, () => calls > 0);
        await SettleAsync(loop);
        int before = calls;
        await SettleAsync(loop);
        Assert.Equal(before, calls);

        long read = 0;
        peer.Blocking = false;
        await UntilAsync(loop, () =>
        {
            read += peer.Receive(data, SocketFlags.None, out _);
            return calls > before;
        });
        Assert.True(sent >= read);
    });

    [Fact]
    public void Pipe_BothEndsAndBothDirectionsOfOneSocket_AreWatched() => RunHere(async loop =>
    {
        using var server = new AnonymousPipeServerStream(PipeDirection.Out);
        using SafePipeHandle reader = server.ClientSafePipeHandle;
        var told = new List<string>();
        IDisposable[] watches = [];
        watches =
        [
            loop.WatchReadable(reader, () => Tell("readable", 0)),
            loop.WatchWritable(server.SafePipeHandle, () => Tell("writable", 1)),
        ];
        await UntilAsync(loop, () => told.Count == 1);
        await SettleAsync(loop);
        Assert.Equal(["writable"], told);
        server.Write("x"u8);
        await UntilAsync(loop, () => told.Count == 2);
        Assert.Equal("readable", told[1]);
        (Socket socket, Socket peer) = ConnectPair();
        using Socket first = socket;
        using Socket second = peer;
        watches =
        [
            loop.WatchReadable(socket.SafeHandle, () => Tell("in", 0)),
            loop.WatchWritable(socket.SafeHandle, () => Tell("out", 1)),
        ];
        peer.Send("x"u8);
        await UntilAsync(loop, () => told.Count == 4);
        Assert.Equal(["in", "out"], told[2..].Order(StringComparer.Ordinal));

        void Tell(string what, int index)
        {
            told.Add(what);
            watches[index].Dispose();
        }
    });

    [Fact]
    public void Callback_ThatThrows_IsReportedAndTheWatchGoesOn() => RunHere(async loop =>
    {
        (Socket socket, Socket peer) = ConnectPair();
        using Socket first = socket;
        using Socket second = peer;
        int calls = 0;
        byte[] buffer = new byte[1];
        var context = new AsyncLocal<string> { Value = "mine" };
        using IDisposable watch = loop.WatchReadable(socket.SafeHandle, () =>
        {
            Assert.Equal("mine", context.Value);
            calls++;
            socket.Receive(buffer);
            if (calls == 1)
            {
                throw new InvalidOperationException("no");
            }
        });
        context.Value = "another";
        peer.Send("ab"u8);
        await UntilAsync(loop, () => calls == 2);
        Assert.Equal("no", TakeError().Exception.Message);
    });

    [Fact]
    public void Handle_ThatIsClosedWhileItIsWatched_EndsTheWatch() => RunHere(async loop =>
    {
        (Socket socket, Socket peer) = ConnectPair();
        using Socket second = peer;
        int calls = 0;
        using IDisposable watch = loop.WatchReadable(socket.SafeHandle, () => calls++);
        await SettleAsync(loop);
        socket.Dispose();
        await SettleAsync(loop);
        Assert.False(peer.Poll(0, SelectMode.SelectRead), "What is watched stays open.");
        peer.Send("x"u8);
        await UntilAsync(loop, () => peer.Poll(0, SelectMode.SelectRead));
        Assert.Equal(0, calls);
        loop.WatchReadable(peer.SafeHandle, static () => { }); // which ends with the loop
    });

    [Fact]
    public void Watches_OfWhatCannotBeWatched_AreRefused() => RunHere(async loop =>
    {
        using (SafeFileHandle file = File.OpenHandle(typeof(LoopWatchContract).Assembly.Location))
        {
            AdoptFailedException regular = Assert.Throws<AdoptFailedException>(
                () => loop.WatchReadable(file, static () => { }));
            Assert.Equal(SocketError.SocketNotSupported, regular.Error);
            Assert.Contains("regular file", regular.Message, StringComparison.Ordinal);
        }

        var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SafeSocketHandle handle = closed.SafeHandle;
        closed.Dispose();
        Assert.Equal(
            SocketError.NotSocket,
            Assert.Throws<AdoptFailedException>(() => loop.WatchWritable(handle, static () => { })).Error);
        Assert.Throws<ArgumentNullException>(() => loop.WatchReadable(null!, static () => { }));
        Assert.Throws<ArgumentNullException>(() => loop.WatchReadable(handle, null!));
        await Task.CompletedTask;
    });

    [Fact]
    public void Watches_OfASimulatedLoop_AreRefused() => Run(async loop =>
    {
        Assert.SkipUnless(IsSimulated, "It is about simulations.");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        NotSupportedException refusal = Assert.Throws<NotSupportedException>(
            () => loop.WatchReadable(socket.SafeHandle, static () => { }));
        Assert.Contains("simulated", refusal.Message, StringComparison.Ordinal);
        (System.Runtime.InteropServices.SafeHandle read, System.Runtime.InteropServices.SafeHandle write)
            = SimulatedWorld.HostOf(loop).CreatePipe();
        Assert.Throws<NotSupportedException>(() => loop.WatchReadable(read, static () => { }));
        read.Dispose();
        write.Dispose();
        await Task.CompletedTask;
    });

    private static (Socket First, Socket Second) ConnectPair()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(AnyPort);
        listener.Listen();
        var first = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        first.Connect(listener.LocalEndPoint!);
        Socket second = listener.Accept();
        second.NoDelay = true;
        return (first, second);
    }

    private void RunHere(Func<EventLoop, Task> scenario)
    {
        RequireRealMachine("A simulation has no descriptors.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere no descriptor can be watched.");
        Run(scenario);
    }
}
