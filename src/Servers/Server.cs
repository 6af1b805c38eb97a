using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// Listens on one or several end points, and knows the connections that came of it. Made by <c>loop.CreateServerAsync</c> and
/// <c>loop.CreateUnixServerAsync</c>.
/// Belongs to its loop's thread.
/// </summary>
[DebuggerDisplay("{_connections.Count} connections, {IsListening ? \"listening\" : \"closed\",nq}")]
public sealed class Server : IAsyncDisposable
{
    private readonly EventLoop _loop;
    private readonly ServerOptions _options;
    private readonly ConnectionListener[] _listeners;
    private readonly List<StreamTransport> _connections = [];
    private readonly LimitCounts _limitCounts = new();
    private readonly LimitSweep? _sweep; // null without limits
    private readonly PeerAddressCounts? _addresses; // null without a limit per address
    private readonly Future _closed;
    private readonly Resident _resident;
    private readonly HandshakeQueue? _handshakes;
    private CancellationTokenSource? _draining;
    private bool _closing;
    private bool _isDraining;

    internal Server(
        EventLoop loop,
        Func<StreamProtocol> factory,
        IReadOnlyList<IoHandle> handles,
        ServerOptions options,
        ExecutionContext? context)
        : this(loop, factory, [.. handles.Select(handle => new ListeningHandle(handle, options.Tls))], options, context)
    {
    }

    internal Server(
        EventLoop loop,
        Func<StreamProtocol> factory,
        IReadOnlyList<ListeningHandle> handles,
        ServerOptions options,
        ExecutionContext? context)
    {
        _loop = loop;
        _options = options;
        _closed = new Future(loop);
        _resident = new Resident(this);
        _sweep = options.Limits == ConnectionLimits.None ? null : new LimitSweep(loop, options.Limits, _connections, _limitCounts);
        _addresses = options.MaxConnectionsPerAddress is null ? null : new PeerAddressCounts();
        _handshakes = handles.FirstOrDefault(each => each.Tls is not null).Tls is { } tls
            ? new HandshakeQueue(tls.MaxHandshakes)
            : null;
        _listeners = [.. handles.Select(each => new ConnectionListener(
            loop, each.Handle, factory, options.Tcp, _resident, context, each.Tls, _handshakes, options.MaxReceivedHandles,
            options.IsDiagnostics))];
        Addresses = [.. handles.Select((each, i) => each.AddressOf(_listeners[i].LocalEndPoint)).OfType<ServiceAddress>()];
        EndPoints = [.. _listeners.Select(listener => listener.LocalEndPoint).OfType<IPEndPoint>()];
        UnixEndPoint = _listeners.Select(listener => listener.LocalEndPoint).OfType<UnixDomainSocketEndPoint>().FirstOrDefault();
        loop.Host.AddResident(_resident);
        if (options.StartServing)
        {
            StartServing();
        }
    }

    /// <summary>
    /// The addresses and ports that the server was made to listen on, with the ports that the system chose. None of a server on a
    /// Unix socket.
    /// </summary>
    public IReadOnlyList<IPEndPoint> EndPoints { get; }

    /// <summary>
    /// The Unix socket that the server was made to listen on; null when it is none. Of several that were adopted, the first.
    /// </summary>
    public UnixDomainSocketEndPoint? UnixEndPoint { get; }

    /// <summary>
    /// Where the server was made to listen, with the ports that the system chose: what one process prints, another can be given to
    /// connect to. TLS over TCP is <c>tls://</c>, without the server's own files; what was inherited is what it turned out to be.
    /// An inherited Unix socket without a name has no address.
    /// </summary>
    public IReadOnlyList<ServiceAddress> Addresses { get; }

    /// <summary>Whether the server listens: from its creation to <see cref="Close"/>.</summary>
    public bool IsListening => !_closing;

    /// <summary>
    /// Whether the server accepts: it listens, <see cref="StartServing"/> was called or was not needed, and it is not paused.
    /// </summary>
    public bool IsServing { get; private set; }

    /// <summary>How many connections there are.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>
    /// How many newcomers are in their TLS handshake. They are no connections yet, and count towards
    /// <see cref="ServerOptions.MaxConnections"/> all the same. Zero without TLS.
    /// </summary>
    public int HandshakeCount => _handshakes?.Count ?? 0;

    /// <summary>The connections that there are at this moment, as a copy.</summary>
    public IReadOnlyList<Transport> Connections
    {
        get
        {
            _loop.VerifyAccess();
            return [.. _connections];
        }
    }

    /// <summary>How many connections were accepted since the server was made.</summary>
    public long AcceptedCount { get; private set; }

    /// <summary>How many newcomers were closed at once because the process was running out of descriptors.</summary>
    public long ShedCount { get; private set; }

    /// <summary>
    /// Cancelled, by a post, when <see cref="DrainAsync"/> is called: for handlers that wait for the next request while nothing is
    /// begun, and would wait through the grace period, <c>ReadLineAsync(server.Draining)</c>.
    /// </summary>
    public CancellationToken Draining
    {
        get
        {
            _loop.VerifyAccess();
            if (_draining is null)
            {
                _draining = new CancellationTokenSource();
                if (_isDraining)
                {
                    _draining.Cancel();
                }
            }

            return _draining.Token;
        }
    }

    /// <summary>The handlers of the connections; null when they have protocols of their own.</summary>
    internal StreamHandlers? Handlers { get; set; }

    /// <summary>
    /// How many connections a limit has ended, or turned away (<see cref="ServerOptions.Limits"/>,
    /// <see cref="ServerOptions.MaxConnectionsPerAddress"/>).
    /// </summary>
    public long LimitedCount => _limitCounts.Sum;

    /// <summary>How many connections the given limit has ended, or turned away.</summary>
    public long CountLimitedBy(ConnectionLimit limit) => _limitCounts[limit];

    /// <summary>Begins to accept, or does so again after <see cref="PauseServing"/>. A second call does nothing.</summary>
    /// <exception cref="InvalidOperationException">The server is closed, or this is not the loop's thread.</exception>
    public void StartServing()
    {
        _loop.Host.VerifyRunning();
        if (_closing)
        {
            throw new InvalidOperationException("The server is closed. Make another.");
        }

        IsServing = true;
        foreach (ConnectionListener listener in _listeners)
        {
            listener.Start();
        }
    }

    /// <summary>
    /// Accepts no more until <see cref="StartServing"/>. The server goes on listening, so newcomers wait in the backlog and look
    /// connected to themselves; whom the system has accepted already and the server was not told of yet waits with them. The
    /// connections that there are go on. A second call does nothing, and neither does one on a closed server.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public void PauseServing()
    {
        _loop.VerifyAccess();
        if (!IsServing)
        {
            return;
        }

        IsServing = false;
        foreach (ConnectionListener listener in _listeners)
        {
            listener.Pause();
        }
    }

    /// <summary>
    /// Stops listening; newcomers are refused, and those in their TLS handshake turned away. The connections that there are go
    /// on. A second call does nothing.
    /// </summary>
    public void Close()
    {
        _loop.VerifyAccess();
        if (_closing)
        {
            return;
        }

        _closing = true;
        IsServing = false;
        foreach (ConnectionListener listener in _listeners)
        {
            listener.Close();
        }

        _handshakes?.Clear();
        CompleteIfOver();
    }

    /// <summary>Closes every connection in good order (<see cref="Transport.Close()"/>).</summary>
    public void CloseConnections()
    {
        foreach (Transport connection in Connections)
        {
            connection.Close();
        }
    }

    /// <summary>Aborts every connection (<see cref="Transport.Abort()"/>).</summary>
    public void AbortConnections()
    {
        foreach (Transport connection in Connections)
        {
            connection.Abort();
        }
    }

    /// <summary>
    /// Ends the server: stops listening, closes every connection, and aborts those that have not ended by the end of the
    /// grace period. Where connections have handlers (<c>StartServerAsync</c>), these end them, and are cancelled by the end of
    /// the grace period. Completes, by a post, when the last <see cref="StreamProtocol.ConnectionLost"/> has returned, which it
    /// always does, and the last handler has ended, which one that shields itself may delay. A wait of the current scope, whose
    /// cancellation ends the grace period too, and is thrown when all have ended.
    /// </summary>
    /// <param name="grace">How long connections have to send what they hold.</param>
    /// <param name="cancellationToken">Ends the grace period at once, and is not thrown.</param>
    /// <exception cref="ArgumentOutOfRangeException">The grace period is negative.</exception>
    /// <exception cref="OperationCanceledException">A scope was cancelled. The server has ended all the same.</exception>
    /// <exception cref="InvalidOperationException">The loop does not run on this thread.</exception>
    public async Task DrainAsync(TimeSpan grace, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grace, TimeSpan.Zero);
        _loop.VerifyAccess();
        if (_closed.IsCompleted)
        {
            return;
        }

        Close();
        if (!_isDraining)
        {
            _isDraining = true;
            if (_draining is not null)
            {
                _loop.UnsafeCallSoon(static source => ((CancellationTokenSource)source!).Cancel(), _draining);
            }
        }

        if (Handlers is null)
        {
            CloseConnections();
        }

        try
        {
            await CancelScope.MoveOnAfterAsync(grace, async _ => await _closed.WaitAsync(cancellationToken));
        }
        catch (OperationCanceledException exception) when (exception is not ScopeCancelledException)
        {
            // the token's, which only says that there is no more time
        }
        finally
        {
            Handlers?.Cancel();
            AbortConnections();
            await CancelScope.RunAsync(async _ => await _closed, shield: true);
        }
    }

    /// <summary>
    /// Waits until the server is closed and its last connection has ended. Closes nothing itself. A wait of the current scope.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The loop does not run on this thread.</exception>
    public Task WaitClosedAsync(CancellationToken cancellationToken = default)
    {
        _loop.VerifyAccess();
        return _closed.WaitAsync(cancellationToken).AsTask();
    }

    /// <summary>
    /// Serves until the server is closed or the token is cancelled, then drains it (<see cref="ServerOptions.DrainTime"/>).
    /// Returns normally in either case. A wait of the current scope, whose cancellation aborts the connections and is thrown when
    /// they have ended.
    /// </summary>
    /// <exception cref="OperationCanceledException">A scope was cancelled. The server has ended all the same.</exception>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        StartServing();
        await using Server server = this;
        try
        {
            await _closed.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException exception) when (exception is not ScopeCancelledException)
        {
            // the token's, which is a way to close the server
        }
    }

    /// <summary>
    /// Drains the server within <see cref="ServerOptions.DrainTime"/>; in a cancelled scope there is no time, and the connections
    /// are aborted. That is not thrown, so as not to hide what is on its way: the next wait throws it.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await DrainAsync(_options.DrainTime);
        }
        catch (ScopeCancelledException)
        {
            // all have ended, see above
        }
    }

    internal void CompleteIfOver()
    {
        if (_closing && _connections.Count == 0 && Handlers is not { Count: > 0 } && !_resident.HasLeft)
        {
            Handlers?.Stop();
            _resident.HasLeft = true;
            _loop.Host.RemoveResident(_resident);
            _loop.UnsafeCallSoon(static closed => ((Future)closed!).SetResult(), _closed);
        }
    }

    /// <summary>The server as its loop and its listeners see it, which is nobody else's business.</summary>
    private sealed class Resident(Server server) : IDescribedResident<ServerInfo>, IListenerOwner
    {
        public int ResidentIndex { get; set; }

        public bool HasLeft { get; set; }

        public bool HasRoom => !server._closing
            && !(server._connections.Count + server.HandshakeCount >= server._options.MaxConnections);

        public ServerInfo Describe() => new()
        {
            EndPoints = [.. server._listeners.Select(listener => listener.LocalEndPoint)],
            State = server._closing ? ServerState.Closed
                : !server.IsServing ? ServerState.Paused
                : HasRoom ? ServerState.Serving
                : ServerState.Full,
            Connections = server.ConnectionCount,
            MaxConnections = server._options.MaxConnections,
            Handshakes = server.HandshakeCount,
            Accepted = server.AcceptedCount,
            Shed = server.ShedCount,
            Limited = server.LimitedCount,
            IsTls = server._handshakes is not null,
            IsDiagnostics = server._options.IsDiagnostics,
        };

        public bool Admits(IoHandle connection)
        {
            if (server._addresses?[connection.RemoteEndPoint] >= server._options.MaxConnectionsPerAddress)
            {
                server._limitCounts.Add(ConnectionLimit.PerAddress);
                return false;
            }

            return true;
        }

        public void OnConnectionMade(StreamTransport transport)
        {
            server.AcceptedCount++;
            transport.OwnerIndex = server._connections.Count;
            server._connections.Add(transport);
            server._sweep?.OnConnectionMade();
            server._addresses?.Add(transport.RemoteEndPoint);
            if (!HasRoom)
            {
                UpdateListeners();
            }
        }

        public void OnConnectionLost(StreamTransport transport)
        {
            bool wasFull = !HasRoom;
            List<StreamTransport> connections = server._connections;
            StreamTransport last = connections[^1];
            connections[transport.OwnerIndex] = last;
            last.OwnerIndex = transport.OwnerIndex;
            connections.RemoveAt(connections.Count - 1);
            server._sweep?.OnConnectionLost(transport.OwnerIndex);
            server._addresses?.Remove(transport.RemoteEndPoint);
            if (wasFull && !server._closing)
            {
                UpdateListeners();
            }

            server.CompleteIfOver();
        }

        public void OnHandshakeBegun(IoHandle newcomer) => server._addresses?.Add(newcomer.RemoteEndPoint);

        public void OnHandshakeEnded(IoHandle newcomer)
        {
            server._addresses?.Remove(newcomer.RemoteEndPoint);
            if (!server._closing)
            {
                UpdateListeners();
            }
        }

        public void OnShed() => server.ShedCount++;

        // Its connections are residents of their own.
        public void OnLoopShutdown() => server.Close();

        public void OnLoopShutdownExpired()
        {
        }

        private void UpdateListeners()
        {
            foreach (ConnectionListener listener in server._listeners)
            {
                listener.Update();
            }
        }
    }
}
