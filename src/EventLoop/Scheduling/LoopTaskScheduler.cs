namespace Toolkit.Scheduling;

/// <summary>Runs tasks on the loop's thread, in the order in which they were started.</summary>
internal sealed class LoopTaskScheduler : TaskScheduler
{
    private readonly EventLoop _loop;
    private readonly Action<object?> _execute;

    public LoopTaskScheduler(EventLoop loop)
    {
        _loop = loop;
        _execute = task => TryExecuteTask((Task)task!);
    }

    public override int MaximumConcurrencyLevel => 1;

    protected override void QueueTask(Task task) => _loop.PostOrThrow(_execute, task);

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued)
        => _loop.IsCurrent && TryExecuteTask(task);

    // The loop's queue holds more than tasks; a debugger gets none of it.
    protected override IEnumerable<Task> GetScheduledTasks() => [];
}
