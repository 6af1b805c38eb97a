using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What TCP adds to a loop: client connections.</summary>
public static class TcpConnecting
{
    /// <param name="loop">The loop that the connection will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Connects to a host by name or address. The name is checked, resolved off the loop, and its addresses are tried until
        /// one answers, the next beside one that does not for a while (<see cref="ConnectOptions.AttemptDelay"/>). Then the
        /// protocol is made and told of the connection, and then this returns. A wait of the current scope. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a connection for it.</param>
        /// <param name="host">A name, or an IP address in its usual form.</param>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Time-out, local end point and the connection's options; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port.</exception>
        /// <exception cref="ConnectFailedException">No address answered, or there is no such name.</exception>
        /// <exception cref="TlsException">The TLS handshake has failed; the message says why.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
        /// <remarks>
        /// What <paramref name="factory"/> or <see cref="StreamProtocol.ConnectionMade"/> throws comes out of here too, with
        /// the connection aborted, and so does what the resolver or <see cref="ConnectOptions.AddressFilter"/> throws.
        /// </remarks>
        public Task<Connection<TProtocol>> CreateConnectionAsync<TProtocol>(
            Func<TProtocol> factory,
            string host,
            int port,
            ConnectOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            HostName.Validate(host, nameof(host));
            RequirePort(port);
            options = Checked(options, host);
            loop.Host.VerifyRunning();
            return ConnectTracing.TraceAsync(
                host, port, () => ConnectToHostAsync(loop, factory, host, port, options, cancellationToken));
        }

        /// <summary>Connects to one address; otherwise as the overload that takes a host. Loop thread only.</summary>
        /// <param name="factory">Makes the protocol; called once, when there is a connection for it.</param>
        /// <param name="remoteEndPoint">The address and port.</param>
        /// <param name="options">Time-out, local end point and the connection's options; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">TLS was asked for, and no name for the server's certificate.</exception>
        /// <exception cref="ConnectFailedException">The address did not answer.</exception>
        /// <exception cref="TlsException">The TLS handshake has failed; the message says why.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Connection<TProtocol>> CreateConnectionAsync<TProtocol>(
            Func<TProtocol> factory,
            IPEndPoint remoteEndPoint,
            ConnectOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(remoteEndPoint);
            RequirePort(remoteEndPoint.Port);
            options = Checked(options, host: null);
            loop.Host.VerifyRunning();
            string target = remoteEndPoint.ToString();
            return ConnectTracing.TraceAsync(remoteEndPoint.Address.ToString(), remoteEndPoint.Port, () => ConnectToAddressesAsync(
                loop, factory, target, [remoteEndPoint], options, options.BoundedTimeout, cancellationToken));
        }
    }

    internal static ConnectOptions Checked(ConnectOptions? options, string? host)
    {
        options ??= ConnectOptions.Default;
        options.Validate();
        return options.Tls is { } tls ? options with { Tls = tls.For(host) } : options;
    }

    internal static void RequirePort(int port)
    {
        if (port is < 1 or > IPEndPoint.MaxPort)
        {
            throw new ArgumentOutOfRangeException(nameof(port), port, "A port to connect to is 1 to 65535.");
        }
    }

    private static async Task<Connection<TProtocol>> ConnectToHostAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        string host,
        int port,
        ConnectOptions options,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        string target = string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");
        TimeSpan started = loop.Time;
        IPAddress[] addresses;
        using (var limit = new CancellationTokenSource(options.BoundedTimeout, loop.TimeProvider))
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken))
        {
            try
            {
                addresses = await HostName.ResolveAsync(loop, host, either.Token);
            }
            catch (SocketException exception)
            {
                throw new ConnectFailedException(target, exception);
            }
            catch (OperationCanceledException exception) when (exception is not ScopeCancelledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw new ConnectFailedException(target, new SocketException((int)SocketError.TimedOut));
            }
        }

        if (options.AttemptDelay != Timeout.InfiniteTimeSpan)
        {
            addresses = AddressOrder.Interleave(addresses);
        }

        IPEndPoint[] endPoints = [.. addresses.Select(address => new IPEndPoint(address, port))];
        TimeSpan left = options.BoundedTimeout - (loop.Time - started);
        return await ConnectToAddressesAsync(loop, factory, target, endPoints, options, left, cancellationToken);
    }

    internal static async Task<Connection<TProtocol>> ConnectToAddressesAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        string target,
        IPEndPoint[] endPoints,
        ConnectOptions options,
        TimeSpan time,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        ExecutionContext? context = LoopHost.CaptureContext();
        IoHandle handle = await ConnectHandleAsync(loop, target, endPoints, options, time, context, cancellationToken);
        if (options.Tls is { } tls)
        {
            handle = await TlsConnect.HandshakeAsync(loop, handle, tls, context, cancellationToken);
        }

        return MakeConnection(loop, factory, handle, options.Tcp, context);
    }

    /// <summary>Connects to one of the addresses; TLS is the caller's business.</summary>
    internal static async Task<IoHandle> ConnectHandleAsync(
        EventLoop loop,
        string target,
        IPEndPoint[] endPoints,
        ConnectOptions options,
        TimeSpan time,
        ExecutionContext? context,
        CancellationToken cancellationToken)
    {
        endPoints = Array.ConvertAll(endPoints, WithoutMapping);
        if (options.LocalEndPoint is { } local)
        {
            endPoints = [.. endPoints.Where(endPoint => endPoint.AddressFamily == local.AddressFamily)];
        }

        (IoHandle? handle, IReadOnlyList<ConnectFailure> failures) = await ConnectRace.RunAsync(
            loop, target, endPoints, options, time, context, cancellationToken);
        return handle ?? throw new ConnectFailedException(target, failures);
    }

    // An IPv4 address in the form of an IPv6 one, as sockets of both families give it, is for a socket of IPv4.
    private static IPEndPoint WithoutMapping(IPEndPoint endPoint)
        => endPoint.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(endPoint.Address.MapToIPv4(), endPoint.Port) : endPoint;

    internal static Connection<TProtocol> MakeConnection<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        IoHandle handle,
        TcpOptions options,
        ExecutionContext? context,
        int maxReceivedHandles = 0)
        where TProtocol : StreamProtocol
    {
        TProtocol protocol;
        try
        {
            if (loop.Host.IsClosing)
            {
                CancelScope.ThrowIfCancelled(); // who is cancelled with the loop has not failed
            }

            loop.Host.VerifyRunning();
            protocol = factory() ?? throw new InvalidOperationException("The protocol factory returned null.");
        }
        catch
        {
            handle.Backend.Release(handle, reset: true);
            throw;
        }

        var origin = new ConnectionOrigin(loop, options, context, Owner: null) { MaxReceivedHandles = maxReceivedHandles };
        var transport = new StreamTransport(origin, handle, protocol);
        return transport.Start() is { } failure
            ? throw failure
            : new Connection<TProtocol>(transport, protocol);
    }
}
