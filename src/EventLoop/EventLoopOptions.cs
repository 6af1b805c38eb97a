using Microsoft.Extensions.Logging;
using Toolkit.Backends;
using Toolkit.Simulation;

namespace Toolkit;

/// <summary>The kinds of event loop.</summary>
public enum LoopKind
{
    /// <summary>
    /// What the environment variable <c>TOOLKIT_BACKEND</c> says, or else the best that this machine has.
    /// </summary>
    Auto,

    /// <summary>Linux's epoll, by direct system calls.</summary>
    Epoll,

    /// <summary>Linux's io_uring, by direct system calls. It takes Linux 6.1.</summary>
    Uring,

    /// <summary>.NET's own sockets, on every system that .NET runs on.</summary>
    Portable,

    /// <summary>
    /// A simulated network in virtual time (<see cref="SimulatedWorld"/>), in which the loop is alone on a host of its own:
    /// nothing waits in earnest, and the same seed gives the same run.
    /// </summary>
    Simulated,
}

/// <summary>How an <see cref="EventLoop"/> is made. Read once, by its constructor.</summary>
public sealed class EventLoopOptions
{
    /// <summary>The environment variable that picks the kind of loop where the options leave it open.</summary>
    public const string BackendVariable = "TOOLKIT_BACKEND";

    /// <summary>The environment variable that turns debug mode on (<c>1</c> or <c>true</c>) where the options do not.</summary>
    public const string DebugVariable = "TOOLKIT_DEBUG";

    /// <summary>The loop's <see cref="EventLoop.Name"/>. Null, the default, has one made.</summary>
    public string? Name { get; set; }

    /// <summary>
    /// The kind of loop. Asking for one that cannot run here is a <see cref="BackendUnavailableException"/>;
    /// <see cref="LoopKind.Auto"/> always finds one.
    /// </summary>
    public LoopKind Kind { get; set; } = LoopKind.Auto;

    /// <summary>Makes the backend, instead of <see cref="Kind"/>: for backends of your own. The loop disposes it.</summary>
    public Func<IoBackend>? BackendFactory { get; set; }

    /// <summary>What a loop of <see cref="LoopKind.Uring"/> shares with the kernel; the other kinds have no use for it.</summary>
    public UringOptions Uring { get; set; } = UringOptions.Default;

    /// <summary>
    /// The world that a loop of <see cref="LoopKind.Simulated"/> gets for its own; the other kinds have no use for it. To put
    /// several loops into one world, make the world and its hosts first (<see cref="SimulatedHost.CreateLoop"/>).
    /// </summary>
    public SimulationOptions? Simulation { get; set; }

    /// <summary>
    /// Has everything happen to the loop's I/O that may happen to it, whatever its backend: a test of protocols. Null, the
    /// default, is off. The loop's <see cref="EventLoop.BackendName"/> then says so, as in <c>chaos(epoll)</c>.
    /// </summary>
    public ChaosOptions? Chaos { get; set; }

    /// <summary>
    /// Who is asked for the addresses of names. Null, the default, is <see cref="NameResolver.Default"/>: the system's resolver,
    /// or the names of the simulated world.
    /// </summary>
    public NameResolver? Resolver { get; set; }

    /// <summary>
    /// Where the loop, its transports and its servers log. Without it warnings and errors go to standard error, so that
    /// nothing is lost in silence.
    /// </summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>
    /// Debug mode: callbacks that take longer than <see cref="SlowCallbackDuration"/> are logged by name and place of
    /// creation, waits that block the loop's thread are logged with their stack, and a loop that is collected without
    /// having been disposed says where it was made. Costs a stack trace for every callback that is scheduled.
    /// </summary>
    public bool Debug { get; set; } = Environment.GetEnvironmentVariable(DebugVariable) is "1" or "true";

    /// <summary>From how long on a callback counts as slow, in debug mode. 100 ms by default.</summary>
    public TimeSpan SlowCallbackDuration { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// How long the loop keeps looking for I/O before it lets its thread sleep. Zero by default. On a machine where waking
    /// a core is slow, 50 us cut the latency of a lone request to a third, at the price of a busy core.
    /// </summary>
    public TimeSpan SpinDuration { get; set; } = TimeSpan.Zero;

    /// <summary>
    /// How long disposal lets transports that are already closing go on sending what they hold. Two seconds by default;
    /// what is left then is aborted.
    /// </summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long disposal then waits for functions that were given to
    /// <see cref="EventLoop.RunInThreadAsync{T}(Func{T}, CancellationToken)"/> and have not returned, whether or not anybody
    /// still waits for their result: what they write is then whole when the process ends. Two seconds by default; with zero they
    /// are left to themselves, as they are, with a warning, when the time is over.
    /// </summary>
    public TimeSpan ThreadTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Has <see cref="EventLoop.Run(Func{EventLoop, Task}, EventLoopOptions?)"/> and
    /// <see cref="EventLoop.RunUntilComplete(Func{Task})"/> take Ctrl-C and the request to terminate (SIGINT, SIGTERM) while they
    /// run: the first cancels the main coroutine, whose cleanup runs, the second stops the loop without waiting for it, and a
    /// third ends the process. Off by default: signals belong to the process, and so to the program and no library. Callbacks of
    /// <see cref="EventLoop.OnSignal"/> are called after it. A simulated loop takes those that its host is sent
    /// (<see cref="SimulatedHost.RaiseSignal"/>).
    /// </summary>
    public bool HandleInterrupts { get; set; }

    /// <summary>
    /// Where to write what <see cref="EventLoop.DumpTasks"/> says when the process is sent SIGQUIT (Ctrl-\, <c>kill -QUIT</c>)
    /// while the loop runs, such as <see cref="Console.Error"/>; the process then goes on. A loop that does not answer within a
    /// second, because a callback holds its thread, is said not to. Null, the default, leaves the signal alone. Of no effect on a
    /// loop that is run by <see cref="EventLoop.RunOnce"/>.
    /// </summary>
    public TextWriter? TaskDumpOnQuit { get; set; }

    /// <summary>The same options with this backend.</summary>
    internal EventLoopOptions With(Func<IoBackend> backendFactory)
    {
        var copy = (EventLoopOptions)MemberwiseClone();
        copy.BackendFactory = backendFactory;
        return copy;
    }

    internal void Validate()
    {
        if (!Enum.IsDefined(Kind))
        {
            throw new ArgumentOutOfRangeException(nameof(Kind), Kind, "There is no such kind of loop.");
        }

        ArgumentNullException.ThrowIfNull(Uring);
        Uring.Validate();
        Simulation?.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(SlowCallbackDuration, TimeSpan.Zero, nameof(SlowCallbackDuration));
        ArgumentOutOfRangeException.ThrowIfLessThan(SpinDuration, TimeSpan.Zero, nameof(SpinDuration));
        ArgumentOutOfRangeException.ThrowIfLessThan(ShutdownTimeout, TimeSpan.Zero, nameof(ShutdownTimeout));
        ArgumentOutOfRangeException.ThrowIfLessThan(ThreadTimeout, TimeSpan.Zero, nameof(ThreadTimeout));
    }
}
