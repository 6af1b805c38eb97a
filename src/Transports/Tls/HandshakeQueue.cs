namespace Toolkit.Transports;

/// <summary>
/// The handshakes of a server's newcomers, oldest first. There is a bound, and one more ends the oldest: peers who begin and do
/// not go on cannot keep out those who do, since these are done in the time of a few round trips.
/// </summary>
internal sealed class HandshakeQueue(int limit)
{
    private readonly LinkedList<TlsHandshake> _handshakes = new();

    /// <summary>How many there are.</summary>
    public int Count => _handshakes.Count;

    /// <summary>How many were ended to make room.</summary>
    public long EvictedCount { get; private set; }

    /// <summary>Adds one.</summary>
    /// <returns>The one that was ended to make room.</returns>
    public TlsHandshake? Add(TlsHandshake handshake)
    {
        TlsHandshake? evicted = null;
        if (_handshakes.Count >= limit)
        {
            EvictedCount++;
            evicted = AbandonOldest();
        }

        handshake.Place = _handshakes.AddLast(handshake);
        return evicted;
    }

    public void Remove(TlsHandshake handshake)
    {
        if (handshake.Place is { } place)
        {
            handshake.Place = null;
            _handshakes.Remove(place);
        }
    }

    /// <summary>Ends all of them.</summary>
    public void Clear()
    {
        while (_handshakes.Count > 0)
        {
            AbandonOldest();
        }
    }

    private TlsHandshake AbandonOldest()
    {
        TlsHandshake oldest = _handshakes.First!.Value;
        Remove(oldest);
        oldest.Abandon();
        return oldest;
    }
}
