using System.Text.Json.Serialization;

namespace Toolkit.Samples.Top;

/// <summary>What a process has answered, as far as it is shown here; fields that are not known are passed over.</summary>
internal sealed record Answer
{
    public int? Toolkit { get; init; }

    public string? Error { get; init; }

    public int Process { get; init; }

    public DateTimeOffset Time { get; init; }

    public LoopAnswer[] Loops { get; init; } = [];
}

internal sealed record LoopAnswer
{
    public string Name { get; init; } = "";

    public string Backend { get; init; } = "";

    public string State { get; init; } = "";

    public DateTimeOffset? LastSeen { get; init; }

    public MetricsAnswer? Metrics { get; init; }

    public ServerAnswer[] Servers { get; init; } = [];

    public TransportAnswer[] Transports { get; init; } = [];

    public int TransportsLeftOut { get; init; }

    public TaskAnswer[] Tasks { get; init; } = [];

    public int TasksLeftOut { get; init; }

    public string[][] Circles { get; init; } = [];
}

/// <summary>The loop's numbers; times are in seconds.</summary>
internal sealed record MetricsAnswer
{
    public double Time { get; init; }

    public long Iterations { get; init; }

    public long Callbacks { get; init; }

    public long TimersFired { get; init; }

    public long Completions { get; init; }

    public long Errors { get; init; }

    public int ReadyCallbacks { get; init; }

    public int Timers { get; init; }

    public int ActiveTasks { get; init; }

    public long ActiveConnections { get; init; }

    public long BytesReceived { get; init; }

    public long BytesSent { get; init; }

    public double? BusyTime { get; init; }

    public double? LongestLag { get; init; }

    public double? LongestCallback { get; init; }

    public string? LongestCallbackName { get; init; }
}

internal sealed record ServerAnswer
{
    public string[] EndPoints { get; init; } = [];

    public string State { get; init; } = "";

    public int Connections { get; init; }

    public int? MaxConnections { get; init; }

    public int Handshakes { get; init; }

    public long Accepted { get; init; }

    public long Shed { get; init; }

    public long Limited { get; init; }

    public bool IsTls { get; init; }

    public bool IsDiagnostics { get; init; }
}

internal sealed record TransportAnswer
{
    public long? Id { get; init; }

    public string Kind { get; init; } = "";

    public string State { get; init; } = "";

    public string? LocalEndPoint { get; init; }

    public string? RemoteEndPoint { get; init; }

    public double Age { get; init; }

    public long BytesReceived { get; init; }

    public long BytesSent { get; init; }

    public long UnsentBytes { get; init; }

    public bool IsReadingPaused { get; init; }

    public bool IsWritingPaused { get; init; }

    public string? TlsProtocol { get; init; }

    public int? ProcessId { get; init; }

    public bool IsDiagnostics { get; init; }
}

internal sealed record TaskAnswer
{
    public int Depth { get; init; }

    public string Kind { get; init; } = "";

    public string? Name { get; init; }

    public string? Activity { get; init; }

    public int? TaskCount { get; init; }

    public bool IsCancelled { get; init; }

    public string[] Waits { get; init; } = [];
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Answer))]
internal sealed partial class AnswerJson : JsonSerializerContext;
