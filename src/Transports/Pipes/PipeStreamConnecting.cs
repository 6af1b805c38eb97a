using System.IO.Pipes;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Simulation;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>What the pipes of <c>System.IO.Pipes</c> add to a loop.</summary>
public static class PipeStreamConnecting
{
    /// <param name="loop">The loop that the transport will live on.</param>
    extension(EventLoop loop)
    {
        /// <summary>
        /// Makes a transport of a connected pipe of .NET's: a named pipe, in one or both directions, or an anonymous one. On
        /// every system, and on every kind of loop that is not simulated. Loop thread only.
        /// </summary>
        /// <remarks>
        /// <para>
        /// The directions are the stream's. One that is only read or only written behaves as that of <c>ConnectReadPipeAsync</c>
        /// or <c>ConnectWritePipeAsync</c>, but that its reader has closed is noticed by the next write, since .NET does not tell
        /// before. In a named pipe of both directions neither ends alone: <see cref="Transport.CanWriteEof"/> is false, and the
        /// peer's end is the end of the connection.
        /// </para>
        /// <para>
        /// .NET reads and writes, on its own threads, in pieces of at most 16 KiB that are told on the loop; on Linux the calls
        /// by handle are faster. On Windows open the pipe with <see cref="PipeOptions.Asynchronous"/>, or each read holds a
        /// thread.
        /// </para>
        /// </remarks>
        /// <param name="factory">Makes the protocol; called once. For coroutines, <c>() => new StreamConnection()</c>.</param>
        /// <param name="stream">
        /// The pipe, connected, on which nothing is in flight. It is the transport's from success on, and disposed with it:
        /// nobody else may use it. When the factory or <see cref="StreamProtocol.ConnectionMade"/> throws, it is disposed as
        /// well.
        /// </param>
        /// <param name="options">How the transport behaves; null for the defaults.</param>
        /// <returns>The transport and its protocol.</returns>
        /// <exception cref="AdoptFailedException">The stream is closed or not connected, or is one of messages; it is still the
        /// caller's.</exception>
        /// <exception cref="NotSupportedException">The loop is simulated, and the pipe is the machine's.</exception>
        public Task<Connection<TProtocol>> ConnectPipeStreamAsync<TProtocol>(
            Func<TProtocol> factory, PipeStream stream, PipeTransportOptions? options = null)
            where TProtocol : StreamProtocol
        {
            ArgumentNullException.ThrowIfNull(factory);
            ArgumentNullException.ThrowIfNull(stream);
            options ??= PipeTransportOptions.Default;
            options.Validate();
            loop.Host.VerifyRunning();
            try
            {
                CancelScope.ThrowIfCancelled();
                RequireUsable(loop, stream);
                StreamHandle handle = new StreamBackend(loop).Add(stream, KindOf(stream));
                return Task.FromResult(TcpConnecting.MakeConnection(
                    loop, factory, handle, options.ToConnectionOptions(), LoopHost.CaptureContext()));
            }
            catch (Exception exception)
            {
                return Task.FromException<Connection<TProtocol>>(exception);
            }
        }
    }

    private static IoHandleKind KindOf(PipeStream stream) => stream switch
    {
        { CanRead: true, CanWrite: true } => IoHandleKind.DuplexPipe,
        { CanRead: true } => IoHandleKind.PipeReader,
        _ => IoHandleKind.PipeWriter,
    };

    // A pipe has no property for it: CanRead stays as it was.
    private static bool IsClosed(PipeStream stream)
    {
        try
        {
            return stream.SafePipeHandle.IsClosed;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // it has none yet
        }
    }

    private static void RequireUsable(EventLoop loop, PipeStream stream)
    {
        if (SimulatedPrograms.IsFor(loop))
        {
            throw new NotSupportedException(
                "A simulated loop takes no pipes of the machine's. Use another kind of loop, or SimulatedHost.CreatePipe.");
        }

        if (!stream.IsConnected)
        {
            throw IsClosed(stream)
                ? new AdoptFailedException(SocketError.NotSocket, "The pipe cannot be used: it is closed.")
                : new AdoptFailedException(
                    SocketError.NotConnected,
                    "The pipe is not connected. First await ConnectAsync of a client, or WaitForConnectionAsync of a server.");
        }

        if (stream.TransmissionMode != PipeTransmissionMode.Byte)
        {
            throw new AdoptFailedException(
                SocketError.ProtocolType,
                "The pipe is one of messages, and a transport is a stream of bytes. Open it with PipeTransmissionMode.Byte.");
        }
    }
}
