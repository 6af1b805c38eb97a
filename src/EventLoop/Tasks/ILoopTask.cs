using Toolkit.Tasks;

namespace Toolkit;

/// <summary>What <see cref="LoopTask"/> and <see cref="LoopTask{T}"/> have in common beside being futures.</summary>
public interface ILoopTask
{
    /// <summary>The task's name, for messages: <c>Task-1</c> and so on, unless one was given. Any thread.</summary>
    string Name { get; }

    /// <summary>The task's loop. Any thread.</summary>
    EventLoop Loop { get; }

    /// <inheritdoc cref="Future.State"/>
    FutureState State { get; }

    /// <inheritdoc cref="Future.IsCompleted"/>
    bool IsCompleted { get; }

    /// <summary>In debug mode, where the task was created; otherwise null.</summary>
    string? CreationPlace { get; }

    /// <inheritdoc cref="LoopTask.Cancel(string?)"/>
    bool Cancel(string? reason = null);

    /// <summary>The same task as a future.</summary>
    Future AsFuture();

    /// <summary>The scope around all that the task does.</summary>
    internal TaskScope Scope { get; }

    /// <summary>The coroutine has ended.</summary>
    internal void OnCoroutineEnded(Task coroutine);
}
