using System.Buffers;
using System.Globalization;
using System.Text;

namespace Toolkit.Tests.Testing;

public sealed class WireTapTests
{
    [Fact]
    public void Lines_OfAConnection_TellItsStory() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var first = new RecordingProtocol
        {
            OnMade = p => p.Transport.Write("hello"u8),
            OnEof = _ => true,
        };
        var second = new RecordingProtocol();
        second.OnData = (p, data) =>
        {
            p.Transport.WriteVectored([data.ToArray(), " you"u8.ToArray()]);
            p.Transport.WriteEof();
        };
        first.OnEof = p =>
        {
            p.Transport.PauseReading();
            p.Transport.ResumeReading();
            p.Transport.Close();
            return true;
        };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, new WireTap(first, output) { TimeProvider = new FixedTime() }, second);
        await first.Lost;
        await second.Lost;

        string id = $"12.000345 #{connection.First.Id} ";
        Assert.Equal(
            [
                id + "made 192.0.2.1:50000 to 192.0.2.2:80",
                id + "> 5 \"hello\"",
                id + "< 9 \"hello you\"",
                id + "< eof",
                id + "pause reading",
                id + "resume reading",
                id + "close",
                id + "lost LocalClose",
            ],
            Lines(output));
        Assert.Equal(["ConnectionMade", "DataReceived", "EofReceived", "ConnectionLost"], first.Callbacks);
        MemoryLoop.RequireOrder(first.Grammar, second.Grammar);
    });

    [Fact]
    public void Lines_OfAnAnswerOfTheOtherKind_TellTheSame() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var tapped = new RecordingBufferedProtocol(3);
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("hello"u8) };
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, output) { TimeProvider = new FixedTime() }, peer);
        await tapped.FirstData;
        tapped.Transport.WriteEof();
        peer.Transport.Close();
        await tapped.Lost;
        await peer.Lost;

        Assert.Equal("hello", tapped.ReceivedText);
        Assert.Equal(["< 3 \"hel\"", "< 2 \"lo\"", "> eof", "< eof"], Words(output)[1..^1]);
        MemoryLoop.RequireOrder(tapped.Grammar, peer.Grammar);
    });

    [Fact]
    public void Lines_OfBackPressure_StandInPlace() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var tapped = new RecordingProtocol();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, output) { ByteLimit = 3 }, peer);
        Assert.Equal(WriteStatus.AcceptedOverHighWater, tapped.Transport.Write(new byte[300_000]));
        peer.Transport.ResumeReading();
        await tapped.Resumed;
        tapped.Transport.Abort();
        Assert.Equal(WriteStatus.Closed, tapped.Transport.Write("x"u8));
        await tapped.Lost;
        await peer.Lost;

        Assert.Equal(
            [
                @"> 300000 ""\x00\x00\x00""...", "paused", "resumed", "abort", "> 1 \"x\"", "> refused, it is closing",
                "lost LocalAbort",
            ],
            Words(output)[1..]);
    });

    [Fact]
    public void Lines_OfBytes_AreEscapedAndShortened() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var tapped = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, output), new RecordingProtocol());
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        tapped.Transport.Write("a\r\n\t\"\\\u00e9"u8);
        tapped.Transport.Write(all.AsSpan(0, 64));
        tapped.Transport.Write(all.AsSpan(64, 65));
        tapped.Transport.Write([]);
        tapped.Transport.Write(new ReadOnlySequence<byte>(all, 65, 3));

        string[] words = Words(output)[1..];
        Assert.Equal(@"> 8 ""a\r\n\t\""\\\xc3\xa9""", words[0]);
        Assert.StartsWith(@"> 64 ""\x00\x01", words[1], StringComparison.Ordinal);
        Assert.EndsWith(@"<=>?""", words[1], StringComparison.Ordinal);
        Assert.StartsWith("> 65 \"@ABC", words[2], StringComparison.Ordinal);
        Assert.EndsWith("\\x7f\"...", words[2], StringComparison.Ordinal);
        Assert.Equal(["> 0 \"\"", "> 3 \"ABC\""], words[3..]);
        Assert.All(output.ToString().Replace(output.NewLine, "", StringComparison.Ordinal), c => Assert.InRange(c, ' ', '~'));
    });

    [Fact]
    public void Lines_OfExceptions_AreWrittenAndTheExceptionsPass() => MemoryLoop.Run(async (loop, errors) =>
    {
        var output = new StringWriter();
        var thrown = new ArithmeticException("line one\nline two");
        var tapped = new RecordingProtocol { OnData = (_, _) => throw thrown };
        tapped.OnMade = p =>
        {
            p.Transport.WriteEof();
            Assert.Throws<InvalidOperationException>(() => p.Transport.Write("too late"u8));
            Assert.Throws<InvalidOperationException>(() => p.Transport.WriteVectored(["too late"u8.ToArray()]));
        };
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("x"u8), OnEof = _ => true };
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, output), peer);
        Assert.Same(thrown, await tapped.Lost);
        await peer.Lost;

        string[] words = Words(output);
        Assert.Contains(@"DataReceived threw ArithmeticException: line one\nline two", words);
        Assert.StartsWith("Write threw InvalidOperationException: Nothing can be written", words[3], StringComparison.Ordinal);
        Assert.StartsWith("WriteVectored threw InvalidOperationException", words[5], StringComparison.Ordinal);
        Assert.Equal(@"lost ProtocolError: line one\nline two", words[^1]);
        Assert.Same(thrown, Assert.IsType<TransportError>(Assert.Single(errors)).Exception);
        Assert.Equal(CloseReason.ProtocolError, tapped.Transport.CloseReason);
        errors.Clear();
    });

    [Theory]
    [InlineData("ConnectionMade")]
    [InlineData("GetBuffer")]
    [InlineData("BufferUpdated")]
    [InlineData("EofReceived")]
    public void Exceptions_OfEveryCallback_EndTheConnection(string callback) => MemoryLoop.Run(async (loop, errors) =>
    {
        var output = new StringWriter();
        var thrown = new ArithmeticException();
        var tapped = new RecordingBufferedProtocol
        {
            OnMade = _ => ThrowIn("ConnectionMade"),
            OnUpdated = (_, _) => ThrowIn("BufferUpdated"),
        };
        tapped.OnGetBuffer = p =>
        {
            ThrowIn("GetBuffer");
            return p.Buffer;
        };
        tapped.OnEof = _ =>
        {
            ThrowIn("EofReceived");
            return false;
        };
        var peer = new RecordingProtocol();
        peer.OnMade = p =>
        {
            p.Transport.Write("x"u8);
            p.Transport.WriteEof();
        };
        Exception? failure = await Record.ExceptionAsync(
            () => MemoryConnection.CreateAsync(loop, new WireTap(tapped, output), peer));

        Assert.Same(callback == "ConnectionMade" ? thrown : null, failure);
        Assert.Same(thrown, await tapped.Lost);
        await peer.Lost;
        Assert.Contains(
            Words(output), word => word.StartsWith($"{callback} threw ArithmeticException", StringComparison.Ordinal));
        Assert.Single(errors);
        errors.Clear();
        MemoryLoop.RequireOrder(tapped.Grammar, peer.Grammar);

        void ThrowIn(string here)
        {
            if (here == callback)
            {
                throw thrown;
            }
        }
    });

    [Fact]
    public void Transport_BehindTheTap_IsTheSameConnection() => MemoryLoop.Run(async loop =>
    {
        var tapped = new RecordingProtocol();
        var tap = new WireTap(tapped, TextWriter.Null);
        Assert.Same(tapped, tap.Protocol);
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, tap, new RecordingProtocol());
        Transport outer = connection.First;
        Transport inner = tapped.Transport;

        Assert.NotSame(outer, inner);
        Assert.Same(tap, outer.Protocol);
        Assert.Same(tapped, inner.Protocol);
        Assert.Equal(outer.Id, inner.Id);
        Assert.Equal(outer.StartTime, inner.StartTime);
        Assert.Equal(outer.LocalEndPoint, inner.LocalEndPoint);
        Assert.Equal(outer.RemoteEndPoint, inner.RemoteEndPoint);
        Assert.True(inner.CanWriteEof);
        outer.UserState = "mine";
        Assert.Equal("mine", inner.UserState);
        inner.UserState = "ours";
        Assert.Equal("ours", outer.UserState);
        inner.WriteLimits = new WriteLimits(10, 5);
        Assert.Equal(new WriteLimits(10, 5), outer.WriteLimits);
        Assert.Equal(outer.WriteLimits, inner.WriteLimits);
        inner.Write(new byte[100_000]);
        Assert.Equal((outer.UnsentBytes, outer.BytesSent), (inner.UnsentBytes, inner.BytesSent));
        Assert.True(inner.IsReading);
        inner.PauseReading();
        Assert.False(outer.IsReading);
        inner.Close();
        Assert.True(outer.IsClosing && inner.IsClosing);
        Assert.Equal(CloseReason.LocalClose, inner.CloseReason);
        await tapped.Lost;
        Assert.Equal(0, inner.BytesReceived);
    });

    [Fact]
    public void Protocol_Replaced_GoesOnBehindTheTap() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var former = new RecordingProtocol();
        var next = new RecordingBufferedProtocol(2);
        former.OnData = (p, _) =>
        {
            next.Grammar.TakeOver(p.Grammar);
            p.Transport.Protocol = next;
        };
        var tap = new WireTap(former, output);
        var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("one"u8) };
        await MemoryConnection.CreateAsync(loop, tap, peer);
        await former.FirstData;
        peer.Transport.Write("two"u8);
        peer.Transport.Close();
        await next.Lost;

        Assert.Same(next, tap.Protocol);
        Assert.Same(former.Transport, next.Transport);
        Assert.Equal(("one", "two"), (former.ReceivedText, next.ReceivedText));
        Assert.Equal(["< 3 \"one\"", "< 2 \"tw\"", "< 1 \"o\"", "< eof", "lost PeerEnd"], Words(output)[1..]);
        await peer.Lost;
        MemoryLoop.RequireOrder(former.Grammar, next.Grammar, peer.Grammar);
    });

    [Fact]
    public void Tap_ThatReplacesAProtocol_TellsFromThereOn() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var first = new RecordingProtocol();
        var late = new RecordingProtocol();
        var peer = new RecordingProtocol { OnMade = p => p.Transport.PauseReading() };
        MemoryConnection connection = await MemoryConnection.CreateAsync(loop, first, peer);
        late.Grammar.TakeOver(first.Grammar);
        connection.First.Protocol = new WireTap(late, output);
        connection.First.Write(new byte[500_000]);
        peer.Transport.Write("hello"u8);
        await late.FirstData;
        connection.First.Abort();
        await late.Lost;
        await peer.Lost;

        Assert.Equal(["paused", "< 5 \"hello\"", "lost LocalAbort"], Words(output));
        MemoryLoop.RequireOrder(first.Grammar, late.Grammar, peer.Grammar);
    });

    [Fact]
    public void Time_IsTheLoopsUnlessSaidOtherwise() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        double before = loop.Time.TotalSeconds;
        await MemoryConnection.CreateAsync(
            loop, new WireTap(new RecordingProtocol(), output), new RecordingProtocol());
        double written = double.Parse(Lines(output)[0].Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.InRange(written, before - 0.000_001, loop.Time.TotalSeconds + 0.000_001);
    });

    [Fact]
    public void Writer_Throws_IsReportedOnceAndTheConnectionGoesOn() => MemoryLoop.Run(async (loop, errors) =>
    {
        var tapped = new RecordingProtocol { OnMade = p => p.Transport.Write("hello"u8) };
        var peer = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, new BrokenWriter()), peer);
        await peer.FirstData;
        peer.Transport.Close();
        Assert.Null(await tapped.Lost);
        await peer.Lost;

        Assert.IsType<IOException>(Assert.Single(errors).Exception);
        errors.Clear();
        MemoryLoop.RequireOrder(tapped.Grammar, peer.Grammar);
    });

    [Fact]
    public void Use_FromAnotherThread_ThrowsAndWritesNothing() => MemoryLoop.Run(async loop =>
    {
        var output = new StringWriter();
        var tapped = new RecordingProtocol();
        await MemoryConnection.CreateAsync(loop, new WireTap(tapped, output), new RecordingProtocol());
        Action[] uses =
        [
            () => tapped.Transport.Write("x"u8),
            () => tapped.Transport.WriteVectored([]),
            tapped.Transport.WriteEof,
            tapped.Transport.Close,
            tapped.Transport.Abort,
            tapped.Transport.PauseReading,
            tapped.Transport.ResumeReading,
            () => tapped.Transport.WriteLimits = new WriteLimits(),
            () => tapped.Transport.Protocol = new RecordingProtocol(),
        ];
        await loop.RunInThreadAsync(
            () => Assert.All(uses, use => Assert.Throws<InvalidOperationException>(use)));
        Assert.Single(Lines(output));
    });

    [Fact]
    public void Create_MistakesOfTheCaller_AreNamed()
    {
        Assert.Throws<ArgumentNullException>("protocol", () => new WireTap(null!, TextWriter.Null));
        Assert.Throws<ArgumentNullException>("output", () => new WireTap(new RecordingProtocol(), null!));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new WireTap(new RecordingProtocol(), TextWriter.Null) { ByteLimit = -1 });
    }

    private static string[] Lines(StringWriter output)
        => output.ToString().Split(output.NewLine, StringSplitOptions.RemoveEmptyEntries);

    // Without time and number.
    private static string[] Words(StringWriter output) => [.. Lines(output).Select(line => line.Split(' ', 3)[2])];

    private sealed class FixedTime : TimeProvider
    {
        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => 12_000_345;
    }

    private sealed class BrokenWriter : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void WriteLine(string? value) => throw new IOException("The disk is full.");
    }
}
