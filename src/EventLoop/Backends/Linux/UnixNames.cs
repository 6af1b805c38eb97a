using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>
/// What there is to know of a Unix socket. It stands in the place of a TCP socket's local name, so that those are not charged for
/// it.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class UnixNames : StrongBox<SocketName>
{
    /// <summary>This end's name; null when it has none, as clients have.</summary>
    public EndPoint? Local { get; init; }

    /// <summary>The peer's.</summary>
    public EndPoint? Remote { get; init; }

    /// <summary>Who the peer is; null without one.</summary>
    public PeerIdentity? Identity { get; init; }

    /// <summary>The path that the socket has made, and removes; null when there is none, or it is somebody else's.</summary>
    public UnixPath? Path { get; set; }

    /// <summary>Who takes the descriptors that arrive; null when nobody does.</summary>
    public IHandleReceiver? Receiver { get; set; }
}
