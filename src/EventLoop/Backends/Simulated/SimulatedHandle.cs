using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// A descriptor of a simulated host: a listening socket, one that connects or is connected, one for datagrams, or an end of a
/// pipe.
/// </summary>
[DebuggerDisplay("{LocalEndPoint} to {RemoteEndPoint}")]
internal sealed class SimulatedHandle : IoHandle, ISocketHolder
{
    private readonly SimulatedBackend _backend;
    private readonly EndPoint? _bound;
    private int? _receiveCapacity;
    private int? _sendCapacity;
    private TimeSpan? _userTimeout;
    private bool _keepsAlive;
    private int _keepAliveTime = 7200; // seconds; the defaults of Linux
    private int _keepAliveInterval = 75;
    private int _keepAliveRetries = 9;

    public SimulatedHandle(SimulatedBackend backend, EndPoint? bound)
        : base(backend)
    {
        _backend = backend;
        _bound = bound;
    }

    public SimulatedListener? Listener { get; private set; }

    public SimulatedConnection? Connection { get; private set; }

    public SimulatedDatagrams? Datagrams { get; private set; }

    public SimulatedPipe.End? Pipe { get; private set; }

    /// <summary>Where its bytes come from and go to; null when there are none.</summary>
    public ISimulatedStream? Stream => (ISimulatedStream?)Pipe ?? Connection;

    /// <summary>Whether whoever receives or accepts would not wait.</summary>
    public bool IsReadable => Stream?.IsReadable ?? Listener?.HasNewcomers ?? Datagrams is { IsReadable: true };

    /// <summary>Whether whoever sends would not wait.</summary>
    public bool IsWritable => Stream?.IsWritable ?? Datagrams is { IsWritable: true };

    /// <summary>How the attempt to connect has ended, until it is told.</summary>
    public SocketError? ConnectOutcome { get; set; }

    /// <summary>Whether the backend will look at the handle.</summary>
    public bool IsQueued { get; set; }

    public override EndPoint? LocalEndPoint => Datagrams?.Local ?? Listener?.EndPoint ?? Connection?.Local ?? _bound;

    public override EndPoint? RemoteEndPoint => Connection is { IsEstablished: true } or { Failure: not SocketError.Success }
        ? Connection.Remote
        : Datagrams?.Remote;

    public void Hold(SimulatedDatagrams datagrams)
    {
        Datagrams = datagrams;
        datagrams.Holder = this;
    }

    public override PeerIdentity? PeerIdentity => Connection?.PeerIdentity;

    public void Listen(SimulatedListener listener)
    {
        Listener = listener;
        listener.Holder = this;
    }

    public void Hold(SimulatedConnection connection)
    {
        Connection = connection;
        connection.HoldBy(this);
        ApplyOptions();
    }

    /// <summary>Takes a descriptor of a pipe's end, if the host has one left.</summary>
    public bool TryHold(SimulatedPipe.End end)
    {
        Pipe = end.TryHold(this) ? end : null;
        return Pipe is not null;
    }

    public void OnSocketChanged() => _backend.Look(this);

    public SocketError SetOption(IoOption option, int value)
    {
        if (Datagrams is { } datagrams)
        {
            return datagrams.SetOption(option, value);
        }

        if (Pipe is not null)
        {
            return SocketError.NotSocket;
        }

        switch (option)
        {
            case IoOption.NoDelay:
                break;
            case IoOption.KeepAlive:
                _keepsAlive = value != 0;
                break;
            case IoOption.KeepAliveTime:
                _keepAliveTime = value;
                break;
            case IoOption.KeepAliveInterval:
                _keepAliveInterval = value;
                break;
            case IoOption.KeepAliveRetryCount:
                _keepAliveRetries = value;
                break;
            case IoOption.UserTimeout:
                _userTimeout = TimeSpan.FromMilliseconds(value);
                break;
            case IoOption.SendBufferSize:
                _sendCapacity = SimulatedConnection.BufferOf(value);
                break;
            case IoOption.ReceiveBufferSize:
                _receiveCapacity = SimulatedConnection.BufferOf(value);
                break;
            default:
                return SocketError.ProtocolOption;
        }

        ApplyOptions();
        return SocketError.Success;
    }

    private void ApplyOptions()
    {
        if (Listener is { } listener)
        {
            listener.ReceiveCapacity = _receiveCapacity ?? listener.ReceiveCapacity;
            listener.SendCapacity = _sendCapacity ?? listener.SendCapacity;
        }

        if (Connection is { } connection)
        {
            connection.ReceiveCapacity = _receiveCapacity ?? connection.ReceiveCapacity;
            connection.SendCapacity = _sendCapacity ?? connection.SendCapacity;
            connection.UserTimeout = _userTimeout ?? connection.UserTimeout;
            connection.KeepAlive = _keepsAlive
                ? TimeSpan.FromSeconds(_keepAliveTime + ((double)_keepAliveInterval * _keepAliveRetries))
                : null;
        }
    }
}
