using System.Text;
using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Layers;

/// <summary>What the base of layers does for those who derive from it; that it keeps the contract is a suite's business.</summary>
public sealed class StreamLayerTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Bytes_ForAProtocol_AreReceivedAsItWantsThem(bool buffered) => Run(async loop =>
    {
        StreamProtocol protocol = buffered ? new RecordingBufferedProtocol(3) : new RecordingProtocol();
        var layer = new Counting(protocol);
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("hello"u8) };
        await MemoryConnection.CreateAsync(loop, layer, peer);
        await MemoryLoop.SettleAsync(loop);

        // A buffer is asked for when the protocol has one, and so an idle connection holds none but that.
        Assert.Equal(buffered ? (2, 0) : (0, 1), (layer.Filled, layer.Lent));
        Assert.Equal(buffered, layer.Asked > 0);
        Assert.Equal("hello", layer.Seen.ToString());
        peer.Transport.Close();
        await peer.Lost;
    });

    [Fact]
    public void DataReceived_OfALayerThatChangesWhatComes_IsCopiedToABufferedProtocol() => Run(async loop =>
    {
        var protocol = new RecordingBufferedProtocol(3);
        int pauses = 0;
        protocol.OnUpdated = (p, count) =>
        {
            if (pauses++ == 1)
            {
                p.Transport.Unread(p.Buffer.Span[..count]); // and what comes behind it must stay behind it
                p.Transport.PauseReading();
                loop.CallSoon(p.Transport.ResumeReading);
            }
        };
        var layer = new Counting(protocol) { MayPassBuffers = false };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("abcdefghij"u8) };
        await MemoryConnection.CreateAsync(loop, layer, peer);
        peer.Transport.Close();
        await protocol.Lost;

        Assert.Equal("abcdefdefghij", protocol.ReceivedText);
        Assert.Equal(0, layer.Asked); // of the transport
        Assert.Equal(10, protocol.Transport.BytesReceived);
        MemoryLoop.RequireOrder(protocol.Grammar);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void HoldReading_IsTheLayersOwnPause(bool pausedAbove) => Run(async loop =>
    {
        var protocol = new RecordingProtocol();
        var layer = new Counting(protocol);
        var peer = new RecordingProtocol();
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, new Counting(layer), peer);
        layer.Hold();
        Assert.True(protocol.Transport.IsReading);
        Assert.False(connection.First.IsReading);
        if (pausedAbove)
        {
            protocol.Transport.PauseReading();
            Assert.False(protocol.Transport.IsReading);
        }

        peer.Transport.Write("x"u8);
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(0, protocol.ReceivedLength);
        layer.Release();
        await MemoryLoop.SettleAsync(loop);
        Assert.Equal(pausedAbove ? 0 : 1, protocol.ReceivedLength);
        protocol.Transport.ResumeReading();
        await protocol.FirstData;
        peer.Transport.Close();
        await protocol.Lost;
        MemoryLoop.RequireOrder(protocol.Grammar);
    });

    [Fact]
    public void Tell_RunsInTheContextOfTheConnection_AndWhatItThrowsEndsIt() => MemoryLoop.Run(async (loop, errors) =>
    {
        var context = new AsyncLocal<string?> { Value = "the connection's" };
        var protocol = new RecordingProtocol();
        var layer = new Counting(protocol);
        await MemoryConnection.CreateAsync(loop, layer, new RecordingProtocol());
        context.Value = "another";
        var thrown = new ArithmeticException();
        string? seen = null;
        layer.CallAbove(_ =>
        {
            seen = context.Value;
            Assert.Same(loop.SynchronizationContext, SynchronizationContext.Current);
            throw thrown;
        });

        Assert.Equal("the connection's", seen);
        Assert.Same(thrown, await protocol.Lost);
        var error = Assert.IsType<TransportError>(Assert.Single(errors));
        Assert.Same(protocol, error.Protocol);
        errors.Clear();
    }, LoopKind.Simulated);

    [Fact]
    public void Layers_OnATransportOfSomebodyElses_PassOn_AndThoseThatCannotSaySo()
    {
        var protocol = new RecordingProtocol();
        var transport = new WrongTransport(new Counting(protocol));
        protocol.Transport.PauseReading();
        Assert.False(transport.IsReading);
        Assert.Equal(transport.Id, protocol.Transport.Id);

        var throttled = new ThrottlingLayer(new RecordingProtocol());
        _ = new WrongTransport(throttled);
        Assert.Throws<NotSupportedException>(throttled.ConnectionMade);
        Assert.Throws<ArgumentNullException>("protocol", () => new Counting(null!));
        Assert.Throws<InvalidOperationException>(() => new Counting(protocol).CallAbove(_ => { }));
    }

    private static void Run(Func<EventLoop, Task> scenario) => MemoryLoop.Run(scenario, LoopKind.Simulated);

    private sealed class Counting(StreamProtocol protocol) : StreamLayer(protocol)
    {
        public bool MayPassBuffers { get; init; } = true;

        public int Lent { get; private set; }

        public int Asked { get; private set; }

        public int Filled { get; private set; }

        public StringBuilder Seen { get; } = new();

        protected override bool PassesBuffers => MayPassBuffers;

        public void Hold() => HoldReading();

        public void Release() => ReleaseReading();

        public void CallAbove(Action<StreamLayer> call) => Tell(call, "ofItsOwn");

        public override void DataReceived(ReadOnlySpan<byte> data)
        {
            Lent++;
            Seen.Append(Encoding.ASCII.GetString(data));
            base.DataReceived(data);
        }

        protected override Memory<byte> GetBuffer(int sizeHint)
        {
            Asked++;
            return base.GetBuffer(sizeHint);
        }

        protected override void BufferUpdated(ReadOnlySpan<byte> data)
        {
            Filled++;
            Seen.Append(Encoding.ASCII.GetString(data));
            base.BufferUpdated(data);
        }
    }
}
