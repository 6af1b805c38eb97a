using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;

namespace Toolkit.Tests.Contracts;

/// <summary>Bytes arrive as they were written, and each direction ends when it is ended.</summary>
public abstract class TcpStreamContract(LoopUnderTest subject) : StreamContract(subject)
{
    [Fact]
    public void ConnectionMade_DataIsThereAlready_ComesFirst() => Run(async loop =>
    {
        long receivedWhenMade = -1;
        var protocol = Watch(new TestProtocol { OnMade = p => receivedWhenMade = p.Transport.BytesReceived });
        Server server = await ServeAsync(loop, () => protocol);
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        peer.SendNow("early"u8);

        await protocol.FirstData.Task;
        server.Close();
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.Equal(0, receivedWhenMade);
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], protocol.Outline);
    });

    [Fact]
    public void CreateConnection_PeerSendsAtOnce_ReturnsAfterConnectionMadeAndBeforeData() => Run(async loop =>
    {
        PeerListener listener = Network.Listen();
        var protocol = Watch(new TestProtocol());
        Task<Connection<TestProtocol>> connecting = loop.CreateConnectionAsync(() => protocol, listener.LocalEndPoint);
        Peer peer = listener.AcceptNow();
        peer.SendNow("greeting"u8);

        Connection<TestProtocol> connection = await connecting;
        Assert.Equal(["ConnectionMade"], protocol.Callbacks);
        Assert.Same(protocol, connection.Protocol);
        Assert.Same(protocol.Transport, connection.Transport);

        await UntilAsync(loop, () => protocol.ReceivedLength >= 8);
        connection.Transport.Abort();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Receiving_SlowPausingReader_GetsEveryByteInOrder() => Run(async loop =>
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int pauses = 0;
        var protocol = new TestProtocol
        {
            KeepsData = false,
            OnData = (p, data) =>
            {
                hash.AppendData(data);
                if (p.Callbacks.Count % 3 != 0)
                {
                    return;
                }

                pauses++;
                p.Transport.PauseReading();
                if (pauses % 16 == 0)
                {
                    loop.CallLater(TimeSpan.FromMilliseconds(1), p.Transport.ResumeReading);
                }
                else
                {
                    loop.CallSoon(p.Transport.ResumeReading);
                }
            },
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        byte[] data = Pattern(BulkSize);

        await SendAndEndAsync(peer, data);
        await protocol.Lost.Task;

        Assert.Equal(BulkSize, protocol.ReceivedLength);
        Assert.Equal(BulkSize, protocol.Transport.BytesReceived);
        Assert.Equal(HashOf(data), Convert.ToHexString(hash.GetHashAndReset()));
        Assert.True(pauses > 0);
    });

    [Fact]
    public void Sending_SlowPausingReader_GetsEveryByteInOrderAndLittleIsHeld() => Run(async loop =>
    {
        const int Chunk = 64 * 1024;
        byte[] data = Pattern(BulkSize);
        int offset = 0;
        int resumptions = 0;
        long mostUnsent = 0;
        bool writerRests = false;
        var protocol = new TestProtocol { OnMade = WriteOn, OnPause = _ => writerRests = true };
        protocol.OnResume = p =>
        {
            resumptions++;
            writerRests = false;
            WriteOn(p);
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[200_000];
        for (int turn = 0; await peer.ReceiveAsync(buffer) is var count and > 0; turn++)
        {
            hash.AppendData(buffer.AsSpan(0, count));
            if (turn is 0 or 64)
            {
                // Paused, or done: so twice the reader is the slower of the two. A kernel takes a while to open a window again.
                await UntilAsync(loop, () => writerRests);
            }
        }

        await protocol.Lost.Task;

        Assert.Equal(HashOf(data), Convert.ToHexString(hash.GetHashAndReset()));
        Assert.Equal(BulkSize, protocol.Transport.BytesSent);
        Assert.True(resumptions > 0);
        Assert.InRange(mostUnsent, WriteLimits.DefaultHigh + 1, WriteLimits.DefaultHigh + Chunk);

        void WriteOn(TestProtocol p)
        {
            while (offset < data.Length)
            {
                WriteStatus status = p.Transport.Write(data.AsSpan(offset, Chunk));
                offset += Chunk;
                mostUnsent = Math.Max(mostUnsent, p.Transport.UnsentBytes);
                if (status == WriteStatus.AcceptedOverHighWater)
                {
                    return;
                }
            }

            writerRests = true;
            p.Transport.Close();
        }
    });

    [Fact]
    public void Receiving_OneByteSegments_AddUp() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        byte[] data = Pattern(64 * 1024);
        await Network.RunBesideAsync(async () =>
        {
            for (int i = 0; i < data.Length; i++)
            {
                await peer.SendAsync(data.AsMemory(i, 1));
                if (i % 16 == 0)
                {
                    await Task.Yield(); // where there is one thread only, the loop has these moments
                }
            }

            peer.ShutdownSend();
        });
        await protocol.Lost.Task;

        AssertSame(data, protocol.Received);
    });

    [Fact]
    public void Sending_OneByteWrites_AddUp() => Run(async loop =>
    {
        byte[] data = Pattern(1024 * 1024);
        var protocol = new TestProtocol
        {
            OnMade = p =>
            {
                for (int i = 0; i < data.Length; i++)
                {
                    Assert.NotEqual(WriteStatus.Closed, p.Transport.Write(data.AsSpan(i, 1)));
                }

                p.Transport.Close();
            },
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame(data, received);
    });

    [Fact]
    public void DataReceived_EndOfFileInTheSameSegment_ComesFirst() => Run(async loop =>
    {
        var protocol = Watch(new TestProtocol());
        Server server = await ServeAsync(loop, () => protocol);
        Peer peer = Network.ConnectNow(server.EndPoints[0]);
        peer.SendNow("last words"u8);
        peer.ShutdownSend();

        await protocol.Lost.Task;
        server.Close();

        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], protocol.Outline);
        Assert.Equal("last words", protocol.ReceivedText);
    });

    [Fact]
    public void WriteVectored_EmptyAndFullBuffers_LeaveInOrder() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;

        Assert.Equal(WriteStatus.Accepted, transport.WriteVectored([]));
        Assert.Equal(WriteStatus.Accepted, transport.WriteVectored([default, default]));
        Assert.Equal(0, transport.UnsentBytes);
        Assert.Equal(
            WriteStatus.Accepted,
            transport.WriteVectored([default, "one "u8.ToArray(), default, "two "u8.ToArray(), "three"u8.ToArray(), default]));
        transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame("one two three"u8, received);
    });

    [Theory]
    [InlineData(1000, 3)]
    [InlineData(1000, 1000)]
    [InlineData(3, 5_000_000)]
    [InlineData(129, 64 * 1024)]
    public void WriteVectored_ManyOrHugeBuffers_LeaveInOrder(int count, int size) => Run(async loop =>
    {
        byte[] data = Pattern(count * size);
        var buffers = new ReadOnlyMemory<byte>[count + 1];
        for (int i = 0; i < count; i++)
        {
            buffers[i + (i < 70 ? 0 : 1)] = data.AsMemory(i * size, size); // with an empty one in the middle
        }

        var protocol = new TestProtocol { OnMade = p => p.Transport.Write("head"u8) };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Assert.NotEqual(WriteStatus.Closed, protocol.Transport.WriteVectored(buffers));
        protocol.Transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame("head"u8, received.AsSpan(0, 4));
        AssertSame(data, received.AsSpan(4));
        Assert.Equal(4 + data.Length, protocol.Transport.BytesSent);
    });

    [Fact]
    public void WriteVectored_KernelTakesAPart_RestFollowsFromTheRightPlace() => Run(async loop =>
    {
        const int Count = 200;
        const int Size = 1_777;
        byte[] data = Pattern(Count * Size);
        ReadOnlyMemory<byte>[] buffers = [.. Enumerable.Range(0, Count).Select(i => data.AsMemory(i * Size, Size))];
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);

        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.WriteVectored(buffers));
        Assert.InRange(protocol.Transport.UnsentBytes, 1, HasShortTries ? data.Length : data.Length - 1);
        Array.Clear(buffers); // the buffers are the caller's again
        byte[] sent = [.. data];
        Array.Clear(data);
        protocol.Transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame(sent, received);
    });

    [Fact]
    public void WriteSequence_SegmentsOfAllKinds_LeaveInOrder() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;

        Assert.Equal(WriteStatus.Accepted, transport.Write(ReadOnlySequence<byte>.Empty));
        Assert.Equal(WriteStatus.Accepted, transport.Write(new ReadOnlySequence<byte>("single "u8.ToArray())));
        Assert.Equal(WriteStatus.Accepted, transport.Write(Segment.Sequence("several "u8.ToArray(), [], "parts"u8.ToArray())));
        transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame("single several parts"u8, received);
    });

    [Fact]
    public void Write_SeveralInOneCallback_LeaveTogether()
    {
        RequireRealMachine("Segments are counted by Linux's TCP_INFO.");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Segments are counted by Linux's TCP_INFO.");
        RequireWholeTries();
        Assert.SkipUnless(ServerTls is null, "One segment is one record, and its peer's socket is out of reach.");
        Run(async loop =>
        {
            RequireTcp("A Unix socket has no segments to count.");
            long unsent = 0;
            long sentWithin = -1;
            var protocol = new TestProtocol
            {
                OnData = (p, _) =>
                {
                    for (int i = 0; i < 10; i++)
                    {
                        p.Transport.Write("0123456789"u8);
                    }

                    unsent = p.Transport.UnsentBytes;
                    sentWithin = p.Transport.BytesSent;
                },
            };
            Peer peer = await ConnectPeerAsync(loop, protocol);
            await peer.SendAsync("go"u8.ToArray());
            byte[] received = await peer.ReadAsync(100);

            Assert.Equal(100, received.Length);
            Assert.Equal(100, unsent);
            Assert.Equal(0, sentWithin);
            Assert.Equal(100, protocol.Transport.BytesSent);
            Assert.Equal(1, DataSegmentsReceivedBy(peer));
            peer.Dispose();
            await protocol.Lost.Task;
        });
    }

    [Fact]
    public void Write_FarBeyondEveryLimit_IsTakenWhole() => Run(async loop =>
    {
        byte[] data = Pattern(16 * 1024 * 1024);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);

        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.Write(data));
        Assert.True(protocol.Transport.UnsentBytes > WriteLimits.DefaultHardCap);
        string expected = HashOf(data);
        Array.Clear(data); // the memory is the caller's again
        protocol.Transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.Equal(expected, HashOf(received));
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
    });

    [Fact]
    public void Counters_BothDirections_CountWhatWentThrough() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnData = (p, data) => p.Transport.Write(data) };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        Assert.Equal(0, transport.BytesSent);
        Assert.Equal(0, transport.BytesReceived);
        Assert.Equal(0, transport.UnsentBytes);

        await peer.SendAsync(new byte[1234]);
        _ = await peer.ReadAsync(1234);
        await UntilAsync(loop, () => transport.UnsentBytes == 0); // a send may be told of after its bytes have arrived

        Assert.Equal(1234, transport.BytesReceived);
        Assert.Equal(1234, transport.BytesSent);
        Assert.Equal(0, transport.UnsentBytes);
        peer.Dispose();
        await protocol.Lost.Task;
        Assert.Equal(1234, transport.BytesReceived);
        Assert.Equal(1234, transport.BytesSent);
    });

    [Fact]
    public void Properties_FromMadeToAfterTheEnd_SayWhatIs() => Run(async loop =>
    {
        RequireTcp("A Unix socket has no such names.");
        DateTimeOffset before = loop.TimeProvider.GetUtcNow();
        bool bound = false;
        var protocol = new TestProtocol();
        protocol.OnMade = p => bound = p.Transport.Protocol == p && p.Transport is { IsClosing: false, IsReading: true };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        IPEndPoint local = peer.LocalEndPoint;
        IPEndPoint remote = peer.RemoteEndPoint;

        Assert.True(bound);
        Assert.True(transport.Id > 0);
        Assert.InRange(transport.StartTime, before, loop.TimeProvider.GetUtcNow());
        Assert.Equal(remote, transport.LocalEndPoint);
        Assert.Equal(local, transport.RemoteEndPoint);
        Assert.True(transport.CanWriteEof);
        Assert.Equal(CloseReason.None, transport.CloseReason);
        Assert.Equal(new WriteLimits(), transport.WriteLimits);
        Assert.Null(transport.UserState);
        transport.UserState = peer;
        Assert.Same(peer, transport.UserState);

        transport.PauseReading();
        Assert.False(transport.IsReading);
        transport.PauseReading();
        transport.ResumeReading();
        Assert.True(transport.IsReading);

        transport.Close();
        Assert.True(transport.IsClosing);
        Assert.False(transport.IsReading);
        Assert.Equal(CloseReason.LocalClose, transport.CloseReason);
        transport.ResumeReading();
        Assert.False(transport.IsReading);
        await protocol.Lost.Task;
        peer.Dispose();
        await UntilDesertedAsync(loop);
        Assert.Equal(remote, transport.LocalEndPoint);
        Assert.Equal(local, transport.RemoteEndPoint);
        Assert.Same(transport, protocol.Transport);
    });

    [Fact]
    public void Id_TwoConnections_AreDifferent() => Run(async loop =>
    {
        TestProtocol first = new();
        TestProtocol second = new();
        Peer firstPeer = await ConnectPeerAsync(loop, first);
        Peer secondPeer = await ConnectPeerAsync(loop, second);
        Assert.NotEqual(first.Transport.Id, second.Transport.Id);
        firstPeer.Dispose();
        secondPeer.Dispose();
        await first.Lost.Task;
        await second.Lost.Task;
    });

    [Fact]
    public void EofReceived_ReturnsTrue_KeepsSendingSideOpen() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        peer.ShutdownSend();
        await protocol.Eof.Task;
        Assert.False(protocol.Transport.IsReading);
        Assert.False(protocol.Transport.IsClosing);

        byte[] data = Pattern(1024 * 1024);
        Task<byte[]> reading = peer.ReadToEndAsync();
        await NextIterationAsync(loop);
        protocol.Transport.Write(data);
        protocol.Transport.Close();
        byte[] received = await reading;
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, received);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
        Assert.Single(protocol.Callbacks, "EofReceived");
    });

    [Fact]
    public void EofReceived_ReturnsFalse_FlushesAndCloses() => Run(async loop =>
    {
        byte[] data = Pattern(1024 * 1024);
        bool reading = true;
        var protocol = new TestProtocol { OnMade = p => p.Transport.Write(data) };
        protocol.OnEof = p =>
        {
            reading = p.Transport.IsReading;
            return false;
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        peer.ShutdownSend();
        await protocol.Eof.Task;
        Assert.True(protocol.Transport.IsClosing);
        Assert.Equal(WriteStatus.Closed, protocol.Transport.Write("late"u8));
        byte[] received = await peer.ReadToEndAsync();
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, received);
        Assert.False(reading);
        Assert.Equal(CloseReason.PeerEnd, protocol.Transport.CloseReason);
    });

    [Fact]
    public void WriteEof_PeerGoesOn_ReceivesUntilItsEnd() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        protocol.Transport.Write("question"u8);
        protocol.Transport.WriteEof();
        byte[] question = await peer.ReadToEndAsync();
        Assert.False(protocol.Transport.IsClosing);

        await peer.SendAsync("answer"u8.ToArray());
        peer.ShutdownSend();
        Assert.Null(await protocol.Lost.Task);

        AssertSame("question"u8, question);
        Assert.Equal("answer", protocol.ReceivedText);
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], protocol.Outline);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
    });

    [Fact]
    public void WriteEof_AfterPeersEnd_EndsInGoodOrder() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnEof = _ => true };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        peer.ShutdownSend();
        await protocol.Eof.Task;
        protocol.Transport.Write("answer"u8);
        protocol.Transport.WriteEof();
        byte[] answer = await peer.ReadToEndAsync();
        Assert.Null(await protocol.Lost.Task);

        AssertSame("answer"u8, answer);
        Assert.Equal(CloseReason.LocalClose, protocol.Transport.CloseReason);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void WriteEof_BothSidesAtOnce_BothEndInGoodOrder(bool keepOpen) => Run(async loop =>
    {
        TestProtocol ours = Watch(new TestProtocol { OnEof = _ => keepOpen });
        TestProtocol theirs = Watch(new TestProtocol { OnEof = _ => keepOpen });
        Server server = await ServeAsync(loop, () => theirs);
        await loop.CreateConnectionAsync(() => ours, server.EndPoints[0], ClientOptions);
        await theirs.Made.Task;
        server.Close();

        ours.Transport.Write("a"u8);
        ours.Transport.WriteEof();
        theirs.Transport.Write("b"u8);
        theirs.Transport.WriteEof();
        Exception?[] reasons = [await ours.Lost.Task, await theirs.Lost.Task];

        Assert.All(reasons, Assert.Null);
        Assert.Equal("b", ours.ReceivedText);
        Assert.Equal("a", theirs.ReceivedText);
        Assert.All([ours, theirs], protocol => Assert.Contains("EofReceived", protocol.Callbacks));
        await UntilDesertedAsync(loop);
    });

    [Fact]
    public void WriteEof_BytesQueued_LeaveFirst() => Run(async loop =>
    {
        byte[] data = Pattern(1024 * 1024);
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        protocol.Transport.Write(data);
        protocol.Transport.WriteEof();
        Assert.True(protocol.Transport.UnsentBytes > 0);
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame(data, received);
    });

    [Fact]
    public void Write_AfterWriteEof_Throws() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        transport.WriteEof();
        transport.WriteEof();

        Assert.Throws<InvalidOperationException>(() => { transport.Write("x"u8); });
        Assert.Throws<InvalidOperationException>(() => { transport.Write([]); });
        Assert.Throws<InvalidOperationException>(() => { transport.WriteVectored([new byte[1]]); });
        Assert.Empty(await peer.ReadToEndAsync());
        transport.Close();
        Assert.Equal(WriteStatus.Closed, transport.Write("x"u8));
        transport.WriteEof();
        Assert.Null(await protocol.Lost.Task);
        peer.Dispose();
    });

    [Fact]
    public void Write_AfterClose_ReturnsClosed() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        transport.Close();
        RequireClosed();
        await protocol.Lost.Task;
        RequireClosed();
        Assert.Equal(0, transport.UnsentBytes);
        Assert.Empty(await peer.ReadToEndAsync());
        peer.Dispose();

        void RequireClosed()
        {
            Assert.Equal(WriteStatus.Closed, transport.Write("x"u8));
            Assert.Equal(WriteStatus.Closed, transport.Write([]));
            Assert.Equal(WriteStatus.Closed, transport.Write(new byte[100_000]));
            Assert.Equal(WriteStatus.Closed, transport.WriteVectored([new byte[100_000]]));
        }
    });

    [Fact]
    public void Write_Empty_DoesNothing() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Assert.Equal(WriteStatus.Accepted, protocol.Transport.Write([]));
        Assert.Equal(0, protocol.Transport.UnsentBytes);
        FillUp(protocol.Transport);
        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.Write([]));
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Members_OffTheLoopsThread_Throw() => Run(async loop =>
    {
        RequireRealMachine(NoOtherThread);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Transport transport = protocol.Transport;
        Action[] members =
        [
            () => transport.Write("x"u8),
            () => transport.WriteVectored([new byte[1]]),
            transport.WriteEof,
            transport.PauseReading,
            transport.ResumeReading,
            transport.Close,
            transport.Abort,
            () => transport.WriteLimits = new WriteLimits(1),
            () => transport.Protocol = new TestProtocol(),
        ];

        await loop.RunInThreadAsync(() => Assert.All(members, member => Assert.Throws<InvalidOperationException>(member)));
        Assert.False(transport.IsClosing);
        peer.Dispose();
        await protocol.Lost.Task;
        Assert.Equal(0, transport.BytesSent);
    });

    [Fact]
    public void Connection_NobodyHoldsIt_GoesOn() => Run(async loop =>
    {
        var ends = new List<long>();
        Server server = await ServeAsync(loop, () => new TestProtocol
        {
            OnData = (p, data) => p.Transport.Write(data),
            OnLost = (p, _) => ends.Add(p.Transport.BytesReceived),
        });
        Peer peer = await Network.ConnectAsync(server.EndPoints[0]);
        for (int i = 1; i <= 5; i++)
        {
            await peer.SendAsync(new byte[1000]);
            Assert.Equal(1000, (await peer.ReadAsync(1000)).Length);
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        peer.Dispose();
        await UntilAsync(loop, () => ends.Count >= 1);
        server.Close();

        Assert.Equal([5000L], ends);
    });

    private static int DataSegmentsReceivedBy(Peer peer)
    {
        const int TcpLevel = 6;
        const int TcpInfo = 11;
        const int DataSegmentsIn = 152; // tcpi_data_segs_in of struct tcp_info
        Span<byte> info = stackalloc byte[160];
        Assert.Equal(info.Length, ((SocketPeer)peer).Socket.GetRawSocketOption(TcpLevel, TcpInfo, info));
        return BinaryPrimitives.ReadInt32LittleEndian(info[DataSegmentsIn..]);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public static ReadOnlySequence<byte> Sequence(params byte[][] parts)
        {
            var first = new Segment { Memory = parts[0] };
            Segment last = first;
            foreach (byte[] part in parts[1..])
            {
                var next = new Segment { Memory = part, RunningIndex = last.RunningIndex + last.Memory.Length };
                last.Next = next;
                last = next;
            }

            return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
        }
    }
}
