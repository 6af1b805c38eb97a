using System.Globalization;
using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Who cannot keep up is waited for, in both directions, and nothing is lost by it.</summary>
public abstract class TcpFlowControlContract(LoopUnderTest subject) : StreamContract(subject)
{
    private const int High = 20_000;
    private const int Low = 5_000;

    // A million take ten seconds; calls that nest are seen, or overflow the stack, long before.
    private static int Pauses => int.Parse(
        Environment.GetEnvironmentVariable("TOOLKIT_PAUSES") ?? "100000", CultureInfo.InvariantCulture);

    [Fact]
    public void PauseWriting_HighIsPassed_IsCalledWithinThatWrite() => Run(async loop =>
    {
        const int Chunk = 1_000;
        int pauses = 0;
        bool writing = false;
        bool pausedWithinWrite = false;
        long unsentAtPause = 0;
        var protocol = new TestProtocol
        {
            OnPause = p =>
            {
                pauses++;
                pausedWithinWrite = writing;
                unsentAtPause = p.Transport.UnsentBytes;
            },
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low)));
        Transport transport = protocol.Transport;

        long written = 0;
        while (pauses == 0)
        {
            Assert.InRange(transport.UnsentBytes, 0, High);
            writing = true;
            WriteStatus status = transport.Write(new byte[Chunk]);
            writing = false;
            written += Chunk;
            Assert.Equal(pauses == 0 ? WriteStatus.Accepted : WriteStatus.AcceptedOverHighWater, status);
        }

        Assert.True(pausedWithinWrite);
        Assert.InRange(unsentAtPause, High + 1, High + Chunk);
        Assert.Equal(written, transport.UnsentBytes + transport.BytesSent);
        Assert.True(transport.BytesSent > 0 || HasShortTries, "The kernel was to be asked first.");
        Assert.Equal(WriteStatus.AcceptedOverHighWater, transport.Write(new byte[Chunk]));
        Assert.Equal(1, pauses);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void PauseWriting_KernelTakesEverything_IsNotCalled() => Run(async loop =>
    {
        RequireWholeTries();
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol, WithLimits(new WriteLimits(0)));
        Assert.Equal(WriteStatus.Accepted, protocol.Transport.Write(new byte[20_000]));
        Assert.Equal(WriteStatus.Accepted, protocol.Transport.Write("small"u8));
        Assert.Equal(0, protocol.Transport.UnsentBytes);
        Assert.Equal(20_005, (await peer.ReadAsync(20_005)).Length);
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.DoesNotContain("PauseWriting", protocol.Callbacks);
    });

    [Theory]
    [InlineData(High, Low)]
    [InlineData(High, High)]
    [InlineData(High, 0)]
    [InlineData(0, 0)]
    public void ResumeWriting_LowIsReached_IsCalledByTheLoop(int high, int low) => Run(async loop =>
    {
        const int Chunk = 3_000;
        const int Total = 3_000_000;
        int offset = 0;
        int depth = 0;
        byte[] data = Pattern(Total);
        var turns = new List<string>();
        string? violation = null;
        var protocol = new TestProtocol { OnMade = WriteOn };
        protocol.OnPause = p => Note("pause", p.Transport.UnsentBytes > high, depth == 1);
        protocol.OnResume = p =>
        {
            Note("resume", p.Transport.UnsentBytes <= low, depth == 0);
            WriteOn(p);
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(high, low)));
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        AssertSame(data, received);
        Assert.Null(violation);
        Assert.True(turns.Count > 4);
        Assert.All(turns.Index(), turn => Assert.Equal(turn.Index % 2 == 0 ? "pause" : "resume", turn.Item));

        void Note(string turn, bool isAtMark, bool isInPlace)
        {
            turns.Add(turn);
            violation ??= isAtMark && isInPlace ? null : $"{turn} number {turns.Count}: {isAtMark}, {isInPlace}";
        }

        void WriteOn(TestProtocol p)
        {
            while (offset < Total)
            {
                depth++;
                WriteStatus status = p.Transport.Write(data.AsSpan(offset, Chunk));
                depth--;
                offset += Chunk;
                if (status != WriteStatus.Accepted)
                {
                    return;
                }
            }

            p.Transport.Close();
        }
    });

    [Fact]
    public void WriteLimits_LoweredBelowTheUnsent_PausesWithinTheCall() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(10_000_000, hardCap: null)));
        Transport transport = protocol.Transport;
        transport.Write(new byte[1_000_000]);
        Assert.DoesNotContain("PauseWriting", protocol.Callbacks);
        Assert.True(transport.UnsentBytes > High);

        transport.WriteLimits = new WriteLimits(High, Low);
        Assert.Contains("PauseWriting", protocol.Callbacks);
        Assert.Equal(new WriteLimits(High, Low), transport.WriteLimits);
        Assert.Equal(WriteStatus.AcceptedOverHighWater, transport.Write([]));
        Task<byte[]> reading = peer.ReadAsync(1_000_000);
        await protocol.Resumed.Task;
        Assert.Equal(1_000_000, (await reading).Length);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void WriteLimits_RaisedAboveTheUnsent_ResumesLater() => Run(async loop =>
    {
        RequireWholeTries();
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low)));
        Transport transport = protocol.Transport;
        FillUp(transport);
        Assert.Contains("PauseWriting", protocol.Callbacks);

        await RequireIdleAsync(loop); // the kernels have taken what they take, so that no byte that leaves can be the cause

        transport.WriteLimits = new WriteLimits(10_000_000, 5_000_000, null);
        Assert.DoesNotContain("ResumeWriting", protocol.Callbacks);
        await NextIterationAsync(loop);
        Assert.Contains("ResumeWriting", protocol.Callbacks);
        Assert.True(transport.UnsentBytes > Low, "Nobody has read, so it was the mark that moved.");
        Assert.Equal(WriteStatus.Accepted, transport.Write("more"u8));

        transport.WriteLimits = new WriteLimits(High, Low);
        transport.WriteLimits = new WriteLimits(10_000_000, 5_000_000, null);
        transport.WriteLimits = new WriteLimits(High, Low);
        await NextIterationAsync(loop);
        await NextIterationAsync(loop);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting", "PauseWriting"], protocol.Callbacks);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void Write_MoreThanTheHardCapIsUnsent_Aborts() => Run(async loop =>
    {
        const int Cap = 100_000;
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low, Cap)));
        Transport transport = protocol.Transport;

        long most = 0;
        while (transport.Write(new byte[10_000]) != WriteStatus.Closed)
        {
            Assert.DoesNotContain("ConnectionLost", protocol.Callbacks);
            most = Math.Max(most, transport.UnsentBytes);
            Assert.InRange(most, 0, Cap + 10_000);
        }

        Assert.True(most > Cap);
        Assert.Equal(CloseReason.WriteOverflow, transport.CloseReason);
        Assert.DoesNotContain("ConnectionLost", protocol.Callbacks);
        Assert.Equal(WriteStatus.Closed, transport.Write("x"u8));
        Exception? reason = await protocol.Lost.Task;

        Assert.Equal(CloseReason.WriteOverflow, Assert.IsType<ConnectionException>(reason).Reason);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
    });

    [Fact]
    public void Write_NoHardCap_TakesEverything() => Run(async loop =>
    {
        const int Chunks = 64;
        byte[] chunk = Pattern(256 * 1024);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low, hardCap: null)));
        for (int i = 0; i < Chunks; i++)
        {
            Assert.NotEqual(WriteStatus.Closed, protocol.Transport.Write(chunk));
        }

        Assert.True(protocol.Transport.UnsentBytes > WriteLimits.DefaultHardCap);
        protocol.Transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        for (int i = 0; i < Chunks; i++)
        {
            AssertSame(chunk, received.AsSpan(i * chunk.Length, chunk.Length));
        }
    });

    [Fact]
    public void Write_MuchToATinyWindow_GoesOnWhereItStopped() => Run(async loop =>
    {
        const int Window = 2 * 1024;
        byte[] data = Pattern(BulkSize);
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(
            loop,
            protocol,
            WithLimits(new WriteLimits(High, Low, hardCap: null)),
            new PeerOptions { ReceiveBufferSize = Window });
        Task<int> reading = CompareAsync();

        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.Write(data));
        await protocol.Resumed.Task;
        protocol.Transport.Close();

        Assert.Equal(data.Length, await reading);
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(data.Length, protocol.Transport.BytesSent);
        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting", "ConnectionLost"], protocol.Callbacks);

        async Task<int> CompareAsync()
        {
            byte[] buffer = new byte[64 * 1024];
            int offset = 0;
            while (await peer.ReceiveAsync(buffer) is var received and > 0)
            {
                AssertSame(data.AsSpan(offset, received), buffer.AsSpan(0, received));
                offset += received;
            }

            return offset;
        }
    });

    [Fact]
    public void Write_OneBeyondTheHardCap_IsTakenAndTheNextIsNot() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low, High)));
        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.Write(new byte[1_000_000]));
        await NextIterationAsync(loop);
        Assert.False(protocol.Transport.IsClosing);
        Assert.Equal(WriteStatus.Closed, protocol.Transport.Write("x"u8));
        await protocol.Lost.Task;
        Assert.Equal(CloseReason.WriteOverflow, protocol.Transport.CloseReason);
        peer.Dispose();
    });

    [Fact]
    public void WriteVectored_CountsTowardsMarksAndCap() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low, 100_000)));
        ReadOnlyMemory<byte>[] buffers = [new byte[500], default, new byte[500]];
        WriteStatus status;
        while ((status = protocol.Transport.WriteVectored(buffers)) == WriteStatus.Accepted)
        {
            Assert.InRange(protocol.Transport.UnsentBytes, 0, High);
        }

        Assert.Equal(WriteStatus.AcceptedOverHighWater, status);
        Assert.InRange(protocol.Transport.UnsentBytes, High + 1, High + 1_000);
        Assert.Contains("PauseWriting", protocol.Callbacks);
        while (protocol.Transport.WriteVectored(buffers) != WriteStatus.Closed)
        {
            Assert.InRange(protocol.Transport.UnsentBytes, High, 101_000);
        }

        await protocol.Lost.Task;
        Assert.Equal(CloseReason.WriteOverflow, protocol.Transport.CloseReason);
        peer.Dispose();
    });

    [Fact]
    public void Write_InPauseWriting_IsTakenWithoutAnotherPause() => Run(async loop =>
    {
        var statuses = new List<WriteStatus>();
        var protocol = new TestProtocol { OnPause = p => statuses.Add(p.Transport.Write("last words"u8)) };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        long written = FillUp(protocol.Transport);
        protocol.Transport.Close();
        byte[] received = await peer.ReadToEndAsync();
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.Equal([WriteStatus.AcceptedOverHighWater], statuses);
        Assert.Equal(written + 10, received.Length);
        AssertSame("last words"u8, received.AsSpan((int)written));
    });

    [Fact]
    public void Close_InPauseWriting_WriteSaysThatItsBytesWereTaken() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnPause = p => p.Transport.Close() };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        Assert.Equal(WriteStatus.AcceptedOverHighWater, protocol.Transport.Write(new byte[1_000_000]));
        Assert.Equal(WriteStatus.Closed, protocol.Transport.Write("x"u8));
        Assert.Equal(1_000_000, (await peer.ReadToEndAsync()).Length);
        peer.Dispose();
        Assert.Null(await protocol.Lost.Task);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Close_InResumeWriting_SendsTheRestAndEndsOnce(bool abort) => Run(async loop =>
    {
        byte[] data = Pattern(1_000_000);
        var protocol = new TestProtocol
        {
            OnResume = p =>
            {
                p.Transport.Write(data.AsSpan(^1_000..));
                if (abort)
                {
                    p.Transport.Abort();
                }
                else
                {
                    p.Transport.Close();
                }
            },
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low)));
        protocol.Transport.Write(data.AsSpan(..^1_000));
        if (abort)
        {
            await Assert.ThrowsAsync<SocketException>(() => peer.ReadToEndAsync());
        }
        else
        {
            byte[] received = await peer.ReadToEndAsync();
            AssertSame(data, received);
        }

        peer.Dispose();
        await protocol.Lost.Task;
        await UntilDesertedAsync(loop);

        Assert.Equal(["ConnectionMade", "PauseWriting", "ResumeWriting", "ConnectionLost"], protocol.Callbacks);
    });

    [Fact]
    public void Write_InResumeWritingAndPausedAgain_DoesNotNest() => Run(async loop =>
    {
        const int Rounds = 3_000;
        int pauses = 0;
        var stack = new StackGauge();
        var protocol = new TestProtocol
        {
            OnPause = _ => pauses++,
            OnResume = p =>
            {
                stack.Note();
                if (pauses < Rounds)
                {
                    FillUp(p.Transport, 4_000);
                }
                else
                {
                    p.Transport.Close();
                }
            },
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(1_000, 500)));
        Task<long> reading = DrainAsync(peer);
        FillUp(protocol.Transport, 4_000);
        long received = await reading;
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.Equal(Rounds, pauses);
        Assert.Equal(protocol.Transport.BytesSent, received);
        stack.RequireNoGrowth();
    });

    [Fact]
    public void Write_InResumeWritingManyTimes_PausesAndResumesByTurns() => Run(async loop =>
    {
        RequireWholeTries();
        int rounds = Pauses;
        int pauses = 0;
        int resumptions = 0;
        var outOfTurn = new List<string>();
        var stack = new StackGauge();
        var done = new TaskCompletionSource();
        var protocol = new TestProtocol
        {
            OnPause = _ =>
            {
                pauses++;
                Note(pauses == resumptions + 1);
            },
            OnResume = p =>
            {
                stack.Note();
                resumptions++;
                Note(pauses == resumptions);
                if (resumptions < rounds)
                {
                    PauseAndResume(p.Transport);
                }
                else
                {
                    done.SetResult();
                }
            },
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol, WithLimits(new WriteLimits(High, Low, hardCap: null)));
        long written = FillUp(protocol.Transport, 1_000);
        await RequireIdleAsync(loop); // the kernels are full, and the peer does not read: the marks alone move from here on

        protocol.Transport.WriteLimits = MarksAt(protocol.Transport.UnsentBytes);
        await done.Task;
        protocol.Transport.Close();
        Assert.Equal(written + rounds - 1, await DrainAsync(peer));
        peer.Dispose();
        await protocol.Lost.Task;

        Assert.Empty(outOfTurn);
        Assert.Equal((rounds, rounds), (pauses, resumptions));
        stack.RequireNoGrowth();

        // Of the two, the write passes the mark, and the mark that is moved behind it has writing resumed by the loop.
        void PauseAndResume(Transport transport)
        {
            int before = pauses;
            transport.Write("x"u8);
            Note(pauses == before + 1);
            transport.WriteLimits = MarksAt(transport.UnsentBytes);
        }

        void Note(bool isInTurn)
        {
            if (!isInTurn && outOfTurn.Count < 10)
            {
                outOfTurn.Add($"{pauses} pauses, {resumptions} resumptions");
            }
        }

        static WriteLimits MarksAt(long unsent) => new((int)unsent, (int)unsent, hardCap: null);
    });

    [Fact]
    public void PauseReading_InConnectionMade_NothingIsTold() => Run(async loop =>
    {
        var protocol = new TestProtocol { OnMade = p => p.Transport.PauseReading() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("data"u8.ToArray());
        peer.ShutdownSend();
        await RequireIdleAsync(loop);
        Assert.Equal(["ConnectionMade"], protocol.Callbacks);

        protocol.Transport.ResumeReading();
        Assert.Equal(["ConnectionMade"], protocol.Callbacks);
        await protocol.Lost.Task;
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], protocol.Outline);
        Assert.Equal("data", protocol.ReceivedText);
    });

    [Fact]
    public void PauseReading_InDataReceived_EndOfFileWaitsForResume() => Run(async loop =>
    {
        var whole = new TaskCompletionSource();
        var protocol = new TestProtocol
        {
            OnData = (p, _) =>
            {
                if (p.ReceivedText == "data")
                {
                    p.Transport.PauseReading();
                    whole.SetResult();
                }
            },
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("data"u8.ToArray());
        await whole.Task;
        peer.ShutdownSend();
        await RequireIdleAsync(loop);
        Assert.Equal(["ConnectionMade", "DataReceived"], protocol.Outline);

        protocol.Transport.ResumeReading();
        Assert.Null(await protocol.Lost.Task);
        Assert.Equal(CloseReason.PeerEnd, protocol.Transport.CloseReason);
    });

    [Fact]
    public void PauseReading_InDataReceived_NoDataUntilResume() => Run(async loop =>
    {
        byte[] data = Pattern(2_000_000);
        var protocol = new TestProtocol { OnData = (p, _) => p.Transport.PauseReading() };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        Task sending = SendAndEndAsync(peer, data);

        // The grammar checker objects to every callback that comes while reading is paused.
        for (int seen = 0; !protocol.Lost.Task.IsCompleted; seen++)
        {
            await NextTurnAsync(loop);
            if (seen % 3 == 0)
            {
                protocol.Transport.ResumeReading();
            }
        }

        await sending;
        AssertSame(data, protocol.Received);
    });

    [Fact]
    public void ResumeReading_InTheSameDataReceived_IsAsIfNothingWas() => Run(async loop =>
    {
        byte[] data = Pattern(2_000_000);
        var protocol = new TestProtocol
        {
            OnData = (p, _) =>
            {
                p.Transport.PauseReading();
                p.Transport.ResumeReading();
            },
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await SendAndEndAsync(peer, data);
        await protocol.Lost.Task;
        AssertSame(data, protocol.Received);
    });

    [Fact]
    public void ResumeReading_AnyNumberOfTurnsInOneCallback_LastOneCounts() => Run(async loop =>
    {
        var protocol = new TestProtocol();
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("one"u8.ToArray());
        await UntilAsync(loop, () => protocol.ReceivedLength >= 3);
        for (int i = 0; i < 5; i++)
        {
            protocol.Transport.PauseReading();
            protocol.Transport.ResumeReading();
        }

        protocol.Transport.PauseReading();
        await peer.SendAsync("two"u8.ToArray());
        await RequireIdleAsync(loop);
        Assert.Equal("one", protocol.ReceivedText);

        for (int i = 0; i < 5; i++)
        {
            protocol.Transport.ResumeReading();
            protocol.Transport.PauseReading();
        }

        protocol.Transport.ResumeReading();
        await UntilAsync(loop, () => protocol.ReceivedLength >= 6);
        Assert.Equal("onetwo", protocol.ReceivedText);
        peer.Dispose();
        await protocol.Lost.Task;
    });

    [Fact]
    public void PauseReading_RandomlyAgainstArrivingBytes_EatsNothing()
    {
        int seed = NextSeed();
        Run(async loop =>
        {
            var random = new Random(seed);
            byte[] data = Pattern(3_000_000, seed);
            var protocol = new TestProtocol { OnData = (p, _) => Turn(p.Transport) };
            Peer peer = await ConnectPeerAsync(loop, protocol);
            int offset = 0;
            int turns = 0;
            for (; offset < data.Length; turns++)
            {
                int size = Math.Min(random.Next(1, random.Next(10) == 0 ? 30_000 : 600), data.Length - offset);
                offset += peer.TrySend(data.AsSpan(offset, size));
                await NextTurnAsync(loop);
                Turn(protocol.Transport);
            }

            peer.ShutdownSend();
            while (!protocol.Lost.Task.IsCompleted)
            {
                await NextTurnAsync(loop);
                Turn(protocol.Transport);
            }

            Assert.True(turns > 1000, $"There were {turns} turns only.");
            AssertSame(data, protocol.Received);

            void Turn(Transport transport)
            {
                for (int i = random.Next(4); i > 0; i--)
                {
                    if (random.Next(2) == 0)
                    {
                        transport.PauseReading();
                    }
                    else
                    {
                        transport.ResumeReading();
                    }
                }
            }
        });
    }

    [Fact]
    public void Echo_PeerSendsAndDoesNotRead_HoldsLittle() => Run(async loop =>
    {
        byte[] data = Pattern(4_000_000);
        long most = 0;
        var protocol = new TestProtocol
        {
            KeepsData = false,
            OnData = (p, received) =>
            {
                p.Transport.Write(received);
                most = Math.Max(most, p.Transport.UnsentBytes);
            },
            OnPause = p => p.Transport.PauseReading(),
            OnResume = p => p.Transport.ResumeReading(),
        };
        Peer peer = await ConnectNarrowPeerAsync(loop, protocol);
        Task sending = SendAndEndAsync(peer, data);
        await protocol.Paused.Task;
        await RequireIdleAsync(loop);

        byte[] received = await peer.ReadToEndAsync();
        await sending;
        await protocol.Lost.Task;
        AssertSame(data, received);
        Assert.InRange(most, WriteLimits.DefaultHigh + 1, WriteLimits.DefaultHigh + (1024 * 1024));
    });

    /// <summary>How far apart the places on the stack are from which a callback was called, in bytes.</summary>
    private sealed class StackGauge
    {
        private nint _deepest = nint.MaxValue;
        private nint _shallowest;

        public unsafe void Note()
        {
            byte here;
            _deepest = Math.Min(_deepest, (nint)(&here));
            _shallowest = Math.Max(_shallowest, (nint)(&here));
        }

        // Tiers of compilation have frames of different sizes; callbacks that nest have a kilobyte each.
        public void RequireNoGrowth() => Assert.InRange(_shallowest - _deepest, 0, 16 * 1024);
    }

    private static TcpOptions WithLimits(WriteLimits limits) => TcpOptions.Default with { WriteLimits = limits };
}
