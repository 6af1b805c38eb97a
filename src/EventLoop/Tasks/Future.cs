using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Toolkit.Scheduling;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>How far a <see cref="Future"/> has come.</summary>
public enum FutureState
{
    /// <summary>There is no result yet.</summary>
    Pending,

    /// <summary>It has a result.</summary>
    Succeeded,

    /// <summary>It has an exception.</summary>
    Failed,

    /// <summary>It was cancelled.</summary>
    Cancelled,
}

/// <summary>
/// A result that is not there yet, bound to a loop; this one without a value. Whoever makes it ends it, once, and others await
/// it.
/// </summary>
/// <remarks>
/// <para>
/// Those who wait, and callbacks, are told in the order in which they came, by posts to the loop and so never from within
/// the call that ends the future. An exception that nobody asks for is reported to nobody, unless the future is a
/// <see cref="LoopTask"/>.
/// </para>
/// <para>
/// To await it is a wait like any other: the cancellation of the scope around ends the wait, and leaves the future as it is.
/// </para>
/// <para>
/// All members belong to the thread of the future's loop. From elsewhere, use <see cref="EventLoop.CallSoonThreadSafe(Action)"/>
/// or <see cref="EventLoop.InvokeAsync(Func{Task}, CancellationToken)"/>; to await it elsewhere, <see cref="AsTask"/>.
/// </para>
/// </remarks>
[DebuggerDisplay("{State}")]
public partial class Future : IScopeWait, IWaiterOwner
{
    private static readonly Action<object?> s_continue = static continuation => ((Action)continuation!)();

    // Who is to be told, in order. The first that awaits has its place in the future itself, and allocates nothing; the rest are
    // Await, Waiter or ReadyHandle.
    private Action? _first;
    private ScopeLink _link;
    private List<object>? _others;
    private object? _failure; // the exception, or once somebody asks, its dispatch information

    /// <summary>Makes a future of the given loop, or of the one that runs on this thread.</summary>
    /// <exception cref="InvalidOperationException">No loop is given, and none runs on this thread.</exception>
    public Future(EventLoop? loop = null) => Loop = loop ?? EventLoop.Current;

    /// <summary>The future's loop. Any thread.</summary>
    public EventLoop Loop { get; }

    /// <summary>How far it has come.</summary>
    public FutureState State { get; private set; }

    /// <summary>Whether it has ended, in whatever way.</summary>
    public bool IsCompleted => State != FutureState.Pending;

    /// <summary>What it failed with; null when it succeeded.</summary>
    /// <exception cref="InvalidOperationException">There is no result yet.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Exception? Exception
    {
        get
        {
            IsObserved = true;
            RequireCompleted();
            if (State == FutureState.Cancelled)
            {
                ThrowFailure();
            }

            return Failure;
        }
    }

    /// <summary>Whether anybody has asked, or will be told, how it ended.</summary>
    internal bool IsObserved { get; private protected set; }

    /// <summary>The exception of a future that failed or was cancelled.</summary>
    internal Exception? Failure => _failure as Exception ?? (_failure as ExceptionDispatchInfo)?.SourceException;

    ref ScopeLink IScopeWait.Link => ref _link;

    /// <summary>Ends the future. Those who wait are told by posts.</summary>
    /// <exception cref="InvalidOperationException">It has ended already, or is a task, or this is not its loop's
    /// thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void SetResult() => RequireFirst(TrySetResult());

    /// <summary>As <see cref="SetResult"/>; false, and no effect, when it has ended already.</summary>
    /// <exception cref="InvalidOperationException">It has a value or is a task, or this is not its loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public bool TrySetResult()
    {
        RequireSettable();
        if (HasValue)
        {
            throw new InvalidOperationException("The future is to have a value. Use the SetResult that takes one.");
        }

        return TryEnd(FutureState.Succeeded, null);
    }

    /// <summary>Ends the future by an exception, which awaiting it throws.</summary>
    /// <exception cref="InvalidOperationException">It has ended already, or is a task, or this is not its loop's
    /// thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void SetException(Exception exception) => RequireFirst(TrySetException(exception));

    /// <summary>As <see cref="SetException"/>; false, and no effect, when it has ended already.</summary>
    /// <exception cref="InvalidOperationException">It is a task, or this is not its loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public bool TrySetException(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        RequireSettable();
        return exception is OperationCanceledException
            ? TryEnd(FutureState.Cancelled, exception)
            : TryEnd(FutureState.Failed, exception);
    }

    /// <summary>
    /// Cancels the future: awaiting it throws <see cref="OperationCanceledException"/>. A task is asked to end instead, and ends
    /// when its coroutine has (<see cref="LoopTask"/>).
    /// </summary>
    /// <param name="reason">Why, for the message of the exception.</param>
    /// <returns>False, and no effect, when it has ended already.</returns>
    /// <exception cref="InvalidOperationException">This is not its loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public virtual bool Cancel(string? reason = null)
    {
        Loop.VerifyOwnership();
        return !IsCompleted && TryEnd(
            FutureState.Cancelled,
            new OperationCanceledException(reason is null ? "The future was cancelled." : $"The future was cancelled: {reason}"));
    }

    /// <summary>
    /// Has the callback run on the loop when the future has ended, in the execution context of this call; when it has ended
    /// already, in the next iteration.
    /// </summary>
    /// <returns>A handle that takes the callback back, until it starts.</returns>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public CallbackHandle AddDoneCallback(Action<Future> callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        Loop.VerifyOwnership();
        return AddDoneCallback(
            static entry =>
            {
                var (callback, future) = ((Action<Future>, Future))entry!;
                callback(future);
            },
            (callback, this),
            CancelScope.CaptureContext());
    }

    /// <summary>
    /// The same result as a task, which any thread may await. Cancelling a wait for the task does nothing to the future.
    /// Its continuations run where .NET runs them, and on the loop for those who await there.
    /// </summary>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public Task AsTask()
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        CopyTo(static (future, target) => future.TryCopyTo((TaskCompletionSource)target), source);
        return source.Task;
    }

    /// <summary>
    /// Waits until the future has ended, as awaiting it does, or until the token is cancelled; the future goes on then.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        await WaitForEndAsync(cancellationToken);
        GetResult();
    }

    /// <summary>For the compiler: what <c>await</c> uses.</summary>
    public FutureAwaiter GetAwaiter() => new(this);

    void IScopeWait.OnScopeCancelled(CancelScope scope)
    {
        // The continuation finds the future pending, and throws.
        Action continuation = _first!;
        _first = null;
        Loop.Enqueue(s_continue, continuation);
    }

    void IWaiterOwner.Abandon(Waiter waiter) => _others?.Remove(waiter);

    WaitDescription IScopeWait.Describe() => Describe();

    WaitDescription IWaiterOwner.Describe(Waiter waiter) => Describe();

    /// <summary>Whether it is to have a value, which ends it.</summary>
    private protected virtual bool HasValue => false;

    /// <summary>Whether <c>await</c> need not suspend: it has ended, or the wait is refused.</summary>
    internal bool IsReadyToResume()
    {
        Loop.VerifyCurrent();
        return IsCompleted || CancelScope.CancelledOf(Loop) is not null;
    }

    /// <summary>What <c>await</c> ends with.</summary>
    internal void GetResult()
    {
        IsObserved = true;
        if (State == FutureState.Succeeded)
        {
            return;
        }

        // Completion wins: whoever was cancelled and resumes when the result has come after all gets the result.
        if (State == FutureState.Pending)
        {
            throw CancelScope.Of(Loop).TryMakeException() ?? (Exception)NewPendingError();
        }

        ThrowFailure();
    }

    /// <summary>
    /// Has the continuation of an <c>await</c> posted when the future has ended, or the scope around was cancelled.
    /// </summary>
    internal void AddContinuation(Action continuation)
    {
        Loop.VerifyCurrent();
        IsObserved = true;
        CancelScope scope = CancelScope.Of(Loop);
        if (IsCompleted || scope.IsCancelled)
        {
            Loop.Enqueue(s_continue, continuation);
        }
        else if (_first is null && _others is null)
        {
            _first = continuation;
            scope.Add(this);
        }
        else
        {
            var await = new Await(this, continuation);
            AddOther(await);
            scope.Add(await);
        }
    }

    /// <summary>Waits until it has ended, however. The result is not looked at.</summary>
    internal ValueTask WaitForEndAsync(CancellationToken cancellationToken)
    {
        Loop.VerifyCurrent();
        IsObserved = true;
        if (IsCompleted)
        {
            return default;
        }

        if (Waiter<bool>.Refuse(Loop, cancellationToken) is { } refusal)
        {
            return ValueTask.FromException(refusal);
        }

        Waiter<bool> waiter = Waiter<bool>.Begin(Loop, this);
        AddOther(waiter);
        waiter.Watch(cancellationToken);
        return waiter.ToValueTask();
    }

    /// <summary>As <see cref="AddDoneCallback(Action{Future})"/>, with a state and in the given context.</summary>
    internal CallbackHandle AddDoneCallback(Action<object?> callback, object? state, ExecutionContext? context)
    {
        IsObserved = true;
        var handle = new ReadyHandle(callback, state, context, Loop.CaptureCreation());
        if (IsCompleted)
        {
            Loop.Enqueue(handle);
        }
        else
        {
            AddOther(handle);
        }

        return handle;
    }

    private protected void CopyTo<TTarget>(Action<Future, TTarget> copy, TTarget target)
        where TTarget : class
    {
        Loop.VerifyOwnership();
        IsObserved = true;
        if (IsCompleted)
        {
            copy(this, target);
        }
        else
        {
            AddDoneCallback(
                static state =>
                {
                    var (future, copy, target) = ((Future, Action<Future, TTarget>, TTarget))state!;
                    copy(future, target);
                },
                (this, copy, target),
                context: null);
        }
    }

    private protected void RequireCompleted()
    {
        if (!IsCompleted)
        {
            throw NewPendingError();
        }
    }

    private protected static void RequireFirst(bool isFirst)
    {
        if (!isFirst)
        {
            throw new InvalidOperationException("The future has ended already. Where several may end it, use the Try form.");
        }
    }

    /// <summary>Throws unless others than the future itself may end it, here.</summary>
    private protected virtual void RequireSettable() => Loop.VerifyOwnership();

    /// <summary>Ends it, unless it has ended. Posts to all who are to be told.</summary>
    private protected bool TryEnd(FutureState state, Exception? failure)
    {
        if (IsCompleted)
        {
            return false;
        }

        State = state;
        _failure = failure;
        if (_first is { } first)
        {
            _first = null;
            CancelScope.Remove(ref _link);
            Loop.Enqueue(s_continue, first);
        }

        if (_others is { } others)
        {
            _others = null;
            foreach (object other in others)
            {
                Tell(other);
            }
        }

        return true;
    }

    private protected bool TryCopyTo(TaskCompletionSource source) => State switch
    {
        FutureState.Succeeded => source.TrySetResult(),
        FutureState.Cancelled => source.TrySetCanceled(((OperationCanceledException)Failure!).CancellationToken),
        _ => source.TrySetException(Failure!),
    };

    private protected void ThrowFailure()
    {
        if (_failure is not ExceptionDispatchInfo information)
        {
            _failure = information = ExceptionDispatchInfo.Capture((Exception)_failure!);
        }

        information.Throw();
    }

    private WaitDescription Describe() => new("for", this, null, this as ILoopTask);

    private static InvalidOperationException NewPendingError() => new("The future has no result yet. Await it.");

    private void Tell(object other)
    {
        switch (other)
        {
            case Await await:
                await.Resume();
                break;
            case Waiter<bool> waiter:
                waiter.Complete(true);
                break;
            default:
                Loop.Enqueue((ReadyHandle)other);
                break;
        }
    }

    private void AddOther(object other)
    {
        _others ??= [];
        if (_others.Count == _others.Capacity)
        {
            // Those who have given up are cleared away before the list grows: waits that time out again and again must not
            // pile up on a future that never ends.
            _others.RemoveAll(static other => other switch
            {
                Await await => await.IsOver,
                ReadyHandle handle => handle.IsCancelled,
                _ => false,
            });
        }

        _others.Add(other);
    }

    /// <summary>An <c>await</c> that is not the first.</summary>
    private sealed class Await(Future future, Action continuation) : IScopeWait
    {
        private Action? _continuation = continuation;
        private ScopeLink _link;

        public ref ScopeLink Link => ref _link;

        public bool IsOver => _continuation is null;

        public void Resume()
        {
            CancelScope.Remove(ref _link);
            Post();
        }

        public void OnScopeCancelled(CancelScope scope) => Post();

        public WaitDescription Describe() => future.Describe();

        private void Post()
        {
            if (_continuation is { } continuation)
            {
                _continuation = null;
                future.Loop.Enqueue(s_continue, continuation);
            }
        }
    }
}

/// <summary>A <see cref="Future"/> with a value.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
public class Future<T> : Future
{
    private T? _result;

    /// <inheritdoc cref="Future(EventLoop?)"/>
    public Future(EventLoop? loop = null)
        : base(loop)
    {
    }

    /// <summary>The value.</summary>
    /// <exception cref="InvalidOperationException">There is no result yet.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public T Result
    {
        get
        {
            RequireCompleted();
            return GetResult();
        }
    }

    private protected override bool HasValue => true;

    /// <summary>Ends the future by its value. Those who wait are told by posts.</summary>
    /// <exception cref="InvalidOperationException">It has ended already, or is a task, or this is not its loop's
    /// thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void SetResult(T result) => RequireFirst(TrySetResult(result));

    /// <summary>As <see cref="SetResult(T)"/>; false, and no effect, when it has ended already.</summary>
    /// <exception cref="InvalidOperationException">It is a task, or this is not its loop's thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public bool TrySetResult(T result)
    {
        RequireSettable();
        return TrySucceed(result);
    }

    /// <inheritdoc cref="Future.AsTask"/>
    public new Task<T> AsTask()
    {
        var source = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        CopyTo(static (future, target) => ((Future<T>)future).TryCopyTo(target), source);
        return source.Task;
    }

    /// <inheritdoc cref="Future.WaitAsync(CancellationToken)"/>
    /// <returns>The value.</returns>
    public new async ValueTask<T> WaitAsync(CancellationToken cancellationToken)
    {
        await WaitForEndAsync(cancellationToken);
        return GetResult();
    }

    /// <inheritdoc cref="Future.GetAwaiter"/>
    public new FutureAwaiter<T> GetAwaiter() => new(this);

    internal new T GetResult()
    {
        base.GetResult();
        return _result!;
    }

    private protected bool TrySucceed(T result)
    {
        if (IsCompleted)
        {
            return false;
        }

        _result = result;
        return TryEnd(FutureState.Succeeded, null);
    }

    private bool TryCopyTo(TaskCompletionSource<T> source) => State switch
    {
        FutureState.Succeeded => source.TrySetResult(_result!),
        FutureState.Cancelled => source.TrySetCanceled(((OperationCanceledException)Failure!).CancellationToken),
        _ => source.TrySetException(Failure!),
    };
}

/// <summary>Awaits a <see cref="Future"/>; for the compiler.</summary>
public readonly struct FutureAwaiter : ICriticalNotifyCompletion, IEquatable<FutureAwaiter>
{
    private readonly Future _future;

    internal FutureAwaiter(Future future) => _future = future;

    /// <summary>Whether there is no need to suspend.</summary>
    public bool IsCompleted => _future.IsReadyToResume();

    /// <summary>Compares what is awaited.</summary>
    public static bool operator ==(FutureAwaiter left, FutureAwaiter right) => left.Equals(right);

    /// <summary>Compares what is awaited.</summary>
    public static bool operator !=(FutureAwaiter left, FutureAwaiter right) => !left.Equals(right);

    /// <summary>Returns, or throws what the future failed with, or that the wait was cancelled.</summary>
    public void GetResult() => _future.GetResult();

    /// <summary>Has the continuation posted, in the execution context of this call.</summary>
    public void OnCompleted(Action continuation) => _future.AddContinuation(AwaiterContext.Flow(continuation));

    /// <summary>Has the continuation posted.</summary>
    public void UnsafeOnCompleted(Action continuation) => _future.AddContinuation(continuation);

    /// <inheritdoc/>
    public bool Equals(FutureAwaiter other) => _future == other._future;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is FutureAwaiter other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _future.GetHashCode();
}

/// <summary>Awaits a <see cref="Future{T}"/>; for the compiler.</summary>
/// <typeparam name="T">The type of the value.</typeparam>
public readonly struct FutureAwaiter<T> : ICriticalNotifyCompletion, IEquatable<FutureAwaiter<T>>
{
    private readonly Future<T> _future;

    internal FutureAwaiter(Future<T> future) => _future = future;

    /// <summary>Whether there is no need to suspend.</summary>
    public bool IsCompleted => _future.IsReadyToResume();

    /// <summary>Compares what is awaited.</summary>
    public static bool operator ==(FutureAwaiter<T> left, FutureAwaiter<T> right) => left.Equals(right);

    /// <summary>Compares what is awaited.</summary>
    public static bool operator !=(FutureAwaiter<T> left, FutureAwaiter<T> right) => !left.Equals(right);

    /// <summary>Returns the value, or throws what the future failed with, or that the wait was cancelled.</summary>
    public T GetResult() => _future.GetResult();

    /// <summary>Has the continuation posted, in the execution context of this call.</summary>
    public void OnCompleted(Action continuation) => _future.AddContinuation(AwaiterContext.Flow(continuation));

    /// <summary>Has the continuation posted.</summary>
    public void UnsafeOnCompleted(Action continuation) => _future.AddContinuation(continuation);

    /// <inheritdoc/>
    public bool Equals(FutureAwaiter<T> other) => _future == other._future;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is FutureAwaiter<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _future.GetHashCode();
}
