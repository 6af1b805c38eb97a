using System.Net.Sockets;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Has a running process say what it does.</summary>
public static class DiagnosticsServing
{
    /// <param name="loop">The loop that serves, and that is told of.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Answers on a Unix socket, for as long as the result lives, how the loop stands: its tasks, transports, servers and
        /// numbers. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// A request is a line with one word, of at most 256 bytes, and its answer one line of JSON: <c>snapshot</c>,
        /// <c>transports</c> (with the servers), <c>tasks</c>, <c>metrics</c>, or <c>help</c>, which says what there is.
        /// <c>echo snapshot | socat - UNIX:PATH | jq</c> shows it. The guide to observing describes the answers; fields may be
        /// added to them.
        /// </para>
        /// <para>
        /// Only the user who runs the process, and root, may ask: the socket has the mode 0600 before anybody can connect, and
        /// where the system says who the peer is, it is looked at. It costs nothing while nobody is connected; while somebody is,
        /// the loops measure times (<see cref="LoopCounters.BusyTime"/>), which costs two looks at the clock for each callback.
        /// </para>
        /// </remarks>
        /// <param name="path">
        /// The path, of at most 107 bytes in UTF-8. A socket that a dead process has left there is taken over.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening. Disposing it removes the path.</returns>
        /// <exception cref="ArgumentException">The path cannot be one, or an option is out of range.</exception>
        /// <exception cref="ListenFailedException">
        /// A server listens there (<see cref="SocketError.AddressAlreadyInUse"/>), something is there that is no socket
        /// (<see cref="SocketError.NotSocket"/>), there is no such directory (<see cref="SocketError.AddressNotAvailable"/>), or
        /// we may not (<see cref="SocketError.AccessDenied"/>).
        /// </exception>
        public Task<DiagnosticsServer> ServeDiagnosticsAsync(string path, DiagnosticsOptions? options = null)
        {
            options ??= DiagnosticsOptions.Default;
            options.Validate();
            ArgumentException.ThrowIfNullOrEmpty(path);
            if (path[0] is '\0' or '@')
            {
                throw new ArgumentException(
                    "Diagnostics are for those whom the mode of a file lets in, and an abstract name has none. Use a path.",
                    nameof(path));
            }

            _ = UnixName.Parse(path, allowsAbstract: false, nameof(path));
            loop.Host.VerifyRunning();
            return DiagnosticsServer.StartAsync(loop, path, options);
        }
    }
}
