using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Diagnostics;
using Toolkit.Scheduling;

namespace Toolkit;

/// <content>Running user code, and what becomes of what it throws.</content>
public sealed partial class EventLoop
{
    /// <summary>
    /// Called on the loop's thread with every error that nobody waits for. Null, the default, logs it at most once a
    /// second per cause (<see cref="DefaultExceptionHandler"/>). A handler that throws is logged, with what it was to
    /// handle; the loop goes on. Loop thread only.
    /// </summary>
    public Action<LoopError>? ExceptionHandler
    {
        get;
        set
        {
            VerifyAccess();
            field = value;
        }
    }

    /// <summary>Hands an error to <see cref="ExceptionHandler"/>. Never throws. Loop thread only.</summary>
    public void ReportError(LoopError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        Statistics.Errors++;
        if (ExceptionHandler is not { } handler)
        {
            DefaultExceptionHandler(error);
            return;
        }

        try
        {
            handler(error);
        }
        catch (Exception exception)
        {
            if (LogRate.ShouldLog($"{nameof(LoopLog.HandlerThrew)}/{exception.GetType()}", out string suppressed))
            {
                LogQuietly(() => LoopLog.HandlerThrew(_logger, exception, LogText.Escape(error.Message), suppressed));
            }

            DefaultExceptionHandler(error);
        }
    }

    /// <summary>
    /// Logs an error: what happens when no <see cref="ExceptionHandler"/> is set, and what one can fall back on. Of errors
    /// that are alike, one a second is logged. The message is escaped (<see cref="LogText"/>); the exception goes to the
    /// logger as it is, and to escape it is the business of a logger that makes text of it. Never throws.
    /// </summary>
    public void DefaultExceptionHandler(LoopError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        if (LogRate.ShouldLog($"{error.Message}/{error.Exception.GetType()}", out string suppressed))
        {
            LogQuietly(() => LoopLog.UnhandledError(_logger, error.Exception, LogText.Escape(error.Message), suppressed));
        }
    }

    /// <summary>A callback has run that was timed.</summary>
    internal void OnTimed(long entered, CallbackName name, CallbackHandle? handle)
    {
        long now = Clock.Now;
        long took = now - entered;
        Statistics.OnCallback(now, took, name);
        if (IsDebug && took >= _slowTicks)
        {
            ReportSlow(took, name.ToString(), handle);
        }
    }

    // Apart, or the closure would be made for each callback.
    private void ReportSlow(long took, string name, CallbackHandle? handle)
    {
        string created = handle?.Created is { } stack ? $" It was scheduled here:\n{stack}" : "";
        LogQuietly(() => LoopLog.SlowCallback(_logger, name, new TimeSpan(took).TotalMilliseconds, created));
    }

    internal void ReportBlockingWait()
    {
        if (_reportingWait)
        {
            return; // a logger that waits, for a lock of its own perhaps, must not report itself for ever
        }

        _reportingWait = true;
        string stack = new StackTrace(skipFrames: 2, fNeedFileInfo: true).ToString();
        LogQuietly(() => LoopLog.BlockingWait(_logger, stack));
        _reportingWait = false;
    }

    // A callback of the ready queue: one with a handle (through _runHandle), a continuation, or an unsafe one.
    private void RunCallback(Action<object?> callback, object? state)
    {
        long entered = IsTimed && callback != _runHandle ? Clock.Now : 0;
        try
        {
            callback(state);
        }
        catch (Exception exception)
        {
            ReportError(new CallbackError("A callback or a continuation threw.", exception, null));
        }

        if (entered != 0)
        {
            OnTimed(entered, new CallbackName(callback, state), null);
        }

        RestoreContexts();
    }

    private void RunHandle(ReadyHandle handle)
    {
        if (handle.TryTake(out Action<object?> callback, out object? state))
        {
            Invoke(callback, state, handle);
        }
    }

    private void RunTimer(TimerHandle timer)
    {
        Action<object?> callback = timer.GetCallback(out object? state);
        Invoke(callback, state, timer);
        RestoreContexts();
    }

    private void Invoke(Action<object?> callback, object? state, CallbackHandle handle)
    {
        if (handle.Context is { } context && context != _baseContext)
        {
            ExecutionContext.Restore(context);
        }

        long entered = IsTimed ? Clock.Now : 0;
        try
        {
            callback(state);
        }
        catch (Exception exception)
        {
            ReportError(new CallbackError(
                handle is TimerHandle ? "The callback of a timer threw." : "A callback threw.", exception, handle));
        }

        if (entered != 0)
        {
            OnTimed(entered, new CallbackName(callback, state), handle);
        }
    }

    // What one callback sets must not be seen by the next, which may belong to another user.
    private void RestoreContexts()
    {
        if (SynchronizationContext.Current != SynchronizationContext)
        {
            SynchronizationContext.SetSynchronizationContext(SynchronizationContext);
        }

        if (_baseContext is not null)
        {
            ExecutionContext.Restore(_baseContext);
        }
    }

    // A logger is user code too, and there is nobody left to tell of its failure.
    private static void LogQuietly(Action log)
    {
        try
        {
            log();
        }
        catch (Exception exception)
        {
            Debug.WriteLine(exception);
        }
    }
}
