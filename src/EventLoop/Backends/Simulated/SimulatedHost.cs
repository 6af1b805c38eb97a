using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// A machine of a <see cref="SimulatedWorld"/>: it has a name, addresses, and any number of loops, all of which the world runs on
/// its one thread. Loopback addresses are each host's own. All members belong to the world's thread.
/// </summary>
[DebuggerDisplay("{Name,nq} {State}")]
public sealed partial class SimulatedHost
{
    private const int FirstEphemeralPort = 49152;

    private readonly List<SimulatedListener> _listeners = [];
    private readonly List<SimulatedConnection> _connections = [];
    private readonly List<SimulatedBackend> _backends = [];
    private readonly List<(Func<EventLoop, Task> Main, EventLoopOptions? Options)> _mains = [];
    private int _lastPort = FirstEphemeralPort - 1;
    private int _descriptors;

    internal SimulatedHost(SimulatedWorld world, string name, IPAddress[] addresses)
    {
        World = world;
        Name = name;
        Addresses = addresses;
    }

    /// <summary>The world that the host is part of.</summary>
    public SimulatedWorld World { get; }

    /// <summary>The name, by which every host of the world can look it up.</summary>
    public string Name { get; }

    /// <summary>The addresses, without the loopback ones.</summary>
    public IReadOnlyList<IPAddress> Addresses { get; }

    /// <summary>Whether the host runs.</summary>
    public SimulatedHostState State { get; private set; }

    /// <summary>How many sockets and ends of pipes the host may have at a time; null, the default, for any number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public int? DescriptorLimit
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value ?? 0, nameof(value));
            field = value;
        }
    }

    /// <summary>How many sockets and ends of pipes are open.</summary>
    public int DescriptorCount => _descriptors;

    internal bool IsDown => State == SimulatedHostState.Crashed;

    internal IReadOnlyList<SimulatedBackend> Backends => _backends;

    internal IReadOnlyList<SimulatedConnection> Connections => _connections;

    /// <summary>
    /// Makes a loop that lives on this host. The world runs it whenever it runs, until the loop is disposed, and disposes it
    /// with itself; or it is run by itself, as any other loop is, and then drives the world.
    /// </summary>
    /// <param name="options">Its options, of which the kind does not count.</param>
    /// <exception cref="InvalidOperationException">The host has crashed.</exception>
    public EventLoop CreateLoop(EventLoopOptions? options = null)
    {
        if (IsDown)
        {
            throw new InvalidOperationException($"The host {Name} has crashed. Restart it first.");
        }

        SimulatedBackend? backend = null;
        var loop = new EventLoop((options ?? new EventLoopOptions()).With(() => backend = CreateBackend()));
        World.Add(loop, backend!);
        return loop;
    }

    /// <summary>
    /// Starts a program on the host: a loop of its own, on which <paramref name="main"/> is called as soon as the world runs, as
    /// a task named <c>main</c>. It is started anew by <see cref="Restart"/>. A failure of <paramref name="main"/> comes out of
    /// the world's run.
    /// </summary>
    /// <returns>Ends with <paramref name="main"/>; never, when the host crashes before.</returns>
    public Task Start(Func<EventLoop, Task> main, EventLoopOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(main);
        _mains.Add((main, options));
        return Launch(main, options);
    }

    /// <summary>
    /// The power fails: nothing on the host runs any more, nobody is told, and its peers find out when they next send, or by
    /// their keep-alive.
    /// </summary>
    /// <exception cref="InvalidOperationException">It has crashed already.</exception>
    public void Crash()
    {
        if (IsDown)
        {
            throw new InvalidOperationException($"The host {Name} has crashed already.");
        }

        World.Note($"{Name} crashes");
        State = SimulatedHostState.Crashed;
        foreach (SimulatedBackend backend in _backends)
        {
            World.Remove(backend);
            backend.Vanish();
        }

        foreach (SimulatedConnection connection in _connections.ToArray())
        {
            connection.Vanish();
        }

        _backends.Clear();
        _datagramSockets.Clear();
        VanishPipes();
        _connections.Clear();
        _signalSources.Clear();
        _descriptors = 0;
        World.WatchBrokenPaths();
    }

    /// <summary>Runs again after a crash: every program that was started is started anew, and knows of nothing.</summary>
    /// <exception cref="InvalidOperationException">It has not crashed.</exception>
    public void Restart()
    {
        if (!IsDown)
        {
            throw new InvalidOperationException($"The host {Name} runs. Crash it first.");
        }

        World.Note($"{Name} restarts");
        State = SimulatedHostState.Running;
        foreach ((Func<EventLoop, Task> main, EventLoopOptions? options) in _mains)
        {
            _ = Launch(main, options);
        }
    }

    /// <summary>
    /// Its loops stand still, as in a long collection or a halted machine, while its kernel goes on: what arrives is kept and
    /// acknowledged as long as there is room.
    /// </summary>
    /// <exception cref="InvalidOperationException">It does not run.</exception>
    public void Pause()
    {
        if (State != SimulatedHostState.Running)
        {
            throw new InvalidOperationException($"The host {Name} is {State}, and only a running one can be paused.");
        }

        World.Note($"{Name} pauses");
        State = SimulatedHostState.Paused;
    }

    /// <summary>Goes on after <see cref="Pause"/>.</summary>
    /// <exception cref="InvalidOperationException">It was not paused.</exception>
    public void Resume()
    {
        if (State != SimulatedHostState.Paused)
        {
            throw new InvalidOperationException($"The host {Name} is {State}, and not paused.");
        }

        World.Note($"{Name} resumes");
        State = SimulatedHostState.Running;
    }

    /// <summary>
    /// Begins to connect a peer that no loop drives: the test itself plays it. It is connected as soon as the world has brought
    /// the handshake to an end; within one host that is at once.
    /// </summary>
    /// <param name="remote">Where somebody listens.</param>
    /// <param name="receiveBufferSize">How many bytes wait to be read at most; 256 KiB by default, 2 KiB at least.</param>
    /// <param name="sendBufferSize">How many bytes wait to be acknowledged at most; 256 KiB by default, 2 KiB at least.</param>
    /// <exception cref="SocketException">The host has no address from which there is a way.</exception>
    public SimulatedPeer ConnectPeer(IPEndPoint remote, int? receiveBufferSize = null, int? sendBufferSize = null)
    {
        ArgumentNullException.ThrowIfNull(remote);
        ArgumentOutOfRangeException.ThrowIfNegative(receiveBufferSize ?? 0, nameof(receiveBufferSize));
        ArgumentOutOfRangeException.ThrowIfNegative(sendBufferSize ?? 0, nameof(sendBufferSize));
        return SimulatedPeer.Connect(this, remote, receiveBufferSize, sendBufferSize);
    }

    /// <summary>Listens for connections whose other end the test plays.</summary>
    /// <param name="endPoint">Where; port 0 leaves the port to the host.</param>
    /// <param name="backlog">How many may wait.</param>
    /// <exception cref="SocketException">The address is not the host's, or the port is taken.</exception>
    public SimulatedPeerListener ListenAsPeer(IPEndPoint endPoint, int backlog = 128)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        ArgumentOutOfRangeException.ThrowIfNegative(backlog);
        var spec = new HandleSpec { AddressFamily = endPoint.AddressFamily, LocalEndPoint = endPoint, Backlog = backlog };
        SocketError error = CheckBinding(spec, out EndPoint? bound);
        return error == SocketError.Success
            ? new SimulatedPeerListener(AddListener(bound!, backlog, sharesPort: false))
            : throw new SocketException((int)error);
    }

    internal SimulatedBackend CreateBackend()
    {
        var backend = new SimulatedBackend(this);
        _backends.Add(backend);
        return backend;
    }

    internal void Forget(SimulatedBackend backend)
    {
        _backends.Remove(backend);
        World.Remove(backend);
    }

    internal bool TryTakeDescriptor()
    {
        if (_descriptors >= DescriptorLimit)
        {
            return false;
        }

        _descriptors++;
        return true;
    }

    internal void GiveDescriptorBack()
    {
        if (!IsDown)
        {
            _descriptors--;
        }
    }

    internal bool Owns(IPAddress address)
    {
        if (IPAddress.IsLoopback(address))
        {
            return true;
        }

        foreach (IPAddress own in Addresses)
        {
            if (own.Equals(address))
            {
                return true;
            }
        }

        return false;
    }

    internal SocketError CheckBinding(in HandleSpec spec, out EndPoint? bound)
    {
        var endPoint = spec.LocalEndPoint as IPEndPoint;
        bound = endPoint;
        if (spec.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if (endPoint is null)
        {
            if (spec.Backlog is not null)
            {
                bound = new IPEndPoint(AnyAddress(spec.AddressFamily), NextPort());
            }

            return SocketError.Success;
        }

        if (endPoint.AddressFamily != spec.AddressFamily)
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if (!endPoint.Address.Equals(AnyAddress(spec.AddressFamily)) && !Owns(endPoint.Address))
        {
            return SocketError.AddressNotAvailable;
        }

        if (endPoint.Port == 0)
        {
            bound = new IPEndPoint(endPoint.Address, NextPort());
        }
        else if (IsTaken(endPoint, spec.ReusePort))
        {
            return SocketError.AddressAlreadyInUse;
        }

        return SocketError.Success;
    }

    internal SimulatedListener AddListener(EndPoint endPoint, int backlog, bool sharesPort)
    {
        var listener = new SimulatedListener(this, endPoint, backlog, sharesPort);
        _listeners.Add(listener);
        TakePath(listener);
        World.Note($"{Name} listens at {endPoint}");
        return listener;
    }

    internal void Forget(SimulatedListener listener)
    {
        _listeners.Remove(listener);
        LeavePath(listener);
    }

    internal void Remember(SimulatedConnection connection) => _connections.Add(connection);

    internal void Forget(SimulatedConnection connection) => _connections.Remove(connection);

    /// <summary>One of those who listen there; the seed decides between several who share the port.</summary>
    internal SimulatedListener? FindListener(EndPoint target)
    {
        if (target is UnixDomainSocketEndPoint path)
        {
            return _paths.GetValueOrDefault(path.ToString()).Listener is { IsOpen: true } open ? open : null;
        }

        SimulatedListener[] serving = [.. _listeners.Where(listener => listener.Serves(target))];
        return serving.Length switch
        {
            0 => null,
            1 => serving[0],
            _ => serving[World.Network.Next(serving.Length)],
        };
    }

    internal SocketError TryConnect(
        EndPoint? bound, EndPoint remote, ISocketHolder holder, Action<SocketError> ended, out SimulatedConnection? connection)
    {
        connection = null;
        if (remote is UnixDomainSocketEndPoint path)
        {
            return TryConnect(path, holder, ended, out connection);
        }

        var local = bound as IPEndPoint;
        if (remote is not IPEndPoint target || (local is not null && local.AddressFamily != target.AddressFamily))
        {
            return SocketError.AddressFamilyNotSupported;
        }

        if (local is null || local.Address.Equals(AnyAddress(target.AddressFamily)))
        {
            IPAddress? source = SourceAddressFor(target.Address);
            if (source is null)
            {
                return SocketError.NetworkUnreachable;
            }

            local = new IPEndPoint(source, local?.Port ?? NextPort());
        }

        connection = Connect(local, target, holder, ended);
        return SocketError.Success;
    }

    private SimulatedConnection Connect(EndPoint? local, EndPoint target, ISocketHolder holder, Action<SocketError> ended)
    {
        var connection = new SimulatedConnection(this, local, target, World.NextConnectionNumber());
        connection.HoldBy(holder);
        Remember(connection);
        World.Note($"#{connection.Number} {Name} {local} connects to {target}");
        SimulatedHandshake.Begin(connection, ended);
        return connection;
    }

    private static IPAddress AnyAddress(AddressFamily family)
        => family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;

    private IPAddress? SourceAddressFor(IPAddress target)
        => Owns(target) ? target : Addresses.FirstOrDefault(own => own.AddressFamily == target.AddressFamily);

    private bool IsTaken(IPEndPoint endPoint, bool sharesPort)
        => _listeners.Exists(other => other.EndPoint is IPEndPoint taken
            && taken.Port == endPoint.Port
            && taken.AddressFamily == endPoint.AddressFamily
            && (taken.Address.Equals(endPoint.Address)
                || taken.Address.Equals(AnyAddress(endPoint.AddressFamily))
                || endPoint.Address.Equals(AnyAddress(endPoint.AddressFamily)))
            && !(sharesPort && other.SharesPort));

    private int NextPort()
    {
        do
        {
            _lastPort = _lastPort == IPEndPoint.MaxPort ? FirstEphemeralPort : _lastPort + 1;
        }
        while (_listeners.Exists(listener => listener.EndPoint is IPEndPoint taken && taken.Port == _lastPort)
            || _connections.Exists(connection => connection.Local is IPEndPoint taken && taken.Port == _lastPort));
        return _lastPort;
    }

    private Task Launch(Func<EventLoop, Task> main, EventLoopOptions? options)
    {
        EventLoop loop = CreateLoop(options);
        var completion = new TaskCompletionSource();
        loop.CallSoon(() => _ = loop.CreateTask(() => RunMainAsync(loop, main, completion), "main", eager: true));
        World.Watch(completion.Task, string.Create(CultureInfo.InvariantCulture, $"the program of {Name}"));
        return completion.Task;
    }

    private static async Task RunMainAsync(EventLoop loop, Func<EventLoop, Task> main, TaskCompletionSource completion)
    {
        try
        {
            await main(loop);
            completion.SetResult();
        }
        catch (Exception exception)
        {
            completion.SetException(exception);
        }
    }
}

/// <summary>Whether a simulated host runs.</summary>
public enum SimulatedHostState
{
    /// <summary>It runs.</summary>
    Running,

    /// <summary>Its loops stand still, its kernel goes on.</summary>
    Paused,

    /// <summary>It is off, and has forgotten everything.</summary>
    Crashed,
}
