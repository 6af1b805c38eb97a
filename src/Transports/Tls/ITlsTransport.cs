namespace Toolkit.Transports;

/// <summary>A transport that can go on with TLS.</summary>
internal interface ITlsTransport
{
    /// <summary>What was agreed on; null without TLS.</summary>
    TlsConnectionInfo? Tls { get; }

    /// <summary>Goes on with TLS.</summary>
    Task StartTlsAsync(TlsOptions options, CancellationToken cancellationToken);
}
