namespace Toolkit.Tasks;

/// <summary>The main coroutine of a run, which ends with it.</summary>
internal sealed class MainRun(EventLoop loop, Func<Task> main) : ITaskOwner
{
    private bool _isInterrupted;
    private bool _isForced;

    public LoopTask? Task { get; private set; }

    /// <summary>Whether the run is over: a coroutine that outlives it must not stop the next.</summary>
    public bool IsOver { get; set; }

    public void Begin()
    {
        Task = new LoopTask(loop, main, "main", loop.RootScope, this);
        EventLoop.Begin(Task, eager: true);
    }

    /// <summary>The first cancels the coroutine; the second does not wait for it.</summary>
    public void Interrupt(string signal)
    {
        if (_isInterrupted)
        {
            _isForced = true;
            loop.Stop();
        }
        else
        {
            _isInterrupted = true;
            Task!.Cancel($"the process was told to end ({signal})"); // it has begun: its post was the first
        }
    }

    public void ThrowIfForced()
    {
        if (_isForced)
        {
            throw new OperationCanceledException("The process was told to end once more before the main coroutine had ended.");
        }
    }

    public void OnTaskEnded(ILoopTask task)
    {
        if (!IsOver)
        {
            loop.Stop();
        }
        else if (task.State == FutureState.Failed)
        {
            loop.OnTaskFailed(task); // nobody rethrows it any more
        }
    }
}
