using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// Descriptors that are passed over Unix sockets: open files, pipes, sockets (SCM_RIGHTS of unix(7)). Linux only.
/// </summary>
public static class HandlePassing
{
    /// <summary>How many handles one write can have.</summary>
    public const int MaxHandlesPerWrite = IoBackend.MaxHandlesPerSend;

    /// <param name="transport">The transport of a connection over a Unix socket.</param>
    extension(Transport transport)
    {
        /// <summary>
        /// Writes, and passes handles to the peer: it has them, as descriptors of its own, no later than the first of the bytes.
        /// Otherwise as <see cref="Transport.Write(ReadOnlySpan{byte})"/>. The handles stay the caller's, who may dispose them
        /// when the call returns; what they stand for is open until they have left, or the connection has ended. Loop thread
        /// only.
        /// </summary>
        /// <param name="data">At least one byte: handles travel beside bytes.</param>
        /// <param name="handles">At most <see cref="MaxHandlesPerWrite"/>; none is an ordinary write.</param>
        /// <returns>Whether the bytes were taken, and whether to wait before writing more.</returns>
        /// <exception cref="ArgumentException">There is no byte, a null, or there are too many handles.</exception>
        /// <exception cref="ObjectDisposedException">One of the handles is closed. Nothing was written.</exception>
        /// <exception cref="NotSupportedException">
        /// It is no Unix socket, it carries TLS, or the loop's kind cannot pass handles; the message says what to do.
        /// </exception>
        /// <exception cref="InvalidOperationException">
        /// <see cref="Transport.WriteEof"/> was called, or this is not the loop's thread.
        /// </exception>
        public WriteStatus WriteWithHandles(ReadOnlySpan<byte> data, params ReadOnlySpan<SafeHandle> handles)
        {
            ArgumentNullException.ThrowIfNull(transport);
            if (handles.IsEmpty)
            {
                return transport.Write(data);
            }

            if (data.IsEmpty)
            {
                throw new ArgumentException("Handles travel beside bytes. Write at least one byte with them.", nameof(data));
            }

            if (handles.Length > MaxHandlesPerWrite)
            {
                throw new ArgumentException(
                    $"One write has at most {MaxHandlesPerWrite} handles, and these are {handles.Length}. Use several.",
                    nameof(handles));
            }

            foreach (SafeHandle handle in handles)
            {
                ArgumentNullException.ThrowIfNull(handle, nameof(handles));
            }

            return Passing(transport).WriteWithHandles(data, handles);
        }

        /// <summary>
        /// Takes the handles that the peer has passed and that nobody has taken, in the order in which it has passed them. They
        /// are the caller's from here on, and close-on-exec. Those of a write are there when
        /// <see cref="Protocol.DataReceived"/> is called with the first of its bytes, and may be there before. Those that nobody
        /// has taken when <see cref="StreamProtocol.ConnectionLost"/> has returned are closed. Loop thread only.
        /// </summary>
        /// <remarks>
        /// Handles are received on request only (<see cref="ConnectOptions.MaxReceivedHandles"/>,
        /// <c>ServerOptions.MaxReceivedHandles</c>); otherwise the system closes them. A peer that has passed more than may wait
        /// is aborted (<see cref="CloseReason.InvalidData"/>), and so is one whose handles the process has no room for.
        /// </remarks>
        /// <returns>The handles; none when there are none.</returns>
        /// <exception cref="NotSupportedException">The transport is none of the toolkit's over a socket.</exception>
        public SafeFileHandle[] TakeReceivedHandles()
        {
            ArgumentNullException.ThrowIfNull(transport);
            return Passing(transport).TakeReceivedHandles();
        }
    }

    /// <exception cref="NotSupportedException">The backend cannot pass handles.</exception>
    internal static void Require(IoBackend backend)
    {
        if (!backend.CanPassHandles)
        {
            throw new NotSupportedException(
                $"A loop with the {backend.Name} backend cannot pass handles. Use a loop on Linux that is not simulated.");
        }
    }

    internal static void Validate(int maxReceivedHandles, bool withTls, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxReceivedHandles, name);
        if (maxReceivedHandles > 0 && withTls)
        {
            throw new ArgumentException("Handles cannot be passed over TLS, which knows of bytes alone.", name);
        }
    }

    private static IHandleTransport Passing(Transport transport)
        => transport as IHandleTransport
            ?? throw new NotSupportedException($"{transport.GetType().Name} is no transport that can pass handles.");
}
