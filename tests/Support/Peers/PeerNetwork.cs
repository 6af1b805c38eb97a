using System.Net;
using System.Net.Sockets;

namespace Toolkit.Tests;

/// <summary>
/// The network of a scenario, as its peers see it: that of the machine, or a simulated one. The loop under test is on the same
/// host. What it has made is closed with it.
/// </summary>
public abstract class PeerNetwork : IDisposable
{
    /// <summary>Begins to connect a peer; <see cref="Peer.Connected"/> says what comes of it, and nobody has to ask.</summary>
    public abstract Peer BeginConnect(IPEndPoint remote, PeerOptions? options = null);

    /// <summary>
    /// Connects a peer before anybody polls, which is possible where somebody listens and has room: the system answers, and the
    /// loop under test finds a newcomer in its queue.
    /// </summary>
    public abstract Peer ConnectNow(IPEndPoint remote, PeerOptions? options = null);

    /// <summary>The same, to the Unix socket at a path.</summary>
    public virtual Peer ConnectNow(UnixDomainSocketEndPoint remote, PeerOptions? options = null)
        => throw new NotSupportedException("This network has no paths.");

    /// <summary>Listens on a port of the system's choice of the IPv4 loopback address.</summary>
    /// <param name="backlog">How many may wait; Linux lets one more.</param>
    public abstract PeerListener Listen(int backlog = 128);

    /// <summary>Where nobody listens and nobody else can either: whoever connects to it is refused.</summary>
    /// <param name="address">The address; the IPv4 loopback address when null.</param>
    /// <param name="port">The port; zero for one of the system's choice.</param>
    public abstract IPEndPoint DeadEndPoint(IPAddress? address = null, int port = 0);

    /// <summary>Closes what was made here, the end points too.</summary>
    public abstract void Dispose();

    /// <summary>Connects a peer, which says nothing of its having been accepted.</summary>
    /// <exception cref="SocketException">Why it is not connected.</exception>
    public async Task<Peer> ConnectAsync(IPEndPoint remote, PeerOptions? options = null)
    {
        Peer peer = BeginConnect(remote, options);
        await peer.Connected;
        return peer;
    }

    /// <summary>
    /// A listener whose queue is full: the system drops what knocks, and it knocks again after a second at the earliest.
    /// </summary>
    public virtual async Task<IPEndPoint> SilentEndPointAsync()
    {
        IPEndPoint silent = Listen(backlog: 0).LocalEndPoint;
        await ConnectAsync(silent);
        for (int i = 0; i < 3; i++)
        {
            BeginConnect(silent);
        }

        return silent;
    }

    /// <summary>
    /// Runs a part of a peer's life beside the loop, on threads of its own where there are any, so that the two meet at moments
    /// of chance. Its awaits then do not come back to the loop, which nothing in it may touch.
    /// </summary>
    public virtual Task RunBesideAsync(Func<Task> life) => life();
}
