using System.Runtime.InteropServices;
using Toolkit.Tasks;

namespace Toolkit.Backends;

/// <summary>Whoever completes a <see cref="PendingWait{T}"/>.</summary>
public interface IPendingWaitOwner
{
    /// <summary>
    /// A scope or a token has ended the wait, which is to be forgotten (<see cref="PendingWait{T}.Forget"/>). Comes on the
    /// loop's thread, before whoever waits has resumed; runs no user code.
    /// </summary>
    void OnWaitCancelled();

    /// <summary>
    /// What is waited for, in words that follow "waits": <c>to read from 10.0.0.1:80</c>. For <see cref="EventLoop.DumpTasks"/>.
    /// </summary>
    string DescribeWait();
}

/// <summary>
/// The place for one who waits for something that a transport hands out, and has it handed over as a value task: a wait of the
/// current scope, which resumes by a post. Idle it is one null reference, and a wait allocates nothing in the long run, unless a
/// token may end it. Loop thread only. A mutable structure: keep it in a field, and do not copy it.
/// </summary>
/// <typeparam name="T">What is waited for.</typeparam>
[StructLayout(LayoutKind.Auto)]
#pragma warning disable CA1815 // It is a place and no value: nobody compares it.
public struct PendingWait<T>
#pragma warning restore CA1815
{
    private OwnedWaiter<T>? _waiter;

    /// <summary>Whether somebody waits.</summary>
    public readonly bool IsWaiting => _waiter is not null;

    /// <summary>Begins to wait, in the current scope. Nobody else may wait here.</summary>
    /// <param name="loop">The loop, which runs on this thread.</param>
    /// <param name="owner">Who is told when the wait is cancelled.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>The wait, to be awaited once; one that has failed, and nobody waits, when scope or token are cancelled.</returns>
    /// <exception cref="InvalidOperationException">Somebody waits here, or the loop does not run on this thread.</exception>
    public ValueTask<T> Begin(EventLoop loop, IPendingWaitOwner owner, CancellationToken cancellationToken)
    {
        Exception? refusal = TryBegin(loop, owner, cancellationToken, out OwnedWaiter<T>? waiter);
        return refusal is null ? waiter!.ToValueTaskOfResult() : ValueTask.FromException<T>(refusal);
    }

    /// <summary>As <see cref="Begin"/>, for somebody who does not want the result.</summary>
    /// <inheritdoc cref="Begin"/>
    public ValueTask BeginWithoutResult(EventLoop loop, IPendingWaitOwner owner, CancellationToken cancellationToken)
    {
        Exception? refusal = TryBegin(loop, owner, cancellationToken, out OwnedWaiter<T>? waiter);
        return refusal is null ? waiter!.ToValueTask() : ValueTask.FromException(refusal);
    }

    /// <summary>Ends the wait by what was waited for: from now on it cannot be cancelled.</summary>
    /// <exception cref="InvalidOperationException">Nobody waits.</exception>
    public void Complete(T result) => Take().Complete(result);

    /// <summary>Ends the wait by an exception.</summary>
    /// <exception cref="InvalidOperationException">Nobody waits.</exception>
    public void Fail(Exception exception) => Take().Fail(exception);

    /// <summary>The wait has ended otherwise.</summary>
    public void Forget() => _waiter = null;

    private Exception? TryBegin(
        EventLoop loop, IPendingWaitOwner owner, CancellationToken cancellationToken, out OwnedWaiter<T>? waiter)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(owner);
        loop.VerifyCurrent();
        if (_waiter is not null)
        {
            throw new InvalidOperationException("Somebody waits here already.");
        }

        if (Waiter.Refuse(loop, cancellationToken) is { } refusal)
        {
            waiter = null;
            return refusal;
        }

        waiter = _waiter = OwnedWaiter<T>.Begin(loop, owner);
        waiter.Watch(cancellationToken); // which may end it within the call
        return null;
    }

    private OwnedWaiter<T> Take()
    {
        OwnedWaiter<T> waiter = _waiter ?? throw new InvalidOperationException("Nobody waits here.");
        _waiter = null;
        return waiter;
    }
}
