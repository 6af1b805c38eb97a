using System.IO.Pipelines;

namespace Toolkit.Scheduling;

/// <summary>Runs the continuations of pipes on the loop's thread.</summary>
internal sealed class LoopPipeScheduler(EventLoop loop) : PipeScheduler
{
    public override void Schedule(Action<object?> action, object? state)
    {
        ArgumentNullException.ThrowIfNull(action);
        loop.PostOrThrow(action, state);
    }
}
