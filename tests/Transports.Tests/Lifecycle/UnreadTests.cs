using System.Text;
using Toolkit.Tests.Testing;
using Toolkit.Transports;

namespace Toolkit.Tests.Lifecycle;

/// <summary>Bytes that a protocol gives back, and ends that have a reason of the caller's.</summary>
public sealed class UnreadTests
{
    [Theory]
    [MemberData(nameof(MemoryLoop.Kinds), MemberType = typeof(MemoryLoop))]
    public void Unread_OnceAndAgain_ComesLaterAndBeforeTheRestAndTheEnd(LoopKind kind) => MemoryLoop.Run(
        async loop =>
        {
            bool isRunning = false;
            int given = 0;
            var protocol = new RecordingProtocol
            {
                OnData = (self, data) =>
                {
                    Assert.False(isRunning);
                    isRunning = true;
                    given++;
                    if (given is > 1 and < 5)
                    {
                        self.Transport.Unread(data);
                    }

                    isRunning = false;
                },
            };
            var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("first "u8) };
            await MemoryConnection.CreateAsync(loop, peer, protocol);
            await protocol.FirstData;
            peer.Transport.Write("second"u8);
            peer.Transport.Close();

            Assert.Null(await protocol.Lost);
            Assert.Equal("first secondsecondsecondsecond", protocol.ReceivedText);
            Assert.Equal(12, protocol.Transport.BytesReceived);
            MemoryLoop.RequireOrder(protocol.Grammar, peer.Grammar);
        },
        kind);

    [Fact]
    public void Unread_SeveralTimes_ComesInTheOrderOfTheCalls() => MemoryLoop.Run(async loop =>
    {
        var protocol = new RecordingProtocol
        {
            OnData = (self, _) =>
            {
                if (self.ReceivedText == "x")
                {
                    self.Transport.PauseReading();
                    self.Transport.Unread("one "u8);
                    self.Transport.Unread("two "u8);
                }
            },
        };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8) };
        await MemoryConnection.CreateAsync(loop, peer, protocol);
        await protocol.FirstData;
        protocol.Transport.Unread("three "u8);
        peer.Transport.Write("four"u8);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal("x", protocol.ReceivedText);

        protocol.Transport.ResumeReading();
        await MemoryLoop.UntilAsync(loop, () => protocol.ReceivedText == "xone two three four");
        peer.Transport.WriteEof();
        await protocol.Lost;
        protocol.Transport.Unread("late"u8); // nothing, on what is closed
        MemoryLoop.RequireOrder(protocol.Grammar, peer.Grammar);
    });

    [Fact]
    public void Unread_AfterTheEndWasTold_Throws() => MemoryLoop.Run(async loop =>
    {
        var protocol = new RecordingProtocol
        {
            OnEof = self =>
            {
                Assert.Throws<InvalidOperationException>(() => self.Transport.Unread("x"u8));
                return false;
            },
        };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Close() };
        await MemoryConnection.CreateAsync(loop, peer, protocol);
        Assert.Null(await protocol.Lost);
    });

    [Fact]
    public void Close_WithBytesGivenBack_DropsThem() => MemoryLoop.Run(async loop =>
    {
        var protocol = new RecordingProtocol
        {
            OnData = (self, data) =>
            {
                self.Transport.Unread(data);
                self.Transport.Close();
                self.Transport.Unread(data);
            },
        };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8), OnEof = _ => false };
        await MemoryConnection.CreateAsync(loop, peer, protocol);
        Assert.Null(await protocol.Lost);
        Assert.Equal("x", protocol.ReceivedText);
        Assert.Null(await peer.Lost);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void End_WithAReason_IsToldItAndNobodyElse(bool aborts) => MemoryLoop.Run(async (loop, errors) =>
    {
        var reason = new ConnectionException(CloseReason.InvalidData, "The peer speaks another language.");
        var protocol = new RecordingProtocol
        {
            OnMade = self =>
            {
                self.Transport.Write("farewell"u8);
                if (aborts)
                {
                    self.Transport.Abort(reason);
                }
                else
                {
                    self.Transport.Close(reason);
                    self.Transport.Close(new ConnectionException(CloseReason.Timeout, "too late"));
                }
            },
        };
        var peer = new RecordingProtocol { OnEof = _ => false };
        await MemoryConnection.CreateAsync(loop, peer, protocol);

        Assert.Same(reason, await protocol.Lost);
        Assert.Equal(CloseReason.InvalidData, protocol.Transport.CloseReason);
        Assert.Equal(aborts, await peer.Lost is not null);
        Assert.Equal(aborts ? "" : "farewell", peer.ReceivedText);
        Assert.Empty(errors);
    });

    [Fact]
    public void End_WithNoReason_IsTheCallersMistake() => MemoryLoop.Run(async loop =>
    {
        var protocol = new RecordingProtocol();
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, protocol, new RecordingProtocol());
        var none = new ConnectionException(CloseReason.None, "?");
        Assert.Throws<ArgumentException>(() => connection.First.Close(none));
        Assert.Throws<ArgumentException>(() => connection.First.Abort(none));
        Assert.Throws<ArgumentNullException>(() => connection.First.Close(null!));
        Assert.Throws<ArgumentNullException>(() => connection.First.Abort(null!));
        Assert.False(connection.First.IsClosing);
        connection.First.Abort();
        await protocol.Lost;
    });

    [Fact]
    public void UnreadInput_OfRandomCalls_IsTheListOfTheOracle()
    {
        ulong seed = MemoryLoop.NextSeed();
        var random = new SeededRandom(seed);
        var input = new UnreadInput();
        var held = new List<byte>();
        int added = 0; // how many of those held were added since the last were taken
        byte next = 0;
        for (int step = 0; step < 20_000; step++)
        {
            switch (random.Next(4))
            {
                case 0 when held.Count < 200:
                    byte[] fresh = [.. Enumerable.Range(0, random.Next(20)).Select(_ => next++)];
                    Add(fresh);
                    break;
                case 1:
                    byte[] buffer = new byte[random.Next(30)];
                    int count = input.MoveTo(buffer);
                    Assert.Equal(held[..count], buffer[..count]);
                    held.RemoveRange(0, count);
                    added = 0;
                    break;
                case 2:
                    ReadOnlySpan<byte> lent = input.Lend();
                    Assert.Equal(held, lent.ToArray());
                    held.Clear();
                    added = 0;
                    byte[] copy = lent.ToArray();
                    int begin = random.Next(lent.Length + 1);
                    int end = random.Next(3) == 0 ? begin + random.Next(lent.Length - begin + 1) : lent.Length;
                    Add(lent[begin..end]);
                    if (random.Next(3) == 0)
                    {
                        Add([next++]);
                    }

                    Assert.Equal(copy, lent.ToArray());
                    input.EndLoan();
                    break;
                case 3 when random.Next(50) == 0:
                    input.Clear();
                    held.Clear();
                    added = 0;
                    break;
            }

            Assert.True(input.IsEmpty == (held.Count == 0), $"TOOLKIT_SEED={seed}, step {step}");
        }

        void Add(ReadOnlySpan<byte> data)
        {
            input.Add(data);
            held.InsertRange(added, data.ToArray());
            added += data.Length;
        }
    }
}
