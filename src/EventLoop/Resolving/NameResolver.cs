using System.Net;

namespace Toolkit;

/// <summary>
/// Finds the addresses of names for all that a loop connects and listens (<see cref="EventLoopOptions.Resolver"/>). Derive from
/// it to have names resolved otherwise: from a table, by a service, or by another resolver whose answers are kept.
/// </summary>
/// <remarks>
/// It is asked for names only: a host that is an address in its usual form is nobody's to resolve, and what can be neither a name
/// nor an address was refused before. Nobody waits for it longer than they want to: who gives up, by scope, token or time-out,
/// and a loop that ends, go on at once, and whatever it says then is for nobody.
/// </remarks>
public abstract class NameResolver
{
    /// <summary>
    /// What a loop asks unless its options say otherwise: on a simulated loop the names of its world
    /// (<see cref="Simulation.SimulatedNames"/>), else the system's resolver. That one blocks a thread, and has at most 16 of
    /// them in the process, which are its own: work that fills the thread pool does not delay it. For resolvers that wrap
    /// another; it belongs to no loop.
    /// </summary>
    public static NameResolver Default { get; } = new LoopResolver();

    /// <summary>Finds the addresses of a name. Called on the loop's thread, which it must not block, in the caller's
    /// scope.</summary>
    /// <param name="host">The name, checked: no NUL, no address, at most 253 characters.</param>
    /// <param name="cancellationToken">
    /// Nobody waits any more, for whatever reason. It may be cancelled on any thread; heeding it saves work, and is not needed to
    /// give up.
    /// </param>
    /// <returns>
    /// The addresses in the order of preference; addresses of other families than IPv4 and IPv6 are left out. None says that
    /// there is no such name.
    /// </returns>
    /// <exception cref="System.Net.Sockets.SocketException">
    /// There is no such name, or it could not be resolved: a fault of the network's, which <c>ConnectFailedException</c> then has
    /// as its cause. All else that is thrown comes out of the call that has asked, as it is; except that a cancellation that
    /// nobody has asked for, such as that of an HTTP client whose time is over, comes out in a <see cref="TimeoutException"/>.
    /// </exception>
    public abstract ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken);

    private sealed class LoopResolver : NameResolver
    {
        public override async ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken)
        {
            ArgumentNullException.ThrowIfNull(host);
            return await EventLoop.Current.Host.LookUpAsync(host, cancellationToken);
        }
    }
}
