using Toolkit.Bench.Cells;
using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Peers;

/// <summary>All servers that are measured, the first being the one that the others are compared with.</summary>
internal static class PeerCatalog
{
    public const string Epoll = "toolkit-epoll";
    public const string EpollBuffered = "toolkit-epoll-buffered";
    public const string EpollSpinning = "toolkit-epoll-spin";
    public const string EpollStreams = "toolkit-epoll-streams";
    public const string Uring = "toolkit-uring";
    public const string UringSpinning = "toolkit-uring-spin";
    public const string Portable = "toolkit-portable";
    public const string PortableInline = "toolkit-portable-inline";
    public const string Socket = "socket";
    public const string SocketInline = "socket-inline";
    public const string Kestrel = "kestrel";
    public const string Asyncio = "asyncio";
    public const string Uvloop = "uvloop";
    public const string AsyncioStreams = "asyncio-streams";
    public const string UvloopStreams = "uvloop-streams";
    public const string Libuv = "libuv";
    public const string NativeEpoll = "c-epoll";
    public const string NativeEpollLarge = "c-epoll-1m";
    public const string NativeUring = "c-uring";

    private static readonly NativeProgram s_epollServer = new("Peers/Native/epoll_server.c");
    private static readonly NativeProgram s_uringServer = new("Peers/Native/uring_server.c", "uring");
    private static readonly NativeProgram s_libuvServer = new("Peers/Native/libuv_server.c", "uv");

    public static IReadOnlyList<Peer> All { get; } =
    [
        new DotNetPeer(Epoll, "Toolkit epoll", "toolkit", "--loop", "epoll") { SpeaksTls = true, HasDatagrams = true },
        new DotNetPeer(EpollBuffered, "Toolkit epoll, buffered style", "toolkit", "--loop", "epoll", "--style", "buffered")
        {
            Cells = cell => cell is { Workload: Workload.Echo, Mode: ServerMode.Echo, Connections: 64, Size: <= 1024 },
        },
        new DotNetPeer(EpollSpinning, "Toolkit epoll, 50 us spin", "toolkit", "--loop", "epoll", "--spin", "50")
        {
            Cells = IsAboutLatency,
        },
        new DotNetPeer(EpollStreams, "Toolkit epoll, streams", "toolkit", "--loop", "epoll", "--style", "streams")
        {
            Cells = IsAboutStreams,
        },
        new DotNetPeer(Uring, "Toolkit io_uring", "toolkit", "--loop", "uring") { SpeaksTls = true, HasDatagrams = true },
        new DotNetPeer(UringSpinning, "Toolkit io_uring, 50 us spin", "toolkit", "--loop", "uring", "--spin", "50")
        {
            Cells = IsAboutLatency,
        },
        new DotNetPeer(Portable, "Toolkit portable", "toolkit", "--loop", "portable")
        {
            Cells = IsAboutMessages,
            HasDatagrams = true,
        },
        new DotNetPeer(PortableInline, "Toolkit portable, inline", "toolkit", "--loop", "portable") { InlineCompletions = true },
        new DotNetPeer(Socket, "Socket", "socket") { ChoosesBuffer = true, Cells = IsAboutMessages },
        new DotNetPeer(SocketInline, "Socket, inline", "socket") { ChoosesBuffer = true, InlineCompletions = true },
        new DotNetPeer(Kestrel, "Kestrel", "kestrel") { SpeaksTls = true },
        new PythonPeer(Asyncio, "asyncio", "asyncio") { SpeaksTls = true, HasDatagrams = true },
        new PythonPeer(AsyncioStreams, "asyncio, streams", "asyncio") { UsesStreams = true, Cells = IsAboutStreams },
        new PythonPeer(Uvloop, "uvloop", "uvloop") { SpeaksTls = true, HasDatagrams = true },
        new PythonPeer(UvloopStreams, "uvloop, streams", "uvloop") { UsesStreams = true, Cells = IsAboutStreams },
        new NativePeer(Libuv, "libuv", s_libuvServer) { SaysVersion = true, HasDatagrams = true },
        new NativePeer(NativeEpoll, "C epoll", s_epollServer),
        new NativePeer(NativeEpollLarge, "C epoll, 1 MiB buffer", s_epollServer) { Buffer = CellCatalog.Mebibyte },
        new NativePeer(NativeUring, "C io_uring", s_uringServer),
    ];

    /// <summary>Those of the quick mode.</summary>
    public static IReadOnlyList<string> Quick { get; } =
        [Epoll, EpollSpinning, Uring, PortableInline, SocketInline, Kestrel, Asyncio, Uvloop, Libuv, NativeEpoll];

    // Where completions pass through the pool, both are slow; what they are compared by is small messages from many.
    private static bool IsAboutMessages(Cell cell)
        => cell is { Workload: Workload.Echo, Mode: ServerMode.Echo, Connections: > 1, Size: <= 1024 };

    // A coroutine for each connection, and what it keeps while it waits.
    private static bool IsAboutStreams(Cell cell) => IsAboutMessages(cell) || cell.Workload == Workload.Idle;

    private static bool IsAboutLatency(Cell cell) => cell.Metric == Metric.P50;
}
