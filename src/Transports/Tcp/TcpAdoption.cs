using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What a loop does with sockets that were made elsewhere.</summary>
public static class TcpAdoption
{
    /// <param name="loop">The loop that the connection will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Takes over a connected TCP or Unix stream socket: one that another listener has accepted, or that was inherited. Loop
        /// thread only.
        /// </summary>
        /// <remarks>
        /// The loop makes a descriptor of its own and closes the socket, so whoever disposes it later does no harm. Nothing may be in
        /// flight on it, and what was read from it already is not told to the protocol. When the factory or
        /// <see cref="StreamProtocol.ConnectionMade"/> throws, that comes out of here and the connection is aborted; when this
        /// throws <see cref="AdoptFailedException"/>, the socket is still the caller's.
        /// </remarks>
        /// <param name="factory">Makes the protocol; called once.</param>
        /// <param name="socket">The socket, the loop's from success on.</param>
        /// <param name="options">How the connection behaves; null for the defaults.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="AdoptFailedException">It is no stream socket of IP or Unix, or it is not connected.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no sockets: it is simulated.</exception>
        public Task<Connection<TProtocol>> AdoptConnectionAsync<TProtocol>(
            Func<TProtocol> factory, Socket socket, TcpOptions? options = null)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(socket);
            options ??= TcpOptions.Default;
            options.Validate();
            loop.Host.VerifyRunning();
            try
            {
                IoHandle handle = SocketAdoption.Adopt(loop, socket, isListening: false);
                AddressFamily family = socket.AddressFamily;
                socket.Dispose();
                options.ApplyTo(handle, family);
                return Task.FromResult(
                    TcpConnecting.MakeConnection(loop, factory, handle, options, LoopHost.CaptureContext()));
            }
            catch (Exception exception)
            {
                return Task.FromException<Connection<TProtocol>>(exception);
            }
        }
    }
}
