using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// The transport of a child: it joins what the process tells with what its pipes tell, and keeps the contract that
/// <see cref="SubprocessTransport"/> and <see cref="SubprocessProtocol"/> promise, whatever the child is made of.
/// </summary>
/// <remarks>
/// Each pipe is a stream transport of its own, whose owner this is: it is told of their ends behind their protocols. Two things
/// have to happen before the end, in any order: the process is reaped, and the last pipe is lost.
/// </remarks>
internal sealed class ChildTransport : SubprocessTransport, IDescribedResident<TransportInfo>, IConnectionOwner, IChildWatcher
{
    private const int SignalTerminate = 15;
    private const int SignalKill = 9;

    private static readonly Action<object?> s_tellLost = static self => ((ChildTransport)self!).TellLost();
    private static readonly Action<object?> s_killExpired = static self => ((ChildTransport)self!).OnGraceOver();

    // Set once.
    private readonly EventLoop _loop;
    private readonly ExecutionContext? _context;
    private readonly IChildProcess _process;
    private readonly SpawnOptions _options;
    private readonly PseudoTerminal? _terminal;
    private readonly TimeSpan _started;
    private readonly StreamTransport?[] _pipes = new StreamTransport?[3];
    private readonly bool[] _areOpen = new bool[3]; // by the descriptor that the callbacks name

    // Loop thread only.
    private readonly Future<ExitStatus> _exited;
    private readonly Future<ExitStatus> _completed;
    private TimerHandle? _grace;
    private ExitStatus? _status;
    private Exception? _exception;
    private bool _isClosing;
    private bool _isLost;

    public ChildTransport(
        EventLoop loop,
        ExecutionContext? context,
        IChildProcess process,
        SpawnOptions options,
        PseudoTerminal? terminal,
        SubprocessProtocol protocol)
        : base(protocol)
    {
        _loop = loop;
        _context = context;
        _process = process;
        _options = options;
        _terminal = terminal;
        _started = loop.Time;
        _exited = new Future<ExitStatus>(loop);
        _completed = new Future<ExitStatus>(loop);
    }

    public override int Pid => _process.Pid;

    public override ExitStatus? ExitStatus => _status;

    public override bool IsClosing => _isClosing || _isLost;

    int ILoopResident.ResidentIndex { get; set; }

    /// <summary>Puts a transport on each handle, tells the protocol of the child, and watches it.</summary>
    /// <param name="handles">Our ends of the pipes, by the child's descriptors; the terminal's is 1.</param>
    /// <param name="makeProtocol">Makes the protocol of a pipe.</param>
    /// <returns>What ConnectionMade threw, after which the transport is on its way out; else null.</returns>
    public Exception? Start(IoHandle?[] handles, Func<int, ChildTransport, StreamProtocol> makeProtocol)
    {
        _loop.Host.AddResident(this);
        BindProtocol();
        var origin = new ConnectionOrigin(_loop, _options.Pipes.ToConnectionOptions(), _context, this);
        for (int fd = 0; fd < handles.Length; fd++)
        {
            if (handles[fd] is { } handle)
            {
                _areOpen[fd] = true;
                _pipes[fd] = new StreamTransport(origin, handle, makeProtocol(fd, this)) { OwnerIndex = fd };
            }
        }

        ShareTerminal();
        for (int fd = 0; fd < handles.Length; fd++)
        {
            if (_areOpen[fd])
            {
                _pipes[fd]!.Start();
            }
        }

        Exception? failure = Tell(static protocol => protocol.ConnectionMade(), nameof(SubprocessProtocol.ConnectionMade));
        _process.Watch(_loop, this);
        return failure;
    }

    public override Transport? GetPipeTransport(int fd)
    {
        VerifyAccess();
        return fd is >= 0 and < 3 ? _pipes[fd] : null;
    }

    public override bool SendSignal(PosixSignal signal, bool entireGroup = false) => Send(NumberOf(signal), entireGroup);

    public override bool Terminate(bool entireGroup = false) => Send(SignalTerminate, entireGroup);

    public override bool Kill(bool entireGroup = false) => Send(SignalKill, entireGroup);

    public override ValueTask<ExitStatus> TerminateAsync(TimeSpan grace, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grace, TimeSpan.Zero);
        VerifyAccess();
        if (_status is null)
        {
            Send(SignalTerminate, _options.HasOwnGroup);
            if (_grace is { } earlier)
            {
                earlier.Cancel();
            }

            _grace = _loop.UnsafeCallLater(grace, s_killExpired, this);
        }

        return WaitAsync(_exited, cancellationToken);
    }

    public override ValueTask<ExitStatus> WaitExitedAsync(CancellationToken cancellationToken = default)
        => WaitAsync(_exited, cancellationToken);

    public override ValueTask<ExitStatus> WaitCompletedAsync(CancellationToken cancellationToken = default)
        => WaitAsync(_completed, cancellationToken);

    public override void ResizeTerminal(ushort columns, ushort rows)
    {
        VerifyAccess();
        if (_terminal is null || _isLost)
        {
            throw new InvalidOperationException(
                "The child has no terminal, or it is gone. It gets one by SpawnOptions.Terminal.");
        }

        _terminal.Size = new TerminalSize(columns, rows);
    }

    public override void Close()
    {
        VerifyAccess();
        if (_isClosing || _isLost)
        {
            return;
        }

        _isClosing = true;
        for (int fd = 0; fd < _pipes.Length; fd++)
        {
            if (_areOpen[fd])
            {
                _pipes[fd]!.Abort();
            }
        }

        _process.Kill();
        EndIfOver();
    }

    /// <summary>A callback has thrown.</summary>
    public void FailByProtocol(Exception exception, string member)
    {
        _loop.ReportError(new SubprocessError(
            $"{Protocol.GetType().Name}.{member} threw; the child is closed.", exception, this, Protocol));
        _exception ??= exception;
        Close();
    }

    void IChildWatcher.OnExited(ExitStatus status) => OnExited(status);

    void IConnectionOwner.OnConnectionLost(StreamTransport transport)
    {
        int fd = transport.OwnerIndex;
        _areOpen[fd] = false;
        if (_isLost)
        {
            return; // the loop has ended, and with it the patience
        }

        if (transport.Protocol is not StreamConnection)
        {
            Exception? reason = LossOf(transport);
            Tell(protocol => protocol.PipeConnectionLost(fd, reason), nameof(SubprocessProtocol.PipeConnectionLost));
        }

        EndIfOver();
    }

    TransportInfo IDescribedResident<TransportInfo>.Describe() => new()
    {
        Kind = TransportKind.Process,
        State = _isLost ? TransportState.Lost
            : _isClosing || _status is not null ? TransportState.Closing
            : TransportState.Open,
        Age = _loop.Time - _started,
        ProcessId = Pid,
    };

    void ILoopResident.OnLoopShutdown()
    {
        if (!_isClosing)
        {
            _exception = new ConnectionException(CloseReason.LoopShutdown, "The loop was shut down.");
            Close();
        }
    }

    void ILoopResident.OnLoopShutdownExpired()
    {
        if (_status is null)
        {
            OnExited(_process.ReapNow());
        }
    }

    // What each pipe's own protocol was told of its end.
    private static Exception? LossOf(StreamTransport transport) => transport.LossReason;

    // The enumeration's own values are negative, and the same on all systems; the numbers are those of Linux and of the child's
    // end.
    private static int NumberOf(PosixSignal signal) => (int)signal switch
    {
        -1 => 1, // SIGHUP
        -2 => 2, // SIGINT
        -3 => 3, // SIGQUIT
        -4 => SignalTerminate,
        -5 => 17, // SIGCHLD
        -6 => 18, // SIGCONT
        -7 => 28, // SIGWINCH
        -8 => 21, // SIGTTIN
        -9 => 22, // SIGTTOU
        -10 => 20, // SIGTSTP
        > 0 and <= 64 and var number => number,
        _ => throw new ArgumentOutOfRangeException(nameof(signal), signal, "There is no such signal."),
    };

    private void VerifyAccess() => _loop.VerifyAccess();

    private bool Send(int signal, bool entireGroup)
    {
        VerifyAccess();
        if (entireGroup && !_options.HasOwnGroup)
        {
            throw new InvalidOperationException(
                "The child is in the group of this process, which would get the signal too. Start it with SpawnOptions.Group.");
        }

        return _process.Signal(signal, entireGroup);
    }

    private ValueTask<ExitStatus> WaitAsync(Future<ExitStatus> what, CancellationToken cancellationToken)
    {
        VerifyAccess();
        return _loop.Host.RefusalOfWait(cancellationToken) is { } refusal ? ValueTask.FromException<ExitStatus>(refusal)
            : what.IsCompleted ? new(what.Result)
            : what.WaitAsync(cancellationToken);
    }

    // All streams that lead to the terminal are one transport.
    private void ShareTerminal()
    {
        if (_terminal is null || _pipes[1] is not { } shared)
        {
            return;
        }

        _pipes[0] = _options.StandardInput.Kind == ChildStreamKind.Pipe ? shared : null;
        _pipes[2] = _options.StandardError.Kind is ChildStreamKind.Pipe or ChildStreamKind.Merge ? shared : null;
    }

    private void OnExited(ExitStatus status)
    {
        _grace?.Cancel();
        _grace = null;
        _status = status;
        _exited.SetResult(status);
        Tell(static protocol => protocol.ProcessExited(), nameof(SubprocessProtocol.ProcessExited));
        EndIfOver();
    }

    private void OnGraceOver()
    {
        _grace = null;
        if (_status is null)
        {
            _process.Kill();
        }
    }

    private void EndIfOver()
    {
        if (_status is not null && !_isLost && !Array.Exists(_areOpen, isOpen => isOpen))
        {
            _isLost = true;
            _loop.UnsafeCallSoon(s_tellLost, this);
        }
    }

    private void TellLost()
    {
        _process.Dispose();
        _terminal?.Dispose();
        _completed.SetResult(_status!.Value);
        try
        {
            using CallbackScope scope = _loop.Host.EnterUserCode(_context, Protocol, nameof(SubprocessProtocol.ConnectionLost));
            Protocol.ConnectionLost(_exception);
        }
        catch (Exception exception)
        {
            _loop.ReportError(new SubprocessError(
                $"{Protocol.GetType().Name}.{nameof(SubprocessProtocol.ConnectionLost)} threw.", exception, this, Protocol));
        }
        finally
        {
            _loop.Host.RemoveResident(this);
        }
    }

    private Exception? Tell(Action<SubprocessProtocol> call, string member)
    {
        try
        {
            using CallbackScope scope = _loop.Host.EnterUserCode(_context, Protocol, member);
            call(Protocol);
            return null;
        }
        catch (Exception exception)
        {
            FailByProtocol(exception, member);
            return exception;
        }
    }
}
