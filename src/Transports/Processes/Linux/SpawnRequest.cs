using System.Runtime.Versioning;
using Toolkit.Backends;

namespace Toolkit.Transports.Linux;

/// <summary>
/// A child that is being started, and who waits for it. Exactly one of them gets it: whoever waits, or, when nobody does any
/// more, whoever notices, and kills and reaps it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class SpawnRequest : IPendingWaitOwner, ILoopResident
{
    private readonly EventLoop _loop;
    private readonly SpawnOptions _options;

    // Loop thread only.
    private PendingWait<SpawnedChild> _wait;
    private bool _isResident;

    // Any thread.
    private SpawnedChild? _child;
    private Exception? _failure;
    private volatile bool _isOrphan; // the loop will not ask for it

    private SpawnRequest(EventLoop loop, SpawnOptions options)
    {
        _loop = loop;
        _options = options;
    }

    int ILoopResident.ResidentIndex { get; set; }

    /// <summary>Starts a child on the spawner's thread. A wait of the current scope.</summary>
    /// <exception cref="SpawnFailedException">It cannot be started.</exception>
    public static ValueTask<SpawnedChild> RunAsync(EventLoop loop, SpawnOptions options, CancellationToken cancellationToken)
    {
        var request = new SpawnRequest(loop, options);
        ValueTask<SpawnedChild> wait = request._wait.Begin(loop, request, cancellationToken);
        if (request._wait.IsWaiting)
        {
            request._isResident = true;
            loop.Host.AddResident(request);
            Spawner.Run(request.Spawn);
        }

        return wait;
    }

    void IPendingWaitOwner.OnWaitCancelled() => _wait.Forget(); // the child that comes is nobody's

    string IPendingWaitOwner.DescribeWait() => $"to start {_options.FileName}";

    void ILoopResident.OnLoopShutdown()
    {
        // It takes milliseconds.
    }

    void ILoopResident.OnLoopShutdownExpired()
    {
        _isOrphan = true;
        Interlocked.MemoryBarrier();
        Claim()?.Discard();
        Leave();
    }

    private void Spawn()
    {
        try
        {
            _child = SpawnPlan.Run(_options);
        }
        catch (Exception exception)
        {
            _failure = exception is SpawnFailedException ? exception : new SpawnFailedException(
                SpawnError.Other, _options.FileName, $"{_options.FileName} cannot be started: {exception.Message}", exception);
        }

        if (!_loop.Host.TryPost(static self => ((SpawnRequest)self!).Deliver(), this) | _isOrphan)
        {
            Claim()?.Discard();
        }
    }

    private void Deliver()
    {
        Leave();
        if (!_wait.IsWaiting)
        {
            if (Claim() is { } unwanted)
            {
                Spawner.Run(unwanted.Discard);
            }
        }
        else if (Claim() is { } child)
        {
            _wait.Complete(child);
        }
        else
        {
            _wait.Fail(_failure ?? new ObjectDisposedException(nameof(EventLoop)));
        }
    }

    private SpawnedChild? Claim() => Interlocked.Exchange(ref _child, null);

    private void Leave()
    {
        if (_isResident)
        {
            _isResident = false;
            _loop.Host.RemoveResident(this);
        }
    }
}
