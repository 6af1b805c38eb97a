using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Toolkit.Samples.Echo;

/// <summary>
/// Answers each datagram with itself, and so nobody with more than they have sent: an address may be forged, and whoever has it
/// is not to be flooded by us. What the clients' side does not take is dropped, and counted.
/// </summary>
internal sealed class EchoDatagrams : DatagramProtocol
{
    private readonly TaskCompletionSource<Exception?> _lost = new();

    /// <summary>Serves until a signal, with the output and the exit codes of <see cref="ServerProgram"/>.</summary>
    public static int Serve(LoopKind kind, ServiceAddress? address, string host, int port, string? diagnostics)
    {
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.AddSimpleConsole().AddConsole(
            console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        try
        {
            return EventLoop.Run(
                loop => ServeAsync(loop, address ?? new UdpAddress(host, port), diagnostics),
                new EventLoopOptions { Kind = kind, LoggerFactory = loggers, TaskDumpOnQuit = Console.Error });
        }
        catch (Exception exception) when (exception
            is BackendUnavailableException or BackendFailedException or DatagramEndpointFailedException or ListenFailedException
            or ArgumentException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    public override void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
    {
        if (from.Port != 0)
        {
            Transport.SendTo(data, from);
        }
    }

    public override void ConnectionLost(Exception? reason) => _lost.TrySetResult(reason);

    private static async Task<int> ServeAsync(EventLoop loop, ServiceAddress address, string? diagnostics)
    {
        await using DiagnosticsServer? telling = diagnostics is null ? null : await loop.ServeDiagnosticsAsync(diagnostics);
        (DatagramTransport transport, EchoDatagrams echo) = await loop.CreateDatagramEndpointAsync(
            () => new EchoDatagrams(), local: address);
        Console.Out.WriteLine(
            $"listening on udp://{transport.LocalEndPoint} with {loop.BackendName}, pid {Environment.ProcessId}");

        int signals = 0;
        void OnSignal()
        {
            signals++;
            if (signals == 1)
            {
                transport.Close();
            }
            else
            {
                transport.Abort();
            }
        }

        void Post(PosixSignalContext context)
        {
            context.Cancel = true; // the process ends when the end point has
            loop.CallSoonThreadSafe(OnSignal);
        }

        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Post);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Post);
        await echo._lost.Task;
        return signals > 1 ? 1 : 0;
    }
}
