using System.Net;
using System.Net.Sockets;

namespace Toolkit;

/// <summary>What servers add to a loop for coroutines: a handler for each connection.</summary>
public static class StreamServing
{
    /// <param name="loop">The loop that the server, its connections and their handlers will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Listens on a port of the given host, as <c>CreateServerAsync</c> does, and runs the handler for each connection. Loop
        /// thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// Handlers are tasks that belong to the server. When one returns, its connection is closed in good order. When one
        /// throws, that is reported to the loop's exception handler, and its connection is aborted; the others go on. What breaks
        /// the connection itself, or is wrong with what its peer has sent, is no fault of the handler's: it may let that pass, and
        /// nothing is reported.
        /// </para>
        /// <para>
        /// <see cref="Server.Close"/> lets handlers go on. <see cref="Server.DrainAsync"/> lets them end within the grace period,
        /// then cancels their scope and aborts their connections; it returns when the last has ended.
        /// </para>
        /// </remarks>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="host">A name or an IP address of this machine; null for loopback, both families.</param>
        /// <param name="port">0 to 65535; with 0 the system chooses, for each address by itself.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up the resolution of the name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
        /// <exception cref="ListenFailedException">
        /// A port is in use, an address is not ours, there is no such name: the server then listens on nothing.
        /// </exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Server> StartServerAsync(
            Func<StreamConnection, Task> handler,
            string? host,
            int port,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
            => StartAsync(
                loop,
                handler,
                streamOptions,
                factory => loop.CreateServerAsync(factory, host, port, options, cancellationToken));

        /// <summary>Listens on one end point; otherwise as the overload that takes a host. Loop thread only.</summary>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="endPoint">The address and port.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        public Task<Server> StartServerAsync(
            Func<StreamConnection, Task> handler,
            IPEndPoint endPoint,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null)
            => StartAsync(loop, handler, streamOptions, factory => loop.CreateServerAsync(factory, endPoint, options));

        /// <summary>
        /// Serves on sockets that listen already, as <c>CreateServerAsync</c> does; otherwise as the overload that takes a host.
        /// Loop thread only.
        /// </summary>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="sockets">At least one; the server's from success on.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">There is no socket.</exception>
        /// <exception cref="AdoptFailedException">One of them is no stream socket of IP or Unix, or does not listen.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no sockets: it is simulated.</exception>
        public Task<Server> StartServerAsync(
            Func<StreamConnection, Task> handler,
            IEnumerable<Socket> sockets,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null)
            => StartAsync(loop, handler, streamOptions, factory => loop.CreateServerAsync(factory, sockets, options));
    }

    internal static async Task<Server> StartAsync(
        EventLoop loop,
        Func<StreamConnection, Task> handler,
        StreamOptions? streamOptions,
        Func<Func<StreamProtocol>, Task<Server>> listen,
        string? name = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        streamOptions?.Validate();
        loop.Host.VerifyRunning();
        var handlers = new StreamHandlers(loop, handler, streamOptions, name);
        try
        {
            Server server = await listen(handlers.CreateProtocol);
            server.Handlers = handlers;
            handlers.Server = server;
            return server;
        }
        catch
        {
            handlers.Stop();
            throw;
        }
    }
}
