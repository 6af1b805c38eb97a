using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;
using Toolkit.Backends.Uring;

namespace Toolkit.Tests.Backends.Uring;

/// <summary>Buffers that the kernel fills: none is lost, and none is given back while somebody still looks at it.</summary>
[SupportedOSPlatform("linux")]
public sealed class ProvidedBuffersTests : IDisposable
{
    private const int BufferCount = 4;
    private const int BufferSize = 256;

    private readonly List<IDisposable> _open = [];
    private readonly ITestOutputHelper _output;

    public ProvidedBuffersTests(ITestOutputHelper output)
    {
        LoopContract.RequireKind(LoopKind.Uring);
        _output = output;
    }

    public void Dispose()
    {
        _open.Reverse();
        _open.ForEach(open => open.Dispose());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BuffersRunOut_TheReceiveEndsAndGoesOnWhenTheyAreBack(bool whole)
    {
        (Ring ring, ProvidedBuffers buffers) = Open(whole);
        (Socket receiver, Socket sender) = Connect();
        byte[] sent = Pattern(3 * BufferCount * BufferSize);
        sender.Send(sent);
        using var received = new MemoryStream();
        int ends = 0;
        while (received.Length < sent.Length)
        {
            StartReceive(ring, receiver, 0);
            List<ProvidedBuffers.Piece> pieces = [];
            for (bool goesOn = true; goesOn;)
            {
                CompletionEntry completion = Take(ring);
                if (completion.HasBuffer)
                {
                    pieces.Add(buffers.Take(completion));
                    received.Write(pieces[^1].Bytes);
                }

                goesOn = completion.HasMore && received.Length < sent.Length;
                ends += -completion.Result == Errno.NoBuffers ? 1 : 0;
            }

            pieces.ForEach(buffers.Return);
        }

        Assert.Equal(sent, received.ToArray());
        Assert.True(ends > 0, "The buffers were to run out.");
    }

    /// <summary>
    /// Whoever got a buffer back too early would overwrite what is held; whoever never got it back would run dry in the end.
    /// </summary>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(false, 2)]
    [InlineData(true, 3)]
    [InlineData(true, 4)]
    public void PiecesAreHeldAndGivenBackInAnyOrder_NoneIsOverwrittenOrLost(bool whole, int seed)
    {
        _output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        (Ring ring, ProvidedBuffers buffers) = Open(whole);
        (Socket Receiver, Socket Sender, List<byte> Told)[] streams =
            [.. Enumerable.Range(0, 3).Select(_ => Connect()).Select(pair => (pair.Receiver, pair.Sender, new List<byte>()))];
        byte[] content = Pattern(40_000);
        int[] sent = new int[streams.Length];
        bool[] isReceiving = new bool[streams.Length];
        List<(ProvidedBuffers.Piece Piece, byte[] Copy)> held = [];

        for (int turn = 0; streams.Any(stream => stream.Told.Count < content.Length); turn++)
        {
            Assert.True(turn < 1_000_000, "Nothing comes any more.");
            for (int i = 0; i < streams.Length; i++)
            {
                // What is under way fits into the kernel's buffers: a send does not block.
                int count = Math.Min(random.Next(600), content.Length - sent[i]);
                if (sent[i] - streams[i].Told.Count < 4_000 && count > 0)
                {
                    streams[i].Sender.Send(content.AsSpan(sent[i], count));
                    sent[i] += count;
                }

                if (!isReceiving[i])
                {
                    StartReceive(ring, streams[i].Receiver, i);
                    isReceiving[i] = true;
                }
            }

            ring.Enter(wait: false, 0);
            while (ring.TryTake(out CompletionEntry completion))
            {
                int of = (int)completion.UserData;
                isReceiving[of] &= completion.HasMore;
                if (completion.HasBuffer)
                {
                    ProvidedBuffers.Piece piece = buffers.Take(completion);
                    streams[of].Told.AddRange(piece.Bytes);
                    held.Add((piece, piece.Bytes.ToArray()));
                }
            }

            for (int count = random.Next(held.Count + 1); count > 0; count--)
            {
                int which = random.Next(held.Count);
                Assert.Equal(held[which].Copy, held[which].Piece.Bytes.ToArray());
                buffers.Return(held[which].Piece);
                held.RemoveAt(which);
            }
        }

        Assert.All(streams, stream => Assert.Equal(content, stream.Told));
        held.ForEach(piece => buffers.Return(piece.Piece));
        Assert.Equal(BufferCount, buffers.Available);
    }

#if DEBUG
    [Fact]
    public void PieceIsGivenBackTwice_IsNoticed()
    {
        (Ring ring, ProvidedBuffers buffers) = Open(whole: true);
        (Socket receiver, Socket sender) = Connect();
        sender.Send([1, 2, 3]);
        StartReceive(ring, receiver, 0);
        ProvidedBuffers.Piece piece = buffers.Take(Take(ring));
        buffers.Return(piece);

        Assert.ThrowsAny<Exception>(() => buffers.Return(piece));
    }
#endif

    private (Ring Ring, ProvidedBuffers Buffers) Open(bool whole)
    {
        var buffers = new ProvidedBuffers(
            new UringOptions { Buffers = BufferCount, BufferSize = BufferSize, WholeBuffers = whole });
        _open.Add(buffers);
        var ring = new Ring(submissions: 16, completions: 64);
        _open.Add(ring);
        int errno = buffers.TryRegister(ring);
        Assert.SkipWhen(errno == Errno.Invalid && !whole, "This kernel takes whole buffers only.");
        Assert.Equal(0, errno);
        return (ring, buffers);
    }

    private (Socket Receiver, Socket Sender) Connect()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        sender.Connect(listener.LocalEndPoint!);
        Socket receiver = listener.Accept();
        _open.Add(sender);
        _open.Add(receiver);
        return (receiver, sender);
    }

    private static void StartReceive(Ring ring, Socket socket, int number)
    {
        ref SubmissionEntry entry = ref ring.NextEntry();
        entry.Operation = IoUring.Receive;
        entry.Fd = (int)socket.Handle;
        entry.Flags = IoUring.EntryBufferSelect;
        entry.Priority = IoUring.ReceiveMultishot;
        entry.BufferGroup = ProvidedBuffers.Group;
        entry.UserData = (ulong)number;
    }

    private static CompletionEntry Take(Ring ring)
    {
        CompletionEntry completion;
        while (!ring.TryTake(out completion))
        {
            int errno = ring.Enter(wait: true, 10 * TimeSpan.TicksPerSecond);
            Assert.Equal(0, errno);
        }

        return completion;
    }

    private static byte[] Pattern(int length)
    {
        byte[] pattern = new byte[length];
        new Random(length).NextBytes(pattern);
        return pattern;
    }
}
