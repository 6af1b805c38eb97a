using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// A client that lasts: it connects, and when the attempt fails or the connection ends it waits and connects again, until it is
/// stopped. Made by <c>loop.CreateReconnectingClient</c>; nothing happens before <see cref="RunAsync"/>, which owns all of it,
/// and behind which nothing is left. All members belong to the loop's thread.
/// </summary>
/// <remarks>
/// <para>
/// Each connection has a protocol of its own, from the factory, or a call of the handler. Whoever ends a connection, the peer,
/// the network, or the protocol by <see cref="Transport.Close()"/>: another follows. To have none follow, <see cref="Stop"/>.
/// </para>
/// <para>
/// A handler runs within <see cref="RunAsync"/>, and in its scope. When it returns, its connection is closed in good order, as at
/// a server, and another follows: a handler that reads to the end of the stream returns when the server is started anew. When it
/// throws what <see cref="ReconnectOptions.IsTransient"/> lets pass, such as the failure of its connection or a time-out, the
/// connection is aborted, and another follows; anything else ends the client, and comes out of <see cref="RunAsync"/>.
/// </para>
/// <para>
/// What a protocol throws from a callback is reported to the loop's exception handler and costs its connection, as anywhere; the
/// factory and <see cref="StreamProtocol.ConnectionMade"/> are part of connecting, and end the client.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// ReconnectingClient client = loop.CreateReconnectingClient(() =&gt; new Feed(), "feed.example", 9000);
/// await client.RunAsync(stop);
/// </code>
/// </example>
[DebuggerDisplay("{State}, attempt {Attempt}")]
public sealed partial class ReconnectingClient : IAsyncDisposable
{
    private readonly EventLoop _loop;
    private readonly Func<ReconnectingClient, Task<Made>> _connect;
    private readonly Func<StreamConnection, Task>? _handler;
    private readonly ReconnectOptions _options;
    private readonly ExecutionContext? _context;
    private readonly ILogger _logger;
    private readonly Future _ended;
    private Backoff _backoff;
    private Future<Transport>? _whenConnected; // made with the first who waits
    private CancelScope? _scope; // around the wait that Stop ends
    private Made _made;
    private TimeSpan _connectedAt;
    private bool _hasRun;
    private bool _isStopping;
    private bool _isAborting;
    private bool _hasLoopEnded;
    private bool _isOutageTold; // in the log, until there is a connection again
    private bool _isFaultOfProtocol; // what the attempt has failed with

    internal ReconnectingClient(
        EventLoop loop,
        Func<ReconnectingClient, Task<Made>> connect,
        Func<StreamConnection, Task>? handler,
        ReconnectOptions? options)
    {
        _options = options ?? ReconnectOptions.Default;
        _options.Validate();
        loop.VerifyAccess();
        _loop = loop;
        _connect = connect;
        _handler = handler;
        _context = LoopHost.CaptureContext();
        _logger = loop.Host.CreateLogger("Toolkit.ReconnectingClient");
        _ended = new Future(loop);
        _backoff = new Backoff(_options);
    }

    /// <summary>Where the client is.</summary>
    public ReconnectState State { get; private set; }

    /// <summary>
    /// The number of the attempt that is under way, or was the last, from one; counted anew after a connection that has lasted
    /// for <see cref="ReconnectOptions.HealthyTime"/>. Zero before the first, and once such a connection is lost.
    /// </summary>
    public int Attempt { get; private set; }

    /// <summary>
    /// Why the last attempt has failed, or the last connection has ended; for one that has ended in good order a
    /// <see cref="ConnectionException"/> says who has ended it. Null while there was none. Stays when there is a connection
    /// again.
    /// </summary>
    public Exception? LastFailure { get; private set; }

    /// <summary>The <see cref="EventLoop.Time"/> at which the next attempt begins; null unless one is waited for.</summary>
    public TimeSpan? NextAttemptAt { get; private set; }

    /// <summary>How long the wait is in all that is under way; null when none is.</summary>
    public TimeSpan? RetryDelay { get; private set; }

    /// <summary>The connection; null when there is none. It may be closing.</summary>
    public Transport? Transport => _made.Transport;

    /// <summary>
    /// Connects, again and again, until the client is stopped, and then returns. Once; after <see cref="Stop"/> it returns at
    /// once. A wait of the current scope, in which all happens that the client does: in a cancelled scope the attempt or the wait
    /// is given up, a handler is cancelled, the connection is aborted, and the cancellation is thrown when it is gone.
    /// </summary>
    /// <param name="cancellationToken">
    /// Stops the client, as <see cref="Stop"/> does, from any thread; that is not thrown.
    /// </param>
    /// <exception cref="ConnectFailedException">The last of <see cref="ReconnectOptions.MaxAttempts"/> attempts.</exception>
    /// <exception cref="ConnectionException">The same, when it was a connection that has not lasted.</exception>
    /// <exception cref="OperationCanceledException">A scope was cancelled; or what was called has thrown it.</exception>
    /// <exception cref="InvalidOperationException">It has run before, or the loop does not run on this thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
    /// <remarks>
    /// Any other failure that is not to be followed by another attempt comes out as it is: a mistake of the caller's, what the
    /// factory, <see cref="StreamProtocol.ConnectionMade"/> or the handler has thrown, or what
    /// <see cref="ReconnectOptions.ShouldRetry"/> has.
    /// </remarks>
    public Task RunAsync(CancellationToken cancellationToken = default)
    {
        _loop.Host.VerifyRunning();
        if (_hasRun)
        {
            throw new InvalidOperationException("A client runs once. Make another.");
        }

        _hasRun = true;
        return RunCoreAsync(cancellationToken);
    }

    /// <summary>
    /// Stops the client: what it waits for is given up, a handler is cancelled, the connection is closed in good order, which is
    /// bounded by <see cref="TcpOptions.LingerTime"/>, and then <see cref="RunAsync"/> returns. From anywhere on the loop,
    /// callbacks and the handler included; a second call does nothing.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public void Stop()
    {
        _loop.VerifyAccess();
        if (!_isStopping)
        {
            _isStopping = true;
            if (!_hasRun)
            {
                State = ReconnectState.Stopped;
                End();
            }

            _scope?.Cancel("the client was stopped");
        }
    }

    /// <summary>
    /// As <see cref="Stop"/>, and waits until <see cref="RunAsync"/> has ended, however it does. A wait of the current scope,
    /// whose cancellation aborts the connection. A handler cannot wait for its own end: it is cancelled by this call, and what it
    /// wants is <see cref="Stop"/>.
    /// </summary>
    /// <param name="cancellationToken">Aborts the connection, from any thread, and is not thrown.</param>
    /// <exception cref="OperationCanceledException">A scope was cancelled. What is left of the client ends by itself.</exception>
    /// <exception cref="InvalidOperationException">
    /// The loop does not run on this thread; or a handler of the client's is calling, in a shield.
    /// </exception>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        if (!BeginStopping(out Exception? refusal))
        {
            throw refusal;
        }

        try
        {
            await _ended.WaitAsync(cancellationToken);
        }
        catch (ScopeCancelledException)
        {
            Abort();
            throw;
        }
        catch (OperationCanceledException)
        {
            Abort();
            await _ended.WaitAsync(CancellationToken.None);
        }
    }

    /// <summary>
    /// Stops the client and waits for its end, as <see cref="StopAsync"/> does; in a cancelled scope the connection is aborted,
    /// and its end waited for all the same. The cancellation is not thrown, so as not to hide what is on its way. In a handler it
    /// stops the client, and returns at once.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!BeginStopping(out _))
        {
            return; // a handler cannot wait for its own end
        }

        try
        {
            await _ended.WaitAsync(CancellationToken.None);
        }
        catch (ScopeCancelledException)
        {
            Abort();
            await CancelScope.RunAsync(async _ => await _ended, shield: true);
        }
    }

    /// <summary>
    /// Waits until there is a connection, and returns it; at once when there is one. It may be gone by the time that the caller
    /// resumes. Any number may wait. A wait of the current scope.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="InvalidOperationException">
    /// The client has ended, and there will be none; what it has ended by is inside. Or the loop does not run on this thread.
    /// </exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    public async Task<Transport> WaitConnectedAsync(CancellationToken cancellationToken = default)
    {
        _loop.VerifyAccess();
        if (_loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        if (State == ReconnectState.Stopped)
        {
            throw NewEndedException();
        }

        if (_made.Transport is { IsClosing: false } transport)
        {
            return transport;
        }

        _whenConnected ??= new Future<Transport>(_loop);
        Future<Transport> connected = _whenConnected;
        await connected.WaitAsync(cancellationToken);
        return connected.Result;
    }

    /// <summary>The protocol factory, whose being called says that connecting itself has succeeded.</summary>
    internal Func<StreamProtocol> Watch(Func<StreamProtocol> factory) => () =>
    {
        _isFaultOfProtocol = true;
        return factory();
    };

    [LoggerMessage(1, LogLevel.Warning, "The connection to {Peer} was lost: {Reason} {Next}{Suppressed}")]
    private static partial void ConnectionWasLost(ILogger logger, string peer, string reason, string next, string suppressed);

    [LoggerMessage(2, LogLevel.Information, "Connected to {Peer} again, at attempt {Attempt}.{Suppressed}")]
    private static partial void ConnectedAgain(ILogger logger, string peer, int attempt, string suppressed);

    [LoggerMessage(3, LogLevel.Warning, "{Reason} {Next}{Suppressed}")]
    private static partial void FirstAttemptFailed(ILogger logger, string reason, string next, string suppressed);

    [LoggerMessage(4, LogLevel.Debug, "Attempt {Attempt}: {Reason} {Next}{Suppressed}")]
    private static partial void LaterAttemptFailed(ILogger logger, int attempt, string reason, string next, string suppressed);

    private async Task RunCoreAsync(CancellationToken cancellationToken)
    {
        if (_isStopping)
        {
            return;
        }

        var resident = new Resident(this);
        _loop.Host.AddResident(resident);
        try
        {
            if (cancellationToken.IsCancellationRequested)
            {
                _isStopping = true;
            }

            using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
                static self => ((ReconnectingClient)self!).OnTokenCancelled(), this);
            while (!_isStopping)
            {
                await AttemptAsync();
                await WaitAsync();
            }

            ObjectDisposedException.ThrowIf(_hasLoopEnded, _loop);
        }
        finally
        {
            State = ReconnectState.Stopped;
            RetryDelay = null;
            NextAttemptAt = null;
            _made = default;
            _loop.Host.RemoveResident(resident);
            End();
        }
    }

    // One attempt, and the life of what comes of it. Throws what is to be followed by no other.
    private async Task AttemptAsync()
    {
        State = ReconnectState.Connecting;
        Attempt++;
        _isFaultOfProtocol = false;
        Exception? failure = null;
        await UntilStoppedAsync(async () =>
        {
            try
            {
                _made = await _connect(this);
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                failure = exception;
            }
        });
        if (_made.Transport is { } transport)
        {
            await ServeAsync(transport);
        }
        else if (failure is not null)
        {
            bool isTransient = !_isFaultOfProtocol && ReconnectOptions.IsTransient(failure);
            Continue(failure, isTransient, isOver: _isStopping, peer: null);
        }
    }

    private async Task ServeAsync(Transport transport)
    {
        Exception? failure = null; // the handler's
        Exception? reason = null; // the transport's
        OperationCanceledException? cancellation = null;
        OnConnected(transport);
        try
        {
            await UntilStoppedAsync(async () =>
            {
                try
                {
                    await LiveAsync(transport);
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    failure = exception;
                }
            });
        }
        catch (OperationCanceledException exception)
        {
            cancellation = exception;
        }

        try
        {
            reason = await CloseAsync(transport, inGoodOrder: failure is null && cancellation is null);
        }
        catch (OperationCanceledException exception)
        {
            cancellation ??= exception;
        }

        _made = default;
        if (_loop.Time - _connectedAt >= _options.HealthyTime)
        {
            Attempt = 0;
            _backoff.Reset();
        }

        // What a protocol has thrown was reported, and is over with its connection.
        bool isTransient = failure is null || ReconnectOptions.IsTransient(failure);
        bool isOver = _isStopping || cancellation is not null;
        Continue(failure ?? reason ?? NewReason(transport.CloseReason), isTransient, isOver, Describe(transport));
        if (cancellation is not null)
        {
            ExceptionDispatchInfo.Throw(cancellation);
        }
    }

    private async Task LiveAsync(Transport transport)
    {
        if (_handler is null)
        {
            await transport.WaitClosedAsync();
        }
        else
        {
            Task? handling = _handler(_made.Stream!);
            await (handling ?? throw new InvalidOperationException("The handler returned null instead of a task."));
        }
    }

    private async Task<Exception?> CloseAsync(Transport transport, bool inGoodOrder)
    {
        try
        {
            if (inGoodOrder && !_isAborting)
            {
                CancelScope.ThrowIfCancelled();
                _made.Close();
            }
            else
            {
                _made.Abort();
            }

            return await transport.WaitClosedAsync();
        }
        catch (ScopeCancelledException)
        {
            _made.Abort();
            await CancelScope.RunAsync(async _ => await transport.WaitClosedAsync(), shield: true);
            throw;
        }
    }

    private async Task WaitAsync()
    {
        if (RetryDelay is { } delay)
        {
            await UntilStoppedAsync(async () => await _loop.Delay(delay));
            RetryDelay = null;
            NextAttemptAt = null;
        }
    }

    // Runs the body in a scope that Stop cancels.
    private Task<bool> UntilStoppedAsync(Func<Task> body) => CancelScope.RunAsync(async scope =>
    {
        _scope = scope;
        if (_isStopping)
        {
            scope.Cancel("the client was stopped");
        }

        try
        {
            await body();
        }
        finally
        {
            _scope = null;
        }
    });

    private void OnConnected(Transport transport)
    {
        State = ReconnectState.Connected;
        _connectedAt = _loop.Time;
        _isOutageTold = false;
        if (LastFailure is not null && _logger.IsEnabled(LogLevel.Information))
        {
            string peer = Describe(transport);
            if (_loop.Host.LogRate.ShouldLog($"connected again to {peer}", out string suppressed))
            {
                ConnectedAgain(_logger, peer, Attempt, suppressed);
            }
        }

        _whenConnected?.TrySetResult(transport);
        _whenConnected = null;
        Tell(_options.Connected, nameof(ReconnectOptions.Connected));
    }

    // Sets the wait that follows a failure, or throws what no other attempt is to follow; of a connection when there is a peer.
    private void Continue(Exception failure, bool isTransient, bool isOver, string? peer)
    {
        LastFailure = failure;
        ExceptionDispatchInfo? end = null;
        bool goesOn = false;
        try
        {
            goesOn = !isOver && ShouldGoOn(failure, isTransient);
            if (!goesOn && !(isOver && isTransient))
            {
                end = ExceptionDispatchInfo.Capture(failure);
            }
        }
        catch (Exception exception)
        {
            end = ExceptionDispatchInfo.Capture(exception);
        }

        if (goesOn)
        {
#pragma warning disable CA5394 // No secret is made of it.
            TimeSpan delay = _backoff.Next(_options.Random?.NextDouble() ?? _loop.Host.Backend.NextDouble());
#pragma warning restore CA5394
            State = ReconnectState.Waiting;
            RetryDelay = delay;
            NextAttemptAt = delay < TimeSpan.MaxValue - _loop.Time ? _loop.Time + delay : TimeSpan.MaxValue;
        }
        else
        {
            State = ReconnectState.Stopped;
        }

        Log(failure, peer);
        if (peer is not null)
        {
            Tell(_options.Lost, nameof(ReconnectOptions.Lost));
        }
        else
        {
            Tell(_options.AttemptFailed, nameof(ReconnectOptions.AttemptFailed));
        }

        end?.Throw();
    }

    private bool ShouldGoOn(Exception failure, bool isTransient)
    {
        if (Attempt >= _options.MaxAttempts)
        {
            return false;
        }

        if (_options.ShouldRetry is not { } shouldRetry)
        {
            return isTransient;
        }

        using CallbackScope scope = EnterUserCode(shouldRetry, nameof(ReconnectOptions.ShouldRetry));
        return shouldRetry(failure, isTransient);
    }

    private void Tell(Action<ReconnectingClient>? callback, string name)
    {
        if (callback is null)
        {
            return;
        }

        try
        {
            using CallbackScope scope = EnterUserCode(callback, name);
            callback(this);
        }
        catch (Exception exception)
        {
            string message = $"{nameof(ReconnectOptions)}.{name} threw; the client goes on.";
            _loop.ReportError(new CallbackError(message, exception, null));
        }
    }

    private CallbackScope EnterUserCode(Delegate callback, string name)
        => _loop.Host.EnterUserCode(_context, callback.Target ?? callback, name);

    private void Log(Exception failure, string? peer)
    {
        bool isFirst = !_isOutageTold;
        _isOutageTold = true;
        if (!_logger.IsEnabled(isFirst ? LogLevel.Warning : LogLevel.Debug))
        {
            return;
        }

        string what = peer is not null ? "lost" : isFirst ? "first failure" : "failure";
        if (!_loop.Host.LogRate.ShouldLog($"reconnecting {what} {peer}", out string suppressed))
        {
            return;
        }

        string reason = LogText.Escape(failure.Message);
        string next = RetryDelay is { } delay ? $"The next attempt is in {delay}." : "There will be no other attempt.";
        if (peer is not null)
        {
            ConnectionWasLost(_logger, peer, reason, next, suppressed);
        }
        else if (isFirst)
        {
            FirstAttemptFailed(_logger, reason, next, suppressed);
        }
        else
        {
            LaterAttemptFailed(_logger, Attempt, reason, next, suppressed);
        }
    }

    private static string Describe(Transport transport) => LogText.Escape($"{transport.RemoteEndPoint}");

    private static ConnectionException NewReason(CloseReason reason) => new(
        reason,
        reason == CloseReason.PeerEnd ? "The peer has ended the connection." : "The connection was ended by this side.");

    private InvalidOperationException NewEndedException()
        => new("The client has ended, and there will be no other connection.", LastFailure);

    // False when the caller is a part of what was stopped, and ends with it: it must not wait for that.
    private bool BeginStopping([NotNullWhen(false)] out Exception? refusal)
    {
        _loop.VerifyAccess();
        bool isPart = _scope is { } scope && LoopHost.IsWithin(scope);
        Stop();
        refusal = !isPart ? null
            : _loop.Host.RefusalOfWait(CancellationToken.None)
                ?? new InvalidOperationException("A handler that is stopped cannot wait for its own end. Call Stop, and return.");
        return refusal is null;
    }

    private void Abort()
    {
        _isAborting = true;
        _made.Abort();
    }

    private void OnTokenCancelled() => _loop.Host.TryPost(static self => ((ReconnectingClient)self!).Stop(), this);

    private void End()
    {
        _ended.TrySetResult();
        _whenConnected?.TrySetException(NewEndedException());
        _whenConnected = null;
    }

    /// <summary>A connection that was made, and what is above its protocol.</summary>
    /// <param name="Transport">The transport; null when there is no connection.</param>
    /// <param name="Stream">The protocol, for a handler.</param>
    [StructLayout(LayoutKind.Auto)]
    internal readonly record struct Made(Transport? Transport, StreamConnection? Stream)
    {
        public void Close()
        {
            if (Stream is not null)
            {
                Stream.Close(); // with what its writer holds
            }
            else
            {
                Transport?.Close();
            }
        }

        public void Abort()
        {
            if (Stream is not null)
            {
                Stream.Abort();
            }
            else
            {
                Transport?.Abort();
            }
        }
    }

    /// <summary>The client as its loop sees it: it ends with the loop, whatever shields are around it.</summary>
    private sealed class Resident(ReconnectingClient client) : ILoopResident
    {
        public int ResidentIndex { get; set; }

        public void OnLoopShutdown()
        {
            client._hasLoopEnded = true;
            client.Stop();
            client.Abort();
        }

        // A handler that does not end is a task, of which the loop tells.
        public void OnLoopShutdownExpired()
        {
        }
    }
}
