using Toolkit.Transports;

namespace Toolkit;

/// <summary>What TLS adds to a transport: the upgrade in mid-stream, and what was agreed on.</summary>
public static class TlsUpgrading
{
    /// <param name="transport">The transport of a connection.</param>
    extension(Transport transport)
    {
        /// <summary>
        /// What the two ends have agreed on; null when there is no TLS, or its handshake has not ended. Stays after the end of
        /// the connection. Any thread.
        /// </summary>
        public TlsConnectionInfo? Tls => (transport as ITlsTransport)?.Tls;

        /// <summary>
        /// Goes on with TLS, as its server: for protocols in which the two sides agree on that in mid-stream (STARTTLS). The
        /// transport and the protocol stay the same, and nothing is called again.
        /// </summary>
        /// <remarks>
        /// <para>
        /// What was written before the call leaves first, as it is; what is written after it leaves encrypted, once the handshake
        /// has ended. Reading stops with the call, and goes on after the returned task has ended. Every byte that was received
        /// and is not the protocol's belongs to the handshake: what is given back (<see cref="Transport.Unread"/>), in the same
        /// callback before or after this call, and what arrives from then on. So nothing that was sent in the clear is ever told
        /// as if it had come encrypted. The framed protocols give back what stands behind the message whose callback called
        /// this.
        /// </para>
        /// <para>
        /// A handshake that fails ends the connection: the task ends with the reason, and
        /// <see cref="StreamProtocol.ConnectionLost"/> is told the same. So does a cancelled wait. A wait of the current scope.
        /// Loop thread only.
        /// </para>
        /// </remarks>
        /// <param name="options">How.</param>
        /// <param name="cancellationToken">Gives up, and aborts the connection; so does the scope.</param>
        /// <exception cref="TlsException">In the task: the handshake has failed, and the connection ends.</exception>
        /// <exception cref="ConnectionException">In the task: the connection has ended meanwhile.</exception>
        /// <exception cref="ArgumentException">The options cannot be used; the message says why.</exception>
        /// <exception cref="InvalidOperationException">
        /// The connection speaks TLS already, or is about to; it is closing; one of its directions has ended; or this is not the
        /// loop's thread.
        /// </exception>
        /// <exception cref="NotSupportedException">
        /// The transport carries something else than a stream of the toolkit's.
        /// </exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task StartTlsAsync(TlsServerOptions options, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            return Upgradable(transport).StartTlsAsync(options, cancellationToken);
        }

        /// <summary>The same as its client, which checks that the server's certificate is for the given host.</summary>
        /// <param name="options">How; <see cref="TlsClientOptions.TargetHost"/> may name the host.</param>
        /// <param name="cancellationToken">Gives up, and aborts the connection; so does the scope.</param>
        /// <inheritdoc cref="StartTlsAsync(Transport, TlsServerOptions, CancellationToken)"/>
        public Task StartTlsAsync(TlsClientOptions options, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            return Upgradable(transport).StartTlsAsync(options.For(host: null), cancellationToken);
        }
    }

    private static ITlsTransport Upgradable(Transport transport)
    {
        ArgumentNullException.ThrowIfNull(transport);
        return transport as ITlsTransport
            ?? throw new NotSupportedException($"{transport.GetType().Name} is no transport that can go on with TLS.");
    }
}
