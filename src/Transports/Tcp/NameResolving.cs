using System.Net;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What names add to a loop: their addresses.</summary>
public static class NameResolving
{
    /// <param name="loop">The loop, whose resolver is asked.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Finds the addresses of a host as connecting does: the name is checked, an address in its usual form is its own answer,
        /// and for all else the loop's resolver is asked (<see cref="EventLoopOptions.Resolver"/>). A wait of the current scope.
        /// Loop thread only.
        /// </summary>
        /// <param name="host">A name, or an IP address in its usual form.</param>
        /// <param name="cancellationToken">Gives up at once; so does the scope. The resolver is left to itself.</param>
        /// <returns>At least one address, each once, in the resolver's order.</returns>
        /// <exception cref="ArgumentException">The host can be neither a name nor an address.</exception>
        /// <exception cref="System.Net.Sockets.SocketException">There is no such name, or it could not be resolved.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
        /// <remarks>What a resolver of your own throws comes out of here.</remarks>
        public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken = default)
        {
            HostName.Validate(host, nameof(host));
            loop.Host.VerifyRunning();
            return loop.Host.RefusalOfWait(cancellationToken) is { } refusal
                ? RefuseAsync(refusal)
                : HostName.ResolveAsync(loop, host, cancellationToken);
        }
    }

    // A task that is cancelled by what says which scope it was.
    private static async Task<IPAddress[]> RefuseAsync(Exception refusal)
    {
        await ValueTask.FromException(refusal);
        return [];
    }
}
