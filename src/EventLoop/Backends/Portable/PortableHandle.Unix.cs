using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <content>What is special about a Unix socket.</content>
internal sealed partial class PortableHandle
{
    private const int LinuxSocketLevel = 1;
    private const int LinuxPeerCredentials = 17;

    private PeerIdentity? _identity;

    public override PeerIdentity? PeerIdentity => _identity;

    /// <summary>The path that is removed at the end; null when there is none.</summary>
    public UnixPath? Path { get; set; }

    /// <summary>Who takes the descriptors that arrive; null when nobody does.</summary>
    public IHandleReceiver? HandleReceiver { get; set; }

    private void RefreshUnixNames()
    {
        // .NET gives an empty name to who has none.
        _local = _local?.ToString() is { Length: > 0 } ? _local : null;
        _remote = _remote?.ToString() is { Length: > 0 } ? _remote : null;
        if (OperatingSystem.IsLinux() && Socket.Connected)
        {
            Span<byte> credentials = stackalloc byte[12]; // struct ucred
            try
            {
                Socket.GetRawSocketOption(LinuxSocketLevel, LinuxPeerCredentials, credentials);
                ReadOnlySpan<uint> fields = MemoryMarshal.Cast<byte, uint>(credentials);
                _identity = new PeerIdentity((int)fields[0], fields[1], fields[2]);
            }
            catch (SocketException)
            {
                // It is gone already.
            }
        }
    }

    private void RemovePath()
    {
        if (OperatingSystem.IsLinux())
        {
            Path?.Remove();
        }
    }
}
