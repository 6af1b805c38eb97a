using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>When a transport's unsent bytes are too many, in bytes.</summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct WriteLimits
{
    /// <summary>The default <see cref="High"/>: 64 KiB.</summary>
    public const int DefaultHigh = 64 * 1024;

    /// <summary>The default <see cref="HardCap"/>: 4 MiB.</summary>
    public const long DefaultHardCap = 4 * 1024 * 1024;

    private readonly long _hardCap; // the greatest of all for none: every connection has one of these

    /// <summary>The defaults: 64 KiB, 16 KiB, 4 MiB.</summary>
    public WriteLimits()
        : this(DefaultHigh)
    {
    }

    /// <summary>Creates limits.</summary>
    /// <param name="high">See <see cref="High"/>.</param>
    /// <param name="low">See <see cref="Low"/>; a quarter of <paramref name="high"/> when null.</param>
    /// <param name="hardCap">See <see cref="HardCap"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not 0 &lt;= low &lt;= high &lt;= hard cap.</exception>
    public WriteLimits(int high, int? low = null, long? hardCap = DefaultHardCap)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(high);
        ArgumentOutOfRangeException.ThrowIfNegative(low ?? 0, nameof(low));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(low ?? 0, high, nameof(low));
        ArgumentOutOfRangeException.ThrowIfLessThan(hardCap ?? long.MaxValue, high, nameof(hardCap));
        High = high;
        Low = low ?? high / 4;
        _hardCap = hardCap ?? long.MaxValue;
    }

    /// <summary>With more than this unsent, <see cref="StreamProtocol.PauseWriting"/> is called.</summary>
    public int High { get; }

    /// <summary>With this or less unsent after a pause, <see cref="StreamProtocol.ResumeWriting"/> is called.</summary>
    public int Low { get; }

    /// <summary>
    /// A write that is made while more than this is already unsent aborts the transport, so that a protocol which ignores
    /// <see cref="StreamProtocol.PauseWriting"/> cannot fill the memory. One large write is always taken whole. Null lifts
    /// the cap.
    /// </summary>
    public long? HardCap => _hardCap == long.MaxValue ? null : _hardCap;
}
