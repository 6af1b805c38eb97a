using System.Net;
using Toolkit.Simulation;

namespace Toolkit.Tests.Simulated;

/// <summary>The world of most tests: a server and a client, one millisecond apart.</summary>
public sealed class TwoHosts : IDisposable
{
    public const int Port = 7000;

    private readonly Dictionary<TestProtocol, EventLoop> _loops = [];
    private bool _serves;

    public TwoHosts(SimulationOptions? options = null, LinkConditions? link = null)
    {
        World = new SimulatedWorld(options ?? new SimulationOptions { Seed = 1 });
        Server = World.AddHost("server", "10.0.0.1");
        Client = World.AddHost("client", "10.0.0.2");
        if (link is not null)
        {
            World.SetLink(Server, Client, link);
        }
    }

    public SimulatedWorld World { get; }

    public SimulatedHost Server { get; }

    public SimulatedHost Client { get; }

    /// <summary>What the server's protocols were told; made anew for each connection.</summary>
    public List<TestProtocol> Served { get; } = [];

    public static IPEndPoint Any => new(IPAddress.Any, Port);

    public IPEndPoint Address => new(Server.Addresses[0], Port);

    /// <summary>When the last connection was made, as the client saw it.</summary>
    public TimeSpan ConnectedAt { get; private set; }

    /// <summary>Starts a server whose protocols echo, unless they are made otherwise.</summary>
    public void Serve(
        Func<TestProtocol>? factory = null, ServerOptions? options = null, Func<StreamProtocol, StreamProtocol>? behind = null)
    {
        _serves = true;
        Server.Start(async loop =>
        {
            Server server = await loop.CreateServerAsync(
                () =>
                {
                    TestProtocol protocol = factory?.Invoke()
                        ?? new TestProtocol { OnData = (self, data) => self.Transport.Write(data) };
                    Served.Add(protocol);
                    return behind?.Invoke(protocol) ?? protocol;
                },
                Any,
                options);
            await server.WaitClosedAsync();
        });
        World.RunUntilIdle();
    }

    /// <summary>Connects from the client, and runs until both ends are told of it, or it is lost.</summary>
    public TestProtocol Connect(TestProtocol? protocol = null, TcpOptions? options = null)
    {
        protocol ??= new TestProtocol();
        int served = Served.Count;
        Task connecting = Client.Start(async loop =>
        {
            _loops.Add(protocol, loop);
            await loop.CreateConnectionAsync(() => protocol, Address, new ConnectOptions { Tcp = options ?? TcpOptions.Default });
        });
        World.RunUntilComplete(connecting);
        ConnectedAt = World.Time;
        if (_serves)
        {
            World.RunUntil(() => Served.Count > served || protocol.Lost.Task.IsCompleted);
        }

        return protocol;
    }

    /// <summary>The loop of a protocol that was connected here.</summary>
    public EventLoop LoopOf(TestProtocol protocol) => _loops[protocol];

    public void Dispose() => World.Dispose();
}
