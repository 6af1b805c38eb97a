using System.Net;
using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <summary>
/// An attempt to connect: three words that each may be lost, and are said again after 1, 2, 4 and more seconds. With the default
/// of Linux, six repetitions, a silent peer is given up after 127 seconds.
/// </summary>
internal sealed class SimulatedHandshake
{
    private const int Repetitions = 6;

    private static readonly TimeSpan s_firstRetry = TimeSpan.FromSeconds(1);

    /// <summary>What the search for a neighbour that is not there takes.</summary>
    private static readonly TimeSpan s_unreachableAfter = TimeSpan.FromSeconds(3);

    private readonly SimulatedConnection _client;
    private readonly SimulatedHost _server;
    private readonly Action<SocketError> _ended;
    private SimulatedConnection? _peer;
    private SimulatedListener? _listener;
    private int _tries;
    private bool _isOver;

    private SimulatedHandshake(SimulatedConnection client, SimulatedHost server, Action<SocketError> ended)
    {
        _client = client;
        _server = server;
        _ended = ended;
    }

    private SimulatedWorld World => _client.Host.World;

    private SimulatedLink Way => World.LinkBetween(_client.Host, _server);

    private SimulatedLink WayBack => World.LinkBetween(_server, _client.Host);

    /// <summary>Begins to connect.</summary>
    /// <param name="client">This end.</param>
    /// <param name="ended">Called once with how it has ended, unless the client is closed before.</param>
    public static void Begin(SimulatedConnection client, Action<SocketError> ended)
    {
        SimulatedWorld world = client.Host.World;
        IPAddress? address = (client.Remote as IPEndPoint)?.Address; // a path is always of the host itself
        if ((address is null ? client.Host : world.FindHost(client.Host, address)) is { } server)
        {
            new SimulatedHandshake(client, server, ended).Ask();
            return;
        }

        (TimeSpan takes, SocketError error) = world.IsSilent(address!)
            ? (s_firstRetry * ((1 << (Repetitions + 1)) - 1), SocketError.TimedOut)
            : (s_unreachableAfter, SocketError.HostUnreachable);
        world.ScheduleInNetwork(world.Now + takes.Ticks, () =>
        {
            if (!client.IsClosed)
            {
                ended(error);
            }
        });
    }

    private void Ask()
    {
        if (_isOver)
        {
            return;
        }

        if (_client.IsClosed)
        {
            Abandon();
            return;
        }

        if (Way.TryPass(World.Now, 0, World.Network, out long arrival))
        {
            World.Send(Way, arrival, OnAsked);
        }
        else
        {
            AskAgain();
        }
    }

    private void AskAgain()
    {
        if (_tries == Repetitions)
        {
            World.ScheduleInNetwork(World.Now + (s_firstRetry * (1 << _tries)).Ticks, () => End(SocketError.TimedOut));
            return;
        }

        World.ScheduleInNetwork(World.Now + (s_firstRetry * (1 << _tries)).Ticks, Ask);
        _tries++;
    }

    private void OnAsked()
    {
        if (_server.IsDown)
        {
            AskAgain();
            return;
        }

        if (_peer is null)
        {
            if (_server.FindListener(_client.Remote!) is not { } listener)
            {
                World.Note($"#{_client.Number} {_server.Name} refuses {_client.Remote}");
                Answer(() => End(SocketError.ConnectionRefused));
                return;
            }

            if (listener.IsFull)
            {
                World.Note($"#{_client.Number} {_server.Name} has no room for one more at {_client.Remote}");
                AskAgain();
                return;
            }

            _listener = listener;
            listener.Expect();
            _peer = new SimulatedConnection(_server, _client.Remote, _client.Local, _client.Number)
            {
                Peer = _client,
                ReceiveCapacity = listener.ReceiveCapacity,
                SendCapacity = listener.SendCapacity,
            };
            _peer.HoldBy(NoHolder.Instance);
            _server.Remember(_peer);
        }

        Answer(OnAnswered);
    }

    private void Answer(Action arrived)
    {
        if (WayBack.TryPass(World.Now, 0, World.Network, out long arrival))
        {
            World.Send(WayBack, arrival, arrived);
        }
        else
        {
            AskAgain();
        }
    }

    private void OnAnswered()
    {
        if (_isOver)
        {
            return;
        }

        if (_client.IsClosed)
        {
            Abandon();
            return;
        }

        _client.Peer = _peer;
        _client.IsEstablished = true;
        if (_client.Remote is UnixDomainSocketEndPoint)
        {
            _client.PeerIdentity = _server.ProcessIdentity;
            _peer!.PeerIdentity = _client.Host.ProcessIdentity;
        }

        World.Note($"#{_client.Number} {_client.Host.Name} is connected to {_client.Remote}");
        Confirm();
        _client.Outgoing.Start();
        End(SocketError.Success);
    }

    private void Confirm()
    {
        if (Way.TryPass(World.Now, 0, World.Network, out long arrival))
        {
            World.Send(Way, arrival, OnConfirmed);
        }
        else
        {
            World.ScheduleInNetwork(World.Now + s_firstRetry.Ticks, () =>
            {
                // The server has asked again, and is answered again, by a reset if nobody is left.
                if (_client.Failure == SocketError.Success)
                {
                    Confirm();
                }
                else
                {
                    _listener!.ExpectNoMore();
                    _peer!.OnReset();
                }
            });
        }
    }

    private void OnConfirmed()
    {
        _listener!.ExpectNoMore();
        if (_server.IsDown || _peer!.Failure != SocketError.Success)
        {
            return;
        }

        if (!_listener.IsOpen)
        {
            _peer.IsEstablished = true;
            _peer.Close(reset: true);
            return;
        }

        _peer.IsEstablished = true;
        _peer.Outgoing.Start();
        _listener.Enqueue(_peer);
    }

    private void End(SocketError error)
    {
        if (_isOver)
        {
            return;
        }

        if (error != SocketError.Success)
        {
            Abandon();
        }

        _isOver = true;
        if (!_client.IsClosed)
        {
            _ended(error);
        }
    }

    // There will be no confirmation.
    private void Abandon()
    {
        _isOver = true;
        if (_peer is { } peer)
        {
            _peer = null;
            _listener!.ExpectNoMore();
            peer.OnReset();
        }
    }

    /// <summary>Holds a connection that nobody has accepted yet.</summary>
    private sealed class NoHolder : ISocketHolder
    {
        public static NoHolder Instance { get; } = new();

        public void OnSocketChanged()
        {
        }
    }
}
