using System.Text.Json;
using System.Text.Json.Serialization;

namespace Toolkit;

/// <summary>
/// How what is told becomes JSON: names as in the types with a small first letter, times in seconds, and nothing where there is
/// nothing. What is no ASCII is escaped, and so are control characters.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Metadata,
    Converters =
    [
        typeof(EndPointConverter),
        typeof(SecondsConverter),
        typeof(TlsProtocolConverter),
        typeof(WordConverter<TransportKind>),
        typeof(WordConverter<TransportState>),
        typeof(WordConverter<ServerState>),
        typeof(WordConverter<TaskTreeKind>),
        typeof(WordConverter<TaskActivity>),
    ])]
[JsonSerializable(typeof(LoopCounters))]
[JsonSerializable(typeof(ServerInfo))]
[JsonSerializable(typeof(TransportInfo))]
[JsonSerializable(typeof(TaskTreeEntry))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class DiagnosticsJson : JsonSerializerContext;
