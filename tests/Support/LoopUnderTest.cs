using Toolkit.Simulation;

namespace Toolkit.Tests;

/// <summary>The loop that a suite runs on: a kind, or a kind under conditions that are worth a run of their own.</summary>
/// <param name="Kind">The kind of loop.</param>
/// <param name="Configure">What is special about it; null for nothing.</param>
public sealed record LoopUnderTest(LoopKind Kind, Action<EventLoopOptions>? Configure = null)
{
    /// <summary>
    /// A ring that is short of everything: its queues overflow, its buffers run out, a multishot ends all the time.
    /// </summary>
    public static LoopUnderTest TightUring { get; } = new(
        LoopKind.Uring,
        options => options.Uring = new UringOptions { Submissions = 2, Completions = 4, Buffers = 2, BufferSize = 1024 });

    /// <summary>A ring as kernels before Linux 6.12 have it, where each receive takes a whole buffer.</summary>
    public static LoopUnderTest WholeBufferUring { get; } = new(
        LoopKind.Uring, options => options.Uring = new UringOptions { WholeBuffers = true });

    /// <summary>A simulated network, whose seed is drawn unless <c>SIM_SEED</c> gives it.</summary>
    public static LoopUnderTest Simulated { get; } = new(LoopKind.Simulated)
    {
        NewNetwork = static loop => new SimulatedPeers(SimulatedWorld.HostOf(loop)),
        IsSimulated = true,
    };

    /// <summary>epoll, with the peers of stream transports at a path.</summary>
    public static LoopUnderTest EpollOverUnix { get; } = new(LoopKind.Epoll) { OverUnix = true };

    /// <summary>epoll, with everything happening that may, except errors.</summary>
    public static LoopUnderTest ChaosEpoll { get; } = UnderChaos(LoopKind.Epoll);

    /// <summary>io_uring, with everything happening that may, except errors.</summary>
    public static LoopUnderTest ChaosUring { get; } = UnderChaos(LoopKind.Uring);

    /// <summary>A simulated network, with everything happening that may, except errors.</summary>
    public static LoopUnderTest ChaosSimulated { get; } = UnderChaos(Simulated);

    /// <summary>Makes the network of a scenario, in which the loop that runs it is: that of the machine.</summary>
    public Func<EventLoop, PeerNetwork> NewNetwork { get; init; } = static _ => new RealPeers();

    /// <summary>
    /// Whether the loop lives in a simulation: it has one thread, virtual time that stands still while anything runs, and
    /// nothing of the machine's.
    /// </summary>
    public bool IsSimulated { get; init; }

    /// <summary>
    /// Whether a send may take less than the kernel has room for, so that "it took no more" does not mean "it is full".
    /// </summary>
    public bool HasShortTries { get; init; }

    /// <summary>Whether it is a kind that has its full run elsewhere, under special conditions here.</summary>
    public bool IsVariant => Configure is not null || Wrap is not null;

    /// <summary>What servers of the suites speak; null for nothing but TCP.</summary>
    public TlsServerOptions? ServerTls { get; init; }

    /// <summary>Whether the peers of stream transports are at a path, instead of a port.</summary>
    public bool OverUnix { get; init; }

    /// <summary>What the protocols of the suites are put behind; null when they stand alone.</summary>
    public Func<StreamProtocol, StreamProtocol>? Wrap { get; init; }

    /// <summary>What connects to such a server.</summary>
    public TlsClientOptions? ClientTls { get; init; }

    public static implicit operator LoopUnderTest(LoopKind kind) => kind == LoopKind.Simulated ? Simulated : new(kind);

    private static LoopUnderTest UnderChaos(LoopUnderTest quiet) => quiet with
    {
        Configure = options => options.Chaos = ChaosOptions.Gentle with { Seed = (ulong)TestSeed.Draw() },
        HasShortTries = true,
    };
}
