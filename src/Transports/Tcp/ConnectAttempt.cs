using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// One attempt of a <see cref="ConnectRace"/>, to connect to one address. It ends once: by the backend, by its time, or because
/// the race abandons it, which is not told. It leaves no descriptor behind unless the race is handed the connection.
/// </summary>
internal sealed class ConnectAttempt : IConnector
{
    private readonly ConnectRace _race;
    private IoHandle? _handle;
    private TimerHandle? _limit;
    private bool _isOver;

    /// <param name="race">Who is told of the end.</param>
    /// <param name="index">Which of the race's addresses it is.</param>
    public ConnectAttempt(ConnectRace race, int index)
    {
        _race = race;
        Index = index;
    }

    public int Index { get; }

    /// <summary>Begins to connect.</summary>
    /// <param name="loop">The loop.</param>
    /// <param name="remote">The address.</param>
    /// <param name="options">How.</param>
    /// <param name="time">For how long; null for as long as the race goes on.</param>
    /// <returns>Why it has not begun, and will not be told of.</returns>
    public SocketError Begin(EventLoop loop, EndPoint remote, ConnectOptions options, TimeSpan? time)
    {
        IoBackend backend = loop.Host.Backend;
        var spec = new HandleSpec
        {
            AddressFamily = remote.AddressFamily,
            LocalEndPoint = options.LocalEndPoint,
            ReuseAddress = options.LocalEndPoint is { Port: not 0 },
        };
        _handle = backend.Open(spec, out SocketError error);
        if (_handle is null)
        {
            _isOver = true;
            return error;
        }

        options.Tcp.ApplyTo(_handle, remote.AddressFamily);
        if (time is { } limit)
        {
            _limit = loop.UnsafeCallLater(limit, static self => ((ConnectAttempt)self!).End(SocketError.TimedOut), this);
        }

        backend.Submit(new ConnectOperation(_handle, remote, this));
        return SocketError.Success;
    }

    /// <summary>The race goes on without it.</summary>
    public void Abandon()
    {
        if (!_isOver)
        {
            _isOver = true;
            _limit?.Cancel();
            _handle?.Backend.Release(_handle, reset: false);
        }
    }

    void IConnector.OnConnectEnded(SocketError error)
    {
        // A socket that met itself: both ends picked the same port of the loopback range, and TCP allows it.
        if (error == SocketError.Success && Equals(_handle!.LocalEndPoint, _handle.RemoteEndPoint))
        {
            error = SocketError.ConnectionRefused;
        }

        End(error);
    }

    private void End(SocketError error)
    {
        if (_isOver)
        {
            return; // it has come to something in the turn in which it was abandoned
        }

        if (error == SocketError.Success)
        {
            _isOver = true;
            _limit?.Cancel();
            _race.OnConnected(this, _handle!);
        }
        else
        {
            Abandon();
            _race.OnFailed(this, error);
        }
    }
}
