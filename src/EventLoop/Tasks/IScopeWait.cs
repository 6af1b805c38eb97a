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
}

/// <summary>A link of the list of waits that belong to one scope.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct ScopeLink
{
    public CancelScope? Scope;
    public IScopeWait? Next;
    public IScopeWait? Previous;
}
