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

    /// <summary>The handle's place in the table of its backend: what the kernel is given to report.</summary>
    public ulong Token { get; set; }

    /// <summary>What a datagram socket has of its own; null of a stream's.</summary>
    public LinuxDatagrams? Datagrams { get; set; }

    public override EndPoint? LocalEndPoint => Datagrams is null ? _local.Value.ToEndPoint() : Datagrams.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => Datagrams is null ? _remote.ToEndPoint() : Datagrams.RemoteEndPoint;

    /// <summary>
    /// The local name of a connection that this listener has accepted: the one that it is bound to, unless that stands for all.
    /// </summary>
    public SocketName LocalNameOf(int accepted) => _local.Value.IsWildcard ? LinuxSocket.GetLocalName(accepted) : _local.Value;

    /// <summary>A connect has succeeded: the kernel has chosen what was left open.</summary>
    public void RefreshNames()
    {
        _local = new(LinuxSocket.GetLocalName(Fd));
        _remote = LinuxSocket.GetPeerName(Fd);
    }
}
