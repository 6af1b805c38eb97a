using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Toolkit.Transports;

namespace Toolkit;

/// <content>The sending side.</content>
public sealed partial class StreamConnection
{
    private StreamOutput? _output;
    private AsyncEvent? _writable; // never stays set: those who wait are released, and look for themselves
    private ConnectionException? _closedError;
    private ConnectionStream? _stream;
    private bool _isWritingPaused;
    private bool _areWritesCompleted;

    /// <summary>
    /// The sending side as a pipe's writer. Its memory is a pooled segment of its own, which is held only while something is in
    /// it; a flush writes it, and waits for back-pressure. A flush of a connection that is gone throws nothing: its result is
    /// completed. Completing it is <see cref="CompleteWrites"/>, or with an exception an abort. Whatever else is written comes
    /// behind what was advanced before.
    /// </summary>
    public PipeWriter Output => _output ??= new StreamOutput(this);

    /// <summary>Whether more is unsent than the high-water mark allows, so that <see cref="DrainAsync"/> would wait.</summary>
    public bool IsWritingPaused => _isWritingPaused;

    /// <summary>
    /// Writes, and waits while more is unsent than the high-water mark allows (<see cref="TcpOptions.WriteLimits"/>): the usual
    /// way to write. All is taken at once and as one, so that writers do not get between each other's bytes.
    /// </summary>
    /// <param name="data">The caller's again when the call returns.</param>
    /// <param name="cancellationToken">Ends the wait, from any thread; what was written is written.</param>
    /// <exception cref="ConnectionException">In the task: the connection is gone, or was closed on this side. Of what it was
    /// holding nothing is known.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. The bytes were
    /// taken.</exception>
    /// <exception cref="InvalidOperationException"><see cref="CompleteWrites"/> was called, or this is not the loop's
    /// thread.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
        => Write(data.Span) == WriteStatus.Closed ? ValueTask.FromException(ClosedError()) : DrainAsync(cancellationToken);

    /// <summary>
    /// Writes without waiting. Whoever does so calls <see cref="DrainAsync"/> now and then: writing on over
    /// <see cref="WriteLimits.HardCap"/> aborts the connection.
    /// </summary>
    /// <param name="data">The caller's again when the call returns.</param>
    /// <returns>Whether the bytes were taken, and whether to wait before writing more.</returns>
    /// <exception cref="InvalidOperationException"><see cref="CompleteWrites"/> was called, or this is not the loop's
    /// thread.</exception>
    public WriteStatus Write(ReadOnlySpan<byte> data)
    {
        VerifyWritable();
        Commit();
        return Transport.Write(data);
    }

    /// <summary>
    /// Waits while more is unsent than the high-water mark allows; returns at once when that is not so. Any number may wait.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="ConnectionException">In the task: the connection is gone, or was closed on this side.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public ValueTask DrainAsync(CancellationToken cancellationToken = default)
    {
        _loop.VerifyAccess();
        return IsClosing ? ValueTask.FromException(ClosedError())
            : RefusalOfWait(cancellationToken) is { } refusal ? ValueTask.FromException(refusal)
            : _isWritingPaused ? WaitWritableAsync(cancellationToken)
            : default;
    }

    /// <summary>
    /// Sends a file, or a part of it, behind what was written before, what <see cref="Output"/> holds included, and waits until
    /// the operating system has taken it all. Meanwhile a write throws, and <see cref="DrainAsync"/> waits. Otherwise as
    /// <c>SendFileAsync</c> of the transport (<see cref="FileSending"/>), which says what ends it how.
    /// </summary>
    /// <param name="file">A file that can be read and sought; its position is afterwards where sending has ended.</param>
    /// <param name="offset">Where in the file to begin.</param>
    /// <param name="count">How many bytes; null for all to the end that the file has now.</param>
    /// <param name="cancellationToken">Gives up; from any thread.</param>
    /// <returns>How many bytes were sent.</returns>
    /// <exception cref="ArgumentException">The file cannot be read, or offset and count are not within it.</exception>
    /// <exception cref="InvalidOperationException">Another file is being sent, <see cref="CompleteWrites"/> was called, or this
    /// is not the loop's thread.</exception>
    /// <exception cref="ConnectionException">In the task: the connection is gone, or was closed on this side.</exception>
    /// <exception cref="EndOfStreamException">In the task: the file has become shorter meanwhile.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public Task<long> SendFileAsync(
        FileStream file, long offset = 0, long? count = null, CancellationToken cancellationToken = default)
    {
        VerifyWritable();
        Commit();
        return Transport.SendFileAsync(file, offset, count, cancellationToken);
    }

    /// <summary>
    /// Ends the sending side once all that was written has left, what <see cref="Output"/> holds included: the peer reads the end
    /// of the stream. Reading goes on. A second call does nothing.
    /// </summary>
    /// <exception cref="NotSupportedException">The transport cannot end one direction alone.</exception>
    public void CompleteWrites()
    {
        _loop.VerifyAccess();
        if (!_areWritesCompleted)
        {
            Commit();
            Transport.WriteEof();
            _areWritesCompleted = true;
        }
    }

    /// <summary>
    /// The connection as a <see cref="Stream"/>, for what knows of nothing else; the same one each time. Its reads and waits are
    /// those of the connection. It cannot block: a synchronous read throws, a synchronous write does not wait. Disposing it
    /// asynchronously is <see cref="DisposeAsync"/>; synchronously, <see cref="Close"/>.
    /// </summary>
    public Stream AsStream() => _stream ??= new ConnectionStream(this);

    internal void VerifyWritable()
    {
        _loop.VerifyAccess();
        if (_areWritesCompleted)
        {
            throw new InvalidOperationException("Nothing can be written after CompleteWrites, which ended the sending side.");
        }
    }

    /// <summary>Writes what was advanced in the output and not flushed.</summary>
    internal void Commit() => _output?.Commit();

    /// <summary>Lets those who wait for writing look again.</summary>
    internal void ReleaseWriters()
    {
        if (_writable is not null)
        {
            _writable.Set();
            _writable.Clear();
        }
    }

    /// <inheritdoc cref="Backends.LoopHost.RefusalOfWait"/>
    internal Exception? RefusalOfWait(CancellationToken cancellationToken) => _loop.Host.RefusalOfWait(cancellationToken);

    /// <summary>A wait until <see cref="ReleaseWriters"/>.</summary>
    internal ValueTask WaitReleasedAsync(CancellationToken cancellationToken)
    {
        _writable ??= new AsyncEvent();
        return _writable.WaitAsync(cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WaitWritableAsync(CancellationToken cancellationToken)
    {
        while (_isWritingPaused)
        {
            await WaitReleasedAsync(cancellationToken).ConfigureAwait(false); // so that it is up to the caller
            if (IsClosing)
            {
                throw ClosedError();
            }
        }
    }

    // Why nothing can be read or written any more.
    internal ConnectionException ClosedError()
    {
        if (CloseException is ConnectionException exception)
        {
            return exception;
        }

        CloseReason reason = CloseReason == CloseReason.None ? CloseReason.LocalClose : CloseReason;
        if (_closedError?.Reason != reason)
        {
            _closedError = new ConnectionException(
                reason,
                reason is CloseReason.LocalClose or CloseReason.LocalAbort
                    ? "The connection was closed on this side."
                    : $"The connection is gone: {reason}.",
                CloseException);
        }

        return _closedError;
    }
}
