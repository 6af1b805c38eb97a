using System.Net;
using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <content>The hosts, and the ways between them.</content>
public sealed partial class SimulatedWorld
{
    private readonly List<SimulatedHost> _hosts = [];
    private readonly List<IPAddress> _silentAddresses = [];
    private readonly Dictionary<(SimulatedHost From, SimulatedHost To), SimulatedLink> _links = [];
    private Work? _work;
    private long _connectionNumber;

    /// <summary>The host of this name.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public SimulatedHost this[string name]
        => _hosts.Find(host => string.Equals(host.Name, name, StringComparison.OrdinalIgnoreCase))
            ?? throw new KeyNotFoundException(
                $"There is no host '{name}'. There are: {string.Join(", ", _hosts.Select(host => host.Name))}.");

    /// <summary>Adds a host.</summary>
    /// <param name="name">Its name, which is looked up by the others.</param>
    /// <param name="addresses">Its addresses; none gives it the next of 10.0.0.0/8.</param>
    /// <exception cref="ArgumentException">Name or address belong to another host.</exception>
    public SimulatedHost AddHost(string name, params IPAddress[] addresses)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(addresses);
        if (_hosts.Exists(host => string.Equals(host.Name, name, StringComparison.OrdinalIgnoreCase)))
        {
            throw new ArgumentException($"There is a host '{name}' already.", nameof(name));
        }

        foreach (IPAddress address in addresses)
        {
            if (_hosts.Find(host => host.Owns(address)) is { } owner)
            {
                throw new ArgumentException(
                    IPAddress.IsLoopback(address)
                        ? $"{address} is each host's own, and needs not be added."
                        : $"{address} belongs to the host '{owner.Name}'.",
                    nameof(addresses));
            }
        }

        int number = _hosts.Count + 1;
        var host = new SimulatedHost(
            this,
            name,
            addresses.Length > 0
                ? [.. addresses]
                : [new IPAddress([10, (byte)(number >> 16), (byte)(number >> 8), (byte)number])]);
        _hosts.Add(host);
        return host;
    }

    /// <inheritdoc cref="AddHost(string, IPAddress[])"/>
    /// <param name="address">Its address.</param>
    /// <param name="name">Its name, which is looked up by the others.</param>
    /// <exception cref="FormatException">It is no address.</exception>
    public SimulatedHost AddHost(string name, string address)
    {
        ArgumentNullException.ThrowIfNull(address);

        // .NET takes 10.0.1 for 10.0.0.1, which is never what a test means.
        return IPAddress.TryParse(address, out IPAddress? parsed)
            && (parsed.AddressFamily == AddressFamily.InterNetworkV6 || string.Equals(parsed.ToString(), address, StringComparison.Ordinal))
            ? AddHost(name, parsed)
            : throw new FormatException($"'{address}' is no IP address.");
    }

    /// <summary>Has an address that no host owns swallow all that is sent to it, instead of being unreachable.</summary>
    public void AddSilentAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        _silentAddresses.Add(address);
    }

    /// <summary>Sets the conditions of the ways between two hosts, in both directions.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A condition is out of range.</exception>
    public void SetLink(SimulatedHost first, SimulatedHost second, LinkConditions conditions)
    {
        SetLinkOneWay(first, second, conditions);
        SetLinkOneWay(second, first, conditions);
    }

    /// <summary>Sets the conditions of the way from one host to another.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A condition is out of range.</exception>
    public void SetLinkOneWay(SimulatedHost from, SimulatedHost to, LinkConditions conditions)
    {
        ArgumentNullException.ThrowIfNull(conditions);
        conditions.Validate();
        CheckedLink(from, to).Conditions = conditions;
    }

    /// <summary>Cuts two hosts off from each other: all that is sent between them is lost, until <see cref="Heal"/>.</summary>
    public void Partition(SimulatedHost first, SimulatedHost second)
    {
        PartitionOneWay(first, second);
        PartitionOneWay(second, first);
    }

    /// <summary>Loses all that one host sends to another; what comes back arrives.</summary>
    public void PartitionOneWay(SimulatedHost from, SimulatedHost to)
    {
        SimulatedLink link = CheckedLink(from, to);
        Note($"{from.Name} is cut off from {to.Name}");
        link.IsCut = true;
        WatchBrokenPaths();
    }

    /// <summary>Ends a partition, in both directions.</summary>
    public void Heal(SimulatedHost first, SimulatedHost second)
    {
        SimulatedLink there = CheckedLink(first, second);
        SimulatedLink back = CheckedLink(second, first);
        Note($"{first.Name} and {second.Name} are healed");
        there.IsCut = false;
        back.IsCut = false;
    }

    /// <summary>Keeps all that is under way between two hosts, without losing it, until <see cref="Release(SimulatedHost, SimulatedHost)"/>.</summary>
    public void Hold(SimulatedHost first, SimulatedHost second)
    {
        CheckedLink(first, second).Held ??= [];
        CheckedLink(second, first).Held ??= [];
        Note($"{first.Name} and {second.Name} are held");
    }

    /// <summary>Lets what was held arrive, in its order.</summary>
    public void Release(SimulatedHost first, SimulatedHost second)
    {
        SimulatedLink there = CheckedLink(first, second);
        SimulatedLink back = CheckedLink(second, first);
        Note($"{first.Name} and {second.Name} are released");
        there.Release();
        back.Release();
    }

    /// <summary>Ends all partitions and holds; crashed and paused hosts stay so.</summary>
    public void HealAll()
    {
        Note("all is healed");
        foreach (SimulatedHost from in _hosts)
        {
            foreach (SimulatedHost to in _hosts)
            {
                if (_links.TryGetValue((from, to), out SimulatedLink? link))
                {
                    link.IsCut = false;
                    link.Release();
                }
            }
        }
    }

    internal SimulatedLink LinkBetween(SimulatedHost from, SimulatedHost to)
    {
        if (!_links.TryGetValue((from, to), out SimulatedLink? link))
        {
            _links.Add((from, to), link = new SimulatedLink(from, to, from == to ? _options.Loopback : _options.Links));
        }

        return link;
    }

    /// <summary>Has something arrive over a link.</summary>
    internal void Send(SimulatedLink link, long arrival, Action action)
        => ScheduleInNetwork(arrival, () => link.Arrive(action));

    internal SimulatedHost? FindHost(SimulatedHost from, IPAddress address)
        => IPAddress.IsLoopback(address) ? from : _hosts.Find(host => host.Owns(address));

    internal bool IsSilent(IPAddress address) => _silentAddresses.Contains(address);

    internal long NextConnectionNumber() => ++_connectionNumber;

    /// <summary>Runs what would block a thread, on this one: it takes virtual time.</summary>
    internal void RunWork(SimulatedHost host, Action work, Action completed)
    {
        long takes = Network.NextInt64(_options.ThreadWorkTime.Ticks + 1);
        ExecutionContext? context = ExecutionContext.Capture();
        Schedule(Now + takes, () =>
        {
            if (host.IsDown)
            {
                return;
            }

            Work? outer = _work;
            var current = new Work();
            _work = current;
            try
            {
                if (context is null)
                {
                    work();
                }
                else
                {
                    ExecutionContext.Run(context, static work => ((Action)work!)(), work);
                }
            }
            finally
            {
                _work = outer;
            }

            Schedule(Now + current.More, () =>
            {
                if (!host.IsDown)
                {
                    completed();
                }
            });
        });
    }

    /// <summary>The work that runs takes so much longer.</summary>
    internal void ProlongWork(TimeSpan time)
    {
        if (_work is { } work)
        {
            work.More += time.Ticks;
        }
    }

    /// <summary>
    /// Something has broken, which peers that keep alive find out by themselves. Nothing is scheduled for a connection whose path
    /// is whole: its probes would be answered.
    /// </summary>
    internal void WatchBrokenPaths()
    {
        foreach (SimulatedHost host in _hosts)
        {
            foreach (SimulatedConnection connection in host.Connections)
            {
                if (connection is { KeepAlive: { } time, Peer: not null } && !IsPathWhole(connection))
                {
                    ScheduleInNetwork(Now + time.Ticks, () => GiveUpIfBroken(connection));
                }
            }
        }
    }

    private bool IsPathWhole(SimulatedConnection connection)
        => !connection.Peer!.Host.IsDown
            && !LinkBetween(connection.Host, connection.Peer.Host).IsCut
            && !LinkBetween(connection.Peer.Host, connection.Host).IsCut;

    private void GiveUpIfBroken(SimulatedConnection connection)
    {
        if (connection.Failure != SocketError.Success || connection.Host.IsDown)
        {
            return;
        }

        if (!IsPathWhole(connection))
        {
            connection.Fail(SocketError.TimedOut);
        }
        else if (connection.Peer!.Failure != SocketError.Success)
        {
            connection.OnReset(); // the probe is answered by a host that has forgotten the connection
        }
    }

    private SimulatedLink CheckedLink(SimulatedHost from, SimulatedHost to)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        if (from.World != this || to.World != this)
        {
            throw new ArgumentException($"'{(from.World != this ? from : to).Name}' is a host of another world.");
        }

        return LinkBetween(from, to);
    }

    /// <summary>Blocking work that runs inline.</summary>
    private sealed class Work
    {
        /// <summary>How many ticks it takes beyond those before it ran.</summary>
        public long More { get; set; }
    }
}
