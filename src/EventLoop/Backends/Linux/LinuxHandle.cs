using System.Net;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>A socket of Linux's: a descriptor with its names.</summary>
[SupportedOSPlatform("linux")]
internal abstract class LinuxHandle : IoHandle
{
    private SocketName _local;
    private SocketName _remote;

    protected LinuxHandle(IoBackend backend, int fd, SocketName local, SocketName remote)
        : base(backend)
    {
        Fd = fd;
        _local = local;
        _remote = remote;
    }

    public int Fd { get; }

    /// <summary>The handle's place in the table of its backend: what the kernel is given to report.</summary>
    public ulong Token { get; set; }

    public override EndPoint? LocalEndPoint => _local.ToEndPoint();

    public override EndPoint? RemoteEndPoint => _remote.ToEndPoint();

    /// <summary>
    /// The local name of a connection that this listener has accepted: the one that it is bound to, unless that stands for all.
    /// </summary>
    public SocketName LocalNameOf(int accepted) => _local.IsWildcard ? LinuxSocket.GetLocalName(accepted) : _local;

    /// <summary>A connect has succeeded: the kernel has chosen what was left open.</summary>
    public void RefreshNames()
    {
        _local = LinuxSocket.GetLocalName(Fd);
        _remote = LinuxSocket.GetPeerName(Fd);
    }
}
