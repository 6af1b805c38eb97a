using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What raw sockets add to a loop.</summary>
public static class SocketOpening
{
    /// <param name="loop">The loop that the socket will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Connects a stream socket to an address and port, or to the Unix socket at a path. A wait of the current scope. Loop
        /// thread only.
        /// </summary>
        /// <param name="remoteEndPoint">
        /// An <see cref="IPEndPoint"/> or <see cref="UnixDomainSocketEndPoint"/>. Names are resolved by <c>loop.ResolveAsync</c>.
        /// </param>
        /// <param name="options">Time-out, local end point and the socket's options, without TLS; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, and leaves nothing behind; so does the scope.</param>
        /// <exception cref="ArgumentException">The end point is of another kind; the options ask for TLS.</exception>
        /// <exception cref="ConnectFailedException">Nobody has answered; it says why.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public Task<LoopSocket> ConnectSocketAsync(
            EndPoint remoteEndPoint, ConnectOptions? options = null, CancellationToken cancellationToken = default)
        {
            ArgumentNullException.ThrowIfNull(remoteEndPoint);
            options ??= ConnectOptions.Default;
            options.Validate();
            if (options.Tls is not null)
            {
                throw new ArgumentException(
                    $"A raw socket carries bytes as they are. For TLS, use CreateConnectionAsync or OpenConnectionAsync.",
                    nameof(options));
            }

            switch (remoteEndPoint)
            {
                case IPEndPoint { Port: 0 }:
                    throw new ArgumentException("A port to connect to is 1 to 65535.", nameof(remoteEndPoint));
                case IPEndPoint ip:
                    loop.Host.VerifyRunning();
                    return OwnAsync(loop, TcpConnecting.ConnectHandleAsync(
                        loop,
                        ip.ToString(),
                        [ip],
                        options,
                        options.BoundedTimeout,
                        LoopHost.CaptureContext(),
                        cancellationToken));
                case UnixDomainSocketEndPoint unix:
                    UnixDomainSocketEndPoint path = UnixName.Parse(
                        unix.ToString(), options.AllowAbstractName, nameof(remoteEndPoint));
                    UnixConnecting.RequireNoAddresses(options);
                    loop.Host.VerifyRunning();
                    return OwnAsync(loop, UnixConnecting.ConnectHandleAsync(
                        loop, path, options, LoopHost.CaptureContext(), cancellationToken));
                default:
                    throw NewWrongEndPoint(remoteEndPoint, nameof(remoteEndPoint));
            }
        }

        /// <summary>
        /// Listens at an address and port, or at a path, where only the same user may connect (mode 0600). Loop thread only.
        /// </summary>
        /// <param name="localEndPoint">
        /// An <see cref="IPEndPoint"/>, whose port may be 0 for one of the system's choice; or a
        /// <see cref="UnixDomainSocketEndPoint"/> with a path. What a server that died has left behind at the path is replaced,
        /// and the path is removed when the socket is closed.
        /// </param>
        /// <param name="backlog">How many connections may wait to be accepted; the system may have a bound of its own.</param>
        /// <exception cref="ArgumentException">The end point is of another kind, or the path cannot be one.</exception>
        /// <exception cref="ArgumentOutOfRangeException">The backlog is not positive.</exception>
        /// <exception cref="LoopSocketException">The system does not let us; the message says why.</exception>
        public LoopSocket ListenSocket(EndPoint localEndPoint, int backlog = 512)
        {
            ArgumentNullException.ThrowIfNull(localEndPoint);
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(backlog);
            HandleSpec spec = localEndPoint switch
            {
                IPEndPoint => new HandleSpec { AddressFamily = localEndPoint.AddressFamily, ReuseAddress = true },
                UnixDomainSocketEndPoint => new HandleSpec
                {
                    AddressFamily = AddressFamily.Unix,
                    UnixMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                },
                _ => throw NewWrongEndPoint(localEndPoint, nameof(localEndPoint)),
            };
            if (localEndPoint is UnixDomainSocketEndPoint unix)
            {
                localEndPoint = PathOf(unix, nameof(localEndPoint));
            }

            loop.Host.VerifyRunning();
            IoHandle handle = loop.Host.Backend.Open(
                spec with { LocalEndPoint = localEndPoint, Backlog = backlog }, out SocketError error)
                ?? throw new LoopSocketException(
                    error, $"Cannot listen at {LogText.Escape($"{localEndPoint}")}: {Explain(error)}.");
            return Own(loop, handle, LoopSocketKind.Listener);
        }

        /// <summary>Makes a datagram socket: bound, connected to a peer, or both. Loop thread only.</summary>
        /// <param name="options">The addresses and the socket's options. Limits of queues are for end points, and mean nothing
        /// here.</param>
        /// <exception cref="ArgumentException">
        /// The options contradict each other or are out of range; the message says which.
        /// </exception>
        /// <exception cref="DatagramEndpointFailedException">The system does not let us; the message says why.</exception>
        public LoopSocket OpenDatagramSocket(DatagramOptions options)
        {
            ArgumentNullException.ThrowIfNull(options);
            options.Validate();
            loop.Host.VerifyRunning();
            return Own(loop, DatagramEndpoints.Open(loop, options), LoopSocketKind.Datagrams);
        }

        /// <summary>
        /// Takes over a socket of .NET's that was made elsewhere: a connection, one that listens, or one of datagrams; of IP or
        /// Unix. Loop thread only.
        /// </summary>
        /// <remarks>
        /// The loop makes a descriptor of its own and closes the socket, so whoever disposes it later does no harm. Nothing may
        /// be in flight on it. When this throws, the socket is still the caller's. A socket of another kind, or one that its
        /// library goes on using, is left to it and waited for by <c>loop.WatchReadable(socket.SafeHandle, ...)</c>.
        /// </remarks>
        /// <param name="socket">The socket, the loop's from success on.</param>
        /// <exception cref="AdoptFailedException">It is none of these, not connected, or closed; the message says what to
        /// do.</exception>
        /// <exception cref="NotSupportedException">The loop's kind has no sockets: it is simulated.</exception>
        public LoopSocket AdoptSocket(Socket socket)
        {
            ArgumentNullException.ThrowIfNull(socket);
            loop.Host.VerifyRunning();
            (IoHandle handle, LoopSocketKind kind) = SocketAdoption.AdoptAny(loop, socket);
            socket.Dispose();
            return Own(loop, handle, kind);
        }
    }

    private static async Task<LoopSocket> OwnAsync(EventLoop loop, Task<IoHandle> connecting)
        => Own(loop, await connecting, LoopSocketKind.Connection);

    private static LoopSocket Own(EventLoop loop, IoHandle handle, LoopSocketKind kind)
    {
        try
        {
            if (loop.Host.IsClosing)
            {
                CancelScope.ThrowIfCancelled(); // who is cancelled with the loop has not failed
            }

            loop.Host.VerifyRunning();
            return new LoopSocket(loop, handle, kind);
        }
        catch
        {
            handle.Backend.Release(handle, reset: true);
            throw;
        }
    }

    // An abstract name has no mode, so every user of the machine could connect.
    private static UnixDomainSocketEndPoint PathOf(UnixDomainSocketEndPoint endPoint, string parameter)
        => endPoint.ToString() is ['@', ..]
            ? throw new ArgumentException(
                "The name is an abstract one, which no mode protects: every user of the machine may connect to it. Use a path; "
                + "or, if it is meant, hand a Socket that listens there to AdoptSocket.",
                parameter)
            : UnixName.Parse(endPoint.ToString(), allowsAbstract: false, parameter);

    private static ArgumentException NewWrongEndPoint(EndPoint endPoint, string parameter) => new(
        $"The end point is a {endPoint.GetType().Name}. Use an IPEndPoint, of addresses that loop.ResolveAsync gives, or a "
        + "UnixDomainSocketEndPoint.",
        parameter);

    private static string Explain(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => "the address is in use",
        SocketError.NotSocket => "what is there is no socket, and is left alone",
        SocketError.AddressNotAvailable => "the address is not this machine's, or the directory does not exist",
        SocketError.AccessDenied => "the system does not allow it",
        SocketError.AddressFamilyNotSupported => "this loop has no such kind of address",
        SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
        _ => error.ToString(),
    };
}
