using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What a loop does for descriptors that somebody else reads and writes.</summary>
public static class ReadinessWatching
{
    /// <param name="loop">The loop that watches.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Calls back for as long as a descriptor is readable: asyncio's <c>add_reader</c>, for libraries that do their own
        /// input. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// It is level-triggered: the callback is called once in a turn of the loop, and again in the next unless it has read
        /// what there was; the end and errors stay readable. It is called on the loop as user code, in the execution context of
        /// this call, and belongs to no task. What it throws goes to <see cref="EventLoop.ExceptionHandler"/>, and the watch goes
        /// on. It must not block: another who has the descriptor may have been quicker, so it is best to have it non-blocking.
        /// </para>
        /// <para>
        /// The descriptor is borrowed: the loop neither reads nor changes it, and does not close it. It has a descriptor of its
        /// own for what stands behind it, which therefore stays open until the watch is disposed of: of a socket that is closed
        /// meanwhile the peer sees no end. So dispose of the watch first. A watch that finds the handle closed ends without
        /// calling back, and all of them end with the loop.
        /// </para>
        /// <para>
        /// For what can be waited for: sockets, pipes, terminals, and Linux's event counters, timers, inotify and processes.
        /// Several watches of one descriptor know nothing of each other.
        /// </para>
        /// </remarks>
        /// <param name="handle">The descriptor, such as <see cref="Socket.SafeHandle"/>.</param>
        /// <param name="callback">Called each time.</param>
        /// <returns>
        /// Ends the watch, on the loop's thread, from the callback as well; the callback is not called after that.
        /// </returns>
        /// <exception cref="AdoptFailedException">
        /// It is a regular file or a directory, which the system calls ready at any time; or it is closed.
        /// </exception>
        /// <exception cref="PlatformNotSupportedException">The system is not Linux.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no descriptors: it is simulated.</exception>
        public IDisposable WatchReadable(SafeHandle handle, Action callback) => Watch(loop, handle, callback, isReading: true);

        /// <summary>
        /// Calls back for as long as a descriptor is writable, because there is room, or because writing would fail: asyncio's
        /// <c>add_writer</c>. Most descriptors are, nearly always: dispose of the watch when there is nothing to write. Otherwise
        /// as <c>WatchReadable</c>. Loop thread only.
        /// </summary>
        /// <param name="handle">The descriptor.</param>
        /// <param name="callback">Called each time.</param>
        /// <returns>
        /// Ends the watch, on the loop's thread, from the callback as well; the callback is not called after that.
        /// </returns>
        /// <exception cref="AdoptFailedException">
        /// It is a regular file or a directory, which the system calls ready at any time; or it is closed.
        /// </exception>
        /// <exception cref="PlatformNotSupportedException">The system is not Linux.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no descriptors: it is simulated.</exception>
        public IDisposable WatchWritable(SafeHandle handle, Action callback) => Watch(loop, handle, callback, isReading: false);
    }

    private static ReadinessWatch Watch(EventLoop loop, SafeHandle handle, Action callback, bool isReading)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ArgumentNullException.ThrowIfNull(callback);
        loop.Host.VerifyRunning();
        IoBackend backend = loop.Host.Backend;
        IoHandle adopted = backend.Adopt(handle, IoHandleKind.Event, out SocketError error) ?? throw (error switch
        {
            SocketError.OperationNotSupported when !OperatingSystem.IsLinux() => new PlatformNotSupportedException(
                "Descriptors can be watched on Linux. Elsewhere, hand a Socket to AdoptSocket, or let a thread wait "
                + "(RunInThreadAsync)."),
            SocketError.OperationNotSupported => new NotSupportedException(
                $"A loop with the {backend.Name} backend has no descriptors that could be watched. Use another kind of loop; in "
                + "a simulation, use a LoopSocket or a transport."),
            SocketError.NotSocket => new AdoptFailedException(error, "The descriptor cannot be watched: it is closed."),
            SocketError.SocketNotSupported => new AdoptFailedException(
                error,
                "The descriptor cannot be watched: it is a regular file, or something like one, which is ready at any time and "
                + "blocks all the same. Use a FileStream, or RunInThreadAsync."),
            _ => new AdoptFailedException(error, $"The descriptor cannot be watched: {error}."),
        });
        return new ReadinessWatch(loop, handle, adopted, callback, isReading);
    }
}
