using System.Globalization;

namespace Toolkit.Tests.Streams;

/// <summary>Reads at random against a model, which is the bytes that were sent and how many of them are read.</summary>
public sealed class StreamModelTests
{
    private const int Seeds = 150;
    private const int Operations = 60;

    private static readonly LineDelimiter s_separator = LineDelimiter.AnyOf("ab"u8.ToArray(), "c"u8.ToArray(), "bab"u8.ToArray());

    [Fact]
    public void Reads_AtRandom_AgreeWithTheModel()
    {
        ulong first = Testing.MemoryLoop.NextSeed();
        for (ulong seed = first; seed < first + Seeds; seed++)
        {
            try
            {
                RunOne(seed);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"TOOLKIT_SEED={seed} fails first.", exception);
            }
        }
    }

    private static void RunOne(ulong seed)
    {
        var random = new SeededRandom(seed);
        byte[] sent = new byte[random.Next(20_000)];
        for (int i = 0; i < sent.Length; i++)
        {
            sent[i] = (byte)"abcx\n\r"[random.Next(6)];
        }

        // Some stretches without any end, so that limits are met.
        for (int i = 0; i < 3 && sent.Length > 0; i++)
        {
            int start = random.Next(sent.Length);
            sent.AsSpan(start, Math.Min(random.Next(1500), sent.Length - start)).Fill((byte)'x');
        }

        var options = new StreamOptions
        {
            MaxLength = 1 + random.Next(1000),
            InputHighWater = 1 + random.Next(3000),
            MaxUnconsumed = 1 + random.Next(5000),
        };
        var memory = new MemoryConnectionOptions
        {
            Chunking = random.Next(3) == 0 ? Chunking.Whole : Chunking.Random(seed),
            Window = 1 + random.Next(5000),
        };
        StreamPair.Run(
            async pair =>
            {
                Task sending = SendAsync(pair, sent, random.Next(3000) + 1);
                var model = new Model(pair.Here, sent, options, random);
                for (int i = 0; i < Operations; i++)
                {
                    await model.StepAsync();
                }

                await model.ReadRestAsync();
                await sending;
            },
            options,
            memory);
    }

    private static async Task SendAsync(StreamPair pair, byte[] data, int piece)
    {
        for (int offset = 0; offset < data.Length; offset += piece)
        {
            await pair.There.WriteAsync(data.AsMemory(offset, Math.Min(piece, data.Length - offset)));
            await pair.Loop.Delay(TimeSpan.FromMilliseconds(1));
        }

        pair.There.CompleteWrites();
    }

    private sealed class Model(StreamConnection here, byte[] sent, StreamOptions options, SeededRandom random)
    {
        private int _read;

        private ReadOnlySpan<byte> Left => sent.AsSpan(_read);

        public async Task StepAsync()
        {
            // Now and then with little time; a read that is cancelled has read nothing.
            TimeSpan time = random.Next(3) == 0 ? TimeSpan.FromMilliseconds(random.Next(4)) : TimeSpan.FromHours(1);
            Func<Task> read = Choose();
            await CancelScope.MoveOnAfterAsync(time, _ => read());
        }

        public async Task ReadRestAsync()
        {
            byte[] rest = new byte[Left.Length];
            await here.ReadExactlyAsync(rest);
            Assert.Equal(Left.ToArray(), rest);
            Assert.True((await here.ReadAsync()).IsEmpty);
            Assert.True(here.IsAtEnd);
        }

        private Func<Task> Choose() => random.Next(8) switch
        {
            0 => async () => Took((await here.ReadAsync()).Span),
            1 => ReadIntoAsync,
            2 => ReadExactlyAsync,
            3 => FillAsync,
            4 => ReadLineAsync,
            5 => ReadUntilAsync,
            6 => ReadPipeAsync,
            _ => ReadToEndAsync,
        };

        private async Task ReadIntoAsync()
        {
            byte[] destination = new byte[random.Next(5000)];
            int count = await here.ReadAsync(destination);
            Took(destination.AsSpan(0, count), mayBeEmpty: destination.Length == 0);
        }

        private async Task ReadExactlyAsync()
        {
            int count = random.Next(options.MaxLength + 3);
            try
            {
                ReadOnlyMemory<byte> bytes = await here.ReadExactlyAsync(count);
                Assert.Equal(count, bytes.Length);
                Took(bytes.Span, mayBeEmpty: true);
            }
            catch (IncompleteReadException exception)
            {
                TookAll(exception.Partial.Span, count);
            }
            catch (FramingException)
            {
                Assert.True(count > options.MaxLength);
            }
        }

        private async Task FillAsync()
        {
            byte[] destination = new byte[random.Next(9000)];
            try
            {
                await here.ReadExactlyAsync(destination);
                Took(destination, mayBeEmpty: true);
            }
            catch (IncompleteReadException exception)
            {
                TookAll(exception.Partial.Span, destination.Length);
            }
        }

        private async Task ReadLineAsync()
        {
            (int end, int length) = Find(LineDelimiter.Newline);
            try
            {
                ReadOnlyMemory<byte>? line = await here.ReadLineAsync();
                if (line is null)
                {
                    Assert.True(Left.IsEmpty);
                    return;
                }

                int whole = end < 0 ? Left.Length : end;
                Assert.Equal(Left[..(whole - length)].ToArray(), line.Value.ToArray());
                _read += whole;
            }
            catch (FramingException)
            {
                Assert.True((end < 0 ? Left.Length : end - length) > options.MaxLength);
            }
        }

        private async Task ReadUntilAsync()
        {
            (int end, int length) = Find(s_separator);
            try
            {
                ReadOnlyMemory<byte> bytes = await here.ReadUntilAsync(s_separator);
                Assert.Equal(end, bytes.Length);
                Took(bytes.Span);
            }
            catch (IncompleteReadException exception)
            {
                Assert.True(end < 0);
                TookAll(exception.Partial.Span, int.MaxValue);
            }
            catch (FramingException)
            {
                Assert.True((end < 0 ? Left.Length : end - length) > options.MaxLength);
            }
        }

        private async Task ReadPipeAsync()
        {
            System.IO.Pipelines.ReadResult result;
            try
            {
                result = await here.Input.ReadAsync();
            }
            catch (FramingException)
            {
                Assert.True(here.UnreadBytes >= options.MaxUnconsumed);
                return;
            }

            int seen = (int)result.Buffer.Length;
            int consumed = random.Next(seen + 1);
            int examined = consumed + random.Next(seen - consumed + 1);
            byte[] bytes = System.Buffers.BuffersExtensions.ToArray(result.Buffer);
            Assert.True(Left.StartsWith(bytes));
            here.Input.AdvanceTo(result.Buffer.GetPosition(consumed), result.Buffer.GetPosition(examined));
            _read += consumed;
        }

        private async Task ReadToEndAsync()
        {
            try
            {
                ReadOnlyMemory<byte> bytes = await here.ReadToEndAsync();
                Assert.Equal(Left.ToArray(), bytes.ToArray());
                _read = sent.Length;
            }
            catch (FramingException)
            {
                Assert.True(Left.Length > options.MaxLength);
            }
        }

        private (int End, int Length) Find(LineDelimiter delimiter)
        {
            int end = delimiter.FindEnd(default, Left, out int length);
            return (end, length);
        }

        private void Took(ReadOnlySpan<byte> bytes, bool mayBeEmpty = false)
        {
            Assert.True(
                Left.StartsWith(bytes) && (mayBeEmpty || !bytes.IsEmpty || Left.IsEmpty),
                string.Create(CultureInfo.InvariantCulture, $"{bytes.Length} bytes at {_read} of {sent.Length} are wrong."));
            _read += bytes.Length;
        }

        private void TookAll(ReadOnlySpan<byte> partial, int wanted)
        {
            Assert.True(Left.Length < wanted);
            Assert.True(Left.SequenceEqual(partial));
            _read = sent.Length;
        }
    }
}
