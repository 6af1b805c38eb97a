using System.Net;
using Toolkit.Synchronization;

namespace Toolkit;

/// <summary>
/// Keeps what another resolver has answered, for a fixed time and so many names. Failures are not kept: the next who asks tries
/// again. Nor do several who ask at once share one question. It belongs to the loop on which it is first used.
/// </summary>
/// <remarks>
/// The system's resolver does not say how long an answer is good for (the TTL of its DNS record), so the time given here is a
/// bound on how long a name that has moved goes on leading to where it was. Whoever resolves otherwise, and knows, keeps its
/// answers itself.
/// </remarks>
public sealed class CachingResolver : NameResolver
{
    private readonly NameResolver _inner;
    private readonly TimeSpan _timeToLive;
    private readonly int _maxNames;
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.OrdinalIgnoreCase);
    private readonly LinkedList<Entry> _byAge = new(); // and so by the time at which each is no good any more
    private LoopBinding _binding;

    /// <summary>Makes one that is empty. Any thread.</summary>
    /// <param name="timeToLive">How long an answer is good for.</param>
    /// <param name="maxNames">How many names are kept at most; the oldest goes first.</param>
    /// <param name="inner">Who is asked; null for <see cref="NameResolver.Default"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time or the number is not positive.</exception>
    public CachingResolver(TimeSpan timeToLive, int maxNames = 1000, NameResolver? inner = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(timeToLive, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxNames);
        _timeToLive = timeToLive;
        _maxNames = maxNames;
        _inner = inner ?? Default;
    }

    /// <summary>How many names are kept, those that have become too old included. Loop thread only.</summary>
    public int Count => _entries.Count;

    /// <inheritdoc/>
    public override async ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(host);
        EventLoop loop = _binding.Loop;
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        if (_entries.TryGetValue(host, out LinkedListNode<Entry>? kept) && loop.Time - kept.Value.Began < _timeToLive)
        {
            return kept.Value.Addresses;
        }

        TimeSpan began = loop.Time; // not the time of the answer, which may have been old when it came
        IReadOnlyList<IPAddress> addresses = await _inner.ResolveAsync(host, cancellationToken);
        _binding.Verify();
        if (addresses is { Count: > 0 })
        {
            Keep(new Entry(host, [.. addresses], began));
        }

        return addresses!;
    }

    /// <summary>Forgets a name, such as one whose addresses did not answer. Loop thread only.</summary>
    /// <returns>Whether it was kept.</returns>
    public bool Remove(string host)
    {
        ArgumentNullException.ThrowIfNull(host);
        _binding.Verify();
        if (!_entries.Remove(host, out LinkedListNode<Entry>? node))
        {
            return false;
        }

        _byAge.Remove(node);
        return true;
    }

    private void Keep(Entry entry)
    {
        Remove(entry.Host);
        if (_entries.Count == _maxNames)
        {
            Remove(_byAge.First!.Value.Host);
        }

        _entries.Add(entry.Host, _byAge.AddLast(entry));
    }

    private sealed record Entry(string Host, IReadOnlyList<IPAddress> Addresses, TimeSpan Began);
}
