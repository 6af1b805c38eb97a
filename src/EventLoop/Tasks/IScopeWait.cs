using System.Runtime.InteropServices;

namespace Toolkit.Tasks;

/// <summary>
/// A wait as its scope sees it. The scope's list runs through the waits themselves, so that to begin a wait allocates nothing
/// and to end it needs no search.
/// </summary>
internal interface IScopeWait
{
    /// <summary>The wait's place in the list; the scope alone writes it.</summary>
    ref ScopeLink Link { get; }

    /// <summary>
    /// The scope is cancelled, and has taken the wait off its list: it is over. Runs no user code, which is to be posted.
    /// </summary>
    void OnScopeCancelled(CancelScope scope);

    /// <summary>What it waits for, for those who ask what everybody waits for.</summary>
    WaitDescription Describe();
}

/// <summary>What somebody waits for, in words.</summary>
/// <param name="Act">What is said before the target, such as <c>for</c> or <c>to enter</c>.</param>
/// <param name="Target">The object; null when the act says it all.</param>
/// <param name="State">How far the object is; null when there is nothing to say.</param>
/// <param name="Holder">The task that has what is waited for, where that is known.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct WaitDescription(string Act, object? Target, string? State = null, ILoopTask? Holder = null);

/// <summary>A link of the list of waits that belong to one scope.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct ScopeLink
{
    public CancelScope? Scope;
    public IScopeWait? Next;
    public IScopeWait? Previous;
}
