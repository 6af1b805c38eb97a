namespace Toolkit.Scheduling;

/// <summary>The state of a post that somebody waits for: if the loop ends before it runs, they must be told.</summary>
internal interface IAwaitedPost
{
    /// <summary>The post will not run. Any thread.</summary>
    void Discard();
}

/// <summary>A blocking function on its way through a thread of the pool and back to the loop.</summary>
internal sealed class ThreadWork<T> : IAwaitedPost
{
    private readonly EventLoop _loop;
    private readonly CancellationToken _cancellationToken;
    private readonly TaskCompletionSource<T> _completion = new();
    private readonly CancellationTokenRegistration _registration;
    private Func<T>? _function;
    private T? _result;
    private bool _hasExecuted;
    private Exception? _exception;

    public ThreadWork(EventLoop loop, Func<T> function, CancellationToken cancellationToken)
    {
        _loop = loop;
        _function = function;
        _cancellationToken = cancellationToken;
        _registration = cancellationToken.UnsafeRegister(static work => ((ThreadWork<T>)work!).Abandon(), this);
    }

    public Task<T> Task => _completion.Task;

    public void Start() => _loop.Host.Backend.RunInThread(Execute, PostResult);

    public void Discard() => _completion.TrySetException(new ObjectDisposedException(nameof(EventLoop)));

    private void Execute()
    {
        if (Interlocked.Exchange(ref _function, null) is not { } function)
        {
            return;
        }

        try
        {
            _result = function();
        }
        catch (Exception exception)
        {
            _exception = exception;
        }

        _hasExecuted = true;
    }

    private void PostResult()
    {
        if (_hasExecuted)
        {
            Post(static work => ((ThreadWork<T>)work!).Complete());
        }
    }

    private void Abandon()
    {
        _function = null;
        Post(static work => ((ThreadWork<T>)work!).CompleteAsCancelled());
    }

    private void Post(Action<object?> callback)
    {
        if (!_loop.TryPost(callback, this))
        {
            Discard();
        }
    }

    private void Complete()
    {
        _registration.Dispose();
        if (_exception is null)
        {
            _completion.TrySetResult(_result!);
        }
        else
        {
            _completion.TrySetException(_exception);
        }
    }

    private void CompleteAsCancelled()
    {
        _registration.Dispose();
        _completion.TrySetCanceled(_cancellationToken);
    }
}
