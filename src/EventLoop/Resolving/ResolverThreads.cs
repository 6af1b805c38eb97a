namespace Toolkit.Resolving;

/// <summary>
/// The threads that the system's resolver blocks, and nothing else does: work that fills the thread pool does not delay a
/// look-up, and look-ups that hang take no thread away from anything else. At most so many at a time, made when they are
/// needed, and ended when they have had nothing to do for a while. Any thread.
/// </summary>
/// <remarks>
/// A resolver cannot be interrupted. So what is queued behind threads that hang is not bounded by a number, which would refuse
/// whoever comes next, but by those who wait: each is bounded by its time-out, and takes its look-up out of the queue when it
/// gives up.
/// </remarks>
internal sealed class ResolverThreads(int maxThreads, TimeSpan idleTime)
{
    private readonly LinkedList<Job> _queue = new();
    private readonly object _gate = new(); // one that can be waited at, which Lock cannot
    private int _threads;
    private int _idle;

    /// <summary>
    /// Those of the process. A look-up waits for answers and computes nothing, so that their number has nothing to do with that
    /// of the cores: enough for many names whose servers are slow, and little memory when all of them are.
    /// </summary>
    public static ResolverThreads Shared { get; } = new(16, TimeSpan.FromSeconds(10));

    /// <summary>How many threads there are, for tests.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _threads;
            }
        }
    }

    /// <summary>How many of them have nothing to do, for tests.</summary>
    public int IdleCount
    {
        get
        {
            lock (_gate)
            {
                return _idle;
            }
        }
    }

    /// <summary>How many look-ups have not begun, for tests.</summary>
    public int QueuedCount
    {
        get
        {
            lock (_gate)
            {
                return _queue.Count;
            }
        }
    }

    /// <summary>Has a thread run the work, and then tell so. Neither throws.</summary>
    /// <returns>Its place in the queue: disposed of before a thread has taken it, it does not run.</returns>
    /// <exception cref="OutOfMemoryException">The system gives no thread, and there is none.</exception>
    public IDisposable Queue(Action work, Action completed)
    {
        var job = new Job(this, work, completed, ExecutionContext.Capture());
        lock (_gate)
        {
            job.Node = _queue.AddLast(job);
            if (_queue.Count <= _idle)
            {
                Monitor.Pulse(_gate);
                return job;
            }

            if (_threads == maxThreads)
            {
                return job;
            }

            _threads++;
        }

        try
        {
            // Of the background: a process does not wait for them to end.
            new Thread(Serve) { IsBackground = true, Name = "toolkit resolver" }.UnsafeStart();
        }
        catch (Exception)
        {
            lock (_gate)
            {
                if (--_threads == 0)
                {
                    Remove(job);
                    throw;
                }
            }
        }

        return job;
    }

    private void Serve()
    {
        while (Take() is { } job)
        {
            job.Run();
        }
    }

    private Job? Take()
    {
        lock (_gate)
        {
            while (_queue.Count == 0)
            {
                _idle++;
                bool isPulsed = Monitor.Wait(_gate, idleTime);
                _idle--;
                if (!isPulsed && _queue.Count == 0)
                {
                    _threads--;
                    return null;
                }
            }

            Job job = _queue.First!.Value;
            Remove(job);
            return job;
        }
    }

    private void Remove(Job job)
    {
        if (job.Node is { } node)
        {
            _queue.Remove(node);
            job.Node = null;
        }
    }

    private sealed class Job(ResolverThreads threads, Action work, Action completed, ExecutionContext? context) : IDisposable
    {
        public LinkedListNode<Job>? Node { get; set; }

        public void Run()
        {
            if (context is null)
            {
                RunInContext();
            }
            else
            {
                ExecutionContext.Run(context, static job => ((Job)job!).RunInContext(), this);
            }
        }

        public void Dispose()
        {
            lock (threads._gate)
            {
                threads.Remove(this);
            }
        }

        private void RunInContext()
        {
            work();
            completed();
        }
    }
}
