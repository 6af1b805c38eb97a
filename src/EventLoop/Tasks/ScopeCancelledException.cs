namespace Toolkit;

/// <summary>
/// A wait was ended, or refused, because a <see cref="CancelScope"/> around it is cancelled. The scope swallows it where it is
/// left; there is seldom a reason to catch it.
/// </summary>
public sealed class ScopeCancelledException : OperationCanceledException
{
    internal ScopeCancelledException(CancelScope scope, Exception? inner = null)
        : base(Describe(scope), inner, scope.TokenOfCancellation) => Scope = scope;

    /// <summary>The outermost scope that was cancelled when the wait ended.</summary>
    public CancelScope Scope { get; }

    private static string Describe(CancelScope scope) => scope.CancelReason is { } reason
        ? $"The wait was cancelled: {reason}"
        : "The wait was cancelled by a scope around it.";
}
