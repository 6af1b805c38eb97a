using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// The handlers of a server's stream connections: tasks of a group that is the server's own. A connection is closed when its
/// handler returns; a handler that fails is reported, and costs its own connection and nothing else.
/// </summary>
internal sealed class StreamHandlers
{
    private readonly EventLoop _loop;
    private readonly Func<StreamConnection, Task> _handler;
    private readonly StreamOptions? _options;
    private readonly string? _name;
    private readonly Future _stopped;
    private readonly Action<LoopTask, object> _ended;
    private TaskGroup? _group;

    /// <summary>Makes the group. It lives until <see cref="Stop"/>, or until the loop ends.</summary>
    public StreamHandlers(EventLoop loop, Func<StreamConnection, Task> handler, StreamOptions? options, string? name)
    {
        _loop = loop;
        _handler = handler;
        _options = options;
        _name = name;
        _stopped = new Future(loop);
        _ended = OnEnded;
        _ = loop.CreateTask(
            () => TaskGroup.RunAsync(async group =>
            {
                _group = group;
                await _stopped;
            }),
            name ?? "handlers of a server",
            eager: true);
    }

    /// <summary>How many handlers have not ended.</summary>
    public int Count { get; private set; }

    /// <summary>Whose connections they have; set when it listens.</summary>
    public Server? Server { get; set; }

    /// <summary>Makes the protocol of a newcomer, whose handler begins when it is connected.</summary>
    public StreamConnection CreateProtocol() => new(_options, Start);

    /// <summary>Cancels the handlers.</summary>
    public void Cancel()
    {
        if (Count > 0)
        {
            _group!.Cancel("the server has ended");
        }
    }

    /// <summary>No handler runs, and none will begin.</summary>
    public void Stop() => _stopped.TrySetResult();

    private static bool IsOwnFault(StreamConnection connection, Exception exception)
        => exception is AggregateException several
            ? several.Flatten().InnerExceptions.All(connection.IsOwnFault)
            : connection.IsOwnFault(exception);

    private void Start(StreamConnection connection)
    {
        _ = LoopHost.StartSupervised(_group!, () => _handler(connection), _name, _ended, connection);
        Count++;
    }

    private void OnEnded(LoopTask handler, object state)
    {
        var connection = (StreamConnection)state;
        switch (handler.State)
        {
            case FutureState.Succeeded:
                connection.Close();
                break;
            case FutureState.Cancelled when IsByDraining(handler):
                connection.Close();
                break;
            case FutureState.Cancelled:
                connection.Abort();
                break;
            default:
                Exception exception = handler.Exception!;
                if (IsOwnFault(connection, exception))
                {
                    EndFaulty(connection, exception);
                }
                else
                {
                    Fail(connection, exception);
                }

                break;
        }

        Count--;
        Server?.CompleteIfOver();
    }

    // A handler that waited for the next request, and lets it pass that there will be none.
    private bool IsByDraining(LoopTask handler)
    {
        try
        {
            handler.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException exception)
        {
            return exception.CancellationToken == Server?.Draining;
        }

        return false;
    }

    // The connection is broken, or the peer has sent nonsense, and the handler has left that to us: no fault of the program's.
    private static void EndFaulty(StreamConnection connection, Exception exception)
    {
        if (connection.IsClosing)
        {
            return;
        }

        switch (exception)
        {
            case FramingException { Error: FramingError.Truncated } truncated:
                connection.Transport.Close(truncated); // so that the answers to what was whole still leave
                break;
            case ConnectionException fault:
                connection.Abort(fault);
                break;
            default:
                connection.Abort();
                break;
        }
    }

    private void Fail(StreamConnection connection, Exception exception)
    {
        _loop.ReportError(new TransportError(
            "The handler of a connection threw; the connection is aborted.", exception, connection.Transport, connection));
        connection.Abort(new ConnectionException(CloseReason.ProtocolError, "The handler of the connection threw.", exception));
    }
}
