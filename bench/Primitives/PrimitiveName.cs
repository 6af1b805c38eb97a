namespace Toolkit.Bench.Primitives;

/// <summary>The operations that are timed, as the results call them; the script in Python has the same names.</summary>
internal static class PrimitiveName
{
    public const string CallSoonChain = "call_soon, one per turn";
    public const string CallSoon = "call_soon with a handle, 1,000 per turn";
    public const string CallSoonBare = "call_soon without a handle, 1,000 per turn";
    public const string PostOwnThread = "thread-safe post, own thread";
    public const string PostOtherThread = "thread-safe post, another thread";
    public const string PostOtherThreadBare = "thread-safe post without a handle, another thread";
    public const string TimerRestart = "timer restart, 10,000 live";
    public const string TimerCancel = "timer insert and cancel, 100,000";
    public const string TimerExpire = "timer insert and expire, 100,000";
    public const string SwitchOne = "continuation switch, one task";
    public const string SwitchMany = "continuation switch, 1,000 tasks";
    public const string SwitchTasks = "task switch, 1,000 tasks";
    public const string PingPongOne = "ping-pong over futures, one pair, a hop";
    public const string PingPong = "ping-pong over futures, 500 pairs, a hop";
    public const string Create = "task created and awaited with 999 others";
    public const string Lock = "lock entered and left, uncontended";
    public const string Semaphore = "semaphore taken and given back, uncontended";
    public const string Queue = "queue put and get, one coroutine";
    public const string QueueBetween = "queue put and get, between two coroutines";

    public static IReadOnlyList<string> All { get; } =
    [
        CallSoonChain, CallSoon, CallSoonBare, PostOwnThread, PostOtherThread, PostOtherThreadBare,
        TimerRestart, TimerCancel, TimerExpire, SwitchOne, SwitchMany,
        SwitchTasks, PingPongOne, PingPong, Create, Lock, Semaphore, Queue, QueueBetween,
    ];
}

/// <summary>Who has them.</summary>
internal static class Runner
{
    public const string Toolkit = "toolkit";
    public const string ThreadPool = "thread pool";
    public const string Channel = "channel";
    public const string Asyncio = "asyncio";
    public const string Uvloop = "uvloop";

    public static IReadOnlyList<string> All { get; } = [Toolkit, ThreadPool, Channel, Asyncio, Uvloop];
}
