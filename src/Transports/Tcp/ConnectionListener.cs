using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>What a listener asks and tells its server.</summary>
internal interface IListenerOwner : IConnectionOwner
{
    /// <summary>Whether there is room for one more connection.</summary>
    bool HasRoom { get; }

    /// <summary>Whether a newcomer may stay, going by where it comes from; otherwise it is turned away.</summary>
    bool Admits(IoHandle connection);

    /// <summary>A connection begins; called before its protocol is told.</summary>
    void OnConnectionMade(StreamTransport transport);

    /// <summary>A newcomer begins its handshake, and has a claim to room from here on.</summary>
    void OnHandshakeBegun(IoHandle newcomer);

    /// <summary>A handshake has ended, and with it a newcomer's claim to room, unless it is a connection now.</summary>
    void OnHandshakeEnded(IoHandle newcomer);

    /// <summary>A newcomer was turned away because descriptors are running out.</summary>
    void OnShed();
}

/// <summary>
/// One listening end point: accepts connections and gives each a protocol and a transport. It survives newcomers that are
/// gone before their turn, exhausted descriptors and memory, and factories that throw.
/// </summary>
internal sealed partial class ConnectionListener : IAcceptor
{
    private const string LogCategory = "Toolkit.Server";

    private static readonly TimeSpan s_firstBackoff = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestBackoff = TimeSpan.FromSeconds(1);

    // Set once.
    private readonly ConnectionOrigin _origin;
    private readonly IoHandle _handle;
    private readonly Func<StreamProtocol> _factory;
    private readonly IListenerOwner _owner;
    private readonly AcceptOperation _accept;
    private readonly ILogger _logger;
    private readonly TlsServerOptions? _tls;
    private readonly HandshakeQueue? _handshakes;

    // Loop thread only.
    private bool _isServing;
    private TimeSpan _backoff = s_firstBackoff;
    private TimerHandle? _backoffTimer;

    public ConnectionListener(
        EventLoop loop,
        IoHandle handle,
        Func<StreamProtocol> factory,
        TcpOptions options,
        IListenerOwner owner,
        ExecutionContext? context,
        TlsServerOptions? tls = null,
        HandshakeQueue? handshakes = null,
        int maxReceivedHandles = 0,
        bool isDiagnostics = false)
    {
        LocalEndPoint = handle.LocalEndPoint!;
        _origin = new ConnectionOrigin(loop, options, context, owner)
        {
            MaxReceivedHandles = LocalEndPoint is UnixDomainSocketEndPoint ? maxReceivedHandles : 0,
            IsDiagnostics = isDiagnostics,
        };
        _handle = handle;
        _factory = factory;
        _owner = owner;
        _tls = tls;
        _handshakes = handshakes;
        _accept = new AcceptOperation(handle, this);
        _logger = loop.Host.CreateLogger(LogCategory);
    }

    public EndPoint LocalEndPoint { get; }

    private bool WantsConnections
        => _isServing && _backoffTimer is not { IsScheduled: true } && !_handle.IsReleased && _owner.HasRoom;

    /// <summary>Begins to accept.</summary>
    public void Start()
    {
        _isServing = true;
        Update();
    }

    /// <summary>Accepts no more until the next start: newcomers wait.</summary>
    public void Pause()
    {
        _isServing = false;
        Update();
    }

    /// <summary>Accepts if there is room, and stops if there is none.</summary>
    public void Update()
    {
        if (!WantsConnections)
        {
            if (!_handle.IsReleased)
            {
                _handle.Backend.Cancel(_accept);
            }
        }
        else if (!_accept.IsArmed)
        {
            _handle.Backend.Submit(_accept);
        }
    }

    /// <summary>Stops listening: newcomers are refused from here on.</summary>
    public void Close()
    {
        _isServing = false;
        _backoffTimer?.Cancel();
        _backoffTimer = null;
        _handle.Backend.Release(_handle, reset: false);
    }

    bool IAcceptor.OnAccepted(IoHandle connection)
    {
        _backoff = s_firstBackoff;
        if (_origin.Loop.Host.IsClosing)
        {
            connection.Backend.Release(connection, reset: true);
            return false;
        }

        if (!_owner.Admits(connection))
        {
            if (_origin.Loop.Host.LogRate.ShouldLog("per address", out string suppressed))
            {
                TurnedAway(_logger, LogText.Escape($"{connection.RemoteEndPoint}"), LocalEndPoint, suppressed);
            }

            connection.Backend.Release(connection, reset: true);
            return WantsConnections;
        }

        _origin.Options.ApplyTo(connection, LocalEndPoint.AddressFamily);
        if (_tls is null)
        {
            MakeConnection(connection);
        }
        else
        {
            _owner.OnHandshakeBegun(connection);
            var handshake = new TlsHandshake(_origin.Loop, connection, _tls, _origin.Context, OnHandshakeEnded);
            if (_handshakes!.Add(handshake) is { } evicted)
            {
                _owner.OnHandshakeEnded(evicted.Handle);
            }
        }

        return WantsConnections;
    }

    void IAcceptor.OnShed()
    {
        _owner.OnShed();
        if (_origin.Loop.Host.LogRate.ShouldLog("shed", out string suppressed))
        {
            Shed(_logger, LocalEndPoint, DescriptorReserve.Size, suppressed);
        }
    }

    void IAcceptor.OnAcceptEnded(SocketError error)
    {
        if (error != SocketError.OperationAborted)
        {
            BackOff(error);
        }
        else if (WantsConnections)
        {
            Update();
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Accepting on {EndPoint} failed with {Error}; trying again in {Backoff}.{Suppressed}")]
    private static partial void AcceptFailed(
        ILogger logger, EndPoint endPoint, SocketError error, TimeSpan backoff, string suppressed);

    [LoggerMessage(
        2,
        LogLevel.Warning,
        "A newcomer on {EndPoint} was closed at once: the last {Reserve} descriptors of the process are kept free.{Suppressed}")]
    private static partial void Shed(ILogger logger, EndPoint endPoint, int reserve, string suppressed);

    [LoggerMessage(
        4,
        LogLevel.Warning,
        "A newcomer from {Peer} on {EndPoint} was turned away: its address has as many connections as it may.{Suppressed}")]
    private static partial void TurnedAway(ILogger logger, string peer, EndPoint endPoint, string suppressed);

    [LoggerMessage(5, LogLevel.Information, "A TLS handshake on {EndPoint} with {Peer} failed: {Reason}{Suppressed}")]
    private static partial void HandshakeFailed(
        ILogger logger, EndPoint endPoint, EndPoint? peer, string reason, string suppressed);

    private void OnHandshakeEnded(TlsHandshake handshake, TlsException? failure)
    {
        _handshakes!.Remove(handshake);
        if (failure is null)
        {
            MakeConnection(handshake.Handle);
        }
        else if (_origin.Loop.Host.LogRate.ShouldLog($"tls {failure.Reason}", out string suppressed))
        {
            HandshakeFailed(
                _logger, LocalEndPoint, handshake.Handle.RemoteEndPoint, LogText.Escape(failure.Message), suppressed);
        }

        _owner.OnHandshakeEnded(handshake.Handle);
    }

    private void MakeConnection(IoHandle connection)
    {
        if (TryMakeProtocol() is { } protocol && !_handle.IsReleased) // the factory may have closed the server
        {
            var transport = new StreamTransport(_origin, connection, protocol);
            _owner.OnConnectionMade(transport);
            transport.Start();
        }
        else
        {
            connection.Backend.Release(connection, reset: true);
        }
    }

    // The cause is one of the machine's (descriptors, memory) or of its rules, and will not be gone by the next turn.
    private void BackOff(SocketError error)
    {
        if (_origin.Loop.Host.LogRate.ShouldLog($"accept {error}", out string suppressed))
        {
            AcceptFailed(_logger, LocalEndPoint, error, _backoff, suppressed);
        }

        if (_isServing)
        {
            _backoffTimer = _origin.Loop.CallLater(_backoff, Update);
            _backoff = _backoff * 2 < s_longestBackoff ? _backoff * 2 : s_longestBackoff;
        }
    }

    private StreamProtocol? TryMakeProtocol()
    {
        try
        {
            using CallbackScope scope = _origin.Loop.Host.EnterUserCode(_origin.Context, _factory.Target ?? _factory, "factory");
            return _factory() ?? throw new InvalidOperationException("The protocol factory returned null.");
        }
        catch (Exception exception)
        {
            _origin.Loop.ReportError(new LoopError("The protocol factory threw; the newcomer is turned away.", exception));
            return null;
        }
    }
}
