using System.Buffers;
using System.Net;

namespace Toolkit.Tests;

public sealed class TransportTests
{
    [Fact]
    public void ProtocolTransport_BeforeTheConnection_Throws()
    {
        var exception = Assert.Throws<InvalidOperationException>(() => { _ = new Silent().Transport; });
        Assert.Contains(nameof(Silent), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Protocol_Replaced_KnowsItsTransport()
    {
        var first = new Silent();
        var second = new Silent();
        var transport = new RecordingTransport(first);
        Assert.Same(transport, first.Transport);
        Assert.Same(first, transport.Protocol);
        transport.Protocol = second;
        Assert.Same(transport, second.Transport);
        Assert.Same(second, transport.Protocol);
        Assert.Throws<ArgumentNullException>(() => transport.Protocol = null!);
        Assert.Same(second, transport.Protocol);
        Assert.Throws<ArgumentNullException>(() => { _ = new RecordingTransport(null!); });
    }

    [Fact]
    public void Protocol_CallbacksNotOverridden_DoNothing()
    {
        var protocol = new Silent();
        protocol.ConnectionMade();
        protocol.PauseWriting();
        protocol.ResumeWriting();
        Assert.False(protocol.EofReceived());
        protocol.ConnectionLost(null);
    }

    [Theory]
    [InlineData("", "Write:")]
    [InlineData("one", "Write:one")]
    [InlineData("one|two", "WriteVectored:one|two")]
    [InlineData("one||three", "WriteVectored:one||three")]
    public void Write_Sequence_PassesItsSegmentsOn(string segments, string expected)
    {
        var transport = new RecordingTransport(new Silent()) { Answer = WriteStatus.AcceptedOverHighWater };
        string[] parts = segments.Split('|');
        Segment last = new(parts[0], null);
        Segment first = last;
        foreach (string part in parts[1..])
        {
            last = new Segment(part, last);
        }

        WriteStatus status = transport.Write(new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length));
        Assert.Equal(WriteStatus.AcceptedOverHighWater, status);
        Assert.Equal(expected, Assert.Single(transport.Calls));
    }

    [Fact]
    public void Id_OfManyTransports_IsUnique()
    {
        long[] ids = new long[2_000];
        Parallel.For(0, ids.Length, i => ids[i] = new RecordingTransport(new Silent()).Id);
        Assert.Equal(ids.Length, ids.Distinct().Count());
    }

    private sealed class Silent : Protocol
    {
        public override void DataReceived(ReadOnlySpan<byte> data)
        {
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(string text, Segment? former)
        {
            Memory = System.Text.Encoding.UTF8.GetBytes(text);
            if (former is not null)
            {
                RunningIndex = former.RunningIndex + former.Memory.Length;
                former.Next = this;
            }
        }
    }

    private sealed class RecordingTransport : Transport
    {
        public RecordingTransport(StreamProtocol protocol)
            : base(protocol)
        {
            BindProtocol();
        }

        public List<string> Calls { get; } = [];

        public WriteStatus Answer { get; set; }

        public override DateTimeOffset StartTime => default;

        public override EndPoint? LocalEndPoint => null;

        public override EndPoint? RemoteEndPoint => null;

        public override long BytesReceived => 0;

        public override long BytesSent => 0;

        public override long UnsentBytes => 0;

        public override bool IsClosing => false;

        public override CloseReason CloseReason => CloseReason.None;

        public override bool IsReading => true;

        public override bool CanWriteEof => false;

        public override WriteLimits WriteLimits { get; set; }

        public override WriteStatus Write(ReadOnlySpan<byte> data)
        {
            Calls.Add($"Write:{System.Text.Encoding.UTF8.GetString(data)}");
            return Answer;
        }

        public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
        {
            var parts = new List<string>();
            foreach (ReadOnlyMemory<byte> buffer in buffers)
            {
                parts.Add(System.Text.Encoding.UTF8.GetString(buffer.Span));
            }

            Calls.Add($"WriteVectored:{string.Join('|', parts)}");
            return Answer;
        }

        public override void WriteEof() => throw new NotSupportedException();

        public override void PauseReading() => throw new NotSupportedException();

        public override void ResumeReading() => throw new NotSupportedException();

        public override void Unread(ReadOnlySpan<byte> data) => throw new NotSupportedException();

        public override void Close() => throw new NotSupportedException();

        public override void Close(ConnectionException reason) => throw new NotSupportedException();

        public override void Abort() => throw new NotSupportedException();

        public override void Abort(ConnectionException reason) => throw new NotSupportedException();

        protected override void VerifyAccess()
        {
        }
    }
}
