using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using System.Threading.Tasks.Sources;

namespace Toolkit.Tasks;

/// <summary>Somebody whom those who wait tell that they wait no longer.</summary>
internal interface IWaiterOwner
{
    /// <summary>The waiter was cancelled: it is to be taken off the queue. Runs no user code.</summary>
    void Abandon(Waiter waiter);

    /// <summary>What the waiter waits for.</summary>
    WaitDescription Describe(Waiter waiter);
}

/// <summary>
/// One who waits for something on a loop, and the value task that awaits it. It belongs to the scope that was current when the
/// wait began, and ends once: completed, or cancelled by its scope or by a token. It resumes by a post. Loop thread only, except
/// for the token.
/// </summary>
internal abstract class Waiter : IScopeWait
{
    private ScopeLink _link;
    private IWaiterOwner? _owner;
    private CancellationTokenRegistration _registration;
    private Action<object?>? _continuation;
    private object? _continuationState;
    private ExecutionContext? _context;
    private bool _isContextFree; // whoever waits does not want the synchronization context
    private object? _failure; // an exception, or the scope that was cancelled

    protected Waiter(EventLoop loop) => Loop = loop;

    public EventLoop Loop { get; private set; }

    /// <summary>Whether the wait has ended.</summary>
    public bool IsOver { get; private set; }

    public ref ScopeLink Link => ref _link;

    // The place in the owner's queue, which alone sets these.
    internal WaiterQueue? Queue { get; set; }

    internal Waiter? Next { get; set; }

    internal Waiter? Previous { get; set; }

    /// <summary>Distinguishes this wait from others that the same object served.</summary>
    protected short Version { get; private set; }

    /// <summary>Whether the object may serve again: no other thread can have heard of it.</summary>
    protected bool IsReusable { get; set; }

    /// <summary>Why no wait begins: the scope or the token is cancelled. Null when one may.</summary>
    public static Exception? Refuse(EventLoop loop, CancellationToken cancellationToken)
    {
        if (CancelScope.CancelledOf(loop) is { } scope)
        {
            return scope.NewException();
        }

        return cancellationToken.IsCancellationRequested ? new OperationCanceledException(cancellationToken) : null;
    }

    /// <summary>Ends the wait by an exception.</summary>
    public void Fail(Exception exception)
    {
        _failure = exception;
        End();
    }

    void IScopeWait.OnScopeCancelled(CancelScope scope)
    {
        _failure = scope;
        Abandon();
    }

    WaitDescription IScopeWait.Describe() => _owner!.Describe(this);

    /// <summary>Lets the token end the wait; at once, perhaps, so that the waiter stands in its queue by now.</summary>
    public void Watch(CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled && !IsOver)
        {
            IsReusable = false;
            _registration = cancellationToken.UnsafeRegister(
                static (waiter, token) => ((Waiter)waiter!).OnTokenCancelled(token), this);
        }
    }

    /// <summary>Begins a wait in the current scope, which is not cancelled.</summary>
    protected void BeginCore(EventLoop loop, IWaiterOwner owner)
    {
        Debug.Assert(_continuation is null && _failure is null && Queue is null, "The waiter is fresh.");
        Loop = loop;
        IsOver = false;
        IsReusable = true;
        _owner = owner;
        CancelScope.Of(loop).Add(this);
    }

    protected void End()
    {
        Debug.Assert(!IsOver, "A wait ends once.");
        CancelScope.Remove(ref _link);
        Finish();
    }

    /// <summary>Ends the wait from a callback of the loop, in which it resumes: no post is needed.</summary>
    protected void EndInPlace()
    {
        Debug.Assert(!IsOver, "A wait ends once.");
        CancelScope.Remove(ref _link);
        (Action<object?>? continuation, object? state) = (_continuation, _continuationState);
        if (continuation is null || _context is not null || _isContextFree)
        {
            Finish();
            return;
        }

        _continuation = null;
        Finish();
        continuation(state); // and this object may serve another by now
    }

    protected ValueTaskSourceStatus GetStatusCore(short version)
    {
        RequireVersion(version);
        return !IsOver ? ValueTaskSourceStatus.Pending
            : _failure is null ? ValueTaskSourceStatus.Succeeded
            : _failure is OperationCanceledException or CancelScope ? ValueTaskSourceStatus.Canceled
            : ValueTaskSourceStatus.Faulted;
    }

    protected void OnCompletedCore(
        Action<object?> continuation, object? state, short version, ValueTaskSourceOnCompletedFlags flags)
    {
        RequireVersion(version);
        if (_continuation is not null)
        {
            throw new InvalidOperationException("A value task is awaited once. Use AsTask to await it from several places.");
        }

        _continuation = continuation;
        _continuationState = state;
        const ValueTaskSourceOnCompletedFlags Flow = ValueTaskSourceOnCompletedFlags.FlowExecutionContext;
        if ((flags & Flow) == Flow)
        {
            _context = ExecutionContext.Capture();
        }

        // With it set, a task that ends in the continuation would resume those who do not want it in the thread pool.
        _isContextFree = (flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) == ValueTaskSourceOnCompletedFlags.None;
        if (IsOver)
        {
            PostContinuation();
        }
    }

    /// <summary>Makes the object fresh, and returns what the wait was ended by; null when it was completed.</summary>
    protected object? TakeFailure(short version)
    {
        RequireVersion(version);
        if (!IsOver)
        {
            throw new InvalidOperationException("The wait is not over. Await it.");
        }

        object? failure = _failure;
        Version++;
        _failure = null;
        _owner = null;
        _continuation = null;
        _continuationState = null;
        _context = null;
        _isContextFree = false;
        return failure;
    }

    [DoesNotReturn]
    protected static void Throw(object failure)
    {
        ExceptionDispatchInfo.Throw((failure as CancelScope)?.NewException() ?? (Exception)failure);
    }

    private void OnTokenCancelled(CancellationToken token)
    {
        if (Loop.IsCurrent)
        {
            CancelByToken(token);
        }
        else
        {
            Loop.PostOrDrop(
                static state =>
                {
                    var (waiter, token) = ((Waiter, CancellationToken))state!;
                    waiter.CancelByToken(token);
                },
                (this, token));
        }
    }

    private void CancelByToken(CancellationToken token)
    {
        if (!IsOver)
        {
            CancelScope.Remove(ref _link);
            _failure = new OperationCanceledException(token);
            Abandon();
        }
    }

    private void Abandon()
    {
        Finish();
        _owner!.Abandon(this);
    }

    private void Finish()
    {
        IsOver = true;
        if (!IsReusable)
        {
            // Not Dispose, which would wait for a thread that is about to post.
            _registration.Unregister();
        }

        if (_continuation is not null)
        {
            PostContinuation();
        }
    }

    private void PostContinuation()
    {
        if (_context is null && !_isContextFree)
        {
            Loop.Enqueue(_continuation!, _continuationState);
        }
        else
        {
            Loop.Enqueue(static waiter => ((Waiter)waiter!).Continue(), this);
        }
    }

    private void Continue()
    {
        if (_isContextFree)
        {
            SynchronizationContext.SetSynchronizationContext(null); // the loop sets it again after each callback
        }

        if (_context is null)
        {
            _continuation!(_continuationState);
        }
        else
        {
            ExecutionContext.Run(_context, new ContextCallback(_continuation!), _continuationState);
        }
    }

    private void RequireVersion(short version)
    {
        if (version != Version)
        {
            throw new InvalidOperationException("A value task is awaited once. Use AsTask to await it from several places.");
        }
    }
}

/// <inheritdoc cref="Waiter"/>
/// <typeparam name="T">What is waited for.</typeparam>
internal class Waiter<T> : Waiter, IValueTaskSource<T>, IValueTaskSource
{
    /// <summary>A crowd that waited once must not be kept for ever.</summary>
    private const int FreeLimit = 64;

    // A loop has its thread, and those that share one may share these.
    [ThreadStatic]
    private static Stack<Waiter<T>>? s_free;

    private T? _result;

    protected Waiter(EventLoop loop)
        : base(loop)
    {
    }

    /// <summary>
    /// Begins a wait in the current scope, which is not cancelled. When it stands in its queue, a token may be watched.
    /// </summary>
    public static Waiter<T> Begin(EventLoop loop, IWaiterOwner owner)
    {
        Waiter<T> waiter = s_free is { Count: > 0 } free ? free.Pop() : new Waiter<T>(loop);
        waiter.BeginCore(loop, owner);
        return waiter;
    }

    /// <summary>Begins a wait at the end of a queue.</summary>
    public static Waiter<T> Begin(EventLoop loop, IWaiterOwner owner, WaiterQueue queue, CancellationToken cancellationToken)
    {
        Waiter<T> waiter = Begin(loop, owner);
        queue.Append(waiter);
        waiter.Watch(cancellationToken);
        return waiter;
    }

    public ValueTask<T> ToValueTaskOfResult() => new(this, Version);

    public ValueTask ToValueTask() => new(this, Version);

    /// <summary>Ends the wait by what was waited for: from now on it cannot be cancelled.</summary>
    public void Complete(T result)
    {
        _result = result;
        End();
    }

    public ValueTaskSourceStatus GetStatus(short token) => GetStatusCore(token);

    public void OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => OnCompletedCore(continuation, state, token, flags);

    public T GetResult(short token)
    {
        object? failure = TakeFailure(token);
        T? result = _result;
        _result = default;
        if (IsReusable)
        {
            Free(); // no sooner: a value task that is awaited twice must not give the object to two others
        }

        if (failure is not null)
        {
            Throw(failure);
        }

        return result!;
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    /// <summary>The object has served, and may serve again.</summary>
    protected virtual void Free()
    {
        s_free ??= new Stack<Waiter<T>>();
        if (s_free.Count < FreeLimit)
        {
            s_free.Push(this);
        }
    }
}
