using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// One attempt to connect to one address. It ends once, by the backend, the time, the caller's cancellation or the end of
/// the loop, and leaves no descriptor behind unless it ends with a connection.
/// </summary>
internal sealed class ConnectAttempt : IConnector, ILoopResident
{
    private readonly EventLoop _loop;
    private readonly TaskCompletionSource<IoHandle?> _completion = new();
    private IoHandle? _handle;
    private TimerHandle? _limit;
    private CancellationTokenRegistration _cancellation;
    private bool _ended;

    private ConnectAttempt(EventLoop loop) => _loop = loop;

    int ILoopResident.ResidentIndex { get; set; }

    private SocketError Error { get; set; }

    /// <summary>Tries to connect.</summary>
    /// <returns>The connected handle; or null and the error.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile.</exception>
    public static async Task<(IoHandle? Handle, SocketError Error)> ConnectAsync(
        EventLoop loop, IPEndPoint remote, ConnectOptions options, TimeSpan time, CancellationToken cancellationToken)
    {
        var attempt = new ConnectAttempt(loop);
        attempt.Begin(remote, options, time, cancellationToken);
        IoHandle? handle = await attempt._completion.Task;
        return (handle, attempt.Error);
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

    private void Begin(IPEndPoint remote, ConnectOptions options, TimeSpan time, CancellationToken cancellationToken)
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

        options.Tcp.Apply(_handle);
        _limit = _loop.UnsafeCallLater(time, static self => ((ConnectAttempt)self!).End(SocketError.TimedOut), this);
        _cancellation = cancellationToken.UnsafeRegister(
            static (self, token) => ((ConnectAttempt)self!).CancelFromAnyThread(token), this);
        backend.Submit(new ConnectOperation(_handle, remote, this));
    }

    // Registration may find the token cancelled, and call from within Begin; a post keeps the order simple.
    private void CancelFromAnyThread(CancellationToken token)
        => _loop.Host.TryPost(static state =>
        {
            var (self, token) = ((ConnectAttempt, CancellationToken))state!;
            self.Fail(new OperationCanceledException(token));
        }, (this, token));

    private void End(SocketError error)
    {
        if (_ended)
        {
            return;
        }

        Leave(release: error != SocketError.Success);
        Error = error;
        _loop.UnsafeCallSoon(
            static self => ((ConnectAttempt)self!).CompleteWithHandle(), this);
    }

    private void CompleteWithHandle() => _completion.SetResult(Error == SocketError.Success ? _handle : null);

    private void Fail(Exception exception)
    {
        if (!_ended)
        {
            Leave(release: true);
            _loop.UnsafeCallSoon(_ => _completion.SetException(exception), null);
        }
    }

    private void Leave(bool release)
    {
        _ended = true;
        _limit?.Cancel();
        _cancellation.Unregister();
        _loop.Host.RemoveResident(this);
        if (release && _handle is not null)
        {
            _loop.Host.Backend.Release(_handle, reset: false);
        }
    }
}
