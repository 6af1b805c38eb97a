using Microsoft.Win32.SafeHandles;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Files as a part of what a connection sends.</summary>
public static class FileSending
{
    /// <param name="transport">The transport of a connection, or of a pipe that is written.</param>
    extension(Transport transport)
    {
        /// <summary>
        /// Sends a file, or a part of it, behind what was written before, and waits until the operating system has taken it all:
        /// as asyncio's <c>loop.sendfile</c>. Where it can, the system sends it by itself (sendfile(2), on Linux over TCP and Unix
        /// sockets and pipes); over TLS, and on other kinds of loop, it is read by another thread, in blocks of 256 KiB, and written.
        /// A wait of the current scope. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// While a file is being sent nothing else can be: the protocol is told to pause (<see cref="StreamProtocol.PauseWriting"/>,
        /// from within this call), and to resume when the file has left; a write in between throws. Receiving goes on.
        /// <see cref="Transport.UnsentBytes"/> counts what is left of the file.
        /// </para>
        /// <para>
        /// <see cref="Transport.Close()"/> and <see cref="Transport.WriteEof"/> let the file leave, as they do with what was written:
        /// within the linger time after the last byte that left. When a wait that was cancelled, or the file itself, ends it early,
        /// the connection stays open and its peer has a part; a connection that is closing is then aborted, so that the peer does not
        /// take the part for the whole.
        /// </para>
        /// <para>
        /// Where the system sends by itself and the file is not in memory, the loop's thread waits for the disk.
        /// </para>
        /// </remarks>
        /// <param name="file">
        /// A file that can be read and sought. What it holds unwritten is written first. It stays the caller's, and open until the
        /// end. Its <see cref="FileStream.Position"/> does not matter, and is afterwards where sending has ended, also when it has
        /// failed: what is before it was sent, or accepted by the transport.
        /// </param>
        /// <param name="offset">Where in the file to begin.</param>
        /// <param name="count">How many bytes; null for all to the end that the file has now.</param>
        /// <param name="cancellationToken">Gives up; so does the scope.</param>
        /// <returns>How many bytes were sent: <paramref name="count"/>.</returns>
        /// <exception cref="ArgumentException">The file cannot be read, or not at a place, as a pipe's.</exception>
        /// <exception cref="ArgumentOutOfRangeException">
        /// Offset or count are negative, or go beyond the end of the file. Nothing was sent.
        /// </exception>
        /// <exception cref="NotSupportedException">
        /// The transport is none of the toolkit's, or a layer in between lets no file pass (<see cref="StreamLayer.SendingFile"/>).
        /// </exception>
        /// <exception cref="InvalidOperationException">
        /// Another file is being sent, <see cref="Transport.WriteEof"/> was called, a TLS handshake is going on, or this is not the
        /// loop's thread.
        /// </exception>
        /// <exception cref="ConnectionException">The connection has ended.</exception>
        /// <exception cref="EndOfStreamException">The file has become shorter meanwhile.</exception>
        /// <exception cref="IOException">The file cannot be read.</exception>
        /// <exception cref="UnauthorizedAccessException">It is not open for reading.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<long> SendFileAsync(
            FileStream file, long offset = 0, long? count = null, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(transport);
            ArgumentNullException.ThrowIfNull(file);
            ObjectDisposedException.ThrowIf(!file.CanRead && !file.CanWrite, file);
            if (!file.CanRead || !file.CanSeek)
            {
                throw new ArgumentException(
                    $"{file.Name} cannot be {(file.CanRead ? "read at a place: it is no ordinary file" : "read: open it for reading")}.",
                    nameof(file));
            }

            return SendAsync(Begin(transport, file.SafeFileHandle, offset, count, cancellationToken), file, offset);
        }

        /// <summary>
        /// The same of a handle, which has no position, so that many connections may send it at a time. How far one that has failed
        /// came is in the difference of <see cref="Transport.BytesSent"/>.
        /// </summary>
        /// <param name="file">A file that can be read at a place. It stays the caller's, and open until the end.</param>
        /// <param name="offset">Where in the file to begin.</param>
        /// <param name="count">How many bytes; null for all to the end that the file has now.</param>
        /// <param name="cancellationToken">Gives up; so does the scope.</param>
        /// <inheritdoc cref="SendFileAsync(Transport, FileStream, long, long?, CancellationToken)"/>
        public Task<long> SendFileAsync(
            SafeFileHandle file, long offset = 0, long? count = null, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(transport);
            ArgumentNullException.ThrowIfNull(file);
            return SendAsync(Begin(transport, file, offset, count, cancellationToken), null, offset);
        }
    }

    internal static IFileTransport SenderOf(Transport transport) => transport as IFileTransport
        ?? throw new NotSupportedException($"{transport.GetType().Name} is no transport that can send a file.");

    private static FileSend Begin(
        Transport transport, SafeFileHandle file, long offset, long? count, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (count < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, "A count is at least zero; null is all to the end.");
        }

        IFileTransport sender = SenderOf(transport);
        long length = LengthOf(file);
        if (offset > length || count > length - offset)
        {
            throw new ArgumentOutOfRangeException(
                offset > length ? nameof(offset) : nameof(count),
                offset > length ? offset : count,
                $"The file has {length} bytes. What is sent of it begins and ends within them.");
        }

        return sender.SendFile(file, offset, count ?? length - offset, cancellationToken);
    }

    private static long LengthOf(SafeFileHandle file)
    {
        try
        {
            return RandomAccess.GetLength(file);
        }
        catch (NotSupportedException exception)
        {
            throw new ArgumentException("This is no file that can be read at a place. Read it, and write what is read.",
                nameof(file), exception);
        }
    }

    private static async Task<long> SendAsync(FileSend send, FileStream? file, long offset)
    {
        try
        {
            await send.Completion;
        }
        finally
        {
            if (file is { CanSeek: true })
            {
                file.Position = offset + send.Sent;
            }
        }

        return send.Sent;
    }
}
