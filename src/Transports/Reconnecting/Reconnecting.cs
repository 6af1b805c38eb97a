using System.Net;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What a loop has for clients that last.</summary>
public static class Reconnecting
{
    /// <param name="loop">The loop that the client will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Makes a client that connects to a host by name or address, as <c>CreateConnectionAsync</c> does, and again whenever
        /// its connection has ended. It begins with <see cref="ReconnectingClient.RunAsync"/>. Each attempt resolves the name
        /// anew, and has the time of <see cref="ConnectOptions.Timeout"/>. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes the protocol of each connection; what it throws ends the client.</param>
        /// <param name="host">A name, or an IP address in its usual form.</param>
        /// <param name="port">1 to 65535.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">
        /// The host can be neither a name nor an address; the port is no port; an option is out of range.
        /// </exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamProtocol> factory,
            string host,
            int port,
            ConnectOptions? connectOptions = null,
            ReconnectOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            Require(host, port, connectOptions);
            return FromProtocol(
                loop, factory, watched => loop.CreateConnectionAsync(watched, host, port, connectOptions), options);
        }

        /// <summary>The same with one address instead of a host.</summary>
        /// <param name="factory">Makes the protocol of each connection; what it throws ends the client.</param>
        /// <param name="remoteEndPoint">The address and port.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">An option is out of range, or TLS was asked for and no name.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamProtocol> factory,
            IPEndPoint remoteEndPoint,
            ConnectOptions? connectOptions = null,
            ReconnectOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            Require(remoteEndPoint, connectOptions);
            return FromProtocol(
                loop, factory, watched => loop.CreateConnectionAsync(watched, remoteEndPoint, connectOptions), options);
        }

        /// <summary>The same with a Unix socket, as <c>CreateUnixConnectionAsync</c> connects to it.</summary>
        /// <param name="factory">Makes the protocol of each connection; what it throws ends the client.</param>
        /// <param name="path">The path, of at most 107 bytes in UTF-8.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">The path cannot be one; an option is out of range, or not for Unix
        /// sockets.</exception>
        /// <exception cref="NotSupportedException">Handles are to be received, and the loop's kind cannot.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingUnixClient(
            Func<StreamProtocol> factory,
            string path,
            ConnectOptions? connectOptions = null,
            ReconnectOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            UnixConnecting.Checked(loop, path, connectOptions);
            return FromProtocol(
                loop, factory, watched => loop.CreateUnixConnectionAsync(watched, path, connectOptions), options);
        }

        /// <summary>The same with an address of any kind that can be connected to again, so not an inherited descriptor.</summary>
        /// <param name="factory">Makes the protocol of each connection; what it throws ends the client.</param>
        /// <param name="address">The address.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">Nobody can be connected to at the address again; an option is out of range.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamProtocol> factory,
            ServiceAddress address,
            ConnectOptions? connectOptions = null,
            ReconnectOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(factory);
            Require(address, connectOptions);
            return FromProtocol(
                loop, factory, watched => loop.CreateConnectionAsync(watched, address, connectOptions), options);
        }

        /// <summary>
        /// The same with a delegate that makes each connection, by whatever call of the toolkit's:
        /// <c>() =&gt; ConnectAndLogInAsync(loop)</c>.
        /// </summary>
        /// <param name="connect">
        /// Makes one connection, in a scope that is cancelled when the client is stopped, so that the toolkit's waits end; others
        /// take <see cref="CancelScope.CurrentToken"/>. When it throws, it has closed what it had made.
        /// <see cref="ReconnectOptions.IsTransient"/> says what ends the client.
        /// </param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">An option is out of range.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient<TProtocol>(
            Func<Task<Connection<TProtocol>>> connect, ReconnectOptions? options = null)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(connect);
            return new ReconnectingClient(
                loop,
                async _ =>
                {
                    Transport? transport = (await Required(connect())).Transport;
                    return new ReconnectingClient.Made(transport ?? throw NoConnection(), null);
                },
                handler: null,
                options);
        }

        /// <summary>
        /// Makes a client that opens a connection to a host, as <c>OpenConnectionAsync</c> does, calls the handler for as long as
        /// it lives, and opens another. The connection is the client's to close. Loop thread only.
        /// </summary>
        /// <param name="handler">
        /// An asynchronous method, called for one connection after the other within <see cref="ReconnectingClient.RunAsync"/>,
        /// which says what its end means.
        /// </param>
        /// <param name="host">A name, or an IP address in its usual form.</param>
        /// <param name="port">1 to 65535.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">
        /// The host can be neither a name nor an address; the port is no port; an option is out of range.
        /// </exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamConnection, Task> handler,
            string host,
            int port,
            ConnectOptions? connectOptions = null,
            StreamOptions? streamOptions = null,
            ReconnectOptions? options = null)
        {
            Require(host, port, connectOptions);
            streamOptions?.Validate();
            return loop.CreateReconnectingClient(
                handler, () => loop.OpenConnectionAsync(host, port, connectOptions, streamOptions), options);
        }

        /// <summary>The same with one address instead of a host.</summary>
        /// <param name="handler">An asynchronous method, called for one connection after the other.</param>
        /// <param name="remoteEndPoint">The address and port.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">An option is out of range, or TLS was asked for and no name.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamConnection, Task> handler,
            IPEndPoint remoteEndPoint,
            ConnectOptions? connectOptions = null,
            StreamOptions? streamOptions = null,
            ReconnectOptions? options = null)
        {
            Require(remoteEndPoint, connectOptions);
            streamOptions?.Validate();
            return loop.CreateReconnectingClient(
                handler, () => loop.OpenConnectionAsync(remoteEndPoint, connectOptions, streamOptions), options);
        }

        /// <summary>The same with a Unix socket, as <c>OpenUnixConnectionAsync</c> connects to it.</summary>
        /// <param name="handler">An asynchronous method, called for one connection after the other.</param>
        /// <param name="path">The path, of at most 107 bytes in UTF-8.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">The path cannot be one; an option is out of range, or not for Unix
        /// sockets.</exception>
        /// <exception cref="NotSupportedException">Handles are to be received, and the loop's kind cannot.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingUnixClient(
            Func<StreamConnection, Task> handler,
            string path,
            ConnectOptions? connectOptions = null,
            StreamOptions? streamOptions = null,
            ReconnectOptions? options = null)
        {
            UnixConnecting.Checked(loop, path, connectOptions);
            streamOptions?.Validate();
            return loop.CreateReconnectingClient(
                handler, () => loop.OpenUnixConnectionAsync(path, connectOptions, streamOptions), options);
        }

        /// <summary>The same with an address of any kind that can be connected to again, so not an inherited descriptor.</summary>
        /// <param name="handler">An asynchronous method, called for one connection after the other.</param>
        /// <param name="address">The address.</param>
        /// <param name="connectOptions">How each connection is made; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">Nobody can be connected to at the address again; an option is out of range.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamConnection, Task> handler,
            ServiceAddress address,
            ConnectOptions? connectOptions = null,
            StreamOptions? streamOptions = null,
            ReconnectOptions? options = null)
        {
            Require(address, connectOptions);
            streamOptions?.Validate();
            return loop.CreateReconnectingClient(
                handler, () => loop.OpenConnectionAsync(address, connectOptions, streamOptions), options);
        }

        /// <summary>The same with a delegate that makes each connection.</summary>
        /// <param name="handler">An asynchronous method, called for one connection after the other.</param>
        /// <param name="connect">
        /// Makes one connection, in a scope that is cancelled when the client is stopped, so that the toolkit's waits end; others
        /// take <see cref="CancelScope.CurrentToken"/>. When it throws, it has closed what it had made.
        /// </param>
        /// <param name="options">When it is made again, and who is told; null for the defaults.</param>
        /// <exception cref="ArgumentException">An option is out of range.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ReconnectingClient CreateReconnectingClient(
            Func<StreamConnection, Task> handler, Func<Task<StreamConnection>> connect, ReconnectOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(handler);
            ArgumentNullException.ThrowIfNull(connect);
            return new ReconnectingClient(
                loop,
                async _ =>
                {
                    StreamConnection stream = await Required(connect()) ?? throw NoConnection();
                    return new ReconnectingClient.Made(stream.Transport, stream);
                },
                handler,
                options);
        }
    }

    private static ReconnectingClient FromProtocol(
        EventLoop loop,
        Func<StreamProtocol> factory,
        Func<Func<StreamProtocol>, Task<Connection<StreamProtocol>>> connect,
        ReconnectOptions? options)
        => new(
            loop,
            async client => new ReconnectingClient.Made((await connect(client.Watch(factory))).Transport, null),
            handler: null,
            options);

    private static void Require(string host, int port, ConnectOptions? options)
    {
        HostName.Validate(host, nameof(host));
        TcpConnecting.RequirePort(port);
        TcpConnecting.Checked(options, host);
    }

    private static void Require(IPEndPoint remoteEndPoint, ConnectOptions? options)
    {
        ArgumentNullException.ThrowIfNull(remoteEndPoint);
        TcpConnecting.RequirePort(remoteEndPoint.Port);
        TcpConnecting.Checked(options, host: null);
    }

    private static void Require(ServiceAddress address, ConnectOptions? options)
    {
        ArgumentNullException.ThrowIfNull(address);
        address.Require(AddressUse.Connect, nameof(address));
        if (address is DescriptorAddress or UdpAddress)
        {
            throw address.WrongKind("A client that connects again needs somebody who listens.", nameof(address));
        }

        options?.Validate();
    }

    private static Task<T> Required<T>(Task<T>? connecting)
        => connecting ?? throw new InvalidOperationException("The delegate that connects returned null instead of a task.");

    private static InvalidOperationException NoConnection()
        => new("The delegate that connects returned no connection.");
}
