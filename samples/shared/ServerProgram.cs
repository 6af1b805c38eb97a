using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Toolkit.Samples;

/// <summary>
/// A server as a program: it says where it listens, drains at the first signal and aborts at the second, and its errors are one
/// line on standard error and an exit code. SIGQUIT shows who waits for what.
/// </summary>
internal static class ServerProgram
{
    private static readonly TimeSpan s_drainTime = TimeSpan.FromSeconds(5);

    /// <summary>The sockets that the process was started with.</summary>
    /// <exception cref="AdoptFailedException">There are none, or something else.</exception>
    public static IReadOnlyList<Socket> InheritedSockets() => SocketActivation.TakeSockets() is { Count: > 0 } sockets
        ? [.. sockets.Select(socket => socket.Socket)]
        : throw new AdoptFailedException(SocketError.NotSocket, "No sockets were passed. Start this by a systemd socket unit.");

    /// <summary>Serves until a signal.</summary>
    /// <param name="kind">The kind of loop.</param>
    /// <param name="listen">Makes the server.</param>
    /// <param name="drain">Ends the server within the time that it is given; null for <see cref="Server.DrainAsync"/>.</param>
    /// <param name="diagnostics">Where to tell what the process does; null for nowhere.</param>
    /// <returns>The exit code: 0 for a drain, 1 for an abort or when it cannot be.</returns>
    public static int Run(
        LoopKind kind,
        Func<EventLoop, Task<Server>> listen,
        Func<Server, TimeSpan, Task>? drain = null,
        string? diagnostics = null)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddSimpleConsole().AddConsole(
            console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        try
        {
            return EventLoop.Run(
                loop => ServeAsync(loop, listen, drain ?? (static (server, time) => server.DrainAsync(time)), diagnostics),
                new EventLoopOptions { Kind = kind, LoggerFactory = loggers, TaskDumpOnQuit = Console.Error });
        }
        catch (Exception exception) when (exception
            is BackendUnavailableException or BackendFailedException or ListenFailedException or AdoptFailedException
            or TlsCertificateException or ArgumentException or NotSupportedException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    private static async Task<int> ServeAsync(
        EventLoop loop, Func<EventLoop, Task<Server>> listen, Func<Server, TimeSpan, Task> drain, string? diagnostics)
    {
        await using DiagnosticsServer? telling = diagnostics is null ? null : await loop.ServeDiagnosticsAsync(diagnostics);
        Server server = await listen(loop);
        foreach (ServiceAddress address in server.Addresses)
        {
            Console.Out.WriteLine($"listening on {address} with {loop.BackendName}, pid {Environment.ProcessId}");
        }

        int signals = 0;
        Task? drained = null;
        void OnSignal()
        {
            signals++;
            if (signals == 1)
            {
                drained = drain(server, s_drainTime);
            }
            else
            {
                server.AbortConnections();
            }
        }

        void Post(PosixSignalContext context)
        {
            context.Cancel = true; // the process ends when the server has
            loop.CallSoonThreadSafe(OnSignal);
        }

        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Post);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Post);
        await server.WaitClosedAsync();
        await drained!;
        return signals > 1 ? 1 : 0;
    }
}
