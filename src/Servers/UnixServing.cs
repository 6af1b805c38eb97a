using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Servers on Unix sockets: for clients on the same machine, let in by the mode of a file.</summary>
public static class UnixServing
{
    /// <param name="loop">The loop that the server and its connections will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Listens on a Unix stream socket at a path. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// Nobody can connect before the mode (<see cref="ServerOptions.UnixMode"/>) is in force. On Linux, a socket at the path
        /// whose server is dead (it refuses to be connected to) is replaced, if it is of the same user; anything else is left
        /// alone and an error. When the server is closed, the path is removed if it is still the server's own file.
        /// </para>
        /// <para>
        /// Everything else is as of a TCP server: limits, pause, drain, TLS. Clients mostly have no name, so
        /// <see cref="Transport.RemoteEndPoint"/> is null and <see cref="ServerOptions.MaxConnectionsPerAddress"/> counts
        /// nobody; who they are says <see cref="Transport.PeerCredentials"/>.
        /// </para>
        /// </remarks>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="path">
        /// The path, of at most 107 bytes in UTF-8; an abstract name only with <see cref="ServerOptions.AllowAbstractName"/>.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">The path cannot be one; the message says why.</exception>
        /// <exception cref="ListenFailedException">
        /// A server listens there (<see cref="SocketError.AddressAlreadyInUse"/>), something is there that is no socket
        /// (<see cref="SocketError.NotSocket"/>), there is no such directory (<see cref="SocketError.AddressNotAvailable"/>), or
        /// we may not (<see cref="SocketError.AccessDenied"/>).
        /// </exception>
        /// <exception cref="NotSupportedException">Handles are to be received, and the loop's kind cannot.</exception>
        public Task<Server> CreateUnixServerAsync(Func<StreamProtocol> factory, string path, ServerOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            options ??= ServerOptions.Default;
            options.Validate();
            UnixDomainSocketEndPoint endPoint = UnixName.Parse(path, options.AllowAbstractName, nameof(path));
            loop.Host.VerifyRunning();
            if (options.MaxReceivedHandles > 0)
            {
                HandlePassing.Require(loop.Host.Backend);
            }

            try
            {
                return Task.FromResult(Listen(loop, factory, endPoint, options));
            }
            catch (ListenFailedException exception)
            {
                return Task.FromException<Server>(exception);
            }
        }

        /// <summary>
        /// Listens on a Unix stream socket at a path, as <c>CreateUnixServerAsync</c> does, and runs the handler for each
        /// connection, as <c>StartServerAsync</c> does. Loop thread only.
        /// </summary>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="path">The path.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">The path cannot be one; the message says why.</exception>
        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        public Task<Server> StartUnixServerAsync(
            Func<StreamConnection, Task> handler,
            string path,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null)
            => StreamServing.StartAsync(
                loop, handler, streamOptions, factory => loop.CreateUnixServerAsync(factory, path, options));
    }

    private static Server Listen(
        EventLoop loop, Func<StreamProtocol> factory, UnixDomainSocketEndPoint endPoint, ServerOptions options)
        => new(loop, factory, [Open(loop, endPoint, options)], options, LoopHost.CaptureContext());

    /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
    internal static IoHandle Open(EventLoop loop, UnixDomainSocketEndPoint endPoint, ServerOptions options)
    {
        var spec = new HandleSpec
        {
            AddressFamily = AddressFamily.Unix,
            LocalEndPoint = endPoint,
            Backlog = options.Backlog,
            UnixMode = options.UnixMode,
        };
        IoHandle handle = loop.Host.Backend.Open(spec, out SocketError error) ?? throw new ListenFailedException(endPoint, error);
        options.Tcp.ApplyBufferSizes(handle);
        return handle;
    }
}
