namespace Toolkit;

/// <summary>
/// Something went wrong that no caller can be told of, because none is waiting: what
/// <see cref="EventLoop.ExceptionHandler"/> is called with. Match on the type for what is known of the origin.
/// </summary>
/// <param name="Message">What was being done.</param>
/// <param name="Exception">What was thrown.</param>
public record LoopError(string Message, Exception Exception);

/// <summary>A callback, a timer or a continuation threw.</summary>
/// <param name="Message">What was being done.</param>
/// <param name="Exception">What was thrown.</param>
/// <param name="Handle">The callback's handle; null when it was scheduled without one.</param>
public sealed record CallbackError(string Message, Exception Exception, CallbackHandle? Handle)
    : LoopError(Message, Exception);
