using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Toolkit.Backends;

namespace Toolkit.Tests.Backends.Uring;

/// <summary>Who gets a buffer when there are not enough.</summary>
[SupportedOSPlatform("linux")]
public sealed class FairnessTests
{
    private const int ManyIterations = 200;

    public FairnessTests() => LoopContract.RequireKind(LoopKind.Uring);

    [Fact]
    public void BuffersRunOut_WhoGotNoneComesBeforeAFlood() => EventLoop.Run(
        async loop =>
        {
            (IoHandle flooded, Socket flood) = await ConnectAsync(loop);
            (IoHandle quiet, Socket peer) = await ConnectAsync(loop);
            using (flood)
            using (peer)
            {
                flood.Blocking = false;
                Fill(flood);
                peer.Send("hello"u8);
                var floodReceiver = new Receiver(() => Fill(flood));
                var quietReceiver = new Receiver(() => { });
                loop.Host.Backend.Submit(new ReceiveOperation(flooded, floodReceiver));
                loop.Host.Backend.Submit(new ReceiveOperation(quiet, quietReceiver));

                int iterations = 0;
                while (quietReceiver.Count == 0)
                {
                    Assert.True(++iterations < ManyIterations, $"Starved, while {floodReceiver.Count} bytes went to the flood.");
                    var next = new TaskCompletionSource();
                    loop.CallSoon(next.SetResult);
                    await next.Task;
                }

                loop.Host.Backend.Release(flooded, reset: true);
                loop.Host.Backend.Release(quiet, reset: true);
            }
        },
        new EventLoopOptions { Kind = LoopKind.Uring, Uring = new UringOptions { Buffers = 2, BufferSize = 1024 } });

    // As much as the kernel takes at this moment, and again whenever some of it was received.
    private static void Fill(Socket socket)
    {
        byte[] data = new byte[64 * 1024];
        while (socket.Send(data, SocketFlags.None, out _) > 0)
        {
            // On until it would block.
        }
    }

    private static async Task<(IoHandle Handle, Socket Peer)> ConnectAsync(EventLoop loop)
    {
        var spec = new HandleSpec
        {
            AddressFamily = AddressFamily.InterNetwork,
            LocalEndPoint = new IPEndPoint(IPAddress.Loopback, 0),
            Backlog = 1,
        };
        IoHandle listener = loop.Host.Backend.Open(spec, out _)!;
        var acceptor = new Acceptor();
        loop.Host.Backend.Submit(new AcceptOperation(listener, acceptor));
        var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        peer.Connect(listener.LocalEndPoint!); // the kernel answers
        IoHandle connection = await acceptor.Accepted.Task;
        loop.Host.Backend.Release(listener, reset: false);
        return (connection, peer);
    }

    private sealed class Acceptor : IAcceptor
    {
        public TaskCompletionSource<IoHandle> Accepted { get; } = new();

        bool IAcceptor.OnAccepted(IoHandle connection)
        {
            EventLoop.Current.CallSoon(() => Accepted.SetResult(connection));
            return false;
        }

        void IAcceptor.OnShed() => Accepted.SetException(new InvalidOperationException("Descriptors have run out."));

        void IAcceptor.OnAcceptEnded(SocketError error)
        {
        }
    }

    private sealed class Receiver(Action received) : IReceiver
    {
        public long Count { get; private set; }

        bool IReceiver.ProvidesBuffer => false;

        Memory<byte> IReceiver.GetBuffer() => default;

        bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
        {
            Count += data.Length;
            received();
            return true;
        }

        bool IReceiver.OnBufferFilled(int count) => throw new InvalidOperationException("No buffer was given.");

        void IReceiver.OnReceiveEnded(SocketError error)
        {
        }
    }
}
