using Toolkit.Transports;

namespace Toolkit;

/// <summary>Waiting for the end of a connection, beside its protocol.</summary>
public static class TransportClosing
{
    /// <param name="transport">The transport, of the toolkit's own.</param>
    extension(Transport transport)
    {
        /// <summary>
        /// Waits until the connection is gone: its <see cref="StreamProtocol.ConnectionLost"/> was called. Closes nothing itself,
        /// and never throws what broke the connection. Any number may wait, each once; a wait of the current scope. Loop thread
        /// only.
        /// </summary>
        /// <param name="cancellationToken">Ends the wait; from any thread.</param>
        /// <returns>
        /// What <see cref="StreamProtocol.ConnectionLost"/> was told: what broke the connection, or null;
        /// <see cref="Transport.CloseReason"/> says more.
        /// </returns>
        /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
        /// <exception cref="NotSupportedException">The transport is not one of the toolkit's.</exception>
        /// <exception cref="InvalidOperationException">This is not the loop's thread.</exception>
        public ValueTask<Exception?> WaitClosedAsync(CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(transport);
            return transport is IClosingTransport closing
                ? closing.WaitClosedAsync(cancellationToken)
                : throw new NotSupportedException(
                    $"{transport.GetType().Name} does not say when it ends. Have its protocol tell, in ConnectionLost.");
        }
    }
}
