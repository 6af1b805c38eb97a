using System.Net.Sockets;
using System.Security.Authentication;

namespace Toolkit.Transports;

/// <summary>What failures of TLS are called: the one place that says so.</summary>
internal static class TlsFailure
{
    /// <summary>Passes a handshake on, and its failure with the reason why a certificate was refused.</summary>
    public static async Task TranslateAsync(Task handshake, PeerCertificateCheck? check, string peer)
    {
        try
        {
            await handshake.ConfigureAwait(false);
        }
        catch (Exception exception) when (check?.Refusal is { } refusal)
        {
            throw new TlsException(
                CloseReason.TlsFailed, $"The certificate of the {peer} was refused: {refusal}.", check.Failure ?? exception);
        }
    }

    public static TlsException OfHandshake(Exception exception) => exception as TlsException ?? new TlsException(
        CloseReason.TlsFailed, $"The TLS handshake failed: {TextOf(exception)}", exception);

    public static TlsException OfRecord(Exception exception)
        => new(CloseReason.TlsFailed, $"What the peer sent cannot be decrypted: {TextOf(exception)}", exception);

    public static TlsException OfTime(TimeSpan time)
        => new(CloseReason.Timeout, $"The peer has not finished the TLS handshake within {time.TotalSeconds} s.");

    public static TlsException Truncated()
        => new(CloseReason.TruncatedTls, "The peer ended TCP without ending TLS (close_notify): bytes may be missing.");

    public static TlsException OfNetwork(SocketError error)
    {
        if (error == SocketError.Success)
        {
            return new TlsException(CloseReason.TlsFailed, "The peer ended the connection within the TLS handshake.");
        }

        ConnectionException fault = ConnectionFault.ToException(error);
        return new TlsException(fault.Reason, $"Within the TLS handshake: {fault.Message}", fault.InnerException);
    }

    // The innermost says what OpenSSL or the alert says.
    private static string TextOf(Exception exception)
    {
        string text = exception.Message;
        if (exception is AuthenticationException or IOException && exception.InnerException is { } inner)
        {
            text = $"{text} {TextOf(inner)}";
        }

        return text;
    }
}
