using System.Net;
using System.Net.Sockets;
using Toolkit.Simulation;

namespace Toolkit.Tests;

/// <summary>
/// The ground under every suite that runs on several kinds of loop. A suite derives from it and says what must hold; a
/// backend joins with a class of one line. Each scenario runs on a loop of its own, and afterwards nobody may have broken
/// the grammar of callbacks, no error may have gone to the loop's handler that the test did not expect, and no descriptor
/// may be left.
/// </summary>
public abstract class LoopContract(LoopUnderTest subject)
{
    /// <summary>Why a test requires a real machine.</summary>
    protected const string NoOtherThread = "A simulation has no other thread.";

    /// <inheritdoc cref="NoOtherThread"/>
    protected const string TimeStandsStill = "Virtual time stands still while callbacks run.";

    /// <summary>Far more than any scenario takes, on any machine: what runs into it hangs.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly Lazy<bool> s_warm = new(WarmUp);

    private readonly List<ITestProtocol> _protocols = [];
    private PeerNetwork? _network;

    protected LoopKind Kind => subject.Kind;

    /// <inheritdoc cref="LoopUnderTest.IsSimulated"/>
    protected bool IsSimulated => subject.IsSimulated;

    /// <summary>The network of the scenario that runs, where its peers are.</summary>
    protected PeerNetwork Network => _network ?? throw new InvalidOperationException("Peers live as long as a scenario does.");

    /// <summary>Whether a send may take less than the kernel has room for, or nothing.</summary>
    protected bool HasShortTries => subject.HasShortTries;

    /// <summary>Much, in bytes: 64 MiB where a kind has its full run, less over TLS, behind layers and under special
    /// conditions.</summary>
    protected int BulkSize
        => (subject.Wrap is not null ? 2 : ServerTls is not null ? 8 : subject.IsVariant ? 16 : 64) * 1024 * 1024;

    /// <inheritdoc cref="LoopUnderTest.ServerTls"/>
    protected TlsServerOptions? ServerTls => subject.ServerTls;

    /// <inheritdoc cref="LoopUnderTest.Wrap"/>
    protected StreamProtocol Wrap(StreamProtocol protocol) => subject.Wrap?.Invoke(protocol) ?? protocol;

    /// <summary>How the loop connects to a server of the suite's.</summary>
    protected ConnectOptions ClientOptions => new() { Tls = subject.ClientTls };

    /// <summary>How long a scenario may take before it is said to hang.</summary>
    protected virtual TimeSpan Patience => s_patience;

    /// <summary>What the loop's exception handler was called with. A test that expects errors takes them out.</summary>
    protected List<LoopError> Errors { get; } = [];

    /// <summary>Whether the kind can run here; a required one (TOOLKIT_REQUIRE=epoll,portable) must.</summary>
    public static void RequireKind(LoopKind kind)
    {
        string name = kind.ToString().ToUpperInvariant();
        try
        {
            using var probe = new EventLoop(new EventLoopOptions { Kind = kind });
        }
        catch (BackendUnavailableException exception)
        {
            string[] required = (Environment.GetEnvironmentVariable("TOOLKIT_REQUIRE") ?? "").ToUpperInvariant().Split(',');
            Assert.False(required.Contains(name), $"{name} is required here: {exception.Message}");
            Assert.Skip(exception.Message);
        }
    }

    /// <summary>Skips what a simulation does not have: descriptors, tools, other threads, time that goes by itself.</summary>
    protected void RequireRealMachine(string why) => Assert.SkipWhen(IsSimulated, why);

    /// <summary>Why a test requires TCP.</summary>
    protected const string NoReset = "A Unix socket has no reset.";

    /// <summary>Skips what is about TCP, where the peers are at a path.</summary>
    protected void RequireTcp(string why) => Assert.SkipWhen(subject.OverUnix, why);

    /// <summary>Skips what waits for seconds and asks nothing of a backend that it is not asked elsewhere.</summary>
    protected void RequireVirtualTime() => Assert.SkipUnless(IsSimulated, "It takes seconds, which go by at once on simulated loops.");

    /// <summary>
    /// Skips a scenario that counts on the kernel's taking all that it has room for, and being full when it takes no more.
    /// </summary>
    protected void RequireWholeTries() => Assert.SkipWhen(
        subject.HasShortTries, "Under chaos a send takes less than there is room for, and this counts on what the kernel takes.");

    /// <summary>Runs the scenario on a loop of this kind, and checks what must hold after every scenario.</summary>
    protected void Run(Func<EventLoop, Task> scenario, EventLoopOptions? options = null)
    {
        RequireKind(Kind);
        _ = s_warm.Value;
        DescriptorCensus before = DescriptorCensus.Take();
        options = OptionsOf(options);
        bool tookTooLong = false;
        try
        {
            using var loop = new EventLoop(options);
            _network = subject.NewNetwork(loop);
            if (IsSimulated)
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"SIM_SEED={SimulatedWorld.Of(loop).Seed}");
            }

            loop.ExceptionHandler = Errors.Add;
            using var watchdog = new Timer(
                _ =>
                {
                    tookTooLong = true;
                    loop.Stop();
                },
                null,
                Patience,
                Timeout.InfiniteTimeSpan);
            loop.RunUntilComplete(() => scenario(loop));
        }
        catch (InvalidOperationException) when (tookTooLong)
        {
            Assert.Fail($"The scenario hangs. Callbacks so far: {string.Join(" | ", _protocols.Select(p => string.Join(' ', p.Callbacks)))}");
        }
        finally
        {
            _network?.Dispose();
            _network = null;
        }

        foreach (ITestProtocol protocol in _protocols)
        {
            protocol.Grammar.Finish();
            Assert.True(
                protocol.Grammar.Violations.Count == 0,
                $"{string.Join("; ", protocol.Grammar.Violations)}. The callbacks: {string.Join(' ', protocol.Callbacks)}");
        }

        Assert.True(Errors.Count == 0, $"Unexpected errors: {string.Join("; ", Errors.Select(e => $"{e.Message} {e.Exception}"))}");
        before.RequireNoGrowth();
    }

    /// <summary>A loop of this kind that the test runs and disposes itself.</summary>
    protected EventLoop NewLoop(EventLoopOptions? options = null)
    {
        RequireKind(Kind);
        return new EventLoop(OptionsOf(options)) { ExceptionHandler = Errors.Add };
    }

    /// <summary>The options with this kind of loop.</summary>
    protected EventLoopOptions OptionsOf(EventLoopOptions? options = null)
    {
        options ??= new EventLoopOptions();
        options.Kind = Kind;
        subject.Configure?.Invoke(options);
        return options;
    }

    /// <summary>Runs the loop until it is stopped. A loop that nobody stops is a failure.</summary>
    protected static void RunUntilStopped(EventLoop loop)
    {
        bool tookTooLong = false;
        using var watchdog = new Timer(
            _ =>
            {
                tookTooLong = true;
                loop.Stop();
            },
            null,
            s_patience,
            Timeout.InfiniteTimeSpan);
        loop.RunForever();
        Assert.False(tookTooLong, "The loop was never stopped.");
    }

    /// <summary>Has the protocol's callbacks checked at the end of the scenario.</summary>
    protected TProtocol Watch<TProtocol>(TProtocol protocol)
        where TProtocol : StreamProtocol, ITestProtocol
    {
        _protocols.Add(protocol);
        return protocol;
    }

    /// <summary>Takes the one error that the test expects.</summary>
    protected LoopError TakeError()
    {
        LoopError error = Assert.Single(Errors);
        Errors.Clear();
        return error;
    }

    /// <summary>A server with one connection: our end is the given protocol's, the other is the peer.</summary>
    protected async Task<Peer> ConnectPeerAsync<TProtocol>(
        EventLoop loop, TProtocol protocol, TcpOptions? options = null, PeerOptions? peerOptions = null)
        where TProtocol : StreamProtocol, ITestProtocol
    {
        Watch(protocol);
        var serverOptions = new ServerOptions { MaxConnections = 1, Tls = ServerTls, Tcp = options ?? TcpOptions.Default };
        Server server = subject.OverUnix
            ? await loop.CreateUnixServerAsync(
                () => Wrap(protocol), Path.Combine(Path.GetTempPath(), $"tk-{Guid.NewGuid():N}"), serverOptions)
            : await loop.CreateServerAsync(() => Wrap(protocol), new IPEndPoint(IPAddress.Loopback, 0), serverOptions);
        Peer peer = server.UnixEndPoint is { } path // what our end does at once cannot spoil it
            ? Network.ConnectNow(path, peerOptions)
            : Network.ConnectNow(server.EndPoints[0], peerOptions);
        while (!protocol.Grammar.IsMade)
        {
            await NextIterationAsync(loop);
        }

        server.Close();
        return peer;
    }

    /// <summary>Completes in the next iteration of the loop, after another poll.</summary>
    protected static Task NextIterationAsync(EventLoop loop)
    {
        var next = new TaskCompletionSource();
        loop.CallSoon(next.SetResult);
        return next.Task;
    }

    /// <summary>
    /// Completes in the next iteration, or, where time stands still while something runs, a moment later: for what takes its turn
    /// beside something that waits for time to pass.
    /// </summary>
    protected Task NextTurnAsync(EventLoop loop)
        => IsSimulated ? Task.Delay(TimeSpan.FromMilliseconds(1), loop.TimeProvider) : NextIterationAsync(loop);

    /// <summary>Waits, iteration by iteration, until the condition holds; the watchdog bounds it.</summary>
    protected static async Task UntilAsync(EventLoop loop, Func<bool> condition)
    {
        while (!condition())
        {
            // A short timer instead of the next callback: a loop that is never idle would starve the peers' threads on a
            // small machine.
            await Task.Delay(TimeSpan.FromMilliseconds(1), loop.TimeProvider);
        }
    }

    /// <summary>Bytes in which every misplaced one shows.</summary>
    protected static byte[] Pattern(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    // What the runtime makes once and keeps must not be taken for a leak of the first test.
    private static bool WarmUp()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Task connecting = client.ConnectAsync(listener.LocalEndPoint!);
        using Socket accepted = listener.AcceptAsync().GetAwaiter().GetResult();
        connecting.GetAwaiter().GetResult();
        Dns.GetHostAddresses("localhost");
        Console.Error.Flush(); // the last resort for logging duplicates its descriptor
        return true;
    }
}
