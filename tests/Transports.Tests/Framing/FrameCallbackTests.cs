using Toolkit.Tests.Testing;
using static Toolkit.Tests.Framing.FramingRun;

namespace Toolkit.Tests.Framing;

/// <summary>A frame's callback may do anything, and what stands behind its frame is neither lost nor told too early.</summary>
public sealed class FrameCallbackTests
{
    private static readonly byte[] s_stream = Bytes("one\ntwo\nthree\nfour\nfi");

    public static TheoryData<bool> Tapped => [false, true];

    [Theory]
    [MemberData(nameof(Tapped))]
    public void Pause_InEveryCallback_StopsThereAndTheRestComesAfterTheResumption(bool tapped) => MemoryLoop.Run(async loop =>
    {
        foreach (Chunking cut in (Chunking[])[Chunking.Whole, Chunking.OneByte, Chunking.Of(5)])
        {
            var framed = new Framed(record => new Lines(record)) { OnFrame = (self, _) => self.Transport.PauseReading() };
            RecordingProtocol peer = await ConnectAsync(loop, framed, s_stream, cut, tapped);
            for (int told = 1; told <= 4; told++)
            {
                await MemoryLoop.UntilAsync(loop, () => framed.Events.Count == told);
                await MemoryLoop.SettleAsync(loop);
                Assert.Equal(told, framed.Events.Count);
                framed.Transport.ResumeReading();
                Assert.Equal(told, framed.Events.Count); // never inside the call
                framed.Transport.PauseReading();
                await MemoryLoop.SettleAsync(loop);
                Assert.Equal(told, framed.Events.Count);
                framed.Transport.ResumeReading();
            }

            Assert.IsType<FramingException>(await framed.Lost);
            Assert.Equal(["one", "two", "three", "four", "(Truncated)"], framed.Events);
            Assert.Equal(s_stream.Length, framed.Transport.BytesReceived);
            await peer.Lost;
        }
    });

    [Fact]
    public void PauseAndResume_InEveryCallback_CopiesTheRestOnce() => MemoryLoop.Run(async loop =>
    {
        const int Frames = 10_000;
        int count = 0;
        var framed = new Framed(record => new Lines(record));
        framed.OnFrame = (self, _) =>
        {
            count++;
            self.Events.Clear();
            self.Transport.PauseReading();
            self.Transport.ResumeReading();
        };
        await ConnectAsync(loop, framed, Bytes(string.Concat(Enumerable.Repeat("frame\n", Frames))), Chunking.Whole);

        Assert.Null(await framed.Lost);
        Assert.Equal(Frames, count);
    });

    [Theory]
    [InlineData("close", "(LocalClose)")]
    [InlineData("abort", "(LocalAbort)")]
    [InlineData("throw", "(ArithmeticException)")]
    public void End_InACallback_IsTheLastThatIsTold(string how, string end) => MemoryLoop.Run(async (loop, errors) =>
    {
        foreach (Chunking cut in (Chunking[])[Chunking.Whole, Chunking.OneByte, Chunking.Of(5)])
        {
            var framed = new Framed(record => new Lines(record));
            framed.OnFrame = (self, line) =>
            {
                if (line != "two")
                {
                    return;
                }

                switch (how)
                {
                    case "close":
                        self.Transport.Close();
                        break;
                    case "abort":
                        self.Transport.Abort();
                        break;
                    default:
                        throw new ArithmeticException("on purpose");
                }
            };
            await ConnectAsync(loop, framed, s_stream, cut);
            await framed.Lost;
            Assert.Equal(["one", "two", end], framed.Events);
        }

        Assert.Equal(how == "throw" ? 3 : 0, errors.Count);
        errors.Clear();
    });

    [Theory]
    [MemberData(nameof(Tapped))]
    public void Replacement_InACallback_GetsTheRest(bool tapped) => MemoryLoop.Run(async loop =>
    {
        byte[] stream = Bytes("upgrade\n\0\0\0\u0003abc\0\0\0\u0001d");
        Chunking[] cuts =
            [Chunking.Whole, Chunking.OneByte, .. Enumerable.Range(1, stream.Length - 1).Select(place => Chunking.At(place))];
        foreach (Chunking cut in cuts)
        {
            var next = new Framed(record => new Prefixed(record));
            var framed = new Framed(record => new Lines(record))
            {
                OnFrame = (self, _) => self.Transport.Protocol = next.Protocol,
            };
            await ConnectAsync(loop, framed, stream, cut, tapped);
            await next.Lost;
            Assert.Equal(["upgrade"], framed.Events);
            Assert.Equal(["abc", "d", "(PeerEnd)"], next.Events);
        }
    });

    [Theory]
    [MemberData(nameof(Tapped))]
    public void Replacement_ByOneWithABufferOfItsOwn_GetsTheRest(bool tapped) => MemoryLoop.Run(async loop =>
    {
        var next = new RecordingBufferedProtocol(3) { OnEof = _ => false };
        var framed = new Framed(record => new Lines(record));
        framed.OnFrame = (self, _) =>
        {
            next.Grammar.Enter(ProtocolCallback.ConnectionMade, self.Transport).Dispose(); // a replacement is not told
            self.Transport.Protocol = next;
            self.Transport.PauseReading();
        };
        await ConnectAsync(loop, framed, s_stream, Chunking.Whole, tapped);
        await MemoryLoop.UntilAsync(loop, () => framed.Events.Count == 1);
        await MemoryLoop.SettleAsync(loop);
        Assert.Empty(next.Received);

        next.Transport.ResumeReading();
        Assert.Null(await next.Lost);
        Assert.Equal("two\nthree\nfour\nfi", next.ReceivedText);
        next.Grammar.ThrowIfViolated();
    });

    [Fact]
    public void Replacement_FromOutside_GetsTheUnfinishedFrameThatIsGivenBack() => MemoryLoop.Run(async loop =>
    {
        Giving giving = new();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("\0\0\0\u0005hel"u8) };
        await MemoryConnection.CreateAsync(loop, peer, giving, new() { Chunking = Chunking.OneByte });
        await MemoryLoop.UntilAsync(loop, () => giving.Length == 7);
        var next = new Framed(record => new Prefixed(record));
        giving.HandOver(next.Protocol);
        peer.Transport.Write("lo"u8);
        peer.Transport.Close();

        Assert.Null(await next.Lost);
        Assert.Equal(["hello", "(PeerEnd)"], next.Events);
    });

    [Fact]
    public void Eof_InsideAFrame_StillSendsTheAnswersToWhatWasWhole() => MemoryLoop.Run(async loop =>
    {
        var framed = new Framed(record => new Lines(record));
        framed.OnFrame = (self, line) => ((Lines)self.Protocol).SendLine($"answer to {line}");
        var peer = new RecordingProtocol
        {
            OnMade = p =>
            {
                p.Transport.Write("one\ntw"u8);
                p.Transport.WriteEof();
            },
            OnEof = _ => false,
        };
        await MemoryConnection.CreateAsync(loop, peer, framed.Protocol);

        Assert.Equal(FramingError.Truncated, Assert.IsType<FramingException>(await framed.Lost).Error);
        Assert.Null(await peer.Lost);
        Assert.Equal("answer to one\n", peer.ReceivedText);
        Assert.Equal(CloseReason.InvalidData, framed.Transport.CloseReason);
    });

    [Fact]
    public void FramingFailed_ThatSaysFarewellOrNothing_EndsAllTheSame() => MemoryLoop.Run(async loop =>
    {
        var polite = new Failing(transport => transport.Close());
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8), OnEof = _ => false };
        await MemoryConnection.CreateAsync(loop, peer, polite);
        Assert.Null(await polite.Lost.Task);
        Assert.Null(await peer.Lost);
        Assert.Equal("farewell", peer.ReceivedText);

        var careless = new Failing(_ => { });
        peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        await MemoryConnection.CreateAsync(loop, peer, careless);
        Assert.IsType<FramingException>(await careless.Lost.Task);
        Assert.NotNull(await peer.Lost);
    });

    [Fact]
    public void RandomCallbacks_WithPausesAndReplacements_SeeEveryFrameInOrder() => MemoryLoop.Run(async loop =>
    {
        ulong seed = MemoryLoop.NextSeed();
        for (int round = 0; round < 300; round++)
        {
            SeededRandom random = new SeededRandom(seed).Split($"round {round}");
            string[] sent = [.. Enumerable.Range(0, 1 + random.Next(40))
                .Select(i => new string((char)('a' + (i % 26)), random.Next(30)))];
            byte[] stream = Bytes(string.Concat(sent.Select(line => $"{line}\n")));
            var seen = new List<string>();
            var lost = new TaskCompletionSource();
            Framed Next() => new(record => new Lines(record)) { OnFrame = Act };
            void Act(Framed self, string line)
            {
                seen.Add(line);
                int what = random.Next(6);
                if (what <= 1)
                {
                    self.Transport.PauseReading();
                    loop.CallSoon(what == 0 ? self.Transport.ResumeReading : () => loop.CallSoon(self.Transport.ResumeReading));
                }
                else if (what == 2)
                {
                    Framed next = Next();
                    next.Lost.ContinueWith(_ => lost.TrySetResult(), TaskScheduler.Default);
                    self.Transport.Protocol = next.Protocol;
                }
            }

            Framed first = Next();
            _ = first.Lost.ContinueWith(_ => lost.TrySetResult(), TaskScheduler.Default);
            Chunking cut = random.Next(4) == 0 ? Chunking.OneByte : Chunking.Random(seed + (ulong)round);
            await ConnectAsync(loop, first, stream, cut, tapped: random.Next(2) == 0);
            await lost.Task;
            Assert.True(sent.SequenceEqual(seen), $"TOOLKIT_SEED={seed}, round {round}: {seen.Count} of {sent.Length} lines");
        }
    });

    [Fact]
    public void Frames_InTheSteadyState_AllocateNothing() => MemoryLoop.Run(async loop =>
    {
        const int Frames = 20_000;
        byte[] lines = Bytes(string.Concat(Enumerable.Repeat("some line\r\n", Frames)));
        byte[] frames = [.. Enumerable.Repeat<byte[]>([0, 0, 0, 3, 1, 2, 3], Frames).SelectMany(frame => frame)];
        foreach (Chunking cut in (Chunking[])[Chunking.Whole, Chunking.Of(5)])
        {
            var line = new CountingLines();
            var prefixed = new CountingFrames();
            Assert.InRange(await AllocatedAsync(loop, line, lines, cut), 0, Frames);
            Assert.InRange(await AllocatedAsync(loop, prefixed, frames, cut), 0, Frames); // less than a byte for each
            Assert.Equal((3 * Frames, 3 * Frames), (line.Count, prefixed.Count));
        }
    });

    // The least of two rounds, after one that fills the pools.
    private static async Task<long> AllocatedAsync(EventLoop loop, FramedProtocol protocol, byte[] stream, Chunking cut)
    {
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, peer, protocol, new() { Chunking = cut, Window = 1_000_000 });
        peer.Transport.WriteLimits = new WriteLimits(int.MaxValue, hardCap: null);
        long least = long.MaxValue;
        for (int round = 1; round <= 3; round++)
        {
            // Counted between the first and the last frame, in which nothing of the test's runs.
            long before = GC.GetAllocatedBytesForCurrentThread();
            peer.Transport.Write(stream);
            var arrived = new TaskCompletionSource();
            ((ICounting)protocol).Notify(round * 20_000, () =>
            {
                least = round == 1 ? least : Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
                arrived.SetResult();
            });
            await arrived.Task;
        }

        peer.Transport.Close();
        return least;
    }

    private static async Task<RecordingProtocol> ConnectAsync(
        EventLoop loop, Framed framed, ReadOnlyMemory<byte> stream, Chunking cut, bool tapped = false)
    {
        var peer = new RecordingProtocol
        {
            OnMade = p =>
            {
                p.Transport.Write(stream.Span);
                p.Transport.WriteEof();
            },
        };
        StreamProtocol protocol = tapped ? new WireTap(framed.Protocol, TextWriter.Null) : framed.Protocol;
        await MemoryConnection.CreateAsync(loop, peer, protocol, new() { Chunking = cut });
        return peer;
    }

    private interface ICounting
    {
        void Notify(int count, Action reached);
    }

    private sealed class Giving : LengthPrefixedProtocol
    {
        public int Length => Unfinished.Length;

        public void HandOver(StreamProtocol next)
        {
            Transport.Unread(Unfinished);
            Transport.Protocol = next;
        }

        protected override void FrameReceived(ReadOnlySpan<byte> frame) => Assert.Fail("It is unfinished.");
    }

    private sealed class Failing(Action<Transport> end) : NetstringProtocol
    {
        public TaskCompletionSource<Exception?> Lost { get; } = new();

        public override void ConnectionLost(Exception? reason) => Lost.SetResult(reason);

        protected override void FrameReceived(ReadOnlySpan<byte> frame) => Assert.Fail("There is none.");

        protected override void FramingFailed(FramingException error)
        {
            Transport.Write("farewell"u8);
            end(Transport);
        }
    }

    private sealed class CountingLines : LineProtocol, ICounting
    {
        private int _target;
        private Action? _reached;

        public int Count { get; private set; }

        public void Notify(int count, Action reached) => (_target, _reached) = (count, reached);

        protected override void LineReceived(ReadOnlySpan<byte> line)
        {
            if (++Count == _target)
            {
                _reached!();
            }
        }
    }

    private sealed class CountingFrames : LengthPrefixedProtocol, ICounting
    {
        private int _target;
        private Action? _reached;

        public int Count { get; private set; }

        public void Notify(int count, Action reached) => (_target, _reached) = (count, reached);

        protected override void FrameReceived(ReadOnlySpan<byte> frame)
        {
            if (++Count == _target)
            {
                _reached!();
            }
        }
    }
}
