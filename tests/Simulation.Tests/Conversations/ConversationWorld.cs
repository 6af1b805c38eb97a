using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated.Conversations;

/// <summary>
/// A scenario of one seed: hosts that talk at random over a network that breaks at random; then all is healed, and everybody must
/// come to an end. What must hold is looked at after every step.
/// </summary>
internal sealed class ConversationWorld
{
    private const int Port = 9000;

    private static readonly TimeSpan s_faultTime = TimeSpan.FromSeconds(60);

    /// <summary>
    /// A close is bounded by its linger time, what is lost by the retransmission that was waited for. Only what a kernel still
    /// sends for a descriptor that is closed may take longer.
    /// </summary>
    private static readonly TimeSpan s_settlingTime = TimeSpan.FromMinutes(10);

    private readonly SimulatedWorld _world;
    private readonly HashSet<Mark> _marks;
    private readonly Dictionary<IPEndPoint, Conversation> _conversations = [];
    private readonly List<Talker> _talkers = [];
    private readonly List<SimulatedHost> _clients = [];
    private readonly Dictionary<EventLoop, OrderWatch> _watches = [];
    private readonly Dictionary<EventLoop, int> _awaiting = []; // connects that have not ended, and servers
    private readonly SimulatedHost _server;
    private readonly TcpOptions _tcp;
    private readonly double _callbackFaults;
    private readonly double _partialReads;
    private readonly int _breaks; // how often the network or a host fails
    private Server? _listening;
    private EventLoop? _serverLoop;
    private string? _violation;
    private bool _isOver; // the time of faults; from here on all settles

    private ConversationWorld(SimulatedWorld world, HashSet<Mark> marks)
    {
        _world = world;
        _marks = marks;
        _server = world.AddHost("server", "10.0.0.1");
        for (int i = Random.Next(1, 4); i > 0; i--)
        {
            _clients.Add(world.AddHost($"client{i}", $"10.0.1.{i}"));
        }

        // A part of the possible faults for each seed: where all happen at once, some hide others.
        _callbackFaults = Random.Chance(0.3) ? 0.02 : 0;
        _partialReads = Random.Chance(0.3) ? 0.3 : 0;
        _breaks = Random.Chance(0.7) ? Random.Next(1, 6) : 0;
        _tcp = new TcpOptions
        {
            SendBufferSize = Random.Chance(0.5) ? Random.Next(2048, 20_000) : null,
            ReceiveBufferSize = Random.Chance(0.5) ? Random.Next(2048, 20_000) : null,
            UserTimeout = Random.Chance(0.3) ? TimeSpan.FromSeconds(Random.Next(5, 60)) : null,
            KeepAlive = Random.Chance(0.5)
                ? new TcpKeepAlive { Time = TimeSpan.FromSeconds(5), Interval = TimeSpan.FromSeconds(1) }
                : null,
            LingerTime = TimeSpan.FromSeconds(Random.Next(1, 40)),
            // The cap is passed in one seed of eighty or so, often enough for every thousand.
            WriteLimits = Random.Chance(0.2) ? new WriteLimits(1000, 100, 40_000) : new WriteLimits(Random.Next(0, 70_000)),
        };
        foreach (SimulatedHost client in _clients)
        {
            world.SetLink(_server, client, new LinkConditions
            {
                Latency = TimeSpan.FromMilliseconds(Random.Next(0, 50)),
                Jitter = Random.Chance(0.5) ? TimeSpan.FromMilliseconds(Random.Next(0, 100)) : TimeSpan.Zero,
                Bandwidth = Random.Chance(0.2) ? Random.Next(10_000, 1_000_000) : null,
                Loss = Random.Chance(0.5) ? Random.NextDouble() * 0.3 : 0,
                MaxSegment = Random.Chance(0.2) ? Random.Next(1, 100) + 50 : 1460,
                Fragmentation = Random.NextDouble() * 0.5,
            });
        }

        if (Random.Chance(0.15))
        {
            _server.DescriptorLimit = Random.Next(2, 5);
        }
    }

    public SeededRandom Random => _world.Random;

    public TimeSpan Time => _world.Time;

    /// <summary>Whether a protocol takes only a part of what it is told now, and gives the rest back.</summary>
    public bool TakesPart => Random.Chance(_partialReads);

    /// <summary>Plays one seed to its end.</summary>
    /// <param name="world">A fresh world.</param>
    /// <param name="marks">Where what has come up is noted.</param>
    public static void Play(SimulatedWorld world, HashSet<Mark> marks) => new ConversationWorld(world, marks).Play();

    public void Note(Mark mark) => _marks.Add(mark);

    public void Violation(string what) => _violation ??= what;

    public void Require(bool condition, string violation)
    {
        if (!condition)
        {
            Violation(violation);
        }
    }

    public static bool IsRunning(EventLoop loop) => SimulatedWorld.HostOf(loop).State == SimulatedHostState.Running;

    public Conversation ConversationOf(IPEndPoint client)
    {
        if (!_conversations.TryGetValue(client, out Conversation? conversation))
        {
            _conversations.Add(client, conversation = new Conversation(client));
        }

        return conversation;
    }

    public void OnMade(Talker talker)
    {
        Note(Mark.Made);
        _talkers.Add(talker);
        if (_isOver)
        {
            talker.Transport.Close();
            return;
        }

        for (int i = Random.Next(1, 12); i > 0; i--)
        {
            Later(() => Act(talker));
        }
    }

    public void OnCallback(Talker talker, string callback)
    {
        if (_isOver || !Random.Chance(_callbackFaults))
        {
            return;
        }

        switch (Random.Next(4))
        {
            case 0:
                Note(Mark.ClosedWithinACallback);
                talker.Transport.Close();
                break;
            case 1:
                Note(Mark.AbortedWithinACallback);
                talker.Transport.Abort();
                break;
            case 2:
                Note(Mark.ProtocolThrew);
                throw new InvalidDataException($"thrown on purpose out of {callback}");
            default:
                talker.Transport.PauseReading();
                talker.Transport.ResumeReading();
                break;
        }
    }

    public void OnLost(Talker talker, bool wasPaused)
    {
        Note(talker.Transport.CloseReason switch
        {
            CloseReason.Reset => Mark.Reset,
            CloseReason.Timeout => Mark.TimedOut,
            CloseReason.WriteOverflow => Mark.Overflow,
            _ => Mark.CleanEnd,
        });
        if (wasPaused)
        {
            Note(Mark.LostWhileWritingIsPaused);
        }

        RequireHarmlessClose(talker);
    }

    // Who closes in good order reads on for its linger time: a descriptor that is closed on unread bytes resets, which destroys
    // what its peer has not read yet.
    private void RequireHarmlessClose(Talker reset)
    {
        if (_breaks == 0 && _tcp.UserTimeout is null && reset.Transport.CloseReason == CloseReason.Reset
            && reset.Other is { EndedWellAt: { } ended, WasRefused: false } other)
        {
            Note(Mark.ResetAfterAGoodEnd);
            Require(
                reset.Received == other.Accepted || _world.Time - ended >= _tcp.LingerTime,
                "a close in good order has destroyed what was sent before");
        }
    }

    private void Play()
    {
        _server.Start(ServeAsync, NewOptions());
        foreach (SimulatedHost client in _clients)
        {
            client.Start(ConnectAsync, NewOptions());
        }

        for (int i = 0; i < _breaks; i++)
        {
            Later(Break);
        }

        _world.CallLater(s_faultTime, Settle);
        while (_world.Time <= s_faultTime + s_settlingTime && _world.Step())
        {
            Check();
            if (_violation is not null)
            {
                throw new InvalidOperationException(_violation);
            }
        }

        RequireSettled();
    }

    private EventLoopOptions NewOptions()
    {
        var options = new EventLoopOptions();
        if (Random.Chance(0.2))
        {
            Note(Mark.UnderChaos);
            options.Chaos = ChaosOptions.Gentle with { Seed = (ulong)Random.NextInt64(long.MaxValue) };
        }

        return options;
    }

    private async Task ServeAsync(EventLoop loop)
    {
        Watch(loop);
        _awaiting[loop]++;
        _serverLoop = loop;
        _listening = await loop.CreateServerAsync(
            () => new Talker(this, isClient: false),
            new IPEndPoint(IPAddress.Any, Port),
            new ServerOptions { Tcp = _tcp, Backlog = 2, DrainTime = TimeSpan.FromSeconds(5) });
        if (_isOver)
        {
            _listening.Close();
        }

        Server listening = _listening;
        await listening.WaitClosedAsync();
        if (listening.ShedCount > 0)
        {
            Note(Mark.Shed);
        }

        _awaiting[loop]--;
    }

    private async Task ConnectAsync(EventLoop loop)
    {
        Watch(loop);
        for (int i = Random.Next(1, 4); i > 0 && !_isOver; i--)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Next(20_000)), loop.TimeProvider);
            _awaiting[loop]++;
            try
            {
                await loop.CreateConnectionAsync(
                    () => new Talker(this, isClient: true),
                    new IPEndPoint(_server.Addresses[0], Port),
                    new ConnectOptions { Tcp = _tcp, Timeout = TimeSpan.FromSeconds(20) });
            }
            catch (ConnectFailedException)
            {
                Note(Mark.ConnectFailed);
            }
            catch (InvalidDataException)
            {
                // ConnectionMade threw, on purpose.
            }

            _awaiting[loop]--;
        }
    }

    private void Watch(EventLoop loop)
    {
        loop.ExceptionHandler = OnError;
        _awaiting.Add(loop, 0);
        _watches.Add(loop, new OrderWatch(loop, Random, Require));
    }

    // Errors that the scenario has made come from the talkers; all others are ours.
    private void OnError(LoopError error)
    {
        if (error.Exception is not InvalidDataException)
        {
            Violation($"{error.Message} {error.Exception}");
        }
    }

    private void Act(Talker talker)
    {
        if (talker.IsLost || talker.IsGone)
        {
            return;
        }

        // An action belongs on the talker's loop, as all that a protocol does.
        talker.Loop.CallSoon(() =>
        {
            switch (Random.Next(12))
            {
                case < 6:
                    talker.Say(Random.Chance(0.2) ? Random.Next(1, Talker.LargestWrite) : Random.Next(1, 3000));
                    break;
                case 6:
                    Note(Mark.ReadingPaused);
                    talker.Transport.PauseReading();
                    Later(() => talker.Loop.CallSoon(talker.Transport.ResumeReading));
                    break;
                case 7:
                    talker.Transport.ResumeReading();
                    break;
                case 8:
                    talker.EndWriting();
                    break;
                case 9:
                    if (talker.Transport.UnsentBytes > 0)
                    {
                        Note(Mark.ClosedWithUnsentBytes);
                    }

                    talker.Transport.Close();
                    break;
                case 10 when Random.Chance(0.3):
                    talker.Transport.Abort();
                    break;
                default:
                    talker.Transport.WriteLimits = new WriteLimits(Random.Next(0, 70_000));
                    break;
            }
        });
    }

    private void Break()
    {
        SimulatedHost client = _clients[Random.Next(_clients.Count)];
        switch (Random.Next(6))
        {
            case 0:
                Note(Mark.Partitioned);
                _world.Partition(_server, client);
                Later(() => _world.Heal(_server, client));
                break;
            case 1:
                _world.PartitionOneWay(_server, client);
                Later(() => _world.Heal(_server, client));
                break;
            case 2:
                _world.PartitionOneWay(client, _server);
                Later(() => _world.Heal(_server, client));
                break;
            case 3:
                Note(Mark.Held);
                _world.Hold(_server, client);
                Later(() => _world.Release(_server, client));
                break;
            case 4:
                SimulatedHost crashing = Random.Chance(0.5) ? _server : client;
                if (crashing.State != SimulatedHostState.Crashed)
                {
                    Note(Mark.Crashed);
                    Crash(crashing);
                    Later(() => Restart(crashing));
                }

                break;
            default:
                if (_server.State == SimulatedHostState.Running)
                {
                    Note(Mark.HostPaused);
                    _server.Pause();
                    Later(() => Resume(_server));
                }

                break;
        }
    }

    private void Settle()
    {
        _isOver = true;
        foreach (OrderWatch watch in _watches.Values)
        {
            watch.End();
        }

        _world.HealAll();
        foreach (SimulatedHost host in _world.Hosts)
        {
            Restart(host);
            Resume(host);
        }

        foreach (Talker talker in _talkers)
        {
            if (!talker.IsLost && !talker.IsGone)
            {
                talker.Loop.CallSoon(talker.Transport.Close);
            }
        }

        _serverLoop?.CallSoon(() => _listening?.Close());
    }

    private void Crash(SimulatedHost host)
    {
        host.Crash();
        foreach (Talker talker in _talkers)
        {
            talker.IsGone |= SimulatedWorld.HostOf(talker.Loop) == host;
        }

        foreach (EventLoop loop in _watches.Keys.Where(loop => SimulatedWorld.HostOf(loop) == host).ToArray())
        {
            _watches.Remove(loop);
            _awaiting.Remove(loop);
        }

        if (host == _server)
        {
            _listening = null;
            _serverLoop = null;
        }
    }

    private void RequireSettled()
    {
        foreach (Talker talker in _talkers)
        {
            Require(talker.IsLost || talker.IsGone, "a connection was never told of its end");
        }

        Require(_watches.Values.All(watch => watch.IsSettled), "a callback or a timer never ran");
        Require(_awaiting.Values.All(count => count == 0), "a connect, or a server, never ended");
        foreach (SimulatedHost host in _world.Hosts)
        {
            if (host.DescriptorCount > 0)
            {
                Violation($"{host.Name} has {host.DescriptorCount} descriptors left. {_world.DescribeWaits()}");
            }
        }

        if (_violation is not null)
        {
            throw new InvalidOperationException(_violation);
        }
    }

    private static void Restart(SimulatedHost host)
    {
        if (host.State == SimulatedHostState.Crashed)
        {
            host.Restart();
        }
    }

    private static void Resume(SimulatedHost host)
    {
        if (host.State == SimulatedHostState.Paused)
        {
            host.Resume();
        }
    }

    private void Check()
    {
        foreach (Talker talker in _talkers)
        {
            talker.Check();
        }
    }

    private void Later(Action action)
        => _world.CallLater(TimeSpan.FromMilliseconds(Random.Next((int)s_faultTime.TotalMilliseconds / 2)), () =>
        {
            if (!_isOver)
            {
                action();
            }
        });
}
