using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What servers add to a loop.</summary>
public static class TcpServing
{
    /// <param name="loop">The loop that the server and its connections will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Listens on a port of the given host. Of a name's addresses those that this machine does not have are left out,
        /// unless none is left. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="host">
        /// A name or an IP address of this machine; null for loopback, both families. All addresses are
        /// <c>0.0.0.0</c> and <c>::</c>, and must be asked for by name; <c>::</c> is IPv6 alone.
        /// </param>
        /// <param name="port">0 to 65535; with 0 the system chooses, for each address by itself.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up the resolution of the name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
        /// <exception cref="ListenFailedException">
        /// A port is in use, an address is not ours, there is no such name: the server then listens on nothing.
        /// </exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
        public async Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory,
            string? host,
            int port,
            ServerOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(factory);
            if (host is not null)
            {
                HostName.Validate(host, nameof(host));
            }

            if (port is < 0 or > IPEndPoint.MaxPort)
            {
                throw new ArgumentOutOfRangeException(nameof(port), port, "A port to listen on is 0 to 65535.");
            }

            options ??= ServerOptions.Default;
            options.Validate();
            loop.Host.VerifyRunning();

            IPEndPoint[] endPoints = await ResolveAsync(loop, host, port, cancellationToken);
            return Listen(loop, factory, endPoints, skipAbsent: true, options);
        }

        /// <summary>Listens on one end point. Loop thread only.</summary>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="endPoint">The address and port.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        public Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory, IPEndPoint endPoint, ServerOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(endPoint);
            return loop.CreateServerAsync(factory, [endPoint], options);
        }

        /// <summary>Listens on several end points: on all, or on none. Loop thread only.</summary>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="endPoints">At least one; the same one twice counts as one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">There is no end point.</exception>
        /// <exception cref="ListenFailedException">One of them cannot be listened on.</exception>
        public Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory, IEnumerable<IPEndPoint> endPoints, ServerOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(endPoints);
            IPEndPoint[] wanted = [.. endPoints.Distinct()];
            if (wanted.Length == 0 || Array.Exists(wanted, endPoint => endPoint is null))
            {
                throw new ArgumentException("A server needs at least one end point, and no null.", nameof(endPoints));
            }

            options ??= ServerOptions.Default;
            options.Validate();
            loop.Host.VerifyRunning();
            try
            {
                return Task.FromResult(Listen(loop, factory, wanted, skipAbsent: false, options));
            }
            catch (ListenFailedException exception)
            {
                return Task.FromException<Server>(exception);
            }
        }
    }

    private static Server Listen(
        EventLoop loop, Func<StreamProtocol> factory, IPEndPoint[] endPoints, bool skipAbsent, ServerOptions options)
    {
        loop.Host.VerifyRunning();
        List<IoHandle> handles = Open(loop, endPoints, skipAbsent, options);
        return new Server(loop, factory, handles, options, LoopHost.CaptureContext());
    }

    /// <summary>The end points of a host; of loopback when there is none.</summary>
    /// <exception cref="ListenFailedException">There is no such name.</exception>
    internal static async Task<IPEndPoint[]> ResolveAsync(
        EventLoop loop, string? host, int port, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback];
        if (host is not null)
        {
            try
            {
                addresses = await HostName.ResolveAsync(loop, host, cancellationToken);
            }
            catch (SocketException exception)
            {
                throw new ListenFailedException(host, exception);
            }
        }

        return [.. addresses.Select(address => new IPEndPoint(address, port))];
    }

    /// <summary>Listens on all end points, but for those of addresses that the machine has not if that is asked for.</summary>
    /// <exception cref="ListenFailedException">One cannot be listened on, and none is.</exception>
    internal static List<IoHandle> Open(EventLoop loop, IPEndPoint[] endPoints, bool skipAbsent, ServerOptions options)
    {
        IoBackend backend = loop.Host.Backend;
        var handles = new List<IoHandle>();
        ListenFailedException? skipped = null;
        foreach (IPEndPoint endPoint in endPoints)
        {
            var spec = new HandleSpec
            {
                AddressFamily = endPoint.AddressFamily,
                LocalEndPoint = endPoint,
                Backlog = options.Backlog,
                ReuseAddress = options.ReuseAddress,
                ReusePort = options.ReusePort,
            };
            IoHandle? handle = backend.Open(spec, out SocketError error);
            if (handle is not null)
            {
                options.Tcp.ApplyBufferSizes(handle);
                handles.Add(handle);
                continue;
            }

            skipped = new ListenFailedException(endPoint, error);
            if (!skipAbsent || error is not (SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported))
            {
                handles.ForEach(opened => backend.Release(opened, reset: false));
                throw skipped;
            }
        }

        return handles.Count > 0 ? handles : throw skipped!;
    }
}
