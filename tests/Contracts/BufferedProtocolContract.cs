using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>Bytes that are received into the protocol's own buffer, and protocols that follow one another.</summary>
public abstract class BufferedProtocolContract(LoopUnderTest subject) : StreamContract(subject)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(1024)]
    [InlineData(64 * 1024)]
    public void BufferUpdated_BufferOfAnySize_AddsUp(int size) => Run(async loop =>
    {
        byte[] data = Pattern(size < 8 ? 5_000 : 1_000_000);
        int largest = 0;
        var protocol = new BufferedTestProtocol(size) { OnUpdated = (_, count) => largest = Math.Max(largest, count) };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await SendAndEndAsync(peer, data);
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, protocol.Received);
        Assert.Equal(data.Length, protocol.Transport.BytesReceived);
        Assert.InRange(largest, 1, size);
    });

    [Fact]
    public void GetBuffer_ChangesItsSizeEveryTime_AddsUp() => Run(async loop =>
    {
        byte[] data = Pattern(300_000);
        using var received = new MemoryStream();
        byte[] buffer = [];
        int asked = 0;
        var protocol = new BufferedTestProtocol
        {
            OnGetBuffer = _ => buffer = new byte[1 + (asked++ * 37 % 4000)],
            OnUpdated = (_, count) => received.Write(buffer, 0, count),
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await SendAndEndAsync(peer, data);
        await protocol.Lost.Task;

        AssertSame(data, received.ToArray());
    });

    [Fact]
    public void GetBuffer_Empty_IsAProtocolError() => Run(async loop =>
    {
        var protocol = new BufferedTestProtocol { OnGetBuffer = _ => Memory<byte>.Empty };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync("x"u8.ToArray());
        Exception? reason = await protocol.Lost.Task;

        Assert.IsType<InvalidOperationException>(reason);
        Assert.Equal(CloseReason.ProtocolError, protocol.Transport.CloseReason);
        Assert.Same(reason, Assert.IsType<TransportError>(TakeError()).Exception);
        Assert.Equal(SocketError.ConnectionReset, await EndOfAsync(peer));
    });

    [Theory]
    [InlineData("pause in GetBuffer")]
    [InlineData("pause in BufferUpdated")]
    [InlineData("pause and resume in GetBuffer")]
    public void PauseReading_OfABufferedProtocol_NothingIsToldMeanwhileAndNothingIsLost(string how) => Run(async loop =>
    {
        byte[] data = Pattern(200_000);
        int asked = 0;
        var protocol = new BufferedTestProtocol(4_096);
        protocol.OnGetBuffer = p =>
        {
            // Every other time, or nothing would ever arrive.
            if (how != "pause in BufferUpdated" && asked++ % 2 == 0)
            {
                Pause(p.Transport);
            }

            return p.Buffer;
        };
        protocol.OnUpdated = (p, _) =>
        {
            if (how == "pause in BufferUpdated")
            {
                Pause(p.Transport);
            }
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await SendAndEndAsync(peer, data);
        Assert.Null(await protocol.Lost.Task);

        AssertSame(data, protocol.Received);

        // The grammar checker objects to what is told while reading is paused.
        void Pause(Transport transport)
        {
            transport.PauseReading();
            if (how == "pause and resume in GetBuffer")
            {
                transport.ResumeReading();
            }
            else
            {
                loop.CallSoon(transport.ResumeReading);
            }
        }
    });

    [Theory]
    [InlineData("close")]
    [InlineData("abort")]
    [InlineData("throw")]
    [InlineData("close and throw")]
    public void GetBuffer_EndsTheConnection_NoBytesAreTold(string how) => Run(async loop =>
    {
        var protocol = new BufferedTestProtocol
        {
            OnGetBuffer = p =>
            {
                switch (how)
                {
                    case "close":
                        p.Transport.Write("bye"u8);
                        p.Transport.Close();
                        break;
                    case "abort":
                        p.Transport.Abort();
                        break;
                    case "close and throw":
                        p.Transport.Close();
                        throw new ArithmeticException();
                    default:
                        throw new ArithmeticException();
                }

                return p.Buffer;
            },
        };
        Peer peer = await ConnectPeerAsync(loop, protocol);
        await peer.SendAsync(new byte[100_000]);
        await protocol.Lost.Task;
        Assert.Equal(["ConnectionMade", "ConnectionLost"], protocol.Callbacks);
        if (how is "throw" or "close and throw")
        {
            Assert.IsType<ArithmeticException>(TakeError().Exception);
        }

        SocketError end = await EndOfAsync(peer);
        Assert.Equal(how.StartsWith("close", StringComparison.Ordinal) ? SocketError.Success : SocketError.ConnectionReset, end);
        peer.Dispose();
        await UntilDesertedAsync(loop);
    });

    [Theory]
    [InlineData("DataReceived")]
    [InlineData("BufferUpdated")]
    [InlineData("GetBuffer")]
    [InlineData("outside")]
    public void Protocol_ReplacedByOneOfTheOtherKind_EveryByteIsToldOnce(string where) => Run(async loop =>
    {
        byte[] data = Pattern(500_000);
        using var received = new MemoryStream();
        int switches = 0;
        var last = new TaskCompletionSource();
        var first = new TestProtocol();
        Equip(first);
        Peer peer = await ConnectPeerAsync(loop, first);
        Transport transport = first.Transport;
        Task sending = Network.RunBesideAsync(async () =>
        {
            for (int offset = 0; offset < data.Length; offset += 1_000)
            {
                await peer.SendAsync(data.AsMemory(offset, 1_000));

                // A loop that takes all of it in one turn has no occasion to switch.
                int seen = Volatile.Read(ref switches);
                while (where == "outside" && offset % 100_000 == 0 && Volatile.Read(ref switches) == seen
                    && !last.Task.IsCompleted)
                {
                    await (IsSimulated ? NextTurnAsync(loop) : YieldAsync());
                }
            }

            peer.ShutdownSend();
        });
        while (where == "outside" && !last.Task.IsCompleted)
        {
            await NextTurnAsync(loop);
            if (!last.Task.IsCompleted)
            {
                Switch(transport);
            }
        }

        await last.Task;
        await sending;
        AssertSame(data, received.ToArray());
        Assert.True(switches > 2, $"There were {switches} switches only.");

        static async Task YieldAsync() => await Task.Yield();

        void Switch(Transport of)
        {
            switches++;
            CallbackGrammar former = ((ITestProtocol)of.Protocol).Grammar;
            if (of.Protocol is TestProtocol)
            {
                var next = new BufferedTestProtocol(700);
                Equip(next);
                next.Grammar.TakeOver(former);
                of.Protocol = Watch(next);
            }
            else
            {
                var next = new TestProtocol();
                Equip(next);
                next.Grammar.TakeOver(former);
                of.Protocol = Watch(next);
            }

            Assert.Same(of, of.Protocol.Transport);
        }

        void Equip(StreamProtocol protocol)
        {
            switch (protocol)
            {
                case TestProtocol plain:
                    plain.KeepsData = false;
                    plain.OnLost = (_, _) => last.SetResult();
                    plain.OnData = (p, arrived) =>
                    {
                        received.Write(arrived);
                        if (where != "outside")
                        {
                            Switch(p.Transport);
                        }
                    };
                    break;
                case BufferedTestProtocol buffered:
                    buffered.OnLost = (_, _) => last.SetResult();
                    buffered.OnGetBuffer = p =>
                    {
                        if (where == "GetBuffer")
                        {
                            Switch(p.Transport);
                        }

                        return p.Buffer;
                    };
                    buffered.OnUpdated = (p, count) =>
                    {
                        received.Write(p.Buffer.Span[..count]);
                        if (where is "BufferUpdated" or "DataReceived")
                        {
                            Switch(p.Transport);
                        }
                    };
                    break;
            }
        }
    });

    [Fact]
    public void Protocol_ReplacedWithinDataReceived_GetsTheRestFromThereOn() => Run(async loop =>
    {
        var second = Watch(new TestProtocol());
        var first = new TestProtocol
        {
            OnData = (p, _) =>
            {
                if (p.Received is { Length: > 5 } upgrade)
                {
                    second.Grammar.TakeOver(p.Grammar);
                    p.Transport.Protocol = second;
                    second.DataReceived(upgrade.AsSpan(5)); // handed on by hand, as the one who got them must
                }
            },
        };
        Peer peer = await ConnectPeerAsync(loop, first);
        await peer.SendAsync("UPGRDrest"u8.ToArray());
        await second.FirstData.Task;
        await peer.SendAsync(" and more"u8.ToArray());
        peer.ShutdownSend();
        await second.Lost.Task;

        Assert.Equal("rest and more", second.ReceivedText);
        Assert.StartsWith("UPGRDr", first.ReceivedText, StringComparison.Ordinal);
        Assert.DoesNotContain("ConnectionMade", second.Callbacks);
        Assert.False(first.Lost.Task.IsCompleted);
        Assert.Throws<ArgumentNullException>(() => second.Transport.Protocol = null!);
    });
}
