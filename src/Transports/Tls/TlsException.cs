namespace Toolkit;

/// <summary>
/// TLS has broken a connection: the handshake was refused by one end, or took too long; what arrived is no TLS; or TCP ended
/// before TLS did. <see cref="ConnectionException.Reason"/> says which: <see cref="CloseReason.TlsFailed"/>,
/// <see cref="CloseReason.Timeout"/>, <see cref="CloseReason.TruncatedTls"/>, or that of a network which failed meanwhile. What
/// .NET says of it is inside.
/// </summary>
public sealed class TlsException : ConnectionException
{
    /// <summary>Creates the exception.</summary>
    public TlsException(CloseReason reason, string message, Exception? innerException = null)
        : base(reason, message, innerException)
    {
    }
}
