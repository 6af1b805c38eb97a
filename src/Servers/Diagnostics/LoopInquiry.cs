using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// One look at a loop, on its own thread: by a post, and where there is much to describe over several turns, so that nothing else
/// waits for long. What is known then is handed back, by a post, to the loop that asks.
/// </summary>
internal sealed class LoopInquiry
{
    /// <summary>Some 200 microseconds, the first time: then an address may have to be asked for.</summary>
    private const int TransportsPerTurn = 128;

    private static readonly Action<object?> s_begin = static self => ((LoopInquiry)self!).Look();
    private static readonly Action<object?> s_continue = static self => ((LoopInquiry)self!).DescribeSome();
    private static readonly Action<object?> s_answer = static self => ((LoopInquiry)self!)._answered.SetResult();

    // Set once.
    private readonly EventLoop _asker;
    private readonly EventLoop _loop;
    private readonly LoopParts _parts;
    private readonly DiagnosticsOptions _options;
    private readonly Future _answered; // the asker's

    // The asked loop's until it has answered, and then the asker's.
    private readonly List<TransportInfo> _transports = [];
    private IDescribedResident<TransportInfo>[] _residents = [];
    private int _next;

    // Any thread.
    private volatile bool _isAbandoned;

    public LoopInquiry(EventLoop asker, EventLoop loop, LoopParts parts, DiagnosticsOptions options)
    {
        _asker = asker;
        _loop = loop;
        _parts = parts;
        _options = options;
        _answered = new Future(asker);
    }

    /// <summary>The servers, if they were asked for.</summary>
    public IReadOnlyList<ServerInfo> Servers { get; private set; } = [];

    /// <summary>The transports, if they were asked for.</summary>
    public IReadOnlyList<TransportInfo> Transports => _transports;

    /// <summary>How many were too many.</summary>
    public int TransportsLeftOut { get; private set; }

    /// <summary>The tasks, if they were asked for.</summary>
    public TaskTree? Tasks { get; private set; }

    /// <summary>Asks.</summary>
    /// <returns>False when the loop is disposed.</returns>
    public bool Begin() => _loop.Host.TryPost(s_begin, this);

    /// <summary>Waits for the answer, but not beyond the given time.</summary>
    /// <returns>Whether it is there.</returns>
    public async Task<bool> WaitAsync(TimeSpan deadline)
        => _answered.IsCompleted
            || await CancelScope.RunAsync(async _ => await _answered, deadline)
            || _answered.IsCompleted;

    /// <summary>Nobody waits for it any more, but for a sign of life.</summary>
    public void Abandon() => _isAbandoned = true;

    private void Look()
    {
        if (_isAbandoned)
        {
            Answer();
            return;
        }

        if (_parts.HasFlag(LoopParts.Tasks))
        {
            Tasks = _loop.DescribeTasks(_options.MaxTasks);
        }

        if (_parts.HasFlag(LoopParts.Transports))
        {
            Servers = _loop.DescribeServers();
            _residents = [.. _loop.Host.Residents.OfType<IDescribedResident<TransportInfo>>()];
            TransportsLeftOut = Math.Max(0, _residents.Length - _options.MaxTransports);
        }

        DescribeSome();
    }

    private void DescribeSome()
    {
        int end = _isAbandoned ? _next : Math.Min(_next + TransportsPerTurn, _residents.Length - TransportsLeftOut);
        for (; _next < end; _next++)
        {
            IDescribedResident<TransportInfo> resident = _residents[_next];
            if (_loop.Host.IsResident(resident)) // or it has ended since the first turn
            {
                _transports.Add(resident.Describe());
            }
        }

        if (!_isAbandoned && _next < _residents.Length - TransportsLeftOut)
        {
            _loop.UnsafeCallSoon(s_continue, this);
        }
        else
        {
            Answer();
        }
    }

    private void Answer()
    {
        _residents = [];
        _asker.Host.TryPost(s_answer, this); // or the asker is gone
    }
}
