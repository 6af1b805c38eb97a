using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>Servers at whatever addresses say.</summary>
public static class AddressServing
{
    private const string StreamsOnly = "It is one of datagrams: see CreateDatagramEndpointAsync.";

    /// <param name="loop">The loop that the server and its connections will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>Listens at one address; otherwise as for several. Loop thread only.</summary>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="address">The address.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up the resolution of a name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">Nobody can listen there.</exception>
        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        /// <exception cref="AdoptFailedException">What was inherited is no stream socket that listens.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory,
            ServiceAddress address,
            ServerOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(address);
            return loop.CreateServerAsync(factory, [address], options, cancellationToken);
        }

        /// <summary>
        /// Listens at several addresses, of any kinds: at all, or at none. A wait of the current scope. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <c>tcp://:port</c> is loopback, both families; all interfaces must be asked for (<c>0.0.0.0</c>, <c>[::]</c>). Of a
        /// name's addresses those that this machine does not have are left out, unless none is left. <c>tls://</c> shows the
        /// certificate of the address, or else that of the options. When the options have TLS, it is spoken at every address,
        /// also at <c>tcp://</c>. <c>fd:</c> and <c>systemd:</c> are taken when all goes well, and else left open.
        /// <c>pipe:</c> is a Unix socket, on Unix. <see cref="Server.Addresses"/> says where the server is.
        /// </remarks>
        /// <param name="factory">Makes a protocol for each connection.</param>
        /// <param name="addresses">At least one; the same one twice counts as one.</param>
        /// <param name="options">Null for the defaults. What an address says itself comes first.</param>
        /// <param name="cancellationToken">Gives up the resolution of a name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">There is no address, or nobody can listen at one of them.</exception>
        /// <exception cref="ListenFailedException">One of them cannot be listened on.</exception>
        /// <exception cref="AdoptFailedException">What was inherited is no stream socket that listens.</exception>
        /// <exception cref="TlsCertificateException">A certificate cannot be used. Files are read within this call.</exception>
        /// <exception cref="NotSupportedException">The loop or the system has nothing of the kind.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
        public Task<Server> CreateServerAsync(
            Func<StreamProtocol> factory,
            IEnumerable<ServiceAddress> addresses,
            ServerOptions? options = null,
            CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(addresses);
            ServiceAddress[] wanted = [.. addresses.Distinct()];
            if (wanted.Length == 0 || Array.Exists(wanted, address => address is null))
            {
                throw new ArgumentException("A server needs at least one address, and no null.", nameof(addresses));
            }

            options ??= ServerOptions.Default;
            options.Validate();
            foreach (ServiceAddress address in wanted)
            {
                address.Require(AddressUse.Listen, nameof(addresses));
                if (address is UdpAddress)
                {
                    throw address.WrongKind(StreamsOnly, nameof(addresses));
                }

                (address as TlsAddress)?.RequireCertificate(options.Tls, nameof(addresses));
                if (address is PipeAddress && OperatingSystem.IsWindows())
                {
                    throw new PlatformNotSupportedException(
                        $"{address}: no server listens on a named pipe of Windows. Let a NamedPipeServerStream wait for each client, "
                        + "and hand it to ConnectPipeStreamAsync.");
                }
            }

            loop.Host.VerifyRunning();
            if (options.MaxReceivedHandles > 0)
            {
                HandlePassing.Require(loop.Host.Backend);
            }

            return ListenAsync(loop, factory, wanted, options, LoopHost.CaptureContext(), cancellationToken);
        }

        /// <summary>
        /// Listens at one address, as <c>CreateServerAsync</c> does, and runs the handler for each connection; otherwise as the
        /// overload that takes a host. Loop thread only.
        /// </summary>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="address">The address.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up the resolution of a name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">Nobody can listen there.</exception>
        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Server> StartServerAsync(
            Func<StreamConnection, Task> handler,
            ServiceAddress address,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
            => StreamServing.StartAsync(
                loop, handler, streamOptions, factory => loop.CreateServerAsync(factory, address, options, cancellationToken));

        /// <summary>Listens at several addresses, of any kinds; otherwise as for one. Loop thread only.</summary>
        /// <param name="handler">Called for each connection, as a task of its own.</param>
        /// <param name="addresses">At least one; the same one twice counts as one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up the resolution of a name; so does the current scope.</param>
        /// <returns>The server, listening.</returns>
        /// <exception cref="ArgumentException">There is no address, or nobody can listen at one of them.</exception>
        /// <exception cref="ListenFailedException">One of them cannot be listened on.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<Server> StartServerAsync(
            Func<StreamConnection, Task> handler,
            IEnumerable<ServiceAddress> addresses,
            ServerOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
            => StreamServing.StartAsync(
                loop, handler, streamOptions, factory => loop.CreateServerAsync(factory, addresses, options, cancellationToken));
    }

    private static async Task<Server> ListenAsync(
        EventLoop loop,
        Func<StreamProtocol> factory,
        ServiceAddress[] addresses,
        ServerOptions options,
        ExecutionContext? context,
        CancellationToken cancellationToken)
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        // All that may take time or fail for other reasons first, and nothing in between when the first socket is open.
        var plans = new List<Plan>();
        foreach (ServiceAddress address in addresses)
        {
            ServerOptions own = Merge(options, address);
            own.Validate();
            plans.Add(new Plan(address, own, address is InternetAddress { Host: var host, Port: var port }
                ? await TcpServing.ResolveAsync(loop, host, port, cancellationToken)
                : []));
        }

        loop.Host.VerifyRunning();
        using var opened = new OpenedHandles(loop);
        foreach (Plan plan in plans)
        {
            opened.Open(plan);
        }

        return new Server(loop, factory, opened.Keep(), options, context);
    }

    private static ServerOptions Merge(ServerOptions options, ServiceAddress address) => address switch
    {
        TlsAddress tls => options with { Tls = tls.ToServerOptions(options.Tls) },
        UnixAddress { Mode: { } mode } => options with { UnixMode = mode },
        _ => options,
    };

    private sealed record Plan(ServiceAddress Address, ServerOptions Options, IPEndPoint[] EndPoints);

    /// <summary>What was opened so far, which is undone unless it is kept.</summary>
    private sealed class OpenedHandles(EventLoop loop) : IDisposable
    {
        private const string Parameter = "addresses"; // as the caller knows them

        private readonly List<ListeningHandle> _handles = [];
        private readonly List<InheritedSocket> _inherited = [];
        private readonly List<ActivatedSocket> _activated = [];
        private bool _isKept;

        /// <exception cref="ListenFailedException">It cannot be listened on.</exception>
        /// <exception cref="AdoptFailedException">It is no socket that listens.</exception>
        public void Open(Plan plan)
        {
            ServerOptions options = plan.Options;
            switch (plan.Address)
            {
                case InternetAddress:
                    Add(TcpServing.Open(loop, plan.EndPoints, skipAbsent: true, options), options);
                    break;
                case UnixAddress unix:
                    UnixDomainSocketEndPoint name = UnixName.Parse(unix.Path, unix.IsAbstract, Parameter);
                    Add([UnixServing.Open(loop, name, options)], options, new UnixAddress(unix.Path));
                    break;
                case PipeAddress pipe:
                    UnixDomainSocketEndPoint path = UnixName.Parse(pipe.SocketPath, allowsAbstract: false, Parameter);
                    Add([UnixServing.Open(loop, path, options)], options, pipe);
                    break;
                case DescriptorAddress descriptor:
                    var inherited = InheritedSocket.Open(descriptor);
                    _inherited.Add(inherited);
                    Add(ListeningSockets.Open(loop, [inherited.Socket], options), options);
                    break;
                case SystemdAddress systemd:
                    IReadOnlyList<ActivatedSocket> activated = SocketActivation.TakeSockets(systemd.Name);
                    _activated.AddRange(activated);
                    Add(ListeningSockets.Open(loop, activated.Select(each => each.Socket), options), options);
                    break;
            }
        }

        /// <summary>The handles, which are the server's from here on.</summary>
        public List<ListeningHandle> Keep()
        {
            _isKept = true;
            _inherited.ForEach(inherited => inherited.Close());
            _activated.ForEach(activated => activated.Socket.Dispose());
            return _handles;
        }

        public void Dispose()
        {
            _inherited.ForEach(inherited => inherited.Dispose());
            if (!_isKept)
            {
                _handles.ForEach(each => each.Handle.Backend.Release(each.Handle, reset: false));
                SocketActivation.Hold(_activated);
            }
        }

        private void Add(List<IoHandle> handles, ServerOptions options, ServiceAddress? asked = null)
            => _handles.AddRange(handles.Select(handle => new ListeningHandle(handle, options.Tls, asked)));
    }
}
