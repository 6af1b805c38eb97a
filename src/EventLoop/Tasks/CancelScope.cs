using System.Diagnostics;
using Toolkit.Scheduling;
using Toolkit.Tasks;

namespace Toolkit;

/// <summary>
/// A stretch of asynchronous code that can be cancelled as a whole. While a scope is cancelled every wait inside it throws, the
/// next one as well as the one that is under way, until the scope is left: cancellation is a state of the scope and no
/// event that can be missed.
/// </summary>
/// <remarks>
/// <para>
/// Scopes form a tree. A scope is entered only by the calls that take its body (<see cref="RunAsync(Func{CancelScope, Task},
/// TimeSpan?, bool)"/> and its relatives), belongs to the loop that ran the call, and is left when the body has ended. A
/// wait belongs to the scope that was current when it was called. A wait that outlives its scope, because nobody awaited it,
/// belongs to the scope outside from then on. A scope of another loop is ignored.
/// </para>
/// <para>
/// In a cancelled scope every wait throws, also one that would not have to wait: whoever takes item after item hears of the
/// cancellation however many there are. But a wait that was handed something before the scope was cancelled, and has not resumed
/// yet, returns it: nothing is lost, and the next wait throws. A <see cref="Future"/> that has ended has its result anywhere.
/// </para>
/// <para>
/// Every wait that the toolkit offers is a point where cancellation is noticed. A plain <see cref="Task"/> is not: give it
/// <see cref="CurrentToken"/>, or await it as <c>task.InScope()</c>. Work that has to be done all the same, such as a farewell,
/// goes into a scope with a shield, and better with a deadline too.
/// </para>
/// <para>All members belong to the loop's thread.</para>
/// </remarks>
#pragma warning disable CA1001 // The source has neither a timer nor a wait handle, so that there is nothing to dispose.
[DebuggerDisplay("{IsCancelled ? \"cancelled\" : \"active\",nq}, {CancelReason,nq}")]
public partial class CancelScope
#pragma warning restore CA1001
{
    // The innermost scope and the current task are one node: the scope knows its task. It flows along awaits and calls, as the
    // execution context does, while callbacks, timers and transports are given a context without it (CaptureContext).
    private static readonly AsyncLocal<CancelScope?> s_node = new();

    private CancelScope? _parent;
    private CancelScope? _firstChild;
    private CancelScope? _lastChild;
    private CancelScope? _nextSibling;
    private CancelScope? _previousSibling;
    private IScopeWait? _firstWait;
    private IScopeWait? _lastWait;

    private bool _isLeft;
    private bool _isCancelRequested; // of this very scope
    private bool _isCancelled; // by this scope, or by one outside that no shield hides
    private bool _isShielded;
    private string? _reason;
    private TimeSpan? _deadline;
    private TimerHandle? _timer;
    private CancellationTokenSource? _source;
    private StrippedContext? _stripped; // any thread

    private protected CancelScope(EventLoop loop) => Loop = loop;

    /// <summary>The innermost scope around the caller; null outside of any, and off the loop's thread.</summary>
    public static CancelScope? Current => EventLoop.TryGetCurrent(out EventLoop? loop) ? Resolve(s_node.Value, loop) : null;

    /// <summary>
    /// A token that is cancelled soon after the innermost scope is: for calls that know of tokens and not of scopes. The scope
    /// knows its own token again when such a call throws it. Outside of any scope it is the loop's own, which is cancelled when
    /// the loop is disposed; off the loop's thread, none.
    /// </summary>
    public static CancellationToken CurrentToken
        => EventLoop.TryGetCurrent(out EventLoop? loop) ? Of(loop).Token : CancellationToken.None;

    /// <summary>
    /// Whether waits inside throw: this scope is cancelled, or one outside of it that no shield hides.
    /// </summary>
    public bool IsCancelled => _isCancelled;

    /// <summary>
    /// What was said when the scope was cancelled, or the one outside that cancels it; null when nothing was said.
    /// </summary>
    public string? CancelReason => _isCancelRequested ? _reason : _isCancelled ? Canceller?._reason : null;

    /// <summary>
    /// The <see cref="EventLoop.Time"/> at which the scope is cancelled by itself; null for never. May be moved while the scope
    /// is active; one that has passed cancels at once. Moving it does not undo a cancellation.
    /// </summary>
    /// <exception cref="InvalidOperationException">The scope was left, or this is not the loop's thread.</exception>
    public TimeSpan? Deadline
    {
        get => _deadline;
        set
        {
            VerifyActive();
            _deadline = value;
            ApplyDeadline();
        }
    }

    /// <summary>
    /// Whether the scopes outside are hidden: their cancellation does not reach the waits inside, that of this scope does. May
    /// be changed while the scope is active; without the shield a cancellation outside is noticed at once.
    /// </summary>
    /// <exception cref="InvalidOperationException">The scope was left, or this is not the loop's thread.</exception>
    public bool Shield
    {
        get => _isShielded;
        set
        {
            VerifyActive();
            _isShielded = value;
            Update();
        }
    }

    internal EventLoop Loop { get; }

    /// <summary>The task whose code runs in the scope; null outside of any.</summary>
    internal ILoopTask? Task { get; private protected set; }

    /// <summary>Whether this very scope was cancelled, by its deadline or by a call.</summary>
    internal bool IsCancelRequested => _isCancelRequested;

    /// <summary>Whether the deadline was the first to cancel this very scope.</summary>
    internal bool HasTimedOut { get; private set; }

    /// <summary>The token that an exception carries which tells of this scope's cancellation.</summary>
    internal CancellationToken TokenOfCancellation => _source?.Token ?? new CancellationToken(canceled: true);

    /// <summary>Whether no wait and no scope is inside.</summary>
    internal bool IsEmpty => _firstWait is null && _firstChild is null;

    /// <summary>The scopes inside, in the order in which they were entered; not to be changed meanwhile.</summary>
    internal IEnumerable<CancelScope> Children
    {
        get
        {
            for (CancelScope? child = _firstChild; child is not null; child = child._nextSibling)
            {
                yield return child;
            }
        }
    }

    /// <summary>The waits inside that belong to no scope further in, in the order in which they began.</summary>
    internal IEnumerable<IScopeWait> Waits
    {
        get
        {
            for (IScopeWait? wait = _firstWait; wait is not null; wait = wait.Link.Next)
            {
                yield return wait;
            }
        }
    }

    /// <summary>Whether a scope outside is cancelled that no shield hides.</summary>
    internal bool IsCancelledFromOutside => !_isShielded && _parent is { _isCancelled: true };

    /// <summary>The cancelled scope whose end a wait in this scope is ended for: the outermost. Null when none is.</summary>
    private CancelScope? Canceller
    {
        get
        {
            CancelScope? outermost = null;
            for (CancelScope? scope = this; scope is not null; scope = scope._parent)
            {
                if (scope._isCancelRequested)
                {
                    outermost = scope;
                }

                // A shield may have come up between the end of a wait and its being noticed: then the scope behind it is the one.
                if (scope._isShielded && outermost is not null)
                {
                    break;
                }
            }

            return outermost;
        }
    }

    private CancellationToken Token
    {
        get
        {
            // A source cannot be taken back, while a shield may end the cancellation of what is inside.
            if (_source is null || (_source.IsCancellationRequested && !_isCancelled))
            {
                _source = new CancellationTokenSource();
                if (_isCancelled)
                {
                    _source.Cancel();
                }
            }

            return _source.Token;
        }
    }

    /// <summary>
    /// Throws when the innermost scope is cancelled: for code that does much between two waits, or that is about to begin what it
    /// would only have to undo. Outside of any scope it is the loop's own that counts. Loop thread only.
    /// </summary>
    /// <exception cref="OperationCanceledException">A scope is cancelled.</exception>
    /// <exception cref="InvalidOperationException">No loop runs on this thread.</exception>
    public static void ThrowIfCancelled()
    {
        if (CancelledOf(EventLoop.Current) is { } scope)
        {
            throw scope.NewException();
        }
    }

    /// <summary>
    /// Cancels the scope: every wait inside it ends, and every later one throws at once, until the scope is left. Runs no code of
    /// others from within the call. Any number of calls have the effect of the first, and after the scope was left, none.
    /// </summary>
    /// <param name="reason">Why, for the message of the exception and for <see cref="CancelReason"/>.</param>
    /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
    public void Cancel(string? reason = null)
    {
        Loop.VerifyOwnership();
        RequestCancel(reason);
    }

    /// <summary>The scope that a wait on the loop belongs to; the loop's own when there is no other.</summary>
    internal static CancelScope Of(EventLoop loop) => Resolve(s_node.Value, loop) ?? loop.RootScope;

    /// <summary>Whether the caller is in the scope, or in one inside it, in a task of its groups perhaps.</summary>
    internal bool IsAroundCaller
    {
        get
        {
            CancelScope? scope = Of(Loop);
            while (scope is not null && scope != this)
            {
                scope = scope._parent;
            }

            return scope is not null;
        }
    }

    /// <summary>The scope that a wait would belong to, if it is cancelled: most of the time there is none to look for.</summary>
    internal static CancelScope? CancelledOf(EventLoop loop)
        => loop.CancelledScopes > 0 && Of(loop) is { _isCancelled: true } scope ? scope : null;

    /// <summary>The task whose code is running; null when it has ended, or belongs to another loop.</summary>
    internal static ILoopTask? TaskOf(EventLoop loop)
        => s_node.Value is { Task: { IsCompleted: false } task } node && node.Loop == loop ? task : null;

    /// <summary>Captures the execution context as a callback shall have it: it belongs to no task and no scope.</summary>
    internal static ExecutionContext? CaptureContext()
    {
        ExecutionContext? context = ExecutionContext.Capture();
        return context is not null && s_node.Value is { } node ? node.Strip(context) : context;
    }

    /// <summary>The exception for a wait of this scope that its cancellation has ended.</summary>
    internal ScopeCancelledException NewException() => new(Canceller ?? this);

    /// <summary>As <see cref="NewException"/>, for a wait that does not know what has ended it; null when no scope did.</summary>
    internal ScopeCancelledException? TryMakeException() => Canceller is { } canceller ? new(canceller) : null;

    internal void Add(IScopeWait wait)
    {
        ref ScopeLink link = ref wait.Link;
        Debug.Assert(link.Scope is null && !_isLeft, "A wait belongs to one scope, which is active.");
        link.Scope = this;
        link.Previous = _lastWait;
        if (_lastWait is null)
        {
            _firstWait = wait;
        }
        else
        {
            _lastWait.Link.Next = wait;
        }

        _lastWait = wait;
    }

    /// <summary>The wait has ended. Nothing happens when its scope was cancelled before.</summary>
    internal static void Remove(ref ScopeLink link)
    {
        if (link.Scope is not { } scope)
        {
            return;
        }

        if (link.Previous is null)
        {
            scope._firstWait = link.Next;
        }
        else
        {
            link.Previous.Link.Next = link.Next;
        }

        if (link.Next is null)
        {
            scope._lastWait = link.Previous;
        }
        else
        {
            link.Next.Link.Previous = link.Previous;
        }

        link = default;
    }

    private protected static CancelScope? Node => s_node.Value;

    /// <summary>
    /// Makes the scope current; for the caller's execution context, which an async method restores when it returns.
    /// </summary>
    private protected static void MakeCurrent(CancelScope? scope) => s_node.Value = scope;

    /// <summary>Puts the scope into the tree.</summary>
    private protected void Attach(CancelScope? parent)
    {
        if (parent is not null)
        {
            parent.AddChild(this);
            Update();
        }
    }

    /// <summary>Takes the scope out of the tree. What is still inside goes to the scope outside.</summary>
    internal void Detach()
    {
        _isLeft = true;
        if (_isCancelled)
        {
            Loop.CancelledScopes--;
        }

        if (_timer is not null)
        {
            Loop.Timers.Remove(_timer);
        }

        CancelScope parent = _parent!;
        parent.RemoveChild(this);
        while (_firstChild is { } child)
        {
            RemoveChild(child);
            parent.AddChild(child);
            child.Update();
        }

        while (_firstWait is { } wait)
        {
            Remove(ref wait.Link);
            if (parent._isCancelled)
            {
                wait.OnScopeCancelled(this);
            }
            else
            {
                parent.Add(wait);
            }
        }
    }

    /// <summary>
    /// Whether the exception that leaves the scope goes no further: it tells of this scope's cancellation, and no scope outside
    /// wants it.
    /// </summary>
    internal bool Absorbs(OperationCanceledException exception)
        => _isCancelRequested
            && !IsCancelledFromOutside
            && Generalize(exception) is ScopeCancelledException { Scope: var scope }
            && scope.IsWithin(this);

    /// <summary>An exception with this scope's token as one that the scopes outside recognize; any other as it is.</summary>
    internal OperationCanceledException Generalize(OperationCanceledException exception)
        => exception is not ScopeCancelledException && _source is { } source && exception.CancellationToken == source.Token
            ? new ScopeCancelledException(this, exception)
            : exception;

    private static CancelScope? Resolve(CancelScope? scope, EventLoop loop)
    {
        while (scope is not null && (scope._isLeft || scope.Loop != loop))
        {
            scope = scope._parent;
        }

        return scope;
    }

    private bool IsWithin(CancelScope outer)
    {
        CancelScope? scope = this;
        while (scope is not null && scope != outer)
        {
            scope = scope._parent;
        }

        return scope is not null;
    }

    private void VerifyActive()
    {
        Loop.VerifyOwnership();
        if (_isLeft)
        {
            throw new InvalidOperationException("The scope was left, and nothing waits in it any more. Enter another.");
        }
    }

    /// <summary>As <see cref="Cancel"/>, for callers that have looked where they are.</summary>
    internal void RequestCancel(string? reason)
    {
        if (!_isCancelRequested && !_isLeft)
        {
            _isCancelRequested = true;
            _reason = reason;
            if (_timer is not null)
            {
                Loop.Timers.Remove(_timer);
            }

            Update();
        }
    }

    private void ApplyDeadline()
    {
        if (_timer is not null)
        {
            Loop.Timers.Remove(_timer);
        }

        if (_deadline is not { } deadline || _isCancelRequested)
        {
            return;
        }

        if (deadline.Ticks <= Loop.Clock.Now)
        {
            OnDeadline();
        }
        else if (deadline.Ticks != TimerWheel.Never)
        {
            _timer ??= new TimerHandle(Loop, static scope => ((CancelScope)scope!).OnDeadline(), this, null, null);
            Loop.Timers.Schedule(_timer, deadline.Ticks);
        }
    }

    private void OnDeadline()
    {
        HasTimedOut = true;
        RequestCancel("its time was over");
    }

    // Brings the state of this scope, and of those inside, in line with the scopes outside.
    private void Update()
    {
        bool isCancelled = _isCancelRequested || IsCancelledFromOutside;
        if (isCancelled == _isCancelled)
        {
            return;
        }

        _isCancelled = isCancelled;
        Loop.CancelledScopes += isCancelled ? 1 : -1;
        for (CancelScope? child = _firstChild; child is not null; child = child._nextSibling)
        {
            child.Update();
        }

        if (isCancelled)
        {
            while (_firstWait is { } wait)
            {
                Remove(ref wait.Link);
                wait.OnScopeCancelled(this);
            }

            // What hangs on the token is code of others, which is not run from within whatever cancels.
            if (_source is not null)
            {
                Loop.Enqueue(static source => ((CancellationTokenSource)source!).Cancel(), _source);
            }
        }
    }

    private void AddChild(CancelScope child)
    {
        child._parent = this;
        child._previousSibling = _lastChild;
        if (_lastChild is null)
        {
            _firstChild = child;
        }
        else
        {
            _lastChild._nextSibling = child;
        }

        _lastChild = child;
    }

    // The child still knows its parent: a scope that was left stays transparent.
    private void RemoveChild(CancelScope child)
    {
        if (child._previousSibling is null)
        {
            _firstChild = child._nextSibling;
        }
        else
        {
            child._previousSibling._nextSibling = child._nextSibling;
        }

        if (child._nextSibling is null)
        {
            _lastChild = child._previousSibling;
        }
        else
        {
            child._nextSibling._previousSibling = child._previousSibling;
        }

        child._nextSibling = null;
        child._previousSibling = null;
    }

    private ExecutionContext Strip(ExecutionContext context)
    {
        // A coroutine that schedules callback after callback does so in one and the same context.
        if (Volatile.Read(ref _stripped) is { } last && last.From == context)
        {
            return last.To;
        }

        s_node.Value = null;
        ExecutionContext to = ExecutionContext.Capture()!;
        ExecutionContext.Restore(context);
        Volatile.Write(ref _stripped, new StrippedContext(context, to));
        return to;
    }

    private sealed record StrippedContext(ExecutionContext From, ExecutionContext To);
}
