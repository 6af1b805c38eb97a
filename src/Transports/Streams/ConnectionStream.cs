namespace Toolkit.Transports;

/// <summary>A <see cref="StreamConnection"/> for what knows of streams only.</summary>
internal sealed class ConnectionStream(StreamConnection connection) : Stream
{
    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw NewSeekError();

    public override long Position
    {
        get => throw NewSeekError();
        set => throw NewSeekError();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        => connection.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => connection.ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        => connection.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => connection.WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (connection.Write(buffer) == WriteStatus.Closed)
        {
            throw connection.ClosedError();
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        // What was written leaves by itself, and waiting for that would block the loop.
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => connection.DrainAsync(cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count)
        => throw new NotSupportedException("A read that blocks would stop the loop, and never end. Use ReadAsync.");

    public override long Seek(long offset, SeekOrigin origin) => throw NewSeekError();

    public override void SetLength(long value) => throw NewSeekError();

    public override async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            connection.Close();
        }

        base.Dispose(disposing);
    }

    private static NotSupportedException NewSeekError() => new("A connection is read and written in order.");
}
