namespace Toolkit;

/// <summary>A certificate of one's own cannot be used: it cannot be read, has no key, or is not valid at this time.</summary>
public sealed class TlsCertificateException : IOException
{
    /// <summary>Creates the exception.</summary>
    public TlsCertificateException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
