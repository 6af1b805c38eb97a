using System.IO.Pipes;
using System.Net.Sockets;
using Toolkit.Backends;
using Toolkit.Simulation;

namespace Toolkit.Transports;

/// <summary>Connecting to a named pipe by .NET, where it is no Unix socket.</summary>
internal static class NamedPipeConnecting
{
    /// <summary>Waits until the pipe is there and has taken us, for as long as connecting may take.</summary>
    /// <exception cref="ConnectFailedException">The time is over, or we may not.</exception>
    /// <exception cref="NotSupportedException">The options have what no pipe has; or the loop is simulated.</exception>
    public static async Task<Connection<TProtocol>> ConnectAsync<TProtocol>(
        EventLoop loop,
        Func<TProtocol> factory,
        string name,
        ConnectOptions options,
        CancellationToken cancellationToken)
        where TProtocol : StreamProtocol
    {
        if (options.Tls is not null || options.MaxReceivedHandles > 0
            || options.LocalEndPoint is not null || options.AddressFilter is not null)
        {
            throw new NotSupportedException(
                "A named pipe of this system has no TLS, passes no handles, and has no addresses to connect from or to filter.");
        }

        if (SimulatedPrograms.IsFor(loop))
        {
            throw new NotSupportedException("A simulated loop takes no pipes of the machine's.");
        }

        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        var stream = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.Asynchronous);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int timeout = (int)Math.Min(options.BoundedTimeout.TotalMilliseconds, int.MaxValue); // more it does not take
        Task connecting = stream.ConnectAsync(timeout, end.Token);
        try
        {
            await connecting.InScope(cancellationToken);
        }
        catch (Exception exception)
        {
            // A scope may have ended the wait, of which .NET knows nothing, and the pipe is in use until it has heard of that.
            await end.CancelAsync();
            _ = connecting.ContinueWith(
                static (_, stream) => ((NamedPipeClientStream)stream!).Dispose(),
                stream,
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            SocketError? error = exception switch
            {
                TimeoutException => SocketError.TimedOut,
                UnauthorizedAccessException => SocketError.AccessDenied,
                IOException => SocketError.ConnectionRefused,
                _ => null,
            };
            if (error is { } failure)
            {
                throw new ConnectFailedException($"pipe:{name}", failure);
            }

            throw;
        }

        try
        {
            return await loop.ConnectPipeStreamAsync(factory, stream, new PipeTransportOptions
            {
                WriteLimits = options.Tcp.WriteLimits,
                LingerTime = options.Tcp.LingerTime,
            });
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }
}
