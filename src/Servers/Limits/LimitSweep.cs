using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// Holds the connections of a server to its <see cref="ConnectionLimits"/>. One timer looks at all of them from time to time and
/// compares their byte counters with what they were; so a message costs nothing, and a connection of a server without limits
/// neither time nor memory.
/// </summary>
/// <remarks>
/// <para>
/// What has happened since the last look is taken to have happened now, and a state counts when it was there at both ends of an
/// interval. Both are in the peer's favour, so that nothing is ended early, and cost two intervals of delay at the most.
/// </para>
/// <para>
/// The time that passes is observed rather than read: an interval counts for as long as it was to be, and once more at the most,
/// whatever the clock says. When a process was halted for an hour, its peers were not silent for an hour: what they sent filled
/// a buffer, and then they had to wait.
/// </para>
/// </remarks>
internal sealed partial class LimitSweep
{
    private const string LogCategory = "Toolkit.Server";
    private const int SweepsPerTime = 8;
    private const int FirstCapacity = 16;

    private static readonly TimeSpan s_shortestInterval = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_longestInterval = TimeSpan.FromSeconds(1);
    private static readonly Action<object?> s_sweep = static self => ((LimitSweep)self!).Sweep();

    // Set once.
    private readonly EventLoop _loop;
    private readonly ConnectionLimits _limits;
    private readonly List<StreamTransport> _connections; // the server's own; what is known of each is at its index
    private readonly LimitCounts _counts;
    private readonly ILogger _logger;
    private readonly TimeSpan _interval;

    // Loop thread only.
    private Sample[] _samples = new Sample[FirstCapacity];
    private TimerHandle? _timer;
    private TimeSpan _lastSweep; // by the loop's clock
    private TimeSpan _observed; // how much time has counted until then

    public LimitSweep(EventLoop loop, ConnectionLimits limits, List<StreamTransport> connections, LimitCounts counts)
    {
        _loop = loop;
        _limits = limits;
        _connections = connections;
        _counts = counts;
        _logger = loop.Host.CreateLogger(LogCategory);
        TimeSpan shortest = new[]
        {
            limits.FirstByteTime, limits.IdleTime, limits.WriteStallTime,
            limits.MinReceiveRate?.GracePeriod, limits.MinSendRate?.GracePeriod,
        }.Min() ?? s_longestInterval;
        TimeSpan interval = shortest / SweepsPerTime;
        _interval = interval < s_shortestInterval ? s_shortestInterval
            : interval > s_longestInterval ? s_longestInterval
            : interval;
    }

    /// <summary>A connection begins, at the end of the list.</summary>
    public void OnConnectionMade()
    {
        if (_timer is null)
        {
            _lastSweep = _loop.Time;
            _timer = _loop.UnsafeCallLater(_interval, s_sweep, this);
        }

        int index = _connections.Count - 1;
        if (index == _samples.Length)
        {
            Array.Resize(ref _samples, _samples.Length * 2);
        }

        TimeSpan now = _observed + Counted(_loop.Time - _lastSweep);
        _samples[index] = new Sample
        {
            At = now,
            ReceivingSince = now,
            SendingSince = now,
            IdleSince = now,
            IsReceiving = true,
            IsWaiting = true,
            ReceiveCredit = CreditOf(_limits.MinReceiveRate),
            SendCredit = CreditOf(_limits.MinSendRate),
        };
    }

    /// <summary>A connection has gone, and the last of the list has taken its place.</summary>
    public void OnConnectionLost(int index)
    {
        _samples[index] = _samples[_connections.Count];
        if (_connections.Count == 0)
        {
            _timer?.Cancel();
            _timer = null;
        }
    }

    [LoggerMessage(3, LogLevel.Information, "The connection from {EndPoint} was ended: {Reason}{Suppressed}")]
    private static partial void Ended(ILogger logger, string endPoint, string reason, string suppressed);

    private static double CreditOf(MinDataRate? rate) => rate is null ? 0 : rate.BytesPerSecond * rate.GracePeriod.TotalSeconds;

    // A rate is kept as long as there is credit: time spends it, bytes earn it, and what is beyond a grace period's worth is
    // lost, or who has sent much once might then be slow for ever.
    private static bool Keeps(MinDataRate? rate, ref double credit, bool counts, double passed, long bytes)
    {
        if (rate is null)
        {
            return true;
        }

        double full = CreditOf(rate);
        credit = counts ? Math.Min(full, credit + bytes - (rate.BytesPerSecond * passed)) : full;
        return credit >= 0;
    }

    private TimeSpan Counted(TimeSpan passed) => passed < _interval * 2 ? passed : _interval * 2;

    private void Sweep()
    {
        TimeSpan time = _loop.Time;
        _observed += Counted(time - _lastSweep);
        _lastSweep = time;
        for (int i = _connections.Count - 1; i >= 0; i--)
        {
            StreamTransport transport = _connections[i];
            if (!transport.IsClosing && Look(transport, ref _samples[i]) is { } limit)
            {
                End(transport, limit);
            }
        }

        _timer!.Reschedule(_interval);
    }

    // Which limit the connection has passed.
    private ConnectionLimit? Look(StreamTransport transport, ref Sample sample)
    {
        double passed = (_observed - sample.At).TotalSeconds;
        // Falls when bytes are given back, and rises again when they are told again.
        long received = transport.BytesReceived - sample.Received;
        long sent = transport.BytesSent - sample.Sent;
        bool isReceiving = transport.IsReading;
        bool isSending = transport.UnsentBytes > 0 && !transport.IsReadingFile;
        bool isWaiting = isReceiving || isSending;
        bool receivedAtBothEnds = isReceiving && sample.IsReceiving;
        bool sentAtBothEnds = isSending && sample.IsSending;
        if (!receivedAtBothEnds)
        {
            sample.ReceivingSince = _observed;
        }

        if (!sentAtBothEnds || sent > 0)
        {
            sample.SendingSince = _observed;
        }

        if (received != 0 || sent > 0 || !(isWaiting && sample.IsWaiting))
        {
            sample.IdleSince = _observed;
        }

        sample.At = _observed;
        sample.Received += received;
        sample.Sent += sent;
        sample.IsReceiving = isReceiving;
        sample.IsSending = isSending;
        sample.IsWaiting = isWaiting;
        if (isSending && _observed - sample.SendingSince >= _limits.WriteStallTime)
        {
            return ConnectionLimit.WriteStall;
        }

        if (!Keeps(_limits.MinSendRate, ref sample.SendCredit, sentAtBothEnds, passed, sent))
        {
            return ConnectionLimit.SendRate;
        }

        if (isReceiving && sample.Received == 0 && _observed - sample.ReceivingSince >= _limits.FirstByteTime)
        {
            return ConnectionLimit.FirstByte;
        }

        if (!Keeps(_limits.MinReceiveRate, ref sample.ReceiveCredit, receivedAtBothEnds, passed, received))
        {
            return ConnectionLimit.ReceiveRate;
        }

        return isWaiting && _observed - sample.IdleSince >= _limits.IdleTime ? ConnectionLimit.Idle : null;
    }

    private void End(StreamTransport transport, ConnectionLimit limit)
    {
        var reason = new ConnectionLimitException(limit, Explain(limit));
        _counts.Add(limit);
        if (_loop.Host.LogRate.ShouldLog($"limit {limit}", out string suppressed))
        {
            Ended(_logger, LogText.Escape($"{transport.RemoteEndPoint}"), reason.Message, suppressed);
        }

        if (limit == ConnectionLimit.Idle && transport.UnsentBytes == 0)
        {
            transport.Close(reason);
        }
        else
        {
            transport.Abort(reason);
        }
    }

    private string Explain(ConnectionLimit limit) => limit switch
    {
        ConnectionLimit.FirstByte => $"The peer sent nothing within {_limits.FirstByteTime}.",
        ConnectionLimit.Idle => $"No byte went either way for {_limits.IdleTime}.",
        ConnectionLimit.ReceiveRate => $"The peer sent less than {Describe(_limits.MinReceiveRate!)}.",
        ConnectionLimit.SendRate => $"The peer took less than {Describe(_limits.MinSendRate!)}.",
        _ => $"Bytes were unsent for {_limits.WriteStallTime}, and none left: the peer does not read.",
    };

    private static string Describe(MinDataRate rate)
        => string.Create(
            System.Globalization.CultureInfo.InvariantCulture, $"{rate.BytesPerSecond} bytes a second over {rate.GracePeriod}");

    /// <summary>What a connection was like when it was looked at last. All times are observed ones.</summary>
    private struct Sample
    {
        public TimeSpan At;
        public long Received;
        public long Sent;
        public TimeSpan ReceivingSince; // bytes are expected of the peer
        public TimeSpan SendingSince; // bytes are unsent, and none has left
        public TimeSpan IdleSince; // either of the two, and no byte has come or gone
        public double ReceiveCredit;
        public double SendCredit;
        public bool IsReceiving;
        public bool IsSending;
        public bool IsWaiting;
    }
}
