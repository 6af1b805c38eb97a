using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>A child that was started: the transport, and the protocol that it calls.</summary>
/// <param name="Transport">The transport.</param>
/// <param name="Protocol">The protocol.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Subprocess<TProtocol>(SubprocessTransport Transport, TProtocol Protocol)
    where TProtocol : SubprocessProtocol;

/// <summary>A callback of a subprocess protocol threw; its transport is closed.</summary>
/// <param name="Message">What was being done.</param>
/// <param name="Exception">What was thrown.</param>
/// <param name="Transport">The transport that made the call.</param>
/// <param name="Protocol">The protocol that was called.</param>
public sealed record SubprocessError(
    string Message, Exception Exception, SubprocessTransport Transport, SubprocessProtocol Protocol)
    : LoopError(Message, Exception);
