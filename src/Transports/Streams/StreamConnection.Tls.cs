namespace Toolkit;

/// <content>Going on with TLS in mid-stream.</content>
public sealed partial class StreamConnection
{
    /// <summary>
    /// Goes on with TLS, as its server: for conversations in which the two sides agree on that in mid-stream (STARTTLS). The
    /// connection stays the same object. What was written before, what <see cref="Output"/> holds included, leaves first and in
    /// the clear. Everything that has arrived and was not read belongs to the handshake: it is never read as if it had come
    /// encrypted. A read or a write that begins meanwhile waits for the handshake's end. What the last read has lent is no longer
    /// valid, as after any other read.
    /// </summary>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Gives up, and aborts the connection, from any thread; so does the scope.</param>
    /// <exception cref="TlsException">In the task: the handshake has failed, and the connection ends.</exception>
    /// <exception cref="ConnectionException">In the task: the connection has ended meanwhile.</exception>
    /// <exception cref="ArgumentException">The options cannot be used; the message says why.</exception>
    /// <exception cref="InvalidOperationException">
    /// A read is under way; the connection speaks TLS already, or is about to; it is closing; one of its directions has ended; or
    /// this is not the loop's thread.
    /// </exception>
    /// <exception cref="NotSupportedException">
    /// The transport carries something else than a stream of the toolkit's.
    /// </exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public Task StartTlsAsync(TlsServerOptions options, CancellationToken cancellationToken = default)
    {
        BeginUpgrade();
        Task upgrade = Transport.StartTlsAsync(options, cancellationToken);
        _input.GiveBack();
        return upgrade;
    }

    /// <summary>The same as its client, which checks that the server's certificate is for the given host.</summary>
    /// <param name="options">How; <see cref="TlsClientOptions.TargetHost"/> may name the host.</param>
    /// <param name="cancellationToken">Gives up, and aborts the connection, from any thread; so does the scope.</param>
    /// <inheritdoc cref="StartTlsAsync(TlsServerOptions, CancellationToken)"/>
    public Task StartTlsAsync(TlsClientOptions options, CancellationToken cancellationToken = default)
    {
        BeginUpgrade();
        Task upgrade = Transport.StartTlsAsync(options, cancellationToken);
        _input.GiveBack();
        return upgrade;
    }

    private void BeginUpgrade()
    {
        _input.VerifyFree();
        VerifyWritable();
        Commit();
    }
}
