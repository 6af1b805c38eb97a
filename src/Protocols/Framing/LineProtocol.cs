using System.Buffers;
using System.Text;
using Toolkit.Protocols;

namespace Toolkit;

/// <summary>
/// A protocol of lines, or of anything else that ends with a delimiter; with a raw mode for what stands between lines and is
/// none.
/// </summary>
/// <example>
/// <code>
/// sealed class Shout : LineProtocol
/// {
///     protected override void LineReceived(ReadOnlySpan&lt;byte&gt; line)
///         =&gt; SendLine(Encoding.UTF8.GetString(line).ToUpperInvariant());
/// }
/// </code>
/// </example>
/// <inheritdoc cref="FramedProtocol" path="/remarks"/>
public abstract class LineProtocol : FramedProtocol
{
    private const int StackLimit = 1024;

    private readonly LineDelimiter _delimiter;
    private bool _isRaw;
    private bool _isTellingRaw;
    private bool _isSkipping; // the rest of a line that was too long, of which _unfinished has what may begin a delimiter

    /// <summary>Lines end with <see cref="LineDelimiter.Newline"/>.</summary>
    protected LineProtocol()
        : this(LineDelimiter.Newline)
    {
    }

    /// <summary>Lines end with the given delimiter.</summary>
    /// <exception cref="ArgumentNullException">It is null.</exception>
    protected LineProtocol(LineDelimiter delimiter)
    {
        ArgumentNullException.ThrowIfNull(delimiter);
        _delimiter = delimiter;
    }

    private protected override bool IsInsideFrame => base.IsInsideFrame && !_isSkipping;

    /// <summary>Writes a line and its delimiter, as one write.</summary>
    /// <returns>As from <see cref="Transport.Write(ReadOnlySpan{byte})"/>.</returns>
    /// <exception cref="ArgumentException">The line has a delimiter in it, and so would be two.</exception>
    /// <exception cref="InvalidOperationException">
    /// <see cref="Transport.WriteEof"/> was called, or this is not the loop's thread.
    /// </exception>
    public WriteStatus SendLine(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> delimiter = _delimiter.Written.Span;
        int length = line.Length + delimiter.Length;
        byte[]? rented = null;
        Span<byte> whole = length <= StackLimit ? stackalloc byte[length] : (rented = ArrayPool<byte>.Shared.Rent(length));
        try
        {
            line.CopyTo(whole);
            delimiter.CopyTo(whole[line.Length..]);
            if (_delimiter.FindEnd(default, whole[..length], out _) != length)
            {
                throw new ArgumentException("The line has a delimiter in it. Send its parts, or escape it.", nameof(line));
            }

            return Transport.Write(whole[..length]);
        }
        finally
        {
            FrameBuffer.Return(rented);
        }
    }

    /// <summary>Writes a line as UTF-8.</summary>
    /// <inheritdoc cref="SendLine(ReadOnlySpan{byte})"/>
    public WriteStatus SendLine(ReadOnlySpan<char> line)
    {
        int length = Encoding.UTF8.GetMaxByteCount(line.Length);
        byte[]? rented = null;
        Span<byte> bytes = length <= StackLimit ? stackalloc byte[length] : (rented = ArrayPool<byte>.Shared.Rent(length));
        try
        {
            return SendLine(bytes[..Encoding.UTF8.GetBytes(line, bytes)]);
        }
        finally
        {
            FrameBuffer.Return(rented);
        }
    }

    /// <summary>A line has arrived.</summary>
    /// <param name="line">
    /// The line without its delimiter, at most <see cref="FramedProtocol.MaxLength"/> bytes; lent for the call.
    /// </param>
    protected abstract void LineReceived(ReadOnlySpan<byte> line);

    /// <summary>
    /// A line is longer than <see cref="FramedProtocol.MaxLength"/>; called once for it, no later than when the longest delimiter
    /// would not fit any more. By default the connection ends (<see cref="FramedProtocol.FramingFailed"/>). An override that
    /// leaves it open goes on with the next line: what is left of this one is thrown away as it arrives.
    /// </summary>
    /// <param name="error">Says so.</param>
    protected virtual void LineTooLong(FramingException error) => Fail(error);

    /// <summary>
    /// Bytes have arrived in raw mode, at least one, cut anywhere. The default throws: who calls <see cref="SetRawMode"/>
    /// overrides this.
    /// </summary>
    /// <param name="data">Lent for the call.</param>
    protected virtual void RawDataReceived(ReadOnlySpan<byte> data)
        => throw new NotSupportedException($"{GetType().Name} calls {nameof(SetRawMode)} and has no {nameof(RawDataReceived)}.");

    /// <summary>
    /// From here on bytes are handed to <see cref="RawDataReceived"/> as they come: within <see cref="LineReceived"/>, beginning
    /// with the byte after that line.
    /// </summary>
    protected void SetRawMode()
    {
        _isRaw = true;
        _isSkipping = false;
        if (_unfinished.Length > 0)
        {
            Transport.Unread(_unfinished.Span); // not from within a callback, so what is half a line is told as raw
            _unfinished.Clear();
        }
    }

    /// <summary>From here on bytes are lines again.</summary>
    /// <param name="rest">
    /// The end of what the running <see cref="RawDataReceived"/> was handed, which it did not use; it is told as lines, later,
    /// from the loop.
    /// </param>
    /// <exception cref="InvalidOperationException">There is a rest, and <see cref="RawDataReceived"/> is not running.</exception>
    protected void SetLineMode(ReadOnlySpan<byte> rest = default)
    {
        if (!rest.IsEmpty && !_isTellingRaw)
        {
            throw new InvalidOperationException(
                $"Only {nameof(RawDataReceived)} has a rest to hand back. Give bytes from earlier to Transport.Unread.");
        }

        _isRaw = false;
        Transport.Unread(rest);
    }

    private protected override int Take(ReadOnlySpan<byte> data)
    {
        if (_isRaw)
        {
            TellRaw(data);
            return data.Length;
        }

        int end = _delimiter.FindEnd(_unfinished.Span, data, out int delimiterLength);
        if (end < 0)
        {
            Keep(data);
            return data.Length;
        }

        int lineLength = _unfinished.Length + end - delimiterLength;
        if (_isSkipping)
        {
            _isSkipping = false;
            _unfinished.Clear();
        }
        else if (lineLength > MaxLength)
        {
            _unfinished.Clear();
            LineTooLong(TooLong());
        }
        else
        {
            byte[]? lent = Complete(data[..end], out ReadOnlySpan<byte> line);
            try
            {
                LineReceived(line[..lineLength]);
            }
            finally
            {
                FrameBuffer.Return(lent);
            }
        }

        return end;
    }

    private void TellRaw(ReadOnlySpan<byte> data)
    {
        _isTellingRaw = true;
        try
        {
            RawDataReceived(data);
        }
        finally
        {
            _isTellingRaw = false;
        }
    }

    // Part of a line, without a delimiter in it.
    private void Keep(ReadOnlySpan<byte> data)
    {
        bool isTooLong = _unfinished.Length + (long)data.Length >= (long)MaxLength + _delimiter.LongestLength;
        if (!_isSkipping && !isTooLong)
        {
            _unfinished.Append(data);
            return;
        }

        // What may begin a delimiter is all that is kept.
        int kept = _delimiter.LongestLength - 1;
        _unfinished.Append(data[Math.Max(0, data.Length - kept)..]);
        _unfinished.KeepLast(kept);
        if (!_isSkipping)
        {
            _isSkipping = true;
            LineTooLong(TooLong());
        }
    }

    private FramingException TooLong()
        => new(FramingError.TooLong, $"A line is longer than the {MaxLength} bytes that are allowed.");
}
