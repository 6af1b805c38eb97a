using System.Net;
using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <summary>
/// The other end of a connection, played by a test: a socket of a simulated host that no loop drives. What it awaits is completed
/// while the world runs, and comes back to the loop that it was awaited on. All members belong to the world's thread.
/// </summary>
public sealed class SimulatedPeer : ISocketHolder, IDisposable
{
    private readonly SimulatedConnection _connection;
    private readonly List<TaskCompletionSource> _waiting = [];
    private SocketError? _connectOutcome;
    private bool _isDisposed;

    internal SimulatedPeer(SimulatedConnection connection)
    {
        _connection = connection;
        _connectOutcome = SocketError.Success;
        connection.HoldBy(this);
    }

    private SimulatedPeer(SimulatedHost host, EndPoint remote, int? receiveBufferSize, int? sendBufferSize)
    {
        SocketError error = host.TryConnect(null, remote, this, OnConnectEnded, out SimulatedConnection? connection);
        _connection = connection ?? throw new SocketException((int)error);
        _connection.ReceiveCapacity = SimulatedConnection.BufferOf(receiveBufferSize);
        _connection.SendCapacity = SimulatedConnection.BufferOf(sendBufferSize);
    }

    /// <summary>Whether the handshake has ended well.</summary>
    public bool IsConnected => _connectOutcome == SocketError.Success;

    /// <summary>This end's address; null of whoever has connected to a path.</summary>
    public EndPoint? LocalEndPoint => _connection.Local;

    /// <summary>The other's; null of whoever has connected to a path.</summary>
    public EndPoint? RemoteEndPoint => _connection.Remote;

    /// <summary>How many bytes have arrived and were not read.</summary>
    public int Available => _connection.Available;

    /// <summary>How the connection has failed; <see cref="SocketError.Success"/> while it has not.</summary>
    public SocketError Failure => _connection.Failure;

    internal static SimulatedPeer Connect(SimulatedHost host, EndPoint remote, int? receiveBufferSize, int? sendBufferSize)
    {
        var peer = new SimulatedPeer(host, remote, receiveBufferSize, sendBufferSize);
        peer.Settle();
        return peer;
    }

    /// <summary>Waits for the end of the handshake.</summary>
    /// <exception cref="SocketException">Nobody answered, or nobody listens.</exception>
    public async Task ConnectedAsync()
    {
        while (_connectOutcome is null)
        {
            await ChangeAsync().ConfigureAwait(false);
        }

        ThrowIf(_connectOutcome.Value);
    }

    /// <summary>Sends as much as there is room for at this moment.</summary>
    /// <returns>How many bytes that was.</returns>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public int TrySend(ReadOnlySpan<byte> data)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        int sent = _connection.Send(data, out SocketError error);
        if (error != SocketError.WouldBlock)
        {
            ThrowIf(error);
        }

        Settle();
        return sent;
    }

    /// <summary>Sends everything, as room comes up.</summary>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public async Task SendAsync(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            while (!_connection.IsWritable)
            {
                await ChangeAsync().ConfigureAwait(false);
            }

            data = data[TrySend(data.Span)..];
        }
    }

    /// <summary>Waits for bytes, and takes what there is and fits.</summary>
    /// <returns>How many bytes; zero at the end of the stream.</returns>
    /// <exception cref="SocketException">The connection is gone, and all that had arrived was read.</exception>
    public async Task<int> ReceiveAsync(Memory<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (buffer.IsEmpty)
        {
            throw new ArgumentException("Nothing can be received into an empty buffer.", nameof(buffer));
        }

        while (!_connection.IsReadable)
        {
            await ChangeAsync().ConfigureAwait(false);
        }

        int count = _connection.Receive(buffer.Span);
        if (count == 0)
        {
            ThrowIf(_connection.Failure);
        }

        return count;
    }

    /// <summary>Ends the sending side, behind all that was sent.</summary>
    public void ShutdownSend()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ThrowIf(_connection.ShutdownSend());
        Settle();
    }

    /// <summary>Closes with a reset.</summary>
    public void Reset() => Close(reset: true);

    /// <summary>Closes. With unread bytes that is a reset, as on Linux. A second call does nothing.</summary>
    public void Dispose() => Close(reset: false);

    void ISocketHolder.OnSocketChanged() => Signal();

    private static void ThrowIf(SocketError error)
    {
        if (error != SocketError.Success)
        {
            throw new SocketException((int)error);
        }
    }

    // Within a host the kernel needs no time, and nobody's help.
    private void Settle() => _connection.Host.World.SettleNetwork();

    private void OnConnectEnded(SocketError error)
    {
        _connectOutcome = error;
        Signal();
    }

    // Completed by an event of the world, where no context is current: what is awaited then goes on there and then, on the
    // world's thread, and an outer await brings the caller back to its loop.
    private Task ChangeAsync()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        var change = new TaskCompletionSource();
        _waiting.Add(change);
        return change.Task;
    }

    private void Signal() => _connection.Host.World.CompleteSoon(_waiting);

    private void Close(bool reset)
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _connection.Close(reset);
            Signal();
            Settle();
        }
    }
}

/// <summary>
/// A listening socket of a simulated host whose connections a test plays. All members belong to the world's thread.
/// </summary>
public sealed class SimulatedPeerListener : ISocketHolder, IDisposable
{
    private readonly SimulatedListener _listener;
    private readonly List<TaskCompletionSource> _waiting = [];

    internal SimulatedPeerListener(SimulatedListener listener)
    {
        _listener = listener;
        listener.Holder = this;
    }

    /// <summary>Where it listens.</summary>
    public EndPoint LocalEndPoint => _listener.EndPoint;

    /// <summary>Whether somebody waits to be accepted.</summary>
    public bool HasNewcomers => _listener.HasNewcomers;

    /// <summary>Accepts a connection, waiting for one if need be.</summary>
    public async Task<SimulatedPeer> AcceptAsync()
    {
        while (!_listener.HasNewcomers)
        {
            ObjectDisposedException.ThrowIf(!_listener.IsOpen, this);
            var change = new TaskCompletionSource();
            _waiting.Add(change);
            await change.Task.ConfigureAwait(false);
        }

        return new SimulatedPeer(_listener.Accept());
    }

    /// <summary>Accepts a connection if one is there at this moment.</summary>
    public SimulatedPeer? TryAccept()
    {
        _listener.Host.World.SettleNetwork();
        return _listener.HasNewcomers ? new SimulatedPeer(_listener.Accept()) : null;
    }

    /// <summary>Stops listening; those who wait are reset.</summary>
    public void Dispose()
    {
        if (_listener.IsOpen)
        {
            _listener.Close();
            Signal();
        }
    }

    void ISocketHolder.OnSocketChanged() => Signal();

    private void Signal() => _listener.Host.World.CompleteSoon(_waiting);
}
