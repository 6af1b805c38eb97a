using System.Net;
using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <summary>
/// The names of a world: those of its hosts, <c>localhost</c>, and what is added here. Names are compared without regard to case.
/// All members belong to the world's thread.
/// </summary>
public sealed class SimulatedNames
{
    private readonly SimulatedWorld _world;
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);

    internal SimulatedNames(SimulatedWorld world) => _world = world;

    /// <summary>Has a name stand for addresses, in this order; of a host's own name, too.</summary>
    /// <exception cref="ArgumentException">The name is empty, or there is no address.</exception>
    public void Add(string name, params IPAddress[] addresses)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(addresses);
        if (addresses.Length == 0)
        {
            throw new ArgumentException(
                "A name stands for at least one address. Use Fail for one that is not known.", nameof(addresses));
        }

        EntryOf(name).Addresses = addresses;
    }

    /// <summary>Has the look-up of a name fail.</summary>
    public void Fail(string name, SocketError error = SocketError.HostNotFound)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        EntryOf(name).Error = error;
    }

    /// <summary>Has the look-up of a name take so long.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The delay is negative.</exception>
    public void Delay(string name, TimeSpan delay)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        EntryOf(name).Delay = delay;
    }

    /// <summary>Forgets what was said of a name.</summary>
    public void Remove(string name) => _entries.Remove(name);

    internal IPAddress[] Resolve(SimulatedHost asking, string name)
    {
        Entry? entry = _entries.GetValueOrDefault(name);
        _world.ProlongWork(entry?.Delay ?? TimeSpan.Zero);
        if (entry?.Error is { } error)
        {
            throw new SocketException((int)error);
        }

        if (entry?.Addresses is { } addresses)
        {
            return addresses;
        }

        if (string.Equals(name, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return [IPAddress.Loopback, IPAddress.IPv6Loopback];
        }

        SimulatedHost? host = string.Equals(name, asking.Name, StringComparison.OrdinalIgnoreCase)
            ? asking
            : _world.Hosts.FirstOrDefault(host => string.Equals(host.Name, name, StringComparison.OrdinalIgnoreCase));
        return host is { Addresses.Count: > 0 } ? [.. host.Addresses] : throw new SocketException((int)SocketError.HostNotFound);
    }

    private Entry EntryOf(string name)
    {
        if (!_entries.TryGetValue(name, out Entry? entry))
        {
            _entries.Add(name, entry = new Entry());
        }

        return entry;
    }

    private sealed class Entry
    {
        public IPAddress[]? Addresses { get; set; }

        public SocketError? Error { get; set; }

        public TimeSpan Delay { get; set; }
    }
}
