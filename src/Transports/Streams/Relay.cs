using System.Runtime.ExceptionServices;

namespace Toolkit.Transports;

/// <summary>Carries bytes between two connections until both directions have ended, or one connection has broken.</summary>
internal sealed class Relay
{
    private readonly Direction _forth;
    private readonly Direction _back;
    private Exception? _exception;
    private bool _wasCancelled;

    private Relay(StreamConnection first, StreamConnection second)
    {
        _forth = new Direction(first, second);
        _back = new Direction(second, first);
    }

    public static async Task<RelayResult> RunAsync(
        StreamConnection first, StreamConnection second, CancellationToken cancellationToken)
    {
        var relay = new Relay(first, second);

        // A direction that waits for its slow side does not read, and would not see that the other one is gone.
        first.OnLost(relay.OnLost);
        second.OnLost(relay.OnLost);
        try
        {
            await TaskGroup.RunAsync(group =>
            {
                _ = group.Start(() => relay.RunAsync(relay._forth, cancellationToken), "relay");
                _ = group.Start(() => relay.RunAsync(relay._back, cancellationToken), "relay");
                return Task.CompletedTask;
            });
        }
        catch (AggregateException exception)
        {
            // What the caller did wrong, which the group has seen as the failure of a task.
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
        finally
        {
            first.OnLost(null);
            second.OnLost(null);
        }

        if (relay._wasCancelled)
        {
            throw new OperationCanceledException(cancellationToken);
        }

        return new RelayResult(relay._forth.Carried, relay._back.Carried, relay._exception);
    }

    private async Task RunAsync(Direction direction, CancellationToken cancellationToken)
    {
        try
        {
            await direction.RunAsync(cancellationToken);
        }
        catch (ConnectionException exception)
        {
            Break(exception);
        }
        catch (OperationCanceledException exception) when (exception is not ScopeCancelledException)
        {
            _wasCancelled = true;
        }
    }

    private void OnLost(StreamConnection connection)
    {
        if (connection.CloseException is { } exception)
        {
            Break(exception);
        }
        else if (connection.CloseReason is CloseReason.LocalAbort)
        {
            Break(connection.ClosedError());
        }
    }

    private void Break(Exception exception)
    {
        if (_exception is null)
        {
            _exception = exception;
            _forth.From.Abort();
            _back.From.Abort();
        }
    }

    private sealed class Direction(StreamConnection from, StreamConnection to)
    {
        public StreamConnection From => from;

        public long Carried { get; private set; }

        public async Task RunAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                ReadOnlyMemory<byte> data = await from.ReadAsync(cancellationToken);
                if (data.IsEmpty)
                {
                    to.CompleteWrites();
                    return;
                }

                Carried += data.Length; // written, even if the wait behind it is cancelled
                await to.WriteAsync(data, cancellationToken);
            }
        }
    }
}
