using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What addresses add to a loop: client connections to whatever they say.</summary>
public static class AddressConnecting
{
    private const string StreamsOnly = "It is one of datagrams: see CreateDatagramEndpointAsync.";

    /// <param name="loop">The loop that the connection will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Connects to an address, as the call for its kind does: <c>CreateConnectionAsync</c> for <c>tcp://</c> and
        /// <c>tls://</c>, <c>CreateUnixConnectionAsync</c> for <c>unix:</c>, and <c>AdoptConnectionAsync</c> for <c>fd:</c>.
        /// <c>pipe:</c> is a Unix socket on Unix; on Windows it is a <c>NamedPipeClientStream</c>, whose two directions end
        /// together. A wait of the current scope. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a connection for it.</param>
        /// <param name="address">The address.</param>
        /// <param name="options">
        /// Time-out and the connection's options; null for the defaults. What the address says itself comes first. When the
        /// options have TLS, it is spoken to every kind of address, also to <c>tcp://</c>.
        /// </param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">
        /// Nobody can be connected to at the address; or the options have what its kind has not.
        /// </exception>
        /// <exception cref="ConnectFailedException">Nobody has answered.</exception>
        /// <exception cref="AdoptFailedException">The descriptor is no connected stream socket. It is left alone.</exception>
        /// <exception cref="TlsException">The TLS handshake has failed; the message says why.</exception>
        /// <exception cref="TlsCertificateException">
        /// The file of the authorities cannot be read, which is done within this call.
        /// </exception>
        /// <exception cref="NotSupportedException">The loop or the system has nothing of the kind.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Connection<TProtocol>> CreateConnectionAsync<TProtocol>(
            Func<TProtocol> factory,
            ServiceAddress address,
            ConnectOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(address);
            options ??= ConnectOptions.Default;
            options.Validate();
            address.Require(AddressUse.Connect, nameof(address));
            loop.Host.VerifyRunning();
            return address switch
            {
                TcpAddress tcp => loop.CreateConnectionAsync(factory, tcp.Host!, tcp.Port, options, cancellationToken),
                TlsAddress tls => ConnectWithTlsAsync(loop, factory, tls, options, cancellationToken),
                UnixAddress unix => loop.CreateUnixConnectionAsync(
                    factory,
                    unix.Path,
                    unix.IsAbstract ? options with { AllowAbstractName = true } : options,
                    cancellationToken),
                PipeAddress pipe when !OperatingSystem.IsWindows() => loop.CreateUnixConnectionAsync(
                    factory, pipe.SocketPath, options, cancellationToken),
                PipeAddress pipe => NamedPipeConnecting.ConnectAsync(loop, factory, pipe.Name, options, cancellationToken),
                DescriptorAddress inherited => ConnectInheritedAsync(loop, factory, inherited, options, cancellationToken),
                _ => throw address.WrongKind(StreamsOnly, nameof(address)),
            };
        }

        /// <summary>
        /// Connects to an address, as <c>CreateConnectionAsync</c> does. Whoever opens a connection disposes it.
        /// </summary>
        /// <param name="address">The address.</param>
        /// <param name="options">Time-out and the connection's options; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <exception cref="ArgumentException">Nobody can be connected to at the address.</exception>
        /// <exception cref="ConnectFailedException">Nobody has answered.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public async Task<StreamConnection> OpenConnectionAsync(
            ServiceAddress address,
            ConnectOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
        {
            streamOptions?.Validate();
            Connection<StreamConnection> made = await loop.CreateConnectionAsync(
                () => new StreamConnection(streamOptions), address, options, cancellationToken);
            return made.Protocol;
        }
    }

    private static async Task<Connection<TProtocol>> ConnectWithTlsAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        TlsAddress address,
        ConnectOptions options,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal; // before a file is read
        }

        options = options with { Tls = address.ToClientOptions(options.Tls) };
        return await loop.CreateConnectionAsync(factory, address.Host!, address.Port, options, cancellationToken);
    }

    private static async Task<Connection<TProtocol>> ConnectInheritedAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        DescriptorAddress address,
        ConnectOptions options,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        if (options.LocalEndPoint is not null || options.AddressFilter is not null)
        {
            throw new ArgumentException(
                $"{address}: it is connected already, so there is nothing to connect from, and no address to filter.",
                nameof(options));
        }

        TlsClientOptions? tls = options.Tls?.For(host: null);
        if (options.MaxReceivedHandles > 0)
        {
            HandlePassing.Require(loop.Host.Backend);
        }

        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        bool isUnix;
        IoHandle handle;
        using (InheritedSocket inherited = InheritedSocket.Open(address))
        {
            handle = SocketAdoption.Adopt(loop, inherited.Socket, isListening: false);
            isUnix = inherited.Socket.AddressFamily == AddressFamily.Unix;
            options.Tcp.ApplyTo(handle, inherited.Socket.AddressFamily);
            inherited.Close();
        }

        ExecutionContext? context = LoopHost.CaptureContext();
        if (tls is not null)
        {
            handle = await TlsConnect.HandshakeAsync(loop, handle, tls, context, cancellationToken);
        }

        return TcpConnecting.MakeConnection(
            loop, factory, handle, options.Tcp, context, isUnix ? options.MaxReceivedHandles : 0);
    }
}
