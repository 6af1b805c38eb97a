using Microsoft.Extensions.Logging;

namespace Toolkit;

/// <summary>What the loop logs. The event ids are stable.</summary>
internal static partial class LoopLog
{
    public const string Category = "Toolkit.EventLoop";

    [LoggerMessage(1, LogLevel.Debug, "The loop runs on {Backend}.")]
    public static partial void Running(ILogger logger, string backend);

    [LoggerMessage(2, LogLevel.Error, "{Message}{Suppressed}")]
    public static partial void UnhandledError(ILogger logger, Exception exception, string message, string suppressed);

    [LoggerMessage(3, LogLevel.Error, "The exception handler threw while it handled: {Message}{Suppressed}")]
    public static partial void HandlerThrew(ILogger logger, Exception exception, string message, string suppressed);

    [LoggerMessage(4, LogLevel.Warning, "{Callback} took {Milliseconds} ms.{Created}")]
    public static partial void SlowCallback(ILogger logger, string callback, double milliseconds, string created);

    [LoggerMessage(5, LogLevel.Warning, "The loop's thread is blocked by a wait. Await instead, or use RunInThreadAsync.\n{Stack}")]
    public static partial void BlockingWait(ILogger logger, string stack);

    [LoggerMessage(6, LogLevel.Warning, "A continuation was dropped because its loop is disposed.{Suppressed}")]
    public static partial void ContinuationDropped(ILogger logger, string suppressed);

    [LoggerMessage(7, LogLevel.Warning, "{Count} transports or servers were still open when the loop was disposed.")]
    public static partial void StillOpen(ILogger logger, int count);

    [LoggerMessage(8, LogLevel.Warning, "A loop was collected without having been disposed. It was created here:\n{Created}")]
    public static partial void NotDisposed(ILogger logger, string created);

    [LoggerMessage(9, LogLevel.Critical, "The loop has ended: the system serves it no more.")]
    public static partial void BackendFailed(ILogger logger, Exception exception);

    [LoggerMessage(10, LogLevel.Warning, "Tasks had not ended when the loop was disposed: {Names}.")]
    public static partial void TasksLeft(ILogger logger, string names);

    [LoggerMessage(11, LogLevel.Warning, "{Count} functions still ran in threads when the loop was disposed.")]
    public static partial void ThreadWorkLeft(ILogger logger, int count);
}
