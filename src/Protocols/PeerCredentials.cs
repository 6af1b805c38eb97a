using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>
/// Who is at the other end of a Unix socket (SO_PEERCRED of unix(7)). Of a client: the process that has connected, whoever writes
/// by now; of a server: the one that has begun to listen.
/// </summary>
/// <param name="ProcessId">
/// The process; zero when our PID namespace does not have it. By the time it is looked at, the number may be another's: decide by
/// the user, and take this for logs.
/// </param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PeerCredentials(int ProcessId, uint UserId, uint GroupId);
