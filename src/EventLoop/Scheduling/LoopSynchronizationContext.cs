namespace Toolkit.Scheduling;

/// <summary>
/// Brings awaits back to the loop. In debug mode it also sees every wait that blocks the loop's thread
/// (<c>.Result</c>, <c>Wait</c>, a contended lock).
/// </summary>
internal sealed class LoopSynchronizationContext : SynchronizationContext
{
    private readonly EventLoop _loop;

    // The runtime posts continuations with one and the same delegate, so remembering the last conversion saves nearly all.
    private Conversion? _last;

    public LoopSynchronizationContext(EventLoop loop, bool reportBlockingWaits)
    {
        _loop = loop;
        if (reportBlockingWaits)
        {
            SetWaitNotificationRequired();
        }
    }

    public override void Post(SendOrPostCallback d, object? state)
    {
        ArgumentNullException.ThrowIfNull(d);
        Conversion? last = Volatile.Read(ref _last);
        if (last?.From != d)
        {
            last = new Conversion(d, d.Invoke);
            Volatile.Write(ref _last, last);
        }

        _loop.PostOrDrop(last.To, state);
    }

    public override void Send(SendOrPostCallback d, object? state)
    {
        ArgumentNullException.ThrowIfNull(d);
        if (_loop.IsCurrent)
        {
            d(state);
            return;
        }

        var request = new SendRequest(d, state);
        _loop.PostOrThrow(static request => ((SendRequest)request!).Execute(), request);
        request.Wait();
    }

    public override SynchronizationContext CreateCopy() => this;

    public override int Wait(IntPtr[] waitHandles, bool waitAll, int millisecondsTimeout)
    {
        // A wait of zero is a look.
        if (millisecondsTimeout != 0 && _loop.IsCurrent)
        {
            _loop.ReportBlockingWait();
        }

        return WaitHelper(waitHandles, waitAll, millisecondsTimeout);
    }

    /// <summary>Two delegate types with one signature, which the language does not convert.</summary>
    private sealed record Conversion(SendOrPostCallback From, Action<object?> To);

    /// <summary>A <see cref="Send"/> that a thread is blocked on.</summary>
    private sealed class SendRequest(SendOrPostCallback callback, object? state) : IAwaitedPost
    {
        private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Execute()
        {
            try
            {
                callback(state);
                _completion.TrySetResult();
            }
            catch (Exception exception)
            {
                _completion.TrySetException(exception);
            }
        }

        public void Discard() => _completion.TrySetException(new ObjectDisposedException(nameof(EventLoop)));

        public void Wait() => _completion.Task.GetAwaiter().GetResult();
    }
}
