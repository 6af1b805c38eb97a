namespace Toolkit.Tasks;

/// <summary>The execution context of a continuation that does not carry its own, as those of async methods do.</summary>
internal static class AwaiterContext
{
    public static Action Flow(Action continuation) => ExecutionContext.Capture() is { } context
        ? () => ExecutionContext.Run(context, static action => ((Action)action!)(), continuation)
        : continuation;
}
