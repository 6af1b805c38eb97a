using System.Net.Sockets;

namespace Toolkit;

/// <summary>
/// A <see cref="LoopSocket"/> cannot listen, or could not accept. The <see cref="SocketException"/> is inside.
/// </summary>
public sealed class LoopSocketException : IOException
{
    /// <summary>Creates the exception.</summary>
    public LoopSocketException(SocketError error, string message)
        : base(message, new SocketException((int)error))
    {
        Error = error;
    }

    /// <summary>Why.</summary>
    public SocketError Error { get; }
}
