using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Toolkit;

/// <content>The receiving side.</content>
public sealed partial class StreamConnection
{
    /// <summary>
    /// The receiving side as a pipe's reader, whose waits are those of this connection. A wait for more while
    /// <see cref="StreamOptions.MaxUnconsumed"/> bytes are unconsumed throws a <see cref="FramingException"/>. Completing it
    /// drops what was not read and receives no more. It may be used in turn with the other reads, between
    /// <see cref="PipeReader.AdvanceTo(SequencePosition)"/> and the next one.
    /// </summary>
    public PipeReader Input => _input;

    /// <summary>How many bytes have arrived that nobody has read.</summary>
    public int UnreadBytes => _input.Unread;

    /// <summary>Whether the peer has ended its side, and all that came before was read.</summary>
    public bool IsAtEnd => _input.IsAtEnd;

    /// <summary>Reads what there is, as soon as there is something. Nothing is copied.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>The bytes, lent until the next read; none at the end of the stream.</returns>
    /// <exception cref="ConnectionException">In the task: the connection is broken, or was closed on this side.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. Nothing was
    /// read.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way, or this is not the loop's thread.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken = default)
        => _input.ReadSomeAsync(cancellationToken);

    /// <summary>
    /// Reads what there is and fits, as soon as there is something; into an empty destination nothing, but that soon.
    /// </summary>
    /// <param name="destination">Left alone by the caller until the task has ended.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>How many bytes that was; zero at the end of the stream.</returns>
    /// <inheritdoc cref="ReadAsync(CancellationToken)" path="/exception"/>
    public ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken = default)
        => _input.CopyAsync(destination, cancellationToken);

    /// <summary>
    /// Reads so many bytes. No memory is taken for what has not arrived: over <see cref="StreamOptions.MaxLength"/> it fails at
    /// once, and what arrives can be read into a destination of the caller's.
    /// </summary>
    /// <param name="count">How many.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>The bytes, lent until the next read.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative.</exception>
    /// <exception cref="FramingException">In the task: the count is over the limit. Nothing was read.</exception>
    /// <exception cref="IncompleteReadException">In the task: the stream has ended before. What was left of it is read, and in
    /// the exception.</exception>
    /// <exception cref="ConnectionException">In the task: the connection is broken, or was closed on this side, before all was
    /// there. Nothing was read.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. Nothing was
    /// read.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way, or this is not the loop's thread.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadExactlyAsync(int count, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return _input.ReadExactlyAsync(count, cancellationToken);
    }

    /// <summary>
    /// Fills the destination. It may be as long as the caller likes; what has not arrived yet is received straight into it. When
    /// the wait is cancelled or the connection breaks, what it holds by then goes back, and can be read.
    /// </summary>
    /// <param name="destination">Left alone by the caller until the task has ended.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="IncompleteReadException">In the task: the stream has ended before. What was left of it is read, and in
    /// the exception.</exception>
    /// <exception cref="ConnectionException">In the task: the connection is broken, or was closed on this side, before all was
    /// there. Nothing was read.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. Nothing was
    /// read.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way, or this is not the loop's thread.</exception>
    public ValueTask ReadExactlyAsync(Memory<byte> destination, CancellationToken cancellationToken = default)
        => _input.FillAsync(destination, cancellationToken);

    /// <summary>
    /// Reads to the end of a separator, or of the first of several that is complete: the result does not depend on how the stream
    /// was cut.
    /// </summary>
    /// <param name="separator">One sequence of bytes or several: <see cref="LineDelimiter.Of"/>,
    /// <see cref="LineDelimiter.AnyOf"/>.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>The bytes with the separator, lent until the next read.</returns>
    /// <exception cref="FramingException">In the task: more than <see cref="StreamOptions.MaxLength"/> bytes stand before a
    /// separator. Nothing was read: the bytes are still there, and every further wait for a separator fails in the same
    /// way.</exception>
    /// <exception cref="IncompleteReadException">In the task: the stream has ended before. What was left of it is read, and in
    /// the exception.</exception>
    /// <exception cref="ConnectionException">In the task: the connection is broken, or was closed on this side, before all was
    /// there. Nothing was read.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. Nothing was
    /// read.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way, or this is not the loop's thread.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadUntilAsync(
        LineDelimiter separator, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(separator);
        return _input.ReadUntilAsync(separator, cancellationToken);
    }

    /// <summary>Reads a line that ends with a line feed, with or without a carriage return before it.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>
    /// The line without its end, lent until the next read; what stands behind the last line feed is a line too, unless it is
    /// empty. Null at the end of the stream.
    /// </returns>
    /// <exception cref="FramingException">In the task: the line is longer than <see cref="StreamOptions.MaxLength"/>. Nothing
    /// was read: the bytes are still there, and every further wait for a line fails in the same way.</exception>
    /// <exception cref="ConnectionException">In the task: the connection is broken, or was closed on this side, before the line
    /// was whole. Nothing was read.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled. Nothing was
    /// read.</exception>
    /// <exception cref="InvalidOperationException">Another read is under way, or this is not the loop's thread.</exception>
    public ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(CancellationToken cancellationToken = default)
        => _input.ReadLineAsync(LineDelimiter.Newline, cancellationToken);

    /// <summary>Reads a line that ends with a delimiter.</summary>
    /// <param name="delimiter">What ends a line.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <inheritdoc cref="ReadLineAsync(CancellationToken)"/>
    public ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(
        LineDelimiter delimiter, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(delimiter);
        return _input.ReadLineAsync(delimiter, cancellationToken);
    }

    /// <summary>Reads line after line, to the end of the stream. Each is lent until the next one is asked for.</summary>
    /// <param name="delimiter">What ends a line; null for a line feed, with or without a carriage return before it.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <inheritdoc cref="ReadLineAsync(CancellationToken)" path="/exception"/>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadLinesAsync(
        LineDelimiter? delimiter = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await _input.ReadLineAsync(delimiter ?? LineDelimiter.Newline, cancellationToken) is { } line)
        {
            yield return line;
        }
    }

    /// <summary>Reads to the end of the stream.</summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>The bytes, lent until the next read.</returns>
    /// <exception cref="FramingException">In the task: there are more than <see cref="StreamOptions.MaxLength"/>. Nothing was
    /// read. To read a stream of any length, copy it: <c>Input.CopyToAsync</c>.</exception>
    /// <inheritdoc cref="ReadAsync(CancellationToken)" path="/exception"/>
    public ValueTask<ReadOnlyMemory<byte>> ReadToEndAsync(CancellationToken cancellationToken = default)
        => _input.ReadToEndAsync(cancellationToken);
}
