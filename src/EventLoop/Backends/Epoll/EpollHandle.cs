using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Epoll;

/// <summary>A socket with what epoll is to report of it.</summary>
[DebuggerDisplay("fd {Fd}, interest {Interest}")]
[SupportedOSPlatform("linux")]
internal sealed class EpollHandle(EpollBackend backend, int fd, StrongBox<SocketName> local, SocketName remote)
    : LinuxHandle(backend, fd, local, remote)
{
    /// <summary>What epoll has been asked to report.</summary>
    public EpollEvents Interest { get; set; }

    /// <summary>Whether epoll knows the descriptor at all. Errors and hang-ups are reported of all that it knows.</summary>
    public bool IsRegistered { get; set; }
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
