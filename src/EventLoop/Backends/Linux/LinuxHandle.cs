using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>A socket of Linux's: a descriptor with its names.</summary>
[SupportedOSPlatform("linux")]
internal abstract class LinuxHandle : IoHandle
{
    private StrongBox<SocketName> _local; // which the connections of a listener share
    private SocketName _remote;

    protected LinuxHandle(IoBackend backend, int fd, StrongBox<SocketName> local, SocketName remote)
        : base(backend)
    {
        Fd = fd;
        _local = local;
        _remote = remote;
    }

    public int Fd { get; }

    /// <summary>
    /// What the descriptor leads to, where the handle is of another kind than <see cref="IoHandleKind.Socket"/>.
    /// </summary>
    public LinuxFileType FileType { get; set; }

    /// <summary>Whether the blocking mode is to be given back, since others have the same open file.</summary>
    public bool RestoresBlocking { get; set; }

    /// <summary>The handle's place in the table of its backend: what the kernel is given to report.</summary>
    public ulong Token { get; set; }

    public override EndPoint? LocalEndPoint => Datagrams is { } own ? own.LocalEndPoint
        : _local is UnixNames unix ? unix.Local
        : _local.Value.ToEndPoint();

    public override EndPoint? RemoteEndPoint => Datagrams is { } own ? own.RemoteEndPoint
        : _local is UnixNames unix ? unix.Remote
        : _remote.ToEndPoint();

    public override PeerIdentity? PeerIdentity => Unix?.Identity;

    /// <summary>What there is to know of a Unix stream socket; null of any other.</summary>
    public UnixNames? Unix => _local as UnixNames;

    /// <summary>What a datagram socket has of its own; null of a stream's.</summary>
    public LinuxDatagrams? Datagrams { get; set; }

    /// <summary>
    /// The local name of a connection that this listener has accepted: the one that it is bound to, unless that stands for all.
    /// </summary>
    public SocketName LocalNameOf(int accepted) => _local.Value.IsWildcard ? LinuxSocket.GetLocalName(accepted) : _local.Value;

    /// <summary>Closes the descriptor.</summary>
    public void CloseDescriptor()
    {
        if (RestoresBlocking)
        {
            LinuxFile.SetBlocking(Fd, isBlocking: true);
        }

        Unix?.Path?.Remove();
        _ = Libc.Close(Fd);
    }

    /// <summary>A connect has succeeded: the kernel has chosen what was left open.</summary>
    public void RefreshNames()
    {
        if (Unix is not null)
        {
            _local = UnixSocket.NamesOf(Fd, isConnected: true);
            return;
        }

        _local = new(LinuxSocket.GetLocalName(Fd));
        _remote = LinuxSocket.GetPeerName(Fd);
    }
}
