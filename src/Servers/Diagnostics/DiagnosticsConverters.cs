using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Toolkit;

/// <summary>Writes, and does not read.</summary>
internal abstract class WritingConverter<T> : JsonConverter<T>
{
    public sealed override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => throw new NotSupportedException("Diagnostics are written here, and read elsewhere.");
}

/// <summary><c>127.0.0.1:80</c>, <c>[::1]:80</c>, <c>unix:/run/socket</c>, as datagrams' addresses are written.</summary>
internal sealed class EndPointConverter : WritingConverter<EndPoint>
{
    public override void Write(Utf8JsonWriter writer, EndPoint value, JsonSerializerOptions options)
        => writer.WriteStringValue(value is UnixDomainSocketEndPoint ? $"unix:{value}" : value.ToString());
}

/// <summary>A time in seconds.</summary>
internal sealed class SecondsConverter : WritingConverter<TimeSpan>
{
    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options)
        => writer.WriteNumberValue(value.TotalSeconds);
}

/// <summary>A version of TLS as people write it.</summary>
[SuppressMessage(
    "Security", "CA5398:Avoid hardcoded SslProtocols values", Justification = "It says what was agreed on, and chooses nothing.")]
internal sealed class TlsProtocolConverter : WritingConverter<SslProtocols>
{
    public override void Write(Utf8JsonWriter writer, SslProtocols value, JsonSerializerOptions options)
        => writer.WriteStringValue(value switch
        {
            SslProtocols.None => "TLS",
            SslProtocols.Tls12 => "TLS 1.2",
            SslProtocols.Tls13 => "TLS 1.3",
            _ => value.ToString(),
        });
}

/// <summary>An enumeration by its words, with a small first letter.</summary>
internal sealed class WordConverter<TEnum>() : JsonStringEnumConverter<TEnum>(JsonNamingPolicy.CamelCase)
    where TEnum : struct, Enum;
