using System.Diagnostics;
using System.Net;

namespace Toolkit.Tests;

/// <summary>A transport that does nothing of its own; what it should do is called by hand, and wrongly.</summary>
public sealed class WrongTransport : Transport
{
    private CloseReason _reason;
    private bool _paused;

    public WrongTransport(StreamProtocol protocol)
        : base(protocol)
    {
        BindProtocol();
    }

    public override DateTimeOffset StartTime => default;

    public override EndPoint? LocalEndPoint => null;

    public override EndPoint? RemoteEndPoint => null;

    public override long BytesReceived => 0;

    public override long BytesSent => 0;

    public override long UnsentBytes => 0;

    public override bool IsClosing => _reason != CloseReason.None;

    public override CloseReason CloseReason => _reason;

    public override bool IsReading => !_paused;

    public override bool CanWriteEof => false;

    public override WriteLimits WriteLimits { get; set; }

    public void CloseWith(CloseReason reason) => _reason = reason;

    public override WriteStatus Write(ReadOnlySpan<byte> data) => throw new UnreachableException();

    public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers) => throw new UnreachableException();

    public override void WriteEof() => throw new NotSupportedException();

    public override void PauseReading() => _paused = true;

    public override void ResumeReading() => _paused = false;

    public override void Unread(ReadOnlySpan<byte> data) => throw new UnreachableException();

    public override void Close() => throw new UnreachableException();

    public override void Close(ConnectionException reason) => throw new UnreachableException();

    public override void Abort() => throw new UnreachableException();

    public override void Abort(ConnectionException reason) => throw new UnreachableException();

    protected override void VerifyAccess()
    {
    }
}
