using System.Diagnostics;

namespace Toolkit.Tasks;

/// <summary>Somebody who answers for tasks, and whom their failure is told.</summary>
internal interface ITaskOwner
{
    /// <summary>The task has ended. Runs no user code.</summary>
    void OnTaskEnded(ILoopTask task);
}

/// <summary>The scope around all that a task does, and the running of its coroutine.</summary>
internal sealed class TaskScope : CancelScope
{
    private static readonly Action<object?> s_begin = static scope => ((TaskScope)scope!).Begin();

    private readonly long _number;
    private readonly StackTrace? _created;
    private readonly ITaskOwner? _owner;
    private ExecutionContext? _context;
    private Func<Task>? _coroutine;
    private Task? _running;
    private string? _name;
    private Activity? _activity;

    public TaskScope(ILoopTask task, Func<Task> coroutine, string? name, CancelScope outer, ITaskOwner? owner)
        : base(task.Loop)
    {
        Task = task;
        _coroutine = coroutine;
        _name = name;
        _owner = owner;
        _number = Loop.AddTask(this);
        _created = Loop.CaptureCreation();
        Attach(outer);
    }

    public string Name => _name ??= $"Task-{_number}";

    /// <summary>Whether the coroutine was called, which the next iteration does.</summary>
    public bool HasBegun => _coroutine is null;

    public string? CreationPlace => _created?.ToString();

    // The task's place among those of its loop, which alone sets these.
    internal TaskScope? NextTask { get; set; }

    internal TaskScope? PreviousTask { get; set; }

    public static Exception FailureOf(Task coroutine)
    {
        if (coroutine.Exception is { InnerExceptions: var inner } all)
        {
            return inner.Count == 1 ? inner[0] : all;
        }

        // What an async method was cancelled by is known to its awaiter alone.
        try
        {
            coroutine.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException exception)
        {
            return exception;
        }

        throw new UnreachableException();
    }

    public static InvalidOperationException NewOwnershipError()
        => new("A task ends when its coroutine does, and with its result. To end it from outside, cancel it.");

    public bool CancelTask(string? reason)
    {
        Loop.VerifyOwnership();
        if (Task!.IsCompleted)
        {
            return false;
        }

        Cancel(reason);
        return true;
    }

    /// <summary>Has the coroutine begin in the next iteration, in the execution context of the caller.</summary>
    public void Post()
    {
        _context = ExecutionContext.Capture();
        Loop.Enqueue(s_begin, this);
    }

    /// <summary>Runs the coroutine to its first wait.</summary>
    public void BeginNow()
    {
        // Within a completion of the backend the context is cleared, and the coroutine would not come back to the loop.
        CancelScope? outer = Node;
        SynchronizationContext? outerSynchronization = SynchronizationContext.Current;
        Activity? outerActivity = Activity.Current;
        SynchronizationContext.SetSynchronizationContext(Loop.SynchronizationContext);
        try
        {
            Run();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(outerSynchronization);
            if (Activity.Current != outerActivity)
            {
                Activity.Current = outerActivity;
            }

            MakeCurrent(outer);
        }
    }

    private void Begin()
    {
        if (_context is { } context)
        {
            _context = null;
            ExecutionContext.Restore(context); // the loop puts its own back after each callback
        }

        Run();
    }

    private void Run()
    {
        MakeCurrent(this);
        if (Telemetry.Activities.StartActivity("toolkit.task") is { } activity)
        {
            _activity = activity.SetTag("toolkit.task.name", Name).SetTag("toolkit.loop.name", Loop.Name);
        }

        Func<Task> coroutine = _coroutine!;
        _coroutine = null;
        try
        {
            _running = coroutine() ?? throw new InvalidOperationException("The coroutine returned null instead of a task.");
        }
        catch (Exception exception)
        {
            _running = System.Threading.Tasks.Task.FromException(exception);
        }

        if (_running.IsCompleted)
        {
            End();
        }
        else
        {
            // With the loop's synchronization context current, this comes back to the loop, and inline when it is there.
            _running.GetAwaiter().UnsafeOnCompleted(End);
        }
    }

    private void EndActivity(ILoopTask task)
    {
        if (_activity is { } activity)
        {
            _activity = null;
            if (task.AsFuture().Failure is { } failure)
            {
                activity.SetTag("error.type", failure.GetType().FullName);
                activity.SetStatus(task.State == FutureState.Failed ? ActivityStatusCode.Error : ActivityStatusCode.Unset, failure.Message);
            }

            activity.Stop();
        }
    }

    private void End()
    {
        Detach();
        Loop.RemoveTask(this);
        ILoopTask task = Task!;
        task.OnCoroutineEnded(_running!);
        _running = null;
        EndActivity(task);
        if (_owner is not null)
        {
            _owner.OnTaskEnded(task);
        }
        else if (task.State == FutureState.Failed)
        {
            Loop.OnTaskFailed(task);
        }
    }
}

/// <summary>The scope around everything on a loop.</summary>
internal sealed class LoopScope(EventLoop loop) : CancelScope(loop);
