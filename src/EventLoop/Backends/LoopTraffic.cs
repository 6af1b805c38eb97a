namespace Toolkit.Backends;

/// <summary>
/// What has gone through the connections of a loop, for metrics. Transports count on the loop's thread; any thread may look, and
/// sees what was so a moment ago.
/// </summary>
public sealed class LoopTraffic
{
    private long _made;
    private long _active;
    private long _received;
    private long _sent;

    internal LoopTraffic()
    {
    }

    /// <summary>How many connections there have been.</summary>
    public long ConnectionsMade => Volatile.Read(ref _made);

    /// <summary>How many connections there are.</summary>
    public long ActiveConnections => Volatile.Read(ref _active);

    /// <summary>How many bytes connections and end points of datagrams have received.</summary>
    public long BytesReceived => Volatile.Read(ref _received);

    /// <summary>How many bytes connections and end points of datagrams have sent.</summary>
    public long BytesSent => Volatile.Read(ref _sent);

    /// <summary>A connection begins.</summary>
    public void OnConnectionMade()
    {
        _made++;
        _active++;
    }

    /// <summary>A connection has ended.</summary>
    public void OnConnectionLost() => _active--;

    /// <summary>Bytes were received.</summary>
    public void OnReceived(long bytes) => _received += bytes;

    /// <summary>Bytes were sent.</summary>
    public void OnSent(long bytes) => _sent += bytes;
}
