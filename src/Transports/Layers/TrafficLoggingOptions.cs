using Microsoft.Extensions.Logging;

namespace Toolkit;

/// <summary>How a <see cref="TrafficLoggingLayer"/> logs. Immutable: one object may serve many connections.</summary>
public sealed record TrafficLoggingOptions
{
    /// <summary>The defaults.</summary>
    public static TrafficLoggingOptions Default { get; } = new();

    /// <summary>At which level; <see cref="LogLevel.Debug"/> by default. <see cref="LogLevel.None"/> logs nothing.</summary>
    public LogLevel Level { get; init; } = LogLevel.Debug;

    /// <summary>How bytes are shown; as escaped text by default.</summary>
    public TrafficFormat Format { get; init; } = TrafficFormat.Text;

    /// <summary>How many bytes of a piece of data are shown; 64 by default. The count beside them is of all.</summary>
    public int ByteLimit { get; init; } = 64;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ByteLimit, nameof(ByteLimit));
        if (!Enum.IsDefined(Format))
        {
            throw new ArgumentOutOfRangeException(nameof(Format), Format, "There is no such format.");
        }

        if (!Enum.IsDefined(Level))
        {
            throw new ArgumentOutOfRangeException(nameof(Level), Level, "There is no such level.");
        }
    }
}

/// <summary>How bytes are shown in a log.</summary>
public enum TrafficFormat
{
    /// <summary>Between quotes, those that are no printable ASCII escaped as in C: for protocols of text.</summary>
    Text,

    /// <summary>In hexadecimal, two digits for a byte, sixteen bytes a group: for all others.</summary>
    Hex,
}
