using Toolkit.Simulation;

namespace Toolkit.Tests.Contracts;

/// <summary>
/// What the suites about Unix sockets have in common: a directory, which is the machine's or the simulated host's, and the two
/// ends of a connection, both on the loop.
/// </summary>
public abstract class UnixSuite : LoopContract
{
    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}");

    protected UnixSuite(LoopUnderTest subject)
        : base(subject)
    {
    }

    /// <summary>The directory of <see cref="RunInDirectory"/>.</summary>
    protected string Folder => _directory;

    /// <summary>The path that the scenario is about.</summary>
    protected string SocketPath => Path.Combine(_directory, "s");

    /// <summary>Runs the scenario with a directory of its own.</summary>
    protected void RunInDirectory(Func<EventLoop, Task> scenario)
    {
        Directory.CreateDirectory(_directory);
        try
        {
            Run(scenario, new EventLoopOptions { ShutdownTimeout = TimeSpan.FromMilliseconds(20) });
        }
        finally
        {
            Directory.Delete(_directory, recursive: true);
        }
    }

    /// <summary>An echo.</summary>
    protected TestProtocol MakeEcho() => Watch(new TestProtocol { OnData = (p, data) => p.Transport.Write(data) });

    /// <summary>A server with one connection, and both ends of it.</summary>
    protected async Task<(TestProtocol Server, TestProtocol Client)> ConnectPairAsync(
        EventLoop loop, TestProtocol? atServer = null, TestProtocol? atClient = null, ServerOptions? options = null,
        ConnectOptions? clientOptions = null)
    {
        TestProtocol server = Watch(atServer ?? new TestProtocol());
        TestProtocol client = Watch(atClient ?? new TestProtocol());
        Server listening = await loop.CreateUnixServerAsync(() => Wrap(server), SocketPath, options);
        await loop.CreateUnixConnectionAsync(() => Wrap(client), SocketPath, clientOptions);
        await server.Made.Task;
        listening.Close();
        return (server, client);
    }

    /// <summary>What is at the path: it, with a file of another kind in its place, or nothing.</summary>
    protected bool Exists(EventLoop loop, string path)
        => IsSimulated ? SimulatedWorld.HostOf(loop).UnixPaths.Contains(path) : Path.Exists(path);

    /// <summary>Puts a file at a path, in the place of what is there.</summary>
    protected void PutFile(EventLoop loop, string path)
    {
        if (IsSimulated)
        {
            SimulatedWorld.HostOf(loop).AddUnixPath(path, isSocket: false);
        }
        else
        {
            File.Delete(path);
            File.WriteAllText(path, "not yours");
        }
    }

    /// <summary>Leaves the path of a server behind that nobody listens on any more, as if it had been killed.</summary>
    protected async Task LeaveDeadAsync(EventLoop loop, string path)
    {
        if (IsSimulated)
        {
            SimulatedWorld.HostOf(loop).AddUnixPath(path);
            return;
        }

        string elsewhere = path + "-";
        Server killed = await loop.CreateUnixServerAsync(MakeEcho, elsewhere);
        File.Move(elsewhere, path);
        killed.Close(); // which does not find what it has made
    }

    /// <summary>Has some bytes come back from whoever echoes at the path.</summary>
    protected async Task EchoAsync(EventLoop loop, string path, ConnectOptions? options = null)
    {
        (Transport transport, TestProtocol client) = await loop.CreateUnixConnectionAsync(
            () => Watch(new TestProtocol()), path, options);
        transport.Write("hello"u8);
        await UntilAsync(loop, () => client.ReceivedLength == 5);
        transport.Close();
        await client.Lost.Task;
    }
}
