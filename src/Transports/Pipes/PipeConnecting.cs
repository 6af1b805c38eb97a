using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What pipes and terminals add to a loop.</summary>
public static class PipeConnecting
{
    /// <param name="loop">The loop that the transport will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Reads from a pipe: a FIFO, an anonymous pipe, standard input, a terminal, or a socket that stands in for one. Loop
        /// thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// The transport only reads: <see cref="Transport.Write(ReadOnlySpan{byte})"/> throws, and
        /// <see cref="Transport.CanWriteEof"/> is false. When the last writer has closed,
        /// <see cref="StreamProtocol.EofReceived"/> and then <see cref="StreamProtocol.ConnectionLost"/> are called, whatever the
        /// former returns.
        /// </para>
        /// <para>
        /// The loop has a descriptor of its own and disposes <paramref name="pipe"/>, which closes it if it owns what it stands
        /// for: <c>Console.OpenStandardInputHandle()</c> does not. The blocking mode that other programs see stays as it is, or
        /// where the system does not allow that, is given back at the end.
        /// </para>
        /// <para>
        /// A simulated loop takes the ends of <c>SimulatedHost.CreatePipe</c>, and nothing of the machine's.
        /// </para>
        /// </remarks>
        /// <param name="factory">Makes the protocol; called once. For coroutines, <c>() => new StreamConnection()</c>.</param>
        /// <param name="pipe">What to read from, the loop's from success on.</param>
        /// <param name="options">How the transport behaves; null for the defaults.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="AdoptFailedException">It is a regular file, or closed, or was opened for writing; it is still the
        /// caller's.</exception>
        /// <exception cref="PlatformNotSupportedException">The system has no pipes that can be waited for; see
        /// <c>ConnectPipeStreamAsync</c>.</exception>
        /// <exception cref="NotSupportedException">The loop is simulated, and the pipe is the machine's.</exception>
        public Task<Connection<TProtocol>> ConnectReadPipeAsync<TProtocol>(
            Func<TProtocol> factory, SafeHandle pipe, PipeTransportOptions? options = null)
            where TProtocol : StreamProtocol
            => Connect(loop, factory, pipe, IoHandleKind.PipeReader, options);

        /// <summary>Writes to a pipe; otherwise as <c>ConnectReadPipeAsync</c>. Loop thread only.</summary>
        /// <remarks>
        /// The transport only writes. It notices that the last reader has closed, also while nothing is written:
        /// <see cref="StreamProtocol.ConnectionLost"/> is told nothing then, or, when bytes were on their way, that they are
        /// lost. <see cref="Transport.WriteEof"/> is a close, since there is no other direction.
        /// </remarks>
        /// <param name="factory">Makes the protocol; called once.</param>
        /// <param name="pipe">What to write to, the loop's from success on.</param>
        /// <param name="options">How the transport behaves; null for the defaults.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="AdoptFailedException">It is a regular file, or closed, or was opened for reading; it is still the
        /// caller's.</exception>
        /// <exception cref="PlatformNotSupportedException">The system has no pipes that can be waited for; see
        /// <c>ConnectPipeStreamAsync</c>.</exception>
        /// <exception cref="NotSupportedException">The loop is simulated, and the pipe is the machine's.</exception>
        public Task<Connection<TProtocol>> ConnectWritePipeAsync<TProtocol>(
            Func<TProtocol> factory, SafeHandle pipe, PipeTransportOptions? options = null)
            where TProtocol : StreamProtocol
            => Connect(loop, factory, pipe, IoHandleKind.PipeWriter, options);

        /// <summary>
        /// Reads from and writes to a terminal: the master of a <see cref="PseudoTerminal"/>, or a terminal that was opened for
        /// both. Otherwise as <c>ConnectReadPipeAsync</c>. Loop thread only.
        /// </summary>
        /// <remarks>
        /// No direction of a terminal ends alone: <see cref="Transport.CanWriteEof"/> is false. When the other side was closed,
        /// which the system reports as an input/output error, that is the end of the stream.
        /// </remarks>
        /// <param name="factory">Makes the protocol; called once.</param>
        /// <param name="terminal">The terminal, the loop's from success on.</param>
        /// <param name="options">How the transport behaves; null for the defaults.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="AdoptFailedException">It is no terminal, or closed, or was opened for one direction; it is still the
        /// caller's.</exception>
        /// <exception cref="PlatformNotSupportedException">The system has no terminals that can be waited for.</exception>
        /// <exception cref="NotSupportedException">The loop is simulated, and has no terminals.</exception>
        public Task<Connection<TProtocol>> ConnectTerminalAsync<TProtocol>(
            Func<TProtocol> factory, SafeHandle terminal, PipeTransportOptions? options = null)
            where TProtocol : StreamProtocol
            => Connect(loop, factory, terminal, IoHandleKind.Terminal, options);
    }

    /// <exception cref="AdoptFailedException">It is not what is wanted.</exception>
    /// <exception cref="NotSupportedException">The backend has no such thing.</exception>
    internal static IoHandle Adopt(EventLoop loop, SafeHandle file, IoHandleKind kind)
    {
        IoBackend backend = loop.Host.Backend;
        return backend.Adopt(file, kind, out SocketError error) ?? throw (error switch
        {
            SocketError.OperationNotSupported when !OperatingSystem.IsLinux() => new PlatformNotSupportedException(
                "Pipes and terminals can be waited for by their handles on Linux. Elsewhere, hand a NamedPipeServerStream, "
                + "NamedPipeClientStream or anonymous pipe to ConnectPipeStreamAsync, or let a thread read (RunInThreadAsync)."),
            SocketError.OperationNotSupported => new NotSupportedException(
                $"A loop with the {backend.Name} backend takes no pipes or terminals of the machine's. Use another kind of loop; "
                + "in a simulation, make a pipe by SimulatedHost.CreatePipe."),
            _ => new AdoptFailedException(error, $"The file cannot be used as a {Describe(kind)}: {Explain(error, kind)}."),
        });
    }

    private static Task<Connection<TProtocol>> Connect<TProtocol>(
        EventLoop loop, Func<TProtocol> factory, SafeHandle file, IoHandleKind kind, PipeTransportOptions? options)
        where TProtocol : StreamProtocol
    {
        ArgumentNullException.ThrowIfNull(factory);
        ArgumentNullException.ThrowIfNull(file);
        options ??= PipeTransportOptions.Default;
        options.Validate();
        loop.Host.VerifyRunning();
        try
        {
            CancelScope.ThrowIfCancelled();
            IoHandle handle = Adopt(loop, file, kind);
            file.Dispose();
            return Task.FromResult(TcpConnecting.MakeConnection(
                loop, factory, handle, options.ToConnectionOptions(), LoopHost.CaptureContext()));
        }
        catch (Exception exception)
        {
            return Task.FromException<Connection<TProtocol>>(exception);
        }
    }

    private static string Describe(IoHandleKind kind) => kind switch
    {
        IoHandleKind.PipeReader => "pipe to read from",
        IoHandleKind.PipeWriter => "pipe to write to",
        _ => "terminal",
    };

    private static string Explain(SocketError error, IoHandleKind kind) => error switch
    {
        SocketError.NotSocket => "it is closed",
        SocketError.SocketNotSupported =>
            "it is a regular file, or a device like one, which is always ready and blocks all the same. Use a FileStream",
        SocketError.InvalidArgument when kind == IoHandleKind.Terminal => "it is no terminal, or was opened for one direction",
        SocketError.InvalidArgument => "it was opened for the other direction",
        SocketError.TooManyOpenSockets => "the process has no descriptor to spare",
        _ => error.ToString(),
    };
}
