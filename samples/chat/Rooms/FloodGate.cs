namespace Toolkit.Samples.Chat;

/// <summary>
/// Lets lines through at a rate: a bucket of two seconds' worth, which each line empties and time fills. When it is empty, reading
/// pauses, so that the flood stays in the buffers of whoever makes it.
/// </summary>
internal sealed class FloodGate(Transport transport, double linesPerSecond)
{
    private const double BucketSeconds = 2;

    /// <summary>Enough to be worth a resumption.</summary>
    private const double PauseSeconds = 0.1;

    private readonly EventLoop _loop = EventLoop.Current;
    private TimeSpan _filled = EventLoop.Current.Time;
    private double _lines = linesPerSecond * BucketSeconds;
    private TimerHandle? _resumption;
    private bool _isLifted;

    /// <summary>A line is let through; perhaps it is the last for a while.</summary>
    public void Pass()
    {
        if (_isLifted)
        {
            return;
        }

        TimeSpan now = _loop.Time;
        _lines = Math.Min(linesPerSecond * BucketSeconds, _lines + ((now - _filled).TotalSeconds * linesPerSecond)) - 1;
        _filled = now;
        if (_lines < 1)
        {
            transport.PauseReading();
            TimeSpan pause = TimeSpan.FromSeconds(Math.Max(PauseSeconds, (1 - _lines) / linesPerSecond));
            _resumption = _loop.CallLater(pause, transport.ResumeReading);
        }
    }

    /// <summary>Lets everything through from here on, and what waits first.</summary>
    public void Lift()
    {
        _isLifted = true;
        _resumption?.Cancel();
        transport.ResumeReading();
    }
}
