namespace Toolkit.Transports;

/// <summary>Told when a child has ended.</summary>
internal interface IChildWatcher
{
    /// <summary>The child has ended and is reaped. Once, from the loop.</summary>
    void OnExited(ExitStatus status);
}

/// <summary>A child of whatever kind, without its pipes. Loop thread only.</summary>
internal interface IChildProcess : IDisposable
{
    int Pid { get; }

    /// <summary>Has the watcher told of the end.</summary>
    void Watch(EventLoop loop, IChildWatcher watcher);

    /// <summary>Sends a signal; false when nobody is left to get it.</summary>
    bool Signal(int signal, bool entireGroup);

    /// <summary>Kills the child, with its group when it has one of its own.</summary>
    void Kill();

    /// <summary>The loop ends: kills the child and waits for its end, which is not told.</summary>
    ExitStatus ReapNow();
}
