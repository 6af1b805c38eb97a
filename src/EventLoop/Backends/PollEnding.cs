namespace Toolkit.Backends;

/// <summary>What a <see cref="IoBackend.Poll"/> has left behind, which decides what time the loop may call over.</summary>
public enum PollEnding
{
    /// <summary>All that had happened when it began to look has been told.</summary>
    ToldAll,

    /// <summary>It waited to the end, and nothing had happened by then.</summary>
    TimedOut,

    /// <summary>It told as much as one poll may, and there is more; the next polls tell it in the order in which it came.</summary>
    HasMore,

    /// <summary>
    /// It holds something back that had come when the series of polls that end so began, and goes on to tell it without having
    /// been asked to wait. A series is short: a decorator that delays what it was told, for a few polls, ends so.
    /// </summary>
    HeldBack,
}
