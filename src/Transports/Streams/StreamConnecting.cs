using System.Net;

namespace Toolkit;

/// <summary>What streams add to a loop: client connections for coroutines.</summary>
public static class StreamConnecting
{
    /// <param name="loop">The loop that the connection will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Connects to a host by name or address, as <c>CreateConnectionAsync</c> does. Whoever opens a connection disposes it.
        /// </summary>
        /// <param name="host">A name or an IP address.</param>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Time-out, local end point and the connection's options; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
        /// <exception cref="ConnectFailedException">No address answered, or there is no such name.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public async Task<StreamConnection> OpenConnectionAsync(
            string host,
            int port,
            ConnectOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
        {
            streamOptions?.Validate();
            Connection<StreamConnection> made = await loop.CreateConnectionAsync(
                () => new StreamConnection(streamOptions), host, port, options, cancellationToken);
            return made.Protocol;
        }

        /// <summary>Connects to one address; otherwise as the overload that takes a host.</summary>
        /// <param name="remoteEndPoint">The address and port.</param>
        /// <param name="options">Time-out, local end point and the connection's options; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <exception cref="ConnectFailedException">The address did not answer.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public async Task<StreamConnection> OpenConnectionAsync(
            IPEndPoint remoteEndPoint,
            ConnectOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
        {
            streamOptions?.Validate();
            Connection<StreamConnection> made = await loop.CreateConnectionAsync(
                () => new StreamConnection(streamOptions), remoteEndPoint, options, cancellationToken);
            return made.Protocol;
        }
    }
}
