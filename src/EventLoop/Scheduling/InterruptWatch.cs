using System.Runtime.InteropServices;

namespace Toolkit.Scheduling;

/// <summary>
/// The signals that ask the process to end, for as long as a main coroutine runs. The first two are the program's; one that comes
/// after them does what it does by default, so that a loop whose thread hangs can be ended too.
/// Whoever else the loop tells of signals is told after it.
/// </summary>
internal sealed class InterruptWatch : IDisposable
{
    private const int SignalsTaken = 2;

    private readonly EventLoop _loop;
    private readonly Action<string> _onInterrupt;
    private readonly IDisposable _interrupt;
    private readonly IDisposable _terminate;
    private int _signals;

    /// <param name="loop">The loop.</param>
    /// <param name="onInterrupt">Called on the loop with the name of each signal that is taken.</param>
    public InterruptWatch(EventLoop loop, Action<string> onInterrupt)
    {
        _loop = loop;
        _onInterrupt = onInterrupt;
        _interrupt = loop.Signals.Intercept(PosixSignal.SIGINT, OnSignal);
        _terminate = loop.Signals.Intercept(PosixSignal.SIGTERM, OnSignal);
    }

    /// <summary>A signal has come. Any thread.</summary>
    /// <returns>Whether it is taken, and does not end the process.</returns>
    public bool OnSignal(PosixSignal signal)
        => Interlocked.Increment(ref _signals) <= SignalsTaken
            && _loop.TryPost(
                static state =>
                {
                    var (watch, signal) = ((InterruptWatch, PosixSignal))state!;
                    watch._onInterrupt(signal.ToString());
                },
                (this, signal));

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
    }
}
