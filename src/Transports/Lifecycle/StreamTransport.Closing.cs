namespace Toolkit.Transports;

/// <summary>A transport whose end can be waited for.</summary>
internal interface IClosingTransport
{
    /// <summary>Waits until the connection is gone, and returns what ConnectionLost was told.</summary>
    ValueTask<Exception?> WaitClosedAsync(CancellationToken cancellationToken);
}

/// <content>Those who wait for the end.</content>
internal sealed partial class StreamTransport : IClosingTransport
{
    private AsyncEvent? _lost; // made with the first who waits

    public ValueTask<Exception?> WaitClosedAsync(CancellationToken cancellationToken)
    {
        VerifyAccess();
        if (_lifecycle.Current != ConnectionLifecycle.State.Lost)
        {
            _lost ??= new AsyncEvent();
            return WaitAsync(_lost, cancellationToken);
        }

        return _origin.Loop.Host.RefusalOfWait(cancellationToken) is { } refusal
            ? ValueTask.FromException<Exception?>(refusal)
            : new ValueTask<Exception?>(_exception);
    }

    private async ValueTask<Exception?> WaitAsync(AsyncEvent lost, CancellationToken cancellationToken)
    {
        await lost.WaitAsync(cancellationToken);
        return _exception;
    }
}
