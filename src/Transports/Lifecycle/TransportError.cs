namespace Toolkit;

/// <summary>A callback of a protocol threw; its connection is aborted.</summary>
/// <param name="Message">What was being done.</param>
/// <param name="Exception">What was thrown.</param>
/// <param name="Transport">The transport that made the call.</param>
/// <param name="Protocol">The protocol that was called.</param>
public sealed record TransportError(string Message, Exception Exception, Transport Transport, StreamProtocol Protocol)
    : LoopError(Message, Exception);
