using Toolkit.Backends;

namespace Toolkit;

/// <summary>How it went when a loop was asked.</summary>
internal enum LoopAnswerState
{
    /// <summary>It has answered.</summary>
    Running,

    /// <summary>It has not answered in time: a callback holds its thread, or there is much before us.</summary>
    Busy,

    /// <summary>It has not answered, and does not run at this moment.</summary>
    Stopped,

    /// <summary>It is disposed.</summary>
    Ended,
}

/// <summary>One of the loops that are told of, which may be the one that serves. Belongs to that one's thread.</summary>
internal sealed class InquiredLoop(EventLoop asker, EventLoop loop, DiagnosticsOptions options)
{
    // Asked in vain. Until it is answered, nothing that is posted behind it would be.
    private LoopInquiry? _overdue;

    public EventLoop Loop => loop;

    /// <summary>How long the loops have to answer.</summary>
    public TimeSpan AnswerTime => options.AnswerTime;

    /// <summary>Whether it is the loop that serves.</summary>
    public bool IsServing => loop == asker;

    /// <summary>When it has last answered; null when it never has.</summary>
    public DateTimeOffset? LastSeen { get; private set; }

    /// <summary>Asks, and waits no longer than until the given time of the loop that serves.</summary>
    public async Task<(LoopAnswerState State, LoopInquiry Inquiry)> AskAsync(LoopParts parts, TimeSpan deadline)
    {
        if (IsEnded)
        {
            _overdue = null; // nothing that was posted to it will ever run
            return (LoopAnswerState.Ended, new LoopInquiry(asker, loop, parts, options));
        }

        if (_overdue is { } overdue)
        {
            if (!await overdue.WaitAsync(deadline))
            {
                return (StateOfSilence, overdue);
            }

            _overdue = null;
            LastSeen = asker.TimeProvider.GetUtcNow();
        }

        var inquiry = new LoopInquiry(asker, loop, parts, options);
        if (!inquiry.Begin())
        {
            return (LoopAnswerState.Ended, inquiry);
        }

        if (await inquiry.WaitAsync(deadline))
        {
            LastSeen = asker.TimeProvider.GetUtcNow();
            return (LoopAnswerState.Running, inquiry);
        }

        inquiry.Abandon();
        _overdue = inquiry;
        return (StateOfSilence, inquiry);
    }

    private bool IsEnded => loop.Host.IsClosing && !loop.IsRunning;

    private LoopAnswerState StateOfSilence
        => IsEnded ? LoopAnswerState.Ended : loop.IsRunning ? LoopAnswerState.Busy : LoopAnswerState.Stopped;
}
