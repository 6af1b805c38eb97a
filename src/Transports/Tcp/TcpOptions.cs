using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// How a TCP connection behaves. Immutable: one object may serve many connections. Of Unix sockets only the limits, the linger
/// time and the send buffer matter.
/// </summary>
public sealed record TcpOptions
{
    /// <summary>The defaults.</summary>
    public static TcpOptions Default { get; } = new();

    /// <summary>Send small segments at once (TCP_NODELAY). On by default: joining writes is the loop's work.</summary>
    public bool NoDelay { get; init; } = true;

    /// <summary>Probing of an idle peer; null, the default, leaves it off.</summary>
    public TcpKeepAlive? KeepAlive { get; init; }

    /// <summary>
    /// How long sent bytes may stay unacknowledged before the connection is given up (TCP_USER_TIMEOUT, RFC 5482), to the
    /// millisecond. Null leaves it to the system, which takes minutes. Linux only.
    /// </summary>
    public TimeSpan? UserTimeout { get; init; }

    /// <summary>When unsent bytes are too many; 64 KiB, 16 KiB and 4 MiB by default.</summary>
    public WriteLimits WriteLimits { get; init; } = new();

    /// <summary>
    /// How long a close goes on without a byte leaving before it becomes an abort, and how long what the peer still sends
    /// is thrown away afterwards. 30 seconds by default.
    /// </summary>
    public TimeSpan LingerTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How many bytes of a peer that goes on sending are thrown away after the end before the descriptor is closed on it.
    /// 64 MiB by default.
    /// </summary>
    public long DiscardLimit { get; init; } = 64 * 1024 * 1024;

    /// <summary>The kernel's send buffer in bytes; null leaves it to the kernel, which adapts it.</summary>
    public int? SendBufferSize { get; init; }

    /// <summary>The kernel's receive buffer in bytes; null leaves it to the kernel, which adapts it.</summary>
    public int? ReceiveBufferSize { get; init; }

    internal void Validate()
    {
        KeepAlive?.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(LingerTime, TimeSpan.Zero, nameof(LingerTime));
        ArgumentOutOfRangeException.ThrowIfNegative(DiscardLimit, nameof(DiscardLimit));
        if (SendBufferSize is { } send)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(send, nameof(SendBufferSize));
        }

        if (ReceiveBufferSize is { } receive)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(receive, nameof(ReceiveBufferSize));
        }

        if (UserTimeout is { } timeout)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.FromMilliseconds(1), nameof(UserTimeout));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout.TotalMilliseconds, int.MaxValue, nameof(UserTimeout));
            if (!OperatingSystem.IsLinux())
            {
                throw new PlatformNotSupportedException($"{nameof(UserTimeout)} exists on Linux only. Use {nameof(KeepAlive)}.");
            }
        }
    }

    /// <summary>Sets what the kernel is to know of a connection of some family; of a Unix socket, its buffers.</summary>
    internal void ApplyTo(IoHandle handle, AddressFamily family)
    {
        if (family == AddressFamily.Unix)
        {
            ApplyBufferSizes(handle);
        }
        else
        {
            Apply(handle);
        }
    }

    /// <summary>
    /// Sets what the kernel is to know. A failure means that the connection is gone, which its first receive will tell.
    /// </summary>
    internal void Apply(IoHandle handle)
    {
        Set(handle, IoOption.NoDelay, NoDelay ? 1 : 0);
        if (KeepAlive is { } keepAlive)
        {
            Set(handle, IoOption.KeepAlive, 1);
            Set(handle, IoOption.KeepAliveTime, (int)keepAlive.Time.TotalSeconds);
            Set(handle, IoOption.KeepAliveInterval, (int)keepAlive.Interval.TotalSeconds);
            Set(handle, IoOption.KeepAliveRetryCount, keepAlive.RetryCount);
        }

        if (UserTimeout is { } timeout)
        {
            Set(handle, IoOption.UserTimeout, (int)timeout.TotalMilliseconds);
        }

        ApplyBufferSizes(handle);
    }

    /// <summary>
    /// Sets the buffer sizes, which a listener must know too: what its connections announce as a window is settled in the
    /// handshake.
    /// </summary>
    internal void ApplyBufferSizes(IoHandle handle)
    {
        if (SendBufferSize is { } send)
        {
            Set(handle, IoOption.SendBufferSize, send);
        }

        if (ReceiveBufferSize is { } receive)
        {
            Set(handle, IoOption.ReceiveBufferSize, receive);
        }
    }

    private static void Set(IoHandle handle, IoOption option, int value) => handle.Backend.SetOption(handle, option, value);
}

/// <summary>How an idle peer is probed (RFC 1122, 4.2.3.6). Whole seconds.</summary>
public sealed record TcpKeepAlive
{
    /// <summary>How long the connection is idle before the first probe. 60 seconds by default.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The time between probes. 10 seconds by default.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How many unanswered probes end the connection. 6 by default.</summary>
    public int RetryCount { get; init; } = 6;

    internal void Validate()
    {
        // The kernel's own bounds.
        ArgumentOutOfRangeException.ThrowIfLessThan(Time, TimeSpan.FromSeconds(1), nameof(Time));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Time, TimeSpan.FromSeconds(32767), nameof(Time));
        ArgumentOutOfRangeException.ThrowIfLessThan(Interval, TimeSpan.FromSeconds(1), nameof(Interval));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Interval, TimeSpan.FromSeconds(32767), nameof(Interval));
        ArgumentOutOfRangeException.ThrowIfLessThan(RetryCount, 1, nameof(RetryCount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RetryCount, 127, nameof(RetryCount));
    }
}
