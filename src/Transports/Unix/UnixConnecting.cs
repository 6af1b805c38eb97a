using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What Unix sockets add to a loop: client connections within the machine.</summary>
public static class UnixConnecting
{
    // As many wait to be accepted as may. The system has no word for "there is room again".
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMilliseconds(100);

    /// <param name="loop">The loop that the connection will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Connects to the Unix stream socket at a path, as <c>CreateConnectionAsync</c> does to a port. When as many wait to be
        /// accepted as may, it tries again until its time is over. A wait of the current scope. Loop thread only.
        /// </summary>
        /// <param name="factory">Makes the protocol; called once, when there is a connection for it.</param>
        /// <param name="path">
        /// The path, of at most 107 bytes in UTF-8; an abstract name only with <see cref="ConnectOptions.AllowAbstractName"/>.
        /// </param>
        /// <param name="options">Time-out and the connection's options; null for the defaults. TLS needs a name for the server's
        /// certificate (<see cref="TlsClientOptions.TargetHost"/>).</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="ArgumentException">
        /// The path cannot be one; the options have an address to connect from, a filter of addresses, or TLS and no name.
        /// </exception>
        /// <exception cref="ConnectFailedException">
        /// Nothing is there (<see cref="SocketError.AddressNotAvailable"/>), nobody listens
        /// (<see cref="SocketError.ConnectionRefused"/>), we may not (<see cref="SocketError.AccessDenied"/>), or the time is
        /// over.
        /// </exception>
        /// <exception cref="TlsException">The TLS handshake has failed; the message says why.</exception>
        /// <exception cref="NotSupportedException">Handles are to be received, and the loop's kind cannot.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        /// <remarks>
        /// What <paramref name="factory"/> or <see cref="StreamProtocol.ConnectionMade"/> throws comes out of here too, with
        /// the connection aborted. A Unix socket has no reset: an abort looks like the end of the stream to a peer that has
        /// read all, and like a reset to one that has sent what was not read.
        /// </remarks>
        public Task<Connection<TProtocol>> CreateUnixConnectionAsync<TProtocol>(
            Func<TProtocol> factory,
            string path,
            ConnectOptions? options = null,
            CancellationToken cancellationToken = default)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            (UnixDomainSocketEndPoint remote, options) = Checked(loop, path, options);
            loop.Host.VerifyRunning();
            return ConnectTracing.TraceAsync(
                remote.ToString(), () => ConnectAsync(loop, factory, remote, options, cancellationToken));
        }

        /// <summary>
        /// Connects to the Unix stream socket at a path, as <c>CreateUnixConnectionAsync</c> does. Whoever opens a connection
        /// disposes it.
        /// </summary>
        /// <param name="path">The path.</param>
        /// <param name="options">Time-out and the connection's options; null for the defaults.</param>
        /// <param name="streamOptions">The limits of reading; null for the defaults.</param>
        /// <param name="cancellationToken">Gives up, at any point, and leaves nothing behind; so does the scope.</param>
        /// <exception cref="ArgumentException">The path cannot be one.</exception>
        /// <exception cref="ConnectFailedException">Nobody has answered.</exception>
        /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
        public async Task<StreamConnection> OpenUnixConnectionAsync(
            string path,
            ConnectOptions? options = null,
            StreamOptions? streamOptions = null,
            CancellationToken cancellationToken = default)
        {
            streamOptions?.Validate();
            Connection<StreamConnection> made = await loop.CreateUnixConnectionAsync(
                () => new StreamConnection(streamOptions), path, options, cancellationToken);
            return made.Protocol;
        }
    }

    /// <summary>The end point, and the options as they are used; throws unless both can be.</summary>
    internal static (UnixDomainSocketEndPoint Remote, ConnectOptions Options) Checked(
        EventLoop loop, string path, ConnectOptions? options)
    {
        options ??= ConnectOptions.Default;
        options.Validate();
        UnixDomainSocketEndPoint remote = UnixName.Parse(path, options.AllowAbstractName, nameof(path));
        RequireNoAddresses(options);
        if (options.Tls is { } tls)
        {
            options = options with { Tls = tls.For(host: null) };
        }

        if (options.MaxReceivedHandles > 0)
        {
            HandlePassing.Require(loop.Host.Backend);
        }

        return (remote, options);
    }

    /// <summary>Refuses what is about IP.</summary>
    /// <exception cref="ArgumentException">The options have an address to connect from, or a filter of addresses.</exception>
    internal static void RequireNoAddresses(ConnectOptions options)
    {
        if (options.LocalEndPoint is not null)
        {
            throw new ArgumentException(
                $"{nameof(ConnectOptions.LocalEndPoint)} is an address to connect from, and a Unix socket has none.",
                nameof(options));
        }

        if (options.AddressFilter is not null)
        {
            throw new ArgumentException(
                $"{nameof(ConnectOptions.AddressFilter)} is asked about IP addresses, and a Unix socket has none.",
                nameof(options));
        }
    }

    private static async Task<Connection<TProtocol>> ConnectAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        UnixDomainSocketEndPoint remote,
        ConnectOptions options,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        ExecutionContext? context = LoopHost.CaptureContext();
        IoHandle handle = await ConnectHandleAsync(loop, remote, options, context, cancellationToken);
        if (options.Tls is { } tls)
        {
            handle = await TlsConnect.HandshakeAsync(loop, handle, tls, context, cancellationToken);
        }

        return TcpConnecting.MakeConnection(loop, factory, handle, options.Tcp, context, options.MaxReceivedHandles);
    }

    /// <summary>Connects, and tries again for as long as there is no room in the queue; TLS is the caller's business.</summary>
    internal static async Task<IoHandle> ConnectHandleAsync(
        EventLoop loop,
        UnixDomainSocketEndPoint remote,
        ConnectOptions options,
        ExecutionContext? context,
        CancellationToken cancellationToken)
    {
        TimeSpan deadline = loop.Time + options.BoundedTimeout;
        TimeSpan pause = s_firstPause;
        while (true)
        {
            TimeSpan left = deadline - loop.Time;
            (IoHandle? handle, IReadOnlyList<ConnectFailure> failures) = await ConnectRace.RunAsync(
                loop,
                remote.ToString(),
                [remote],
                options,
                left > TimeSpan.Zero ? left : TimeSpan.Zero,
                context,
                cancellationToken);
            if (handle is not null)
            {
                return handle;
            }

            SocketError error = failures[0].Error.SocketErrorCode;
            left = deadline - loop.Time;
            if (error != SocketError.WouldBlock || left <= TimeSpan.Zero)
            {
                error = error == SocketError.WouldBlock ? SocketError.TimedOut : error;
                throw new ConnectFailedException(
                    remote.ToString(), [new ConnectFailure(remote, new SocketException((int)error))]);
            }

            await loop.Delay(pause < left ? pause : left, cancellationToken);
            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }
    }
}
