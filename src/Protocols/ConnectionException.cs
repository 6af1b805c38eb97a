namespace Toolkit;

/// <summary>
/// What broke a connection, as <see cref="StreamProtocol.ConnectionLost"/> is told. Faults of the network have the
/// <see cref="System.Net.Sockets.SocketException"/> inside.
/// </summary>
public class ConnectionException : IOException
{
    /// <summary>Creates the exception.</summary>
    public ConnectionException(CloseReason reason, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Reason = reason;
    }

    /// <summary>The kind of fault.</summary>
    public CloseReason Reason { get; }
}
