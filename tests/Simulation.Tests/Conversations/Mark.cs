namespace Toolkit.Tests.Simulated.Conversations;

/// <summary>
/// What the scenarios are there to bring about. Each must come up in every thousand seeds, or the fuzzer is asleep.
/// </summary>
internal enum Mark
{
    Made,
    ConnectFailed,
    Paused,
    Resumed,
    Eof,
    EofWhileWritingIsPaused,
    ResumedAfterEof,
    HalfClosed,
    WriteRefused,
    GaveBack,
    ReadingPaused,
    CleanEnd,
    Reset,
    TimedOut,
    LostWhileWritingIsPaused,
    ClosedWithUnsentBytes,
    ClosedWithinACallback,
    AbortedWithinACallback,
    ProtocolThrew,
    Partitioned,
    Held,
    Crashed,
    HostPaused,
    Shed,
    Overflow,
    UnderChaos,
    ResetAfterAGoodEnd,
}
