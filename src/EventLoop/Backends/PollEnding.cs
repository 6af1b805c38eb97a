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
}
