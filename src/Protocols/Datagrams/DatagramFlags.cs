namespace Toolkit;

/// <summary>What is to be known of a datagram beside its bytes.</summary>
[Flags]
public enum DatagramFlags
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The datagram was longer than is received at most: its end is missing.</summary>
    Truncated = 1,
}
