using System.Runtime.CompilerServices;
using Toolkit.Tasks;

namespace Toolkit.Scheduling;

/// <summary>The state of a post that somebody waits for: if the loop ends before it runs, they must be told.</summary>
internal interface IAwaitedPost
{
    /// <summary>The post will not run. Any thread.</summary>
    void Discard();
}

/// <summary>
/// A blocking function on its way through a thread of the pool and back to the loop. Called on the loop's thread it is a wait of
/// the scope that is current there.
/// </summary>
internal sealed class ThreadWork<T> : IAwaitedPost, IScopeWait
{
    private readonly EventLoop _loop;
    private readonly CancellationToken _cancellationToken;
    private readonly CancellationTokenRegistration _registration;

    // Not a completion source, whose task cannot be cancelled by an exception that says which scope it was.
    private AsyncTaskMethodBuilder<T> _completion = AsyncTaskMethodBuilder<T>.Create();
    private int _isOver;
    private ScopeLink _link;
    private CancelScope? _cancelledScope;
    private Func<T>? _function;
    private T? _result;
    private bool _hasExecuted;
    private Exception? _exception;

    public ThreadWork(EventLoop loop, Func<T> function, CancellationToken cancellationToken)
    {
        _loop = loop;
        _function = function;
        _cancellationToken = cancellationToken;
        Task = _completion.Task;
        if (loop.IsCurrent)
        {
            CancelScope.Of(loop).Add(this);
        }

        _registration = cancellationToken.UnsafeRegister(static work => ((ThreadWork<T>)work!).Abandon(), this);
    }

    public Task<T> Task { get; }

    public ref ScopeLink Link => ref _link;

    /// <summary>A task that was cancelled before it began.</summary>
    public static Task<T> Refuse(Exception exception)
    {
        var completion = AsyncTaskMethodBuilder<T>.Create();
        completion.SetException(exception);
        return completion.Task;
    }

    public void Start()
    {
        _loop.OnThreadWorkBegun();
        _loop.Host.Backend.RunInThread(Execute, PostResult);
    }

    public void Discard() => Fail(new ObjectDisposedException(nameof(EventLoop)));

    public void OnScopeCancelled(CancelScope scope)
    {
        _cancelledScope = scope;
        Abandon();
    }

    public WaitDescription Describe() => new("for a function in a thread", null);

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

    // Also of one that was abandoned: the end of the loop may wait for it.
    private void PostResult() => Post(static work => ((ThreadWork<T>)work!).Complete());

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
        _loop.OnThreadWorkEnded();
        if (!_hasExecuted)
        {
            return; // abandoned, as another post says
        }

        LeaveWaits();
        if (_exception is not null)
        {
            Fail(_exception);
        }
        else if (TryEnd())
        {
            _completion.SetResult(_result!);
        }
    }

    private void CompleteAsCancelled()
    {
        LeaveWaits();
        Fail(_cancelledScope?.NewException() ?? new OperationCanceledException(_cancellationToken));
    }

    private void LeaveWaits()
    {
        _registration.Dispose();
        CancelScope.Remove(ref _link);
    }

    private void Fail(Exception exception)
    {
        if (TryEnd())
        {
            _completion.SetException(exception);
        }
    }

    // By the loop's end, on whatever thread, or on the loop's.
    private bool TryEnd() => Interlocked.Exchange(ref _isOver, 1) == 0;
}
