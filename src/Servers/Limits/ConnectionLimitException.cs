namespace Toolkit;

/// <summary>A limit of its server's has ended the connection, as <see cref="StreamProtocol.ConnectionLost"/> is told.</summary>
public sealed class ConnectionLimitException : ConnectionException
{
    /// <summary>Creates the exception, whose reason is <see cref="CloseReason.LimitReached"/>.</summary>
    public ConnectionLimitException(ConnectionLimit limit, string message)
        : base(CloseReason.LimitReached, message)
    {
        Limit = limit;
    }

    /// <summary>Which limit.</summary>
    public ConnectionLimit Limit { get; }
}
