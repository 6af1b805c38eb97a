using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>Whose place it is when the queue of unsent datagrams is full.</summary>
public enum DatagramDropPolicy
{
    /// <summary>The one that was to be sent now is not taken. The default: what was accepted stays accepted.</summary>
    Newest,

    /// <summary>
    /// Those that have waited longest give way: for what is worthless once it is old, such as the state of a game.
    /// </summary>
    Oldest,
}

/// <summary>
/// When unsent datagrams are too many. Each counts its bytes and <see cref="Overhead"/> more, so that empty ones count too.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DatagramQueueLimits
{
    /// <summary>What a datagram counts beside its bytes, as in asyncio: 8.</summary>
    public const int Overhead = 8;

    /// <summary>The default <see cref="High"/>: 64 KiB.</summary>
    public const int DefaultHigh = 64 * 1024;

    /// <summary>The default <see cref="Capacity"/>: 1 MiB.</summary>
    public const int DefaultCapacity = 1024 * 1024;

    /// <summary>The defaults: 64 KiB, 16 KiB, 1 MiB.</summary>
    public DatagramQueueLimits()
        : this(DefaultHigh)
    {
    }

    /// <summary>Creates limits.</summary>
    /// <param name="high">See <see cref="High"/>.</param>
    /// <param name="low">See <see cref="Low"/>; a quarter of <paramref name="high"/> when null.</param>
    /// <param name="capacity">See <see cref="Capacity"/>; the greater of <paramref name="high"/> and 1 MiB when null.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not 0 &lt;= low &lt;= high &lt;= capacity.</exception>
    public DatagramQueueLimits(int high, int? low = null, int? capacity = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(high);
        ArgumentOutOfRangeException.ThrowIfNegative(low ?? 0, nameof(low));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(low ?? 0, high, nameof(low));
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity ?? int.MaxValue, high, nameof(capacity));
        High = high;
        Low = low ?? high / 4;
        Capacity = capacity ?? Math.Max(high, DefaultCapacity);
    }

    /// <summary>With more than this unsent, <see cref="DatagramProtocol.PauseWriting"/> is called.</summary>
    public int High { get; }

    /// <summary>With this or less unsent after a pause, <see cref="DatagramProtocol.ResumeWriting"/> is called.</summary>
    public int Low { get; }

    /// <summary>
    /// The most that waits. A datagram that would go beyond it is dropped, or drops others, as <see cref="DatagramDropPolicy"/>
    /// says; into an empty queue every datagram is taken.
    /// </summary>
    public int Capacity { get; }
}
