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

    public void Add(TlsHandshake handshake)
    {
        if (_handshakes.Count >= limit)
        {
            EvictedCount++;
            AbandonOldest();
        }

        handshake.Place = _handshakes.AddLast(handshake);
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

    private void AbandonOldest()
    {
        TlsHandshake oldest = _handshakes.First!.Value;
        Remove(oldest);
        oldest.Abandon();
    }
}
