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

        /// <summary>
        /// Makes an end point of <c>udp://</c> addresses: bound to the first, connected to the second, or both. Names are
        /// resolved; an end point has one address, so the first of the name's is taken that fits the other. To be bound,
        /// <c>udp://:port</c> is the loopback address of IPv4, or of the family of the peer's address. Otherwise as the overload
        /// that takes options alone.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a socket for it.</param>
        /// <param name="local">Where datagrams are received; null leaves it to the system.</param>
        /// <param name="remote">The one peer; null leaves the end point open to all.</param>
        /// <param name="options">How the end point behaves, without addresses; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">
        /// There is no address, or one is not <c>udp://</c>, or cannot be connected to; or the options have addresses as well.
        /// </exception>
        /// <exception cref="DatagramEndpointFailedException">There is no such name, or the system does not let us.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<DatagramEndpoint<TProtocol>> CreateDatagramEndpointAsync<TProtocol>(
            Func<TProtocol> factory,
            ServiceAddress? local,
            ServiceAddress? remote = null,
            DatagramOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : DatagramProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            if (local is null && remote is null)
            {
                throw new ArgumentException("A datagram end point needs an address: local to be reached, or remote to be connected.");
            }

            UdpAddress? bound = OfDatagrams(local, AddressUse.Listen, nameof(local));
            UdpAddress? peer = OfDatagrams(remote, AddressUse.Connect, nameof(remote));
            options ??= new DatagramOptions();
            if (options.LocalEndPoint is not null || options.RemoteEndPoint is not null)
            {
                throw new ArgumentException(
                    $"The addresses are said already. Leave out {nameof(DatagramOptions.LocalEndPoint)} and "
                    + $"{nameof(DatagramOptions.RemoteEndPoint)}.",
                    nameof(options));
            }

            loop.Host.VerifyRunning();
            return MakeAsync(loop, factory, bound, peer, options, LoopHost.CaptureContext(), cancellationToken);
        }
    }

    private static UdpAddress? OfDatagrams(ServiceAddress? address, AddressUse use, string parameter)
    {
        address?.Require(use, parameter);
        return address as UdpAddress ?? (address is null
            ? null
            : throw address.WrongKind("Expected udp://host:port; for datagrams of Unix see DatagramOptions.", parameter));
    }

    private static async Task<DatagramEndpoint<TProtocol>> MakeAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        UdpAddress? bound,
        UdpAddress? peer,
        DatagramOptions options,
        ExecutionContext? context,
        CancellationToken cancellationToken)
        where TProtocol : DatagramProtocol
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        IPAddress[] peers = peer is null ? [] : await ResolveAsync(loop, peer.Host!, cancellationToken);
        IPAddress[] locals = bound is null ? []
            : bound.Host is null ? [IPAddress.Loopback, IPAddress.IPv6Loopback]
            : await ResolveAsync(loop, bound.Host, cancellationToken);
        IPAddress? remote = peer is null ? null
            : bound is null ? peers[0]
            : Array.Find(peers, each => Array.Exists(locals, local => local.AddressFamily == each.AddressFamily))
                ?? throw new DatagramEndpointFailedException(
                    SocketError.AddressFamilyNotSupported, $"{bound} and {peer} have no addresses of the same family.");
        IPAddress? local = Array.Find(locals, each => remote is null || each.AddressFamily == remote.AddressFamily);
        options = options with
        {
            LocalEndPoint = local is null ? null : new IPEndPoint(local, bound!.Port),
            RemoteEndPoint = remote is null ? null : new IPEndPoint(remote, peer!.Port),
        };
        options.Validate();
        return Make(loop, factory, options, context);
    }

    // Without those of IPv4 within IPv6, which are for a socket of IPv4.
    private static async Task<IPAddress[]> ResolveAsync(EventLoop loop, string host, CancellationToken cancellationToken)
    {
        try
        {
            IPAddress[] addresses = await HostName.ResolveAsync(loop, host, cancellationToken);
            return Array.ConvertAll(addresses, each => each.IsIPv4MappedToIPv6 ? each.MapToIPv4() : each);
        }
        catch (SocketException exception)
        {
            throw new DatagramEndpointFailedException(
                exception.SocketErrorCode,
                $"The name {LogText.Escape(host)} could not be resolved ({exception.SocketErrorCode}).",
                exception);
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

        IPAddress[] addresses = await ResolveAsync(loop, host, cancellationToken);
        IPAddress address = Array.Find(
            addresses, each => options.LocalEndPoint is not { } local || each.AddressFamily == local.AddressFamily)
            ?? throw new DatagramEndpointFailedException(
                SocketError.AddressFamilyNotSupported,
                $"{LogText.Escape(host)} has no address of the local end point's family.");
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
