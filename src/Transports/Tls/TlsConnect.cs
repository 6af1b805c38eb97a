using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>A client's handshake, as something to wait for.</summary>
internal static class TlsConnect
{
    /// <summary>Puts TLS over a connection that was made.</summary>
    /// <returns>The handle to go on with.</returns>
    /// <exception cref="TlsException">The handshake has failed, and the connection is released.</exception>
    /// <exception cref="OperationCanceledException">
    /// A scope or the token was cancelled, and the connection is released.
    /// </exception>
    public static async Task<IoHandle> HandshakeAsync(
        EventLoop loop,
        IoHandle connection,
        TlsClientOptions options,
        ExecutionContext? context,
        CancellationToken cancellationToken)
    {
        var completion = new Future<TlsHandle>(loop);
        var handshake = new TlsHandshake(loop, connection, options, context, (handshake, failure) =>
        {
            if (failure is null)
            {
                completion.SetResult(handshake.Handle);
            }
            else
            {
                completion.SetException(
                    failure.Reason == CloseReason.LoopShutdown ? new ObjectDisposedException(nameof(EventLoop)) : failure);
            }
        });
        try
        {
            return await completion.WaitAsync(cancellationToken);
        }
        catch
        {
            handshake.Abandon();
            if (completion.State == FutureState.Succeeded)
            {
                handshake.Handle.Backend.Release(handshake.Handle, reset: true); // has ended meanwhile, for nobody
            }

            throw;
        }
    }
}
