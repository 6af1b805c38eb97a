namespace Toolkit.Bench.Servers;

/// <summary>What a server does with what it receives.</summary>
internal enum ServerMode
{
    /// <summary>Sends it back.</summary>
    Echo,

    /// <summary>Sends each frame back with a write of its own.</summary>
    Framed,

    /// <summary>Counts it, and sends the count (eight bytes, little-endian) at the end of the stream.</summary>
    Bulk,

    /// <summary>Sends each datagram back.</summary>
    Datagrams,
}

/// <summary>The messages of <see cref="ServerMode.Framed"/>.</summary>
internal static class Frame
{
    public const int Size = 64;
}
