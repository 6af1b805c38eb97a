namespace Toolkit;

/// <summary>Where a <see cref="ReconnectingClient"/> is.</summary>
public enum ReconnectState
{
    /// <summary>It has not been run.</summary>
    Idle,

    /// <summary>An attempt to connect is under way.</summary>
    Connecting,

    /// <summary>There is a connection, which may be closing.</summary>
    Connected,

    /// <summary>It waits before the next attempt.</summary>
    Waiting,

    /// <summary>It was stopped, has given up, or is about to end: there will be no other connection.</summary>
    Stopped,
}
