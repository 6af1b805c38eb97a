using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Servers on sockets that listen already.</summary>
public static class ListeningSockets
{
    /// <param name="loop">The loop that the server and its connections will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Serves on TCP and Unix stream sockets that listen already: inherited (<see cref="SocketActivation"/>), or made
        /// elsewhere in the process.
        /// On all, or on none. Loop thread only.
        /// </summary>
        /// <remarks>
        /// The loop makes descriptors of its own and closes the sockets, so whoever disposes them later does no harm; when this
        /// throws, they are still the caller's. Nothing may be in flight on them, and they are non-blocking from here on, for
        /// other processes that hold them too. How they listen is settled: of the options, the backlog and the reuse of addresses
        /// and ports do not matter, nor the mode of a Unix socket, whose path is not removed by the server. (A .NET socket that
        /// was bound to a path by <see cref="Socket.Bind"/> removes it when it is closed, and so with its adoption.) A socket on
        /// <c>::</c> may serve IPv4 as well, whose peers then have addresses within IPv6.
        /// </remarks>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="sockets">At least one; the server's from success on.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">There is no socket.</exception>
        /// <exception cref="AdoptFailedException">One of them is no stream socket of IP or Unix, or does not listen.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no sockets: it is simulated.</exception>
        public Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory, IEnumerable<Socket> sockets, ServerOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(sockets);
            Socket[] adopted = [.. sockets.Distinct()];
            if (adopted.Length == 0 || Array.Exists(adopted, socket => socket is null))
            {
                throw new ArgumentException("A server needs at least one socket, and no null.", nameof(sockets));
            }

            options ??= ServerOptions.Default;
            options.Validate();
            loop.Host.VerifyRunning();
            if (options.MaxReceivedHandles > 0)
            {
                HandlePassing.Require(loop.Host.Backend);
            }

            try
            {
                return Task.FromResult(Adopt(loop, factory, adopted, options));
            }
            catch (Exception exception) when (exception is AdoptFailedException or NotSupportedException)
            {
                return Task.FromException<Server>(exception);
            }
        }

        /// <summary>Serves on one socket that listens already; otherwise as for several. Loop thread only.</summary>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="socket">The socket, the server's from success on.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="AdoptFailedException">It is no stream socket of IP or Unix, or it does not listen.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no sockets: it is simulated.</exception>
        public Task<Server> CreateServerAsync(Func<StreamProtocol> factory, Socket socket, ServerOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(socket);
            return loop.CreateServerAsync(factory, [socket], options);
        }
    }

    private static Server Adopt(EventLoop loop, Func<StreamProtocol> factory, Socket[] sockets, ServerOptions options)
    {
        List<IoHandle> handles = Open(loop, sockets, options);
        Array.ForEach(sockets, socket => socket.Dispose());
        return new Server(loop, factory, handles, options, LoopHost.CaptureContext());
    }

    /// <summary>Handles of all, which are still the caller's to dispose; or of none.</summary>
    /// <exception cref="AdoptFailedException">One of them is not what is wanted.</exception>
    /// <exception cref="NotSupportedException">The backend has no sockets.</exception>
    internal static List<IoHandle> Open(EventLoop loop, IEnumerable<Socket> sockets, ServerOptions options)
    {
        var handles = new List<IoHandle>();
        try
        {
            foreach (Socket socket in sockets)
            {
                IoHandle handle = SocketAdoption.Adopt(loop, socket, isListening: true);
                options.Tcp.ApplyBufferSizes(handle);
                handles.Add(handle);
            }

            return handles;
        }
        catch
        {
            handles.ForEach(handle => handle.Backend.Release(handle, reset: false));
            throw;
        }
    }
}
