using System.Runtime.InteropServices;

namespace Toolkit.Backends;

/// <summary>
/// Who is at the other end of a Unix socket, as the system vouches for it (SO_PEERCRED of unix(7)): what was so when the peer
/// connected, or when it began to listen.
/// </summary>
/// <param name="ProcessId">The process, as it is numbered for us; zero when it is none of our PID namespace.</param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PeerIdentity(int ProcessId, uint UserId, uint GroupId);
