using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What UDP and Unix datagrams add to a loop: end points.</summary>
public static class DatagramEndpoints
{
    /// <param name="loop">The loop that the end point will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Makes a datagram end point: bound, connected, or both. Then the protocol is made and told of it, and then this
        /// returns. A wait of the current scope, though it waits for nothing. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a socket for it.</param>
        /// <param name="options">The addresses, and how the end point behaves.</param>
        /// <param name="cancellationToken">When cancelled, nothing begins.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">
        /// The options contradict each other or are out of range; the message says which.
        /// </exception>
        /// <exception cref="DatagramEndpointFailedException">The system does not let us; the message says why.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <remarks>
        /// What <paramref name="factory"/> or <see cref="DatagramProtocol.ConnectionMade"/> throws comes out of here too, with
        /// the end point aborted.
        /// </remarks>
        public Task<DatagramEndpoint<TProtocol>> CreateDatagramEndpointAsync<TProtocol>(
            Func<TProtocol> factory, DatagramOptions options, CancellationToken cancellationToken = default)
            where TProtocol : DatagramProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            loop.Host.VerifyRunning();
            if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
            {
                return Task.FromException<DatagramEndpoint<TProtocol>>(refusal);
            }

            try
            {
                return Task.FromResult(Make(loop, factory, options, LoopHost.CaptureContext()));
            }
            catch (Exception exception)
            {
                return Task.FromException<DatagramEndpoint<TProtocol>>(exception);
            }
        }

        /// <summary>
        /// Makes an end point that is connected to a host by name or address. The name is checked and resolved off the loop; the
        /// first of its addresses is taken that is of the local end point's family, if there is one. Otherwise as the overload
        /// that takes options alone.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a socket for it.</param>
        /// <param name="host">A name, or an IP address in its usual form.</param>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">
        /// How the end point behaves, without <see cref="DatagramOptions.RemoteEndPoint"/>; null for the defaults.
        /// </param>
        /// <param name="cancellationToken">Gives up, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address; the port is no port; the options
        /// contradict each other.</exception>
        /// <exception cref="DatagramEndpointFailedException">There is no such name, or the system does not let us.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<DatagramEndpoint<TProtocol>> CreateDatagramEndpointAsync<TProtocol>(
            Func<TProtocol> factory,
            string host,
            int port,
            DatagramOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : DatagramProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            HostName.Validate(host, nameof(host));
            if (port is < 1 or > IPEndPoint.MaxPort)
            {
                throw new ArgumentOutOfRangeException(nameof(port), port, "A port to connect to is 1 to 65535.");
            }

            options ??= new DatagramOptions();
            if (options.RemoteEndPoint is not null)
            {
                throw new ArgumentException(
                    $"The host is the peer. Leave out {nameof(DatagramOptions.RemoteEndPoint)}.", nameof(options));
            }

            (options with { RemoteEndPoint = new IPEndPoint(FamilyAddress(options), port) }).Validate();
            loop.Host.VerifyRunning();
            return ConnectToHostAsync(loop, factory, host, port, options, LoopHost.CaptureContext(), cancellationToken);
        }
    }

    private static IPAddress FamilyAddress(DatagramOptions options)
        => options.LocalEndPoint?.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback;

    private static async Task<DatagramEndpoint<TProtocol>> ConnectToHostAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        string host,
        int port,
        DatagramOptions options,
        ExecutionContext? context,
        CancellationToken cancellationToken)
        where TProtocol : DatagramProtocol
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        IPAddress[] addresses;
        try
        {
            addresses = await HostName.ResolveAsync(loop, host, cancellationToken);
        }
        catch (SocketException exception)
        {
            throw new DatagramEndpointFailedException(
                exception.SocketErrorCode,
                $"The name {LogText.Escape(host)} could not be resolved ({exception.SocketErrorCode}).",
                exception);
        }

        IPAddress address = Array.Find(
            addresses, each => options.LocalEndPoint is not { } local || each.AddressFamily == local.AddressFamily)
            ?? throw new DatagramEndpointFailedException(
                SocketError.AddressFamilyNotSupported,
                $"{LogText.Escape(host)} has no address of the local end point's family.");
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        return Make(loop, factory, options with { RemoteEndPoint = new IPEndPoint(address, port) }, context);
    }

    private static DatagramEndpoint<TProtocol> Make<TProtocol>(
        EventLoop loop, Func<TProtocol> factory, DatagramOptions options, ExecutionContext? context)
        where TProtocol : DatagramProtocol
    {
        loop.Host.VerifyRunning();
        IoHandle handle = Open(loop, options);
        TProtocol protocol;
        try
        {
            protocol = factory() ?? throw new InvalidOperationException("The protocol factory returned null.");
        }
        catch
        {
            handle.Backend.Release(handle, reset: false);
            throw;
        }

        var transport = new DatagramSocketTransport(loop, handle, protocol, options, context);
        return transport.Start() is { } failure
            ? throw failure
            : new DatagramEndpoint<TProtocol>(transport, protocol);
    }

    /// <summary>Makes a socket as the options say, which are valid.</summary>
    /// <exception cref="DatagramEndpointFailedException">The system does not let us.</exception>
    internal static IoHandle Open(EventLoop loop, DatagramOptions options)
    {
        IoBackend backend = loop.Host.Backend;
        var spec = new HandleSpec
        {
            AddressFamily = options.Family,
            IsDatagram = true,
            LocalEndPoint = options.LocalEndPoint,
            RemoteEndPoint = options.RemoteEndPoint,
            ReuseAddress = options.ReuseAddress,
            ReusePort = options.ReusePort,
        };
        IoHandle handle = backend.Open(spec, out SocketError error) ?? throw Failed(options, error, option: null);
        (error, string option) = options.Apply(handle);
        if (error != SocketError.Success)
        {
            backend.Release(handle, reset: false);
            throw Failed(options, error, option);
        }

        return handle;
    }

    private static DatagramEndpointFailedException Failed(DatagramOptions options, SocketError error, string? option)
    {
        string where = options.LocalEndPoint is { } local && options.RemoteEndPoint is { } remote ? $"from {local} to {remote}"
            : options.LocalEndPoint is { } bound ? $"at {bound}"
            : $"to {options.RemoteEndPoint}";
        string why = option is not null ? $"the option {option} could not be set ({error})" : error switch
        {
            SocketError.AddressAlreadyInUse => "the address is taken",
            SocketError.NotSocket => "what is there is no socket, and is left alone",
            SocketError.AddressNotAvailable => "the address is not this machine's",
            SocketError.AccessDenied => "it is not allowed",
            SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
            SocketError.AddressFamilyNotSupported => "this loop has no datagrams of that family",
            SocketError.OperationNotSupported => "this loop has no datagrams",
            _ => error.ToString(),
        };
        return new DatagramEndpointFailedException(error, $"There is no datagram end point {where}: {why}.");
    }
}
