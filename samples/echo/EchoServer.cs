using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Toolkit.Samples.Echo;

/// <summary>The server: from the command line to the exit code.</summary>
internal static class EchoServer
{
    private static readonly TimeSpan s_drainTime = TimeSpan.FromSeconds(5);

    public static int Run(string host, int port, LoopKind kind, EchoSettings settings, int? maxConnections)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddSimpleConsole().AddConsole(
            console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        try
        {
            return EventLoop.Run(
                loop => ServeAsync(loop, host, port, settings, new ServerOptions { MaxConnections = maxConnections }),
                new EventLoopOptions { Kind = kind, LoggerFactory = loggers });
        }
        catch (Exception exception) when (exception
            is BackendUnavailableException or BackendFailedException or ListenFailedException or ArgumentException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    private static async Task<int> ServeAsync(
        EventLoop loop, string host, int port, EchoSettings settings, ServerOptions options)
    {
        Server server = await loop.CreateServerAsync(() => EchoProtocol.Create(loop, settings), host, port, options);
        foreach (IPEndPoint endPoint in server.EndPoints)
        {
            Console.Out.WriteLine($"listening on tcp://{endPoint} with {loop.BackendName}, pid {Environment.ProcessId}");
        }

        int signals = 0;
        Task? drained = null;
        void OnSignal()
        {
            signals++;
            if (signals == 1)
            {
                drained = server.DrainAsync(s_drainTime);
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
