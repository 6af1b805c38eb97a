using System.Diagnostics;
using System.Net;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Epoll;

/// <summary>A socket with what epoll is to report of it.</summary>
[DebuggerDisplay("fd {Fd}, interest {Interest}")]
[SupportedOSPlatform("linux")]
internal sealed class EpollHandle : IoHandle
{
    private SocketName _local;
    private SocketName _remote;

    public EpollHandle(EpollBackend backend, int fd, SocketName local, SocketName remote)
        : base(backend)
    {
        Fd = fd;
        _local = local;
        _remote = remote;
    }

    public int Fd { get; }

    /// <summary>What epoll reports for the handle.</summary>
    public ulong Token { get; set; }

    /// <summary>What epoll has been asked to report.</summary>
    public EpollEvents Interest { get; set; }

    /// <summary>Whether epoll knows the descriptor at all. Errors and hang-ups are reported of all that it knows.</summary>
    public bool IsRegistered { get; set; }

    public override EndPoint? LocalEndPoint => _local.ToEndPoint();

    public override EndPoint? RemoteEndPoint => _remote.ToEndPoint();

    public SocketName LocalName => _local;

    /// <summary>A connect has succeeded: the kernel has chosen what was left open.</summary>
    public void RefreshNames()
    {
        _local = LinuxSocket.GetLocalName(Fd);
        _remote = LinuxSocket.GetPeerName(Fd);
    }
}

/// <summary>epoll's event bits that are used here.</summary>
[Flags]
internal enum EpollEvents : uint
{
    None = 0,
    Readable = 1,
    Writable = 4,
    Error = 8,
    HangUp = 16,
}
