using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// Connecting to the first of several addresses that answers, as RFC 8305 (Happy Eyeballs, version 2) has it: an attempt begins
/// when the one before has failed, or has not answered for a while, and goes on beside it; the first that succeeds is the
/// connection, and the others are closed within the same call. It is one wait of the current scope, which ends once; whatever
/// ends it, no descriptor is left but the one that is handed out.
/// </summary>
internal sealed class ConnectRace : ILoopResident, IPendingWaitOwner
{
    private readonly EventLoop _loop;
    private readonly string _target;
    private readonly EndPoint[] _endPoints;
    private readonly ConnectOptions _options;
    private readonly ExecutionContext? _context;
    private readonly TimeSpan _deadline;
    private readonly ConnectFailure?[] _failures;
    private readonly List<ConnectAttempt> _attempts = []; // those under way
    private PendingWait<IoHandle?> _wait; // not read-only, and not copied
    private TimerHandle? _limit;
    private TimerHandle? _delay;
    private int _next;
    private bool _isUnderWay;

    private ConnectRace(
        EventLoop loop, string target, EndPoint[] endPoints, ConnectOptions options, TimeSpan time, ExecutionContext? context)
    {
        _loop = loop;
        _target = target;
        _endPoints = endPoints;
        _options = options;
        _context = context;
        _deadline = loop.Time + time;
        _failures = new ConnectFailure?[endPoints.Length];
    }

    int ILoopResident.ResidentIndex { get; set; }

    private bool IsOneByOne => _options.AttemptDelay == System.Threading.Timeout.InfiniteTimeSpan;

    /// <summary>Connects to one of the addresses.</summary>
    /// <param name="loop">The loop, which runs on this thread.</param>
    /// <param name="target">What is connected to, for messages.</param>
    /// <param name="endPoints">The addresses, in the order in which they are tried.</param>
    /// <param name="options">How.</param>
    /// <param name="time">For how long, in all.</param>
    /// <param name="context">The context in which the caller's filter is called.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The connected handle; or null, and what came of every attempt, in the order of the addresses.</returns>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
    /// <remarks>What the caller's filter throws comes out of here.</remarks>
    public static async Task<(IoHandle? Handle, IReadOnlyList<ConnectFailure> Failures)> RunAsync(
        EventLoop loop,
        string target,
        EndPoint[] endPoints,
        ConnectOptions options,
        TimeSpan time,
        ExecutionContext? context,
        CancellationToken cancellationToken)
    {
        var race = new ConnectRace(loop, target, endPoints, options, time, context);
        ValueTask<IoHandle?> wait = race._wait.Begin(loop, race, cancellationToken);
        if (race._wait.IsWaiting)
        {
            race.Start();
        }

        IoHandle? handle = await wait;
        return (handle, [.. race._failures.OfType<ConnectFailure>()]);
    }

    /// <summary>An attempt has succeeded, and its handle is the race's.</summary>
    public void OnConnected(ConnectAttempt attempt, IoHandle handle)
    {
        _attempts.Remove(attempt);
        Leave();
        _wait.Complete(handle);
    }

    /// <summary>An attempt has failed, and has closed its handle.</summary>
    public void OnFailed(ConnectAttempt attempt, SocketError error)
    {
        _attempts.Remove(attempt);
        Record(attempt.Index, error);
        Continue();
    }

    void IPendingWaitOwner.OnWaitCancelled()
    {
        _wait.Forget();
        Leave();
    }

    string IPendingWaitOwner.DescribeWait() => $"to connect to {LogText.Escape(_target)}";

    void ILoopResident.OnLoopShutdown()
    {
        Leave();
        _wait.Fail(new ObjectDisposedException(nameof(EventLoop)));
    }

    void ILoopResident.OnLoopShutdownExpired() => ((ILoopResident)this).OnLoopShutdown();

    private void Start()
    {
        _isUnderWay = true;
        _loop.Host.AddResident(this);
        TimeSpan left = Left;
        Continue();
        if (_isUnderWay)
        {
            _limit = _loop.UnsafeCallLater(left, static self => ((ConnectRace)self!).OnTimeIsUp(), this);
        }
    }

    private TimeSpan Left => _deadline > _loop.Time ? _deadline - _loop.Time : TimeSpan.Zero;

    // Begins with the next address that lets itself be tried, if there is one.
    private void Continue()
    {
        _delay?.Cancel();
        while (_next < _endPoints.Length)
        {
            int index = _next++;
            SocketError error;
            try
            {
                string? refusal = RefusalOf(_endPoints[index]);
                if (!_isUnderWay)
                {
                    return; // the filter has cancelled its own connection
                }

                if (refusal is not null)
                {
                    Record(index, SocketError.AccessDenied, refusal);
                    continue;
                }

                var attempt = new ConnectAttempt(this, index);
                _attempts.Add(attempt);
                error = attempt.Begin(_loop, _endPoints[index], _options, TimeFor(index));
                if (error == SocketError.Success)
                {
                    DelayNext();
                    return;
                }

                _attempts.Remove(attempt);
            }
            catch (Exception exception)
            {
                Fail(exception);
                return;
            }

            Record(index, error);
        }

        if (_isUnderWay && _attempts.Count == 0)
        {
            Leave();
            _wait.Complete(null);
        }
    }

    private void DelayNext()
    {
        if (_next < _endPoints.Length && !IsOneByOne)
        {
            _delay = _loop.UnsafeCallLater(
                _options.AttemptDelay, static self => ((ConnectRace)self!).Continue(), this);
        }
    }

    // One after the other, a silent first address must not use up the time of those behind it: each gets an equal share.
    private TimeSpan? TimeFor(int index)
        => _options.AttemptTimeout is { } time ? time
            : IsOneByOne && index < _endPoints.Length - 1 ? Left / (_endPoints.Length - index)
            : null;

    private string? RefusalOf(EndPoint endPoint)
    {
        if (_options.AddressFilter is not { } filter || endPoint is not IPEndPoint address)
        {
            return null;
        }

        using CallbackScope scope = _loop.Host.EnterUserCode(
            _context, filter.Target ?? filter, nameof(ConnectOptions.AddressFilter));
        return filter(address);
    }

    private void OnTimeIsUp()
    {
        foreach (ConnectAttempt attempt in _attempts)
        {
            Record(attempt.Index, SocketError.TimedOut);
        }

        Leave();
        _wait.Complete(null);
    }

    private void Record(int index, SocketError error, string? reason = null)
        => _failures[index] = new ConnectFailure(_endPoints[index], new SocketException((int)error)) { Refusal = reason };

    private void Fail(Exception exception)
    {
        if (_isUnderWay)
        {
            Leave();
            _wait.Fail(exception);
        }
    }

    private void Leave()
    {
        if (!_isUnderWay)
        {
            return;
        }

        _isUnderWay = false;
        _delay?.Cancel();
        _limit?.Cancel();
        _attempts.ForEach(static attempt => attempt.Abandon());
        _attempts.Clear();
        _loop.Host.RemoveResident(this);
    }
}
