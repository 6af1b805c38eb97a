using System.Runtime.InteropServices;

namespace Toolkit.Signals;

/// <summary>The signals that a loop is told of. Loop thread only; a second thread may dispose it after the loop's end.</summary>
internal sealed class LoopSignals(EventLoop loop) : IDisposable
{
    private readonly Dictionary<PosixSignal, SignalWatch> _watches = [];

    /// <summary>Has a callback called.</summary>
    public IDisposable Add(PosixSignal signal, Action<PosixSignal> callback) => WatchOf(signal).Add(callback);

    /// <summary>
    /// Has somebody asked on the thread where the signal comes, before any callback is posted, whether it is taken. One for a
    /// signal.
    /// </summary>
    public IDisposable Intercept(PosixSignal signal, Func<PosixSignal, bool> isTaken) => WatchOf(signal).Intercept(isTaken);

    /// <summary>The loop has ended, and with it all registrations.</summary>
    public void Dispose()
    {
        foreach (SignalWatch watch in _watches.Values.ToArray())
        {
            watch.Close();
        }
    }

    /// <summary>Nobody is left.</summary>
    public void Forget(PosixSignal signal) => _watches.Remove(signal);

    private SignalWatch WatchOf(PosixSignal signal)
    {
        if (!_watches.TryGetValue(signal, out SignalWatch? watch))
        {
            watch = new SignalWatch(loop, this, signal); // which may throw
            _watches.Add(signal, watch);
        }

        return watch;
    }
}
