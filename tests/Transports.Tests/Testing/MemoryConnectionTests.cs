using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Toolkit.Tests.Testing;

public sealed class MemoryConnectionTests
{
    private static readonly MemoryConnectionOptions s_narrow = new() { Window = 1_000 };

    public static TheoryData<LoopKind, string> KindsAndChunkings
    {
        get
        {
            var all = new TheoryData<LoopKind, string>();
            foreach (LoopKind kind in (LoopKind[])[LoopKind.Epoll, LoopKind.Uring, LoopKind.Portable])
            {
                foreach (string chunking in (string[])["whole", "one byte", "7 bytes", "100000 bytes", "at 1, 5000", "random"])
                {
                    all.Add(kind, chunking);
                }
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(MemoryLoop.Kinds), MemberType = typeof(MemoryLoop))]
    public void Create_BothProtocols_AreToldBeforeItReturns(LoopKind kind) => MemoryLoop.Run(
        async loop =>
        {
            var order = new List<string>();
            var first = new RecordingProtocol { OnMade = _ => order.Add("first") };
            var second = new RecordingProtocol { OnMade = _ => order.Add("second") };
            Task<MemoryConnection> creating = MemoryConnection.CreateAsync(loop, first, second);
            Assert.Empty(order);
            MemoryConnection connection = await creating;

            Assert.Equal(["first", "second"], order);
            Assert.Same(first.Transport, connection.First);
            Assert.Same(second.Transport, connection.Second);
            Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 50_000), connection.First.LocalEndPoint);
            Assert.Equal(connection.First.LocalEndPoint, connection.Second.RemoteEndPoint);
            Assert.Equal(connection.First.RemoteEndPoint, connection.Second.LocalEndPoint);
            Assert.True(connection.First is { IsReading: true, IsClosing: false, CanWriteEof: true, UnsentBytes: 0 });
            Assert.NotEqual(connection.First.Id, connection.Second.Id);

            connection.First.Write("ping"u8);
            connection.Second.Write("pong"u8);
            await first.FirstData;
            await second.FirstData;
            Assert.Equal("pong", first.ReceivedText);
            Assert.Equal("ping", second.ReceivedText);
            Assert.Equal((4L, 4L), (connection.First.BytesSent, connection.First.BytesReceived));

            connection.First.Close();
            Assert.Null(await first.Lost);
            Assert.Null(await second.Lost);
            Assert.Equal(CloseReason.LocalClose, connection.First.CloseReason);
            Assert.Equal(CloseReason.PeerEnd, connection.Second.CloseReason);
            await MemoryLoop.UntilAsync(loop, () => loop.Host.ResidentCount == 0);
            MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
        },
        kind);

    [Theory]
    [MemberData(nameof(KindsAndChunkings))]
    public void Bytes_InBothDirectionsAndHoweverCut_ArriveInOrder(LoopKind kind, string cut)
    {
        ulong seed = MemoryLoop.NextSeed();
        Chunking chunking = ChunkingOf(cut, seed);
        MemoryLoop.Run(
            async loop =>
            {
                byte[] there = MemoryLoop.Pattern(50_000, seed);
                byte[] back = MemoryLoop.Pattern(30_000, seed + 1);
                int largest = 0;
                var first = new RecordingProtocol { OnEof = _ => true };
                var second = new RecordingProtocol
                {
                    OnEof = _ => true,
                    OnData = (_, data) => largest = Math.Max(largest, data.Length),
                };
                await MemoryConnection.CreateAsync(
                    loop, first, second, new MemoryConnectionOptions { Chunking = chunking, Window = 10_000 });
                first.Transport.Write(there);
                second.Transport.Write(back.AsSpan(0, 10));
                second.Transport.WriteVectored([back.AsMemory(10, 20_000), default, back.AsMemory(20_010)]);
                first.Transport.WriteEof();
                second.Transport.WriteEof();
                Assert.Null(await first.Lost);
                Assert.Null(await second.Lost);

                Assert.True(there.AsSpan().SequenceEqual(second.Received), $"Seed {seed}, {chunking}");
                Assert.True(back.AsSpan().SequenceEqual(first.Received), $"Seed {seed}, {chunking}");
                Assert.InRange(largest, 1, cut == "one byte" ? 1 : cut == "7 bytes" ? 7 : 10_000);
                Assert.Equal(there.Length, first.Transport.BytesSent);
                Assert.Equal(there.Length, second.Transport.BytesReceived);
                MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
            },
            kind);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Bytes_CutAtEveryPlace_AreToldInTwoPieces(bool buffered) => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        byte[] message = MemoryLoop.Pattern(60, seed);
        for (int cut = 1; cut < message.Length; cut++)
        {
            var pieces = new List<byte[]>();
            var first = new RecordingProtocol { OnMade = p => p.Transport.Write(message) };
            var plain = new RecordingProtocol { OnData = (_, data) => pieces.Add(data.ToArray()) };
            var other = new RecordingBufferedProtocol
            {
                OnUpdated = (p, count) => pieces.Add(p.Buffer[..count].ToArray()),
            };
            var options = new MemoryConnectionOptions { Chunking = Chunking.At(cut) };
            await MemoryConnection.CreateAsync(loop, first, buffered ? other : plain, options);
            first.Transport.Close();
            await (buffered ? other.Lost : plain.Lost);

            Assert.True(
                pieces.Count == 2 && pieces[0].AsSpan().SequenceEqual(message.AsSpan(0, cut))
                    && pieces[1].AsSpan().SequenceEqual(message.AsSpan(cut)),
                $"Seed {seed}, cut at {cut}: {string.Join(", ", pieces.Select(piece => piece.Length))}");
            await first.Lost;
            MemoryLoop.RequireOrder(first.Grammar, plain.Grammar, other.Grammar);
        }
    });

    [Fact]
    public void Bytes_OfRandomWritesThroughRandomWindows_AreAllThere() => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        for (int round = 0; round < 200; round++)
        {
            SeededRandom random = new SeededRandom(seed).Split($"round {round}");
            var options = new MemoryConnectionOptions
            {
                Window = 1 + random.Next(random.Next(2) == 0 ? 20 : 20_000),
                Chunking = Chunking.Random(seed + (ulong)round),
            };
            byte[] data = new byte[random.Next(20_000)];
            random.NextBytes(data);
            int bufferSize = 1 + random.Next(3_000);
            var writer = new RecordingProtocol();
            var reader = new RecordingBufferedProtocol(bufferSize)
            {
                OnUpdated = (p, _) =>
                {
                    if (random.Chance(0.1))
                    {
                        p.Transport.PauseReading();
                        loop.CallSoon(p.Transport.ResumeReading);
                    }
                },
            };
            await MemoryConnection.CreateAsync(loop, writer, reader, options);
            for (int offset = 0; offset < data.Length;)
            {
                int length = Math.Min(1 + random.Next(5_000), data.Length - offset);
                writer.Transport.Write(data.AsSpan(offset, length));
                offset += length;
                if (random.Chance(0.3))
                {
                    await MemoryLoop.SettleAsync(loop);
                }
            }

            writer.Transport.Close();
            Assert.Null(await reader.Lost);
            Assert.Null(await writer.Lost);
            Assert.True(
                data.AsSpan().SequenceEqual(reader.Received),
                $"Seed {seed}, round {round}: {reader.ReceivedLength} of {data.Length} bytes arrived through {options}.");
            MemoryLoop.RequireOrder(writer.Grammar, reader.Grammar);
        }
    });

    [Theory]
    [MemberData(nameof(KindsAndChunkings))]
    public void Window_IsFull_PausesAndResumesInTurn(LoopKind kind, string cut) => MemoryLoop.Run(
        async loop =>
        {
            const int High = 2_000;
            const int Low = 500;
            ulong seed = MemoryLoop.NextSeed();
            byte[] data = MemoryLoop.Pattern(200_000, seed);
            int offset = 0;
            var writer = new RecordingProtocol { OnMade = WriteOn, OnResume = WriteOn };
            writer.OnPause = p => Assert.InRange(p.Transport.UnsentBytes, High + 1, High + 700);
            var reader = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
            var tcp = new TcpOptions { WriteLimits = new WriteLimits(High, Low) };
            await MemoryConnection.CreateAsync(
                loop, writer, reader, s_narrow with { Chunking = ChunkingOf(cut, seed), Tcp = tcp });
            await MemoryLoop.SettleAsync(loop);
            Assert.Equal(["ConnectionMade", "PauseWriting"], writer.Callbacks);
            Assert.Equal(1_000, writer.Transport.BytesSent);
            reader.Transport.ResumeReading();
            await writer.Lost;
            await reader.Lost;

            Assert.True(data.AsSpan().SequenceEqual(reader.Received), $"Seed {seed}, {cut}");
            string[] turns = [.. writer.Callbacks.Where(callback => callback.EndsWith("Writing", StringComparison.Ordinal))];
            Assert.True(turns.Length > 50);
            Assert.All(turns.Index(), turn => Assert.Equal(turn.Index % 2 == 0 ? "PauseWriting" : "ResumeWriting", turn.Item));
            MemoryLoop.RequireOrder(writer.Grammar, reader.Grammar);

            void WriteOn(RecordingProtocol p)
            {
                while (offset < data.Length)
                {
                    WriteStatus status = p.Transport.Write(data.AsSpan(offset, Math.Min(700, data.Length - offset)));
                    offset += 700;
                    if (status != WriteStatus.Accepted)
                    {
                        return;
                    }
                }

                p.Transport.Close();
            }
        },
        kind);

    [Fact]
    public void WriteEof_HalfCloses() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol { OnEof = _ => true };
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, second, s_narrow);
        connection.First.Write(new byte[5_000]);
        connection.First.WriteEof();
        await second.Eof;
        Assert.Equal(5_000, second.ReceivedLength);
        Assert.False(connection.Second.IsClosing);

        connection.Second.Write("answer"u8);
        await first.FirstData;
        connection.Second.WriteEof();
        Assert.Null(await first.Lost);
        Assert.Null(await second.Lost);
        Assert.Equal("answer", first.ReceivedText);
        Assert.Equal(CloseReason.LocalClose, connection.First.CloseReason);
        Assert.Equal(CloseReason.LocalClose, connection.Second.CloseReason);
        Assert.Equal(0, loop.Host.ResidentCount);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Abort_IsAResetToTheOtherEnd() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, second);
        connection.First.Write("never read"u8);
        await MemoryLoop.SettleAsync(loop);
        connection.First.Abort();
        Assert.Null(await first.Lost);
        ConnectionException reason = Assert.IsType<ConnectionException>(await second.Lost);

        Assert.Equal(CloseReason.Reset, reason.Reason);
        Assert.IsType<SocketException>(reason.InnerException);
        Assert.Equal(CloseReason.LocalAbort, connection.First.CloseReason);
        Assert.Equal(CloseReason.Reset, connection.Second.CloseReason);
        Assert.Equal(0, second.ReceivedLength);
        Assert.Equal(WriteStatus.Closed, connection.Second.Write("x"u8));
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Abort_WhileTheOtherEndSends_FailsTheSend() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
        var second = new RecordingProtocol();
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, second, s_narrow);
        connection.Second.Write(new byte[500_000]);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(499_000, connection.Second.UnsentBytes);
        connection.First.Abort();

        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await second.Lost).Reason);
        Assert.Equal(0, connection.Second.UnsentBytes);
        await first.Lost;
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Theory]
    [MemberData(nameof(MemoryLoop.Kinds), MemberType = typeof(MemoryLoop))]
    public void Close_UnreadInput_DoesNotDestroyWhatWasWritten(LoopKind kind) => MemoryLoop.Run(
        async loop =>
        {
            byte[] data = MemoryLoop.Pattern(300_000);
            var first = new RecordingProtocol();
            var second = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
            MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, second);
            connection.First.Write(new byte[200_000]);
            await MemoryLoop.SettleAsync(loop);
            connection.Second.Write(data);
            connection.Second.Close();
            Assert.Null(await second.Lost);
            Assert.Null(await first.Lost);

            Assert.Equal(data, first.Received);
            Assert.Equal(0, second.ReceivedLength);
            Assert.Equal(CloseReason.PeerEnd, connection.First.CloseReason);
            await MemoryLoop.UntilAsync(loop, () => loop.Host.ResidentCount == 0);
            MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
        },
        kind);

    [Fact]
    public void Close_TheOtherEndStays_LetsGoAfterTheLingerTime() => MemoryLoop.Run(async loop =>
    {
        var lingerTime = TimeSpan.FromMilliseconds(100);
        var first = new RecordingProtocol();
        var second = new RecordingProtocol { OnEof = _ => true };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, first, second, new MemoryConnectionOptions { Tcp = new TcpOptions { LingerTime = lingerTime } });
        TimeSpan closed = loop.Time;
        connection.First.Close();
        await first.Lost;
        await second.Eof;
        connection.Second.Write("thrown away"u8);
        await MemoryLoop.UntilAsync(loop, () => loop.Host.ResidentCount == 1);
        Assert.True(loop.Time - closed >= lingerTime);
        Assert.False(second.Lost.IsCompleted);

        // As on a network, the write leaves, and a reset comes back.
        Assert.Equal(WriteStatus.Accepted, connection.Second.Write("to nobody"u8));
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await second.Lost).Reason);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Close_WithinAGetBufferThatThrows_GoesOnThrowingAway() => MemoryLoop.Run(async (loop, errors) =>
    {
        var first = new RecordingBufferedProtocol();
        first.OnGetBuffer = p =>
        {
            p.Transport.Close();
            throw new ArithmeticException();
        };
        var second = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8), OnEof = _ => true };
        await MemoryConnection.CreateAsync(
            loop, first, second, s_narrow with { Tcp = new TcpOptions { LingerTime = TimeSpan.FromHours(1) } });
        await first.Lost;
        await second.Eof;
        second.Transport.Write(new byte[10_000]);
        second.Transport.Close();
        await MemoryLoop.SettleAsync(loop);

        Assert.Equal(0, loop.Host.ResidentCount);
        Assert.Equal(10_001, second.Transport.BytesSent);
        Assert.Null(await second.Lost);
        Assert.IsType<ArithmeticException>(Assert.Single(errors).Exception);
        errors.Clear();
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Close_TheOtherEndDoesNotRead_TimesOut() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, first, second, s_narrow with { Tcp = new TcpOptions { LingerTime = TimeSpan.FromMilliseconds(50) } });
        connection.First.Write(new byte[10_000]);
        connection.First.Close();

        Assert.Equal(CloseReason.Timeout, Assert.IsType<ConnectionException>(await first.Lost).Reason);
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await second.Lost).Reason);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Close_TheOtherEndSendsBeyondTheDiscardLimit_IsCutOff() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol { OnEof = _ => true };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, first, second, new MemoryConnectionOptions { Tcp = new TcpOptions { DiscardLimit = 50_000 } });
        connection.First.Close();
        await first.Lost;
        await second.Eof;
        while (!connection.Second.IsClosing)
        {
            connection.Second.Write(new byte[10_000]);
            await MemoryLoop.SettleAsync(loop);
        }

        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await second.Lost).Reason);
        Assert.Equal(0, loop.Host.ResidentCount);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ConnectionMade_Throws_ComesOutOfTheCallAndEndsBoth(bool isFirst) => MemoryLoop.Run(async (loop, errors) =>
    {
        var failing = new RecordingProtocol { OnMade = _ => throw new ArithmeticException() };
        var other = new RecordingProtocol();
        await Assert.ThrowsAsync<ArithmeticException>(() => isFirst
            ? MemoryConnection.CreateAsync(loop, failing, other)
            : MemoryConnection.CreateAsync(loop, other, failing));
        Assert.IsType<ArithmeticException>(await failing.Lost);
        Assert.Equal(CloseReason.Reset, Assert.IsType<ConnectionException>(await other.Lost).Reason);

        Assert.Equal(["ConnectionMade", "ConnectionLost"], other.Callbacks);
        Assert.IsType<TransportError>(Assert.Single(errors));
        errors.Clear();
        MemoryLoop.RequireOrder(failing.Grammar, other.Grammar);
    });

    [Fact]
    public void Callbacks_RunInTheContextOfTheCall() => MemoryLoop.Run(async loop =>
    {
        var local = new AsyncLocal<string>();
        var seen = new List<string?>();
        var first = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        var second = new RecordingProtocol
        {
            OnMade = _ => seen.Add(local.Value),
            OnData = (_, _) => seen.Add(local.Value),
            OnLost = (_, _) => seen.Add(local.Value),
        };
        local.Value = "mine";
        Task<MemoryConnection> creating = MemoryConnection.CreateAsync(loop, first, second);
        local.Value = "changed";
        await creating;
        await second.FirstData;
        first.Transport.Close();
        await second.Lost;

        Assert.Equal(["mine", "mine", "mine"], seen);
    });

    [Fact]
    public void Protocol_ReplacedByOneOfTheOtherKindAllTheTime_EveryByteIsToldOnce() => MemoryLoop.Run(async loop =>
    {
        byte[] data = MemoryLoop.Pattern(20_000);
        var received = new List<byte>();
        var grammars = new List<CallbackGrammar>();
        var lost = new TaskCompletionSource();
        var writer = new RecordingProtocol { OnMade = p => p.Transport.Write(data) };
        await MemoryConnection.CreateAsync(
            loop, writer, Plain(), new MemoryConnectionOptions { Chunking = Chunking.Random(3), Window = 3_000 });
        writer.Transport.Close();
        await lost.Task;

        Assert.Equal(data, received);
        Assert.True(grammars.Count > 10);
        MemoryLoop.RequireOrder([.. grammars]);

        RecordingProtocol Plain()
        {
            var plain = new RecordingProtocol { OnLost = (_, _) => lost.SetResult() };
            plain.OnData = (p, arrived) =>
            {
                received.AddRange(arrived);
                RecordingBufferedProtocol next = Buffered();
                next.Grammar.TakeOver(p.Grammar);
                p.Transport.Protocol = next;
            };
            grammars.Add(plain.Grammar);
            return plain;
        }

        RecordingBufferedProtocol Buffered()
        {
            var buffered = new RecordingBufferedProtocol(50) { OnLost = (_, _) => lost.SetResult() };
            buffered.OnUpdated = (p, count) =>
            {
                received.AddRange(p.Buffer.Span[..count]);
                RecordingProtocol next = Plain();
                next.Grammar.TakeOver(p.Grammar);
                p.Transport.Protocol = next;
            };
            grammars.Add(buffered.Grammar);
            return buffered;
        }
    });

    [Fact]
    public void Close_TheOtherEndStays_ProtocolIsCollectable() => MemoryLoop.Run(async loop =>
    {
        var second = new RecordingProtocol { OnEof = _ => true };
        var tracked = new WeakReference(null);
        await ConnectAndCloseAsync(loop, second, tracked);
        await second.Eof;
        await MemoryLoop.UntilAsync(loop, () => !IsAlive(tracked));

        Assert.False(second.Lost.IsCompleted);
        second.Transport.Abort();
        await second.Lost;
    });

    [Fact]
    public void IdleConnection_DoesNotKeepTheLoopBusy() => MemoryLoop.Run(async loop =>
    {
        const string Accounts = "/proc/thread-self/schedstat";
        Assert.SkipUnless(File.Exists(Accounts), "There is no account of the thread's time here.");
        var first = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        var second = new RecordingProtocol { OnEof = _ => true, OnData = (p, _) => p.Transport.PauseReading() };
        await MemoryConnection.CreateAsync(loop, first, second);
        first.Transport.WriteEof();
        await MemoryLoop.SettleAsync(loop);

        // Whatever else happens on the machine, a loop that spins burns all of it each time.
        TimeSpan watched = TimeSpan.FromMilliseconds(100);
        TimeSpan burnt = watched;
        for (int attempt = 0; attempt < 5 && burnt >= watched / 4; attempt++)
        {
            TimeSpan before = Burnt();
            await Task.Delay(watched, loop.TimeProvider);
            burnt = Burnt() - before;
        }

        Assert.True(burnt < watched / 4, $"The loop has nothing to do, and burnt {burnt} within {watched}.");

        static TimeSpan Burnt()
            => TimeSpan.FromMicroseconds(
                long.Parse(File.ReadAllText(Accounts).Split(' ')[0], CultureInfo.InvariantCulture) / 1_000);
    });

    [Fact]
    public void LoopDisposal_OpenConnection_IsLostOnBothEnds()
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol();
        MemoryLoop.Run(async loop =>
        {
            await MemoryConnection.CreateAsync(loop, first, second);
            first.Transport.Write(new byte[1_000_000]);
        });

        foreach (RecordingProtocol protocol in (RecordingProtocol[])[first, second])
        {
            Assert.True(protocol.Lost.IsCompletedSuccessfully);
            Assert.Equal(CloseReason.LoopShutdown, protocol.Transport.CloseReason);
        }

        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
        Assert.Throws<ObjectDisposedException>(() => first.Transport.Write("x"u8));
    }

    [Fact]
    public void LoopDisposal_ClosingConnection_SendsTheRest()
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol();
        MemoryLoop.Run(async loop =>
        {
            await MemoryConnection.CreateAsync(loop, first, second, s_narrow);
            first.Transport.Write(new byte[100_000]);
            first.Transport.Close();
            second.Transport.Close();
        });

        Assert.Equal(CloseReason.LocalClose, first.Transport.CloseReason);
        Assert.Equal(100_000, first.Transport.BytesSent);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    }

    [Fact]
    public void LoopDisposal_BeforeTheConnectionIsMade_FailsTheCall()
    {
        var first = new RecordingProtocol();
        Task<MemoryConnection>? creating = null;
        MemoryLoop.Run(loop =>
        {
            creating = MemoryConnection.CreateAsync(loop, first, new RecordingProtocol());
            return Task.CompletedTask;
        });

        Assert.IsType<ObjectDisposedException>(creating!.Exception!.InnerException);
        Assert.Empty(first.Callbacks);
    }

    [Fact]
    public void Create_MistakesOfTheCaller_AreNamed() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol();
        await Assert.ThrowsAsync<ArgumentNullException>(nameof(loop), () => MemoryConnection.CreateAsync(null!, first, second));
        await Assert.ThrowsAsync<ArgumentNullException>(nameof(first), () => MemoryConnection.CreateAsync(loop, null!, second));
        await Assert.ThrowsAsync<ArgumentNullException>(nameof(second), () => MemoryConnection.CreateAsync(loop, first, null!));
        await Assert.ThrowsAsync<ArgumentException>(nameof(second), () => MemoryConnection.CreateAsync(loop, first, first));
        (string Name, MemoryConnectionOptions Options)[] wrong =
        [
            ("Window", new() { Window = 0 }),
            ("Window", new() { Window = -1 }),
            ("Chunking", new() { Chunking = null! }),
            ("Tcp", new() { Tcp = null! }),
            ("DiscardLimit", new() { Tcp = new TcpOptions { DiscardLimit = -1 } }),
            ("FirstEndPoint", new() { FirstEndPoint = null! }),
            ("SecondEndPoint", new() { SecondEndPoint = null! }),
        ];
        foreach ((string name, MemoryConnectionOptions options) in wrong)
        {
            ArgumentException thrown = await Assert.ThrowsAnyAsync<ArgumentException>(
                () => MemoryConnection.CreateAsync(loop, first, second, options));
            Assert.Equal(name, thrown.ParamName);
        }

        Assert.Equal(0, loop.Host.ResidentCount);
        Assert.Empty(first.Callbacks);
    });

    [Fact]
    public void Create_LoopThatDoesNotRunOrIsGone_Throws()
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol();
        using var loop = new EventLoop();
        Assert.Throws<InvalidOperationException>(() => { _ = MemoryConnection.CreateAsync(loop, first, second); });
        loop.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { _ = MemoryConnection.CreateAsync(loop, first, second); });
    }

    [Fact]
    public void Use_FromAnotherThread_ThrowsAndSaysWhatToDo() => MemoryLoop.Run(async loop =>
    {
        var first = new RecordingProtocol();
        var second = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, first, second);
        Action[] uses =
        [
            () => _ = MemoryConnection.CreateAsync(loop, new RecordingProtocol(), new RecordingProtocol()),
            () => first.Transport.Write("x"u8),
            () => first.Transport.WriteVectored([]),
            first.Transport.WriteEof,
            first.Transport.PauseReading,
            first.Transport.ResumeReading,
            first.Transport.Close,
            first.Transport.Abort,
            () => first.Transport.WriteLimits = new WriteLimits(),
            () => first.Transport.Protocol = new RecordingProtocol(),
        ];
        await loop.RunInThreadAsync(() => Assert.All(uses, use =>
        {
            InvalidOperationException thrown = Assert.Throws<InvalidOperationException>(use);
            Assert.Contains("CallSoonThreadSafe", thrown.Message, StringComparison.Ordinal);
        }));
        await MemoryLoop.SettleAsync(loop);

        Assert.Equal(["ConnectionMade"], first.Callbacks);
        Assert.Equal(["ConnectionMade"], second.Callbacks);
    });

    private static Chunking ChunkingOf(string cut, ulong seed) => cut switch
    {
        "whole" => Chunking.Whole,
        "one byte" => Chunking.OneByte,
        "at 1, 5000" => Chunking.At(1, 5_000),
        "random" => Chunking.Random(seed),
        _ => Chunking.Of(int.Parse(cut.Split(' ')[0], CultureInfo.InvariantCulture)),
    };

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task ConnectAndCloseAsync(EventLoop loop, RecordingProtocol second, WeakReference tracked)
    {
        var first = new RecordingProtocol();
        tracked.Target = first;
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, second);
        connection.First.Write("bye"u8);
        connection.First.Close();
        await first.Lost;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool IsAlive(WeakReference tracked)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return tracked.IsAlive;
    }
}
