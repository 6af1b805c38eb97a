using Toolkit.Scheduling;

namespace Toolkit.Tasks;

/// <summary>A coroutine on its way from any thread to a loop.</summary>
internal sealed class ForeignCall<T>(EventLoop loop, Func<Task<T>> coroutine, CancellationToken cancellationToken) : IAwaitedPost
{
    // The caller's continuation does not run on the loop's thread, unless the caller awaits there.
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ExecutionContext? _context = CancelScope.CaptureContext();

    public Task<T> Task => _completion.Task;

    public void Discard() => _completion.TrySetException(new ObjectDisposedException(nameof(EventLoop)));

    public void Begin()
    {
        if (cancellationToken.IsCancellationRequested)
        {
            _completion.TrySetCanceled(cancellationToken);
            return;
        }

        if (_context is not null)
        {
            ExecutionContext.Restore(_context); // the loop puts its own back after each callback
        }

        LoopTask<T> task = loop.CreateTask(coroutine, eager: true);
        if (task.IsCompleted)
        {
            End(task);
            return;
        }

        CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static task => CancelFromAnywhere((LoopTask<T>)task!), task);
        task.AddDoneCallback(
            state =>
            {
                registration.Unregister();
                End(task);
            },
            null,
            context: null);
    }

    private static void CancelFromAnywhere(LoopTask<T> task)
        => task.Loop.TryPost(static task => ((LoopTask<T>)task!).Cancel(), task);

    private void End(LoopTask<T> task)
    {
        switch (task.State)
        {
            case FutureState.Succeeded:
                _completion.TrySetResult(task.Result);
                break;
            case FutureState.Cancelled:
                _completion.TrySetCanceled(cancellationToken.IsCancellationRequested ? cancellationToken : default);
                break;
            default:
                _completion.TrySetException(task.Exception!);
                break;
        }
    }
}
