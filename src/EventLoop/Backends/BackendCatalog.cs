using Toolkit.Backends.Epoll;
using Toolkit.Backends.Portable;
using Toolkit.Backends.Uring;
using Toolkit.Simulation;

namespace Toolkit.Backends;

/// <summary>Which backend a loop gets: the options' kind, else the environment's, else the best of this machine.</summary>
internal static class BackendCatalog
{
    public static IoBackend Create(EventLoopOptions options)
        => options.Chaos is { } chaos ? new ChaosBackend(CreateBare(options), chaos) : CreateBare(options);

    private static IoBackend CreateBare(EventLoopOptions options)
    {
        if (options.BackendFactory is { } factory)
        {
            return factory() ?? throw new InvalidOperationException("The backend factory returned null.");
        }

        LoopKind kind = options.Kind == LoopKind.Auto ? FromEnvironment() : options.Kind;
        return kind switch
        {
            LoopKind.Epoll => CreateEpoll(),
            LoopKind.Uring => CreateUring(options.Uring),
            LoopKind.Portable => new PortableBackend(),
            LoopKind.Simulated => new SimulatedWorld(options.Simulation).AddHost("machine").CreateBackend(),
            _ => OperatingSystem.IsLinux() ? new EpollBackend() : new PortableBackend(),
        };
    }

    private static EpollBackend CreateEpoll()
        => OperatingSystem.IsLinux()
            ? new EpollBackend()
            : throw new BackendUnavailableException("epoll", "epoll is Linux's own. Use portable, or auto.");

    private static UringBackend CreateUring(UringOptions options)
        => OperatingSystem.IsLinux()
            ? new UringBackend(options)
            : throw new BackendUnavailableException("uring", "io_uring is Linux's own. Use portable, or auto.");

    private static LoopKind FromEnvironment()
    {
        string? name = Environment.GetEnvironmentVariable(EventLoopOptions.BackendVariable);
        return name?.ToUpperInvariant() switch
        {
            null or "" or "AUTO" => LoopKind.Auto,
            "EPOLL" => LoopKind.Epoll,
            "URING" => LoopKind.Uring,
            "PORTABLE" => LoopKind.Portable,
            "SIMULATED" => LoopKind.Simulated,
            _ => throw new BackendUnavailableException(
                name, $"{EventLoopOptions.BackendVariable} names no kind of loop. It may be auto, epoll, uring, portable or simulated."),
        };
    }
}
