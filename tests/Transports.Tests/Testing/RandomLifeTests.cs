namespace Toolkit.Tests.Testing;

/// <summary>
/// Two protocols that do whatever they like whenever they are called: the order of callbacks holds, and what arrives is what
/// was sent, with and without layers in between.
/// </summary>
public sealed class RandomLifeTests
{
    private const int Rounds = 150;

    // A protocol alone, behind one layer, and behind a stack in which a throttle holds what another has let pass.
    [Theory]
    [InlineData("")]
    [InlineData("tap")]
    [InlineData("throttle")]
    [InlineData("layers")]
    public void RandomCallsFromRandomCallbacks_KeepTheContract(string between) => MemoryLoop.Run(async (loop, errors) =>
    {
        ulong seed = MemoryLoop.NextSeed();
        for (int round = 0; round < Rounds; round++)
        {
            SeededRandom random = new SeededRandom(seed).Split($"round {round}");
            var options = new MemoryConnectionOptions
            {
                Window = 1 + random.Next(random.Next(2) == 0 ? 50 : 30_000),
                Chunking = random.Next(3) == 0 ? Chunking.OneByte : Chunking.Random(seed + (ulong)round),
                Tcp = new TcpOptions
                {
                    WriteLimits = new WriteLimits(random.Next(20_000)),
                    LingerTime = TimeSpan.FromHours(1), // who is stuck must not be helped by a time-out
                },
            };
            bool deadly = random.Next(3) == 0;
            var first = new Side(random, deadly);
            var second = new Side(random, deadly);
            first.Other = second;
            second.Other = first;
            try
            {
                await MemoryConnection.CreateAsync(
                    loop, Wrap(between, first.Begin(), random), Wrap(between, second.Begin(), random), options);
            }
            catch (ArithmeticException)
            {
                // Out of ConnectionMade. Both are told of their end all the same.
            }

            first.Write(3_000);
            second.Write(100);
            for (int turn = 0; turn < 15 && !first.Lost.Task.IsCompleted; turn++)
            {
                await MemoryLoop.SettleAsync(loop);
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(200)), loop.TimeProvider);
                first.ActFromOutside();
            }

            first.End();
            second.End();
            await first.Lost.Task;
            await second.Lost.Task;
            await MemoryLoop.UntilAsync(loop, () => loop.Host.ResidentCount == 0);

            string context = $"TOOLKIT_SEED={seed}, round {round}, {options}: ";
            Assert.All(errors, error => Assert.True(error.Exception is ArithmeticException, context + error));
            errors.Clear();
            foreach (Side side in (Side[])[first, second])
            {
                side.Grammars.ForEach(grammar => grammar.Finish());
                string[] violations = [.. side.Grammars.SelectMany(grammar => grammar.Violations)];
                Assert.True(violations.Length == 0, context + string.Join("; ", violations));
                Assert.True(side.Corruption is null, context + side.Corruption);
                Assert.True(side.Received <= side.Other.Written, context + "More has arrived than was sent.");

                // Nothing is lost unless somebody lost it.
                if (side.Ended is CloseReason.PeerEnd && side.Other.Ended is CloseReason.LocalClose)
                {
                    Assert.True(side.Received == side.Other.Written, $"{context}{side.Received} of {side.Other.Written} bytes");
                }
            }
        }
    }, LoopKind.Simulated);

    private static StreamProtocol Wrap(string between, StreamProtocol protocol, SeededRandom random)
    {
        TimeSpan time = TimeSpan.FromDays(1);
        return between switch
        {
            "tap" => Tap(protocol),
            "throttle" => Throttled(protocol),
            "layers" => new TimeoutLayer(
                Throttled(Tap(Throttled(protocol))), new ConnectionTimeouts { Idle = time, Read = time, Write = time }),
            _ => protocol,
        };

        static WireTap Tap(StreamProtocol protocol) => new(protocol, TextWriter.Null);

        ThrottlingLayer Throttled(StreamProtocol protocol) => new(protocol, NewThrottle(), NewThrottle());

        Throttle? NewThrottle() => random.Next(4) == 0 ? null : new Throttle(100 + random.Next(20_000), 1 + random.Next(3_000));
    }

    /// <summary>One end: a succession of protocols of both kinds, and the stream that it writes.</summary>
    private sealed class Side(SeededRandom random, bool deadly)
    {
        private int _busy;
        private int _acts;
        private StreamProtocol? _current;
        private CallbackGrammar? _grammar;

        public Side Other { get; set; } = null!;

        public List<CallbackGrammar> Grammars { get; } = [];

        public TaskCompletionSource Lost { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long Written { get; private set; }

        public long Received { get; private set; }

        public CloseReason Ended { get; private set; }

        public string? Corruption { get; private set; }

        private bool HasEnded { get; set; }

        public StreamProtocol Begin() => NewProtocol();

        public void Write(int length)
        {
            Transport transport = _current!.Transport;
            if (HasEnded)
            {
                return;
            }

            byte[] data = new byte[length];
            for (int i = 0; i < length; i++)
            {
                data[i] = ByteAt(Written + i);
            }

            // Before the call, from which a pause may write more.
            bool closing = transport.IsClosing;
            Written += closing ? 0 : length;
            int cut = random.Next(length + 1);
            _ = random.Next(2) == 0
                ? transport.Write(data)
                : transport.WriteVectored([data.AsMemory(0, cut), default, data.AsMemory(cut)]);
        }

        public void End()
        {
            Transport transport = _current!.Transport;
            _acts = int.MaxValue;
            transport.ResumeReading();
            transport.Close();
        }

        public void ActFromOutside()
        {
            try
            {
                Act();
            }
            catch (ArithmeticException)
            {
                // On purpose.
            }
        }

        private void Act()
        {
            // A pause within a write within a pause of its own would go on for ever.
            if (_busy >= 2 || _acts >= 200)
            {
                return;
            }

            _acts++;
            _busy++;
            try
            {
                for (int i = random.Next(3); i > 0; i--)
                {
                    ActOnce(_current!.Transport);
                }
            }
            finally
            {
                _busy--;
            }
        }

        private static byte ByteAt(long offset) => (byte)((offset * 31) + (offset >> 8));

        private void ActOnce(Transport transport)
        {
            switch (random.Next(deadly ? 13 : 9))
            {
                case 0 or 1:
                    Write(1 + random.Next(100));
                    break;
                case 2:
                    Write(1 + random.Next(5_000));
                    break;
                case 3:
                    transport.PauseReading();
                    break;
                case 4 or 5:
                    transport.ResumeReading();
                    break;
                case 6:
                    transport.WriteLimits = new WriteLimits(random.Next(10_000), hardCap: null);
                    break;
                case 7 when _grammar!.IsMade && !_grammar.IsLost:
                    CallbackGrammar former = _grammar;
                    StreamProtocol next = NewProtocol();
                    _grammar.TakeOver(former);
                    transport.Protocol = next;
                    break;
                case 9:
                    HasEnded = true;
                    transport.WriteEof();
                    break;
                case 10:
                    transport.Close();
                    break;
                case 11:
                    transport.Abort();
                    break;
                case 12:
                    throw new ArithmeticException("on purpose");
            }
        }

        private StreamProtocol NewProtocol()
        {
            if (random.Next(2) == 0)
            {
                var plain = new RecordingProtocol
                {
                    KeepsData = false,
                    OnMade = _ => Act(),
                    OnData = (_, data) => Receive(data),
                    OnEof = _ => ActAndAnswer(),
                    OnPause = _ => Act(),
                    OnResume = _ => Act(),
                    OnLost = (p, _) => Lose(p.Transport),
                };
                (_current, _grammar) = (plain, plain.Grammar);
            }
            else
            {
                var buffered = new RecordingBufferedProtocol(1 + random.Next(2_000))
                {
                    KeepsData = false,
                    OnMade = _ => Act(),
                    OnUpdated = (p, count) => Receive(p.Buffer.Span[..count]),
                    OnEof = _ => ActAndAnswer(),
                    OnPause = _ => Act(),
                    OnResume = _ => Act(),
                    OnLost = (p, _) => Lose(p.Transport),
                };
                buffered.OnGetBuffer = p =>
                {
                    Act();
                    return p.Buffer;
                };
                (_current, _grammar) = (buffered, buffered.Grammar);
            }

            Grammars.Add(_grammar);
            return _current;
        }

        private bool ActAndAnswer()
        {
            bool keepOpen = random.Next(2) == 0;
            Act();
            return keepOpen;
        }

        private void Receive(ReadOnlySpan<byte> data)
        {
            int used = random.Next(8) == 0 ? random.Next(data.Length + 1) : data.Length;
            _current!.Transport.Unread(data[used..]);
            foreach (byte value in data[..used])
            {
                byte expected = ByteAt(Received);
                if (value != expected)
                {
                    Corruption ??= $"Byte {Received} is {value} and not {expected}.";
                }

                Received++;
            }

            Act();
        }

        private void Lose(Transport transport)
        {
            Ended = transport.CloseReason;
            Lost.SetResult();
            Act();
        }
    }
}
