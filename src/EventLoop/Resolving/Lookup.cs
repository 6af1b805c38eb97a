using System.Net;
using Toolkit.Backends;

namespace Toolkit.Resolving;

/// <summary>
/// A blocking look-up of a name, off the loop's thread, as a wait of the scope in which it was asked for. Whoever gives up,
/// and the loop when it ends, leave it to itself: it cannot be interrupted, and what it says then is for nobody.
/// </summary>
internal sealed class Lookup : IPendingWaitOwner, ILoopResident
{
    private readonly LoopHost _host;
    private readonly Func<string, IPAddress[]> _function;
    private readonly string _name;
    private PendingWait<IPAddress[]> _wait; // not read-only, and not copied
    private IDisposable? _place;
    private bool _isResident;
    private volatile bool _isAbandoned;
    private IPAddress[]? _result;
    private Exception? _exception;

    private Lookup(LoopHost host, Func<string, IPAddress[]> function, string name)
    {
        _host = host;
        _function = function;
        _name = name;
    }

    int ILoopResident.ResidentIndex { get; set; }

    /// <summary>Begins one. Loop thread only.</summary>
    public static ValueTask<IPAddress[]> RunAsync(
        EventLoop loop, Func<string, IPAddress[]> function, string name, CancellationToken cancellationToken)
    {
        var lookup = new Lookup(loop.Host, function, name);
        ValueTask<IPAddress[]> wait = lookup._wait.Begin(loop, lookup, cancellationToken);
        if (lookup._wait.IsWaiting)
        {
            lookup.Start();
        }

        return wait;
    }

    void IPendingWaitOwner.OnWaitCancelled()
    {
        _wait.Forget();
        Leave();
    }

    string IPendingWaitOwner.DescribeWait() => $"for the addresses of {LogText.Escape(_name)}";

    void ILoopResident.OnLoopShutdown()
    {
        Leave();
        _wait.Fail(new ObjectDisposedException(nameof(EventLoop)));
    }

    void ILoopResident.OnLoopShutdownExpired() => ((ILoopResident)this).OnLoopShutdown();

    private void Start()
    {
        _host.AddResident(this);
        _isResident = true;
        try
        {
            _place = _host.Backend.RunLookup(Execute, Post);
        }
        catch (Exception exception)
        {
            Leave();
            _wait.Fail(exception);
        }
    }

    // On a thread of the resolver's.
    private void Execute()
    {
        if (_isAbandoned)
        {
            return;
        }

        try
        {
            _result = _function(_name) ?? throw new InvalidOperationException("The look-up of a name returned null.");
        }
        catch (Exception exception)
        {
            _exception = exception;
        }
    }

    private void Post() => _host.TryPost(static lookup => ((Lookup)lookup!).OnEnded(), this); // or nobody waits any more

    private void OnEnded()
    {
        if (_isAbandoned)
        {
            return;
        }

        Leave();
        if (_exception is not null)
        {
            _wait.Fail(_exception);
        }
        else
        {
            _wait.Complete(_result!);
        }
    }

    private void Leave()
    {
        _isAbandoned = true;
        _place?.Dispose();
        if (_isResident)
        {
            _isResident = false;
            _host.RemoveResident(this);
        }
    }
}
