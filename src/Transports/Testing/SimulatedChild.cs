using Toolkit.Transports;

namespace Toolkit.Simulation;

/// <summary>A child of a simulation, as its parent sees it.</summary>
internal sealed class SimulatedChild : IChildProcess
{
    public const int SignalKill = 9;

    private const int SignalAbort = 6;
    private const int SignalChild = 17;
    private const int SignalContinue = 18;
    private const int SignalWindow = 28;

    private readonly EventLoop _loop;
    private readonly SimulatedProcess _process;
    private readonly LoopTask _run;
    private IChildWatcher? _watcher;
    private ExitStatus? _status;
    private bool _isTold;

    public SimulatedChild(EventLoop loop, SimulatedProcess process, Func<SimulatedProcess, Task<int>> main)
    {
        _loop = loop;
        _process = process;
        _run = loop.CreateTask(() => RunAsync(main), $"{process.FileName} {process.Pid}");
    }

    public int Pid => _process.Pid;

    public void Watch(EventLoop loop, IChildWatcher watcher)
    {
        _watcher = watcher;
        if (_status is not null)
        {
            loop.UnsafeCallSoon(static self => ((SimulatedChild)self!).TellExit(), this);
        }
    }

    public bool Signal(int signal, bool entireGroup)
    {
        if (_status is not null)
        {
            return false;
        }

        if (signal != SignalKill && _process.HandlerOf(signal) is { } handler)
        {
            _loop.CallSoon(handler);
        }
        else if (signal is not (SignalChild or SignalContinue or SignalWindow))
        {
            End(ExitStatus.FromSignal(signal), isKilled: true);
            _run.Cancel();
        }

        return true;
    }

    public void Kill() => Signal(SignalKill, entireGroup: true);

    public ExitStatus ReapNow()
    {
        Kill();
        _isTold = true;
        return _status!.Value;
    }

    public void Dispose()
    {
        // There is nothing of the machine's.
    }

    private async Task RunAsync(Func<SimulatedProcess, Task<int>> main)
    {
        try
        {
            End(ExitStatus.FromCode(await main(_process)), isKilled: false);
        }
        catch (OperationCanceledException) when (_status is not null)
        {
            // It was killed.
        }
        catch (Exception exception)
        {
            if (_status is null)
            {
                _loop.ReportError(new LoopError($"The simulated program {_process.FileName} threw.", exception));
                End(ExitStatus.FromSignal(SignalAbort), isKilled: true);
            }
        }
    }

    private void End(ExitStatus status, bool isKilled)
    {
        if (_status is not null)
        {
            return;
        }

        _status = status;
        _process.ClosePipes(isKilled);
        if (_watcher is not null)
        {
            _loop.UnsafeCallSoon(static self => ((SimulatedChild)self!).TellExit(), this);
        }
    }

    private void TellExit()
    {
        if (!_isTold)
        {
            _isTold = true;
            _watcher!.OnExited(_status!.Value);
        }
    }
}
