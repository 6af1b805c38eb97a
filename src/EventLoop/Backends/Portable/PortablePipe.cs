using System.Diagnostics;
using System.Runtime.Versioning;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <summary>A pipe or a terminal of the portable loop's on Linux.</summary>
[DebuggerDisplay("fd {Fd}, {Kind}")]
[SupportedOSPlatform("linux")]
internal sealed class PortablePipe(PortableBackend backend, int fd) : LinuxHandle(backend, fd, new(default), default)
{
    /// <summary>How it stands with the poller. A field, for the poller's sake.</summary>
    public PollArming Arming;
}
