using System.Threading.Tasks.Sources;

namespace Toolkit.Transports;

/// <summary>
/// The stream that an <see cref="System.Net.Security.SslStream"/> believes to be the network. A read takes what the engine was
/// given, or waits until it is given something; a write goes into the engine's output and is done.
/// </summary>
/// <remarks>
/// A read of no bytes is how an <c>SslStream</c> waits without holding a buffer, and completes only when there is something.
/// Whoever waits is resumed inside <see cref="Resume"/>, on the loop's thread; that it is really there, each call looks.
/// </remarks>
internal sealed class CipherStream(EventLoop loop, TlsEngine engine) : Stream, IValueTaskSource<int>
{
    private static long s_callsElsewhere;

    private ManualResetValueTaskSourceCore<int> _read;
    private RecordCursor _records;
    private Memory<byte> _wanted;
    private bool _isWaiting;
    private bool _isClosed;

    /// <summary>
    /// How often a stream of the process was called on another thread than its loop's, which must never happen.
    /// </summary>
    public static long CallsElsewhere => Interlocked.Read(ref s_callsElsewhere);

    /// <summary>What can be read. Valid only while the engine makes a step.</summary>
    public ReadOnlyMemory<byte> Input { get; set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Lets the read that waits have what there is now, if anything.</summary>
    public void Resume()
    {
        if (_isWaiting && !Input.IsEmpty)
        {
            _isWaiting = false;
            _read.SetResult(Take(_wanted));
        }
    }

    /// <summary>Ends the read that waits, so that whoever is behind it gives back what it holds.</summary>
    public void Break()
    {
        _isClosed = true;
        if (_isWaiting)
        {
            _isWaiting = false;
            _read.SetException(new IOException("The connection has ended."));
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        RequireLoop();
        if (_isClosed)
        {
            return ValueTask.FromException<int>(new IOException("The connection has ended."));
        }

        if (!Input.IsEmpty)
        {
            return ValueTask.FromResult(Take(buffer));
        }

        _read.Reset();
        _wanted = buffer;
        _isWaiting = true;
        return new ValueTask<int>(this, _read.Version);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        RequireLoop();
        if (!_isClosed)
        {
            engine.Output.Append(buffer.Span);
        }

        return ValueTask.CompletedTask;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => engine.Output.Append(buffer.AsSpan(offset, count));

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count)
        => throw new NotSupportedException("On a loop nobody waits by blocking.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    int IValueTaskSource<int>.GetResult(short token) => _read.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _read.OnCompleted(continuation, state, token, flags & ~ValueTaskSourceOnCompletedFlags.UseSchedulingContext);

    // No more than the rest of the record that it is in.
    private int Take(Memory<byte> buffer)
    {
        int count = Math.Min(buffer.Length, Math.Min(_records.Left(Input.Span), Input.Length));
        _records.Advance(Input.Span[..count]);
        Input[..count].CopyTo(buffer);
        Input = Input[count..];
        return count;
    }

    private void RequireLoop()
    {
        try
        {
            loop.VerifyAccess();
        }
        catch (InvalidOperationException)
        {
            Interlocked.Increment(ref s_callsElsewhere);
            throw;
        }
    }
}
