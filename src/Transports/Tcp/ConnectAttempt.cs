using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// One attempt to connect to one address. It ends once, by the backend, the time, the caller's cancellation or the end of
/// the loop, and leaves no descriptor behind unless the caller is handed the connection.
/// </summary>
internal sealed class ConnectAttempt : IConnector, ILoopResident
{
    private readonly EventLoop _loop;
    private readonly Future<IoHandle?> _completion;
    private IoHandle? _handle;
    private TimerHandle? _limit;

    private ConnectAttempt(EventLoop loop)
    {
        _loop = loop;
        _completion = new Future<IoHandle?>(loop);
    }

    int ILoopResident.ResidentIndex { get; set; }

    private SocketError Error { get; set; }

    /// <summary>Tries to connect.</summary>
    /// <returns>The connected handle; or null and the error.</returns>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
    public static async Task<(IoHandle? Handle, SocketError Error)> ConnectAsync(
        EventLoop loop, EndPoint remote, ConnectOptions options, TimeSpan time, CancellationToken cancellationToken)
    {
        var attempt = new ConnectAttempt(loop);
        attempt.Begin(remote, options, time);
        try
        {
            IoHandle? handle = await attempt._completion.WaitAsync(cancellationToken);
            return (handle, attempt.Error);
        }
        catch
        {
            attempt.GiveUp();
            throw;
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

    void ILoopResident.OnLoopShutdown() => Fail(new ObjectDisposedException(nameof(EventLoop)));

    void ILoopResident.OnLoopShutdownExpired() => Fail(new ObjectDisposedException(nameof(EventLoop)));

    private void Begin(EndPoint remote, ConnectOptions options, TimeSpan time)
    {
        IoBackend backend = _loop.Host.Backend;
        var spec = new HandleSpec
        {
            AddressFamily = remote.AddressFamily,
            LocalEndPoint = options.LocalEndPoint,
            ReuseAddress = options.LocalEndPoint is { Port: not 0 },
        };
        _loop.Host.AddResident(this);
        _handle = backend.Open(spec, out SocketError error);
        if (_handle is null)
        {
            End(error);
            return;
        }

        options.Tcp.ApplyTo(_handle, remote.AddressFamily);
        _limit = _loop.UnsafeCallLater(time, static self => ((ConnectAttempt)self!).End(SocketError.TimedOut), this);
        backend.Submit(new ConnectOperation(_handle, remote, this));
    }

    private void End(SocketError error)
    {
        if (!_completion.IsCompleted)
        {
            Leave(release: error != SocketError.Success);
            Error = error;
            _completion.SetResult(error == SocketError.Success ? _handle : null);
        }
    }

    private void Fail(Exception exception)
    {
        if (!_completion.IsCompleted)
        {
            Leave(release: true);
            _completion.SetException(exception);
        }
    }

    // The caller waits no more. In the meantime it may have come to a connection, which is for nobody.
    private void GiveUp()
    {
        if (!_completion.IsCompleted)
        {
            Fail(new OperationCanceledException());
        }
        else if (_completion.State == FutureState.Succeeded && Error == SocketError.Success)
        {
            _loop.Host.Backend.Release(_handle!, reset: false);
        }
    }

    private void Leave(bool release)
    {
        _limit?.Cancel();
        _loop.Host.RemoveResident(this);
        if (release && _handle is not null)
        {
            _loop.Host.Backend.Release(_handle, reset: false);
        }
    }
}
