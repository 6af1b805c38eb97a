using System.Buffers;
using System.Net;
using System.Text.Json;

namespace Toolkit;

/// <summary>The code that answers are written by, before the first of them.</summary>
internal static class DiagnosticsWarmth
{
    private static readonly Lazy<bool> s_isWarm = new(WarmUp);

    /// <summary>
    /// Has it compiled on another thread: that takes a tenth of a second or more, once, and the loop of a busy server is not to
    /// stand still for as long just because somebody has come to look at it.
    /// </summary>
    public static Task WarmUpAsync(EventLoop loop)
        => s_isWarm.IsValueCreated ? Task.CompletedTask : loop.RunInThreadAsync(static () => s_isWarm.Value);

    private static bool WarmUp()
    {
        var end = new IPEndPoint(IPAddress.Loopback, 1);
        using var json = new Utf8JsonWriter(new ArrayBufferWriter<byte>());
        json.WriteStartArray();
        JsonSerializer.Serialize(json, new LoopCounters { BusyTime = TimeSpan.Zero }, DiagnosticsJson.Default.LoopCounters);
        JsonSerializer.Serialize(
            json,
            new TransportInfo { Kind = TransportKind.Tcp, State = TransportState.Open, LocalEndPoint = end },
            DiagnosticsJson.Default.TransportInfo);
        JsonSerializer.Serialize(
            json,
            new ServerInfo
            {
                EndPoints = [end],
                State = ServerState.Serving,
                Connections = 0,
                MaxConnections = null,
                Handshakes = 0,
                Accepted = 0,
                Shed = 0,
                Limited = 0,
                IsTls = false,
                IsDiagnostics = false,
            },
            DiagnosticsJson.Default.ServerInfo);
        JsonSerializer.Serialize(
            json,
            new TaskTreeEntry { Depth = 0, Kind = TaskTreeKind.Task, Waits = ["for it"] },
            DiagnosticsJson.Default.TaskTreeEntry);
        return true;
    }
}
