using System.Text;
using Microsoft.Extensions.Logging;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// Logs what passes a connection: bytes received, written and given back with their count, and callbacks and calls by a word, as
/// <see cref="Simulation.WireTap"/> has them.
/// </summary>
/// <remarks>
/// Give it to the connection instead of the protocol: <c>() =&gt; new TrafficLoggingLayer(new Echo())</c>. It logs in the
/// category <c>Toolkit.Traffic</c>, with the number of the connection (<see cref="Transport.Id"/>). While the level is off,
/// nothing is formatted and nothing allocated. What a peer has sent is escaped, so that it cannot forge lines; but a log of
/// traffic has in it what the protocol says, passwords too.
/// </remarks>
public sealed partial class TrafficLoggingLayer : TrafficLayer
{
    private const string LogCategory = "Toolkit.Traffic";
    private const int BytesPerGroup = 16;

    private readonly TrafficLoggingOptions _options;
    private ILogger? _logger;

    /// <summary>Makes a layer for one connection.</summary>
    /// <param name="protocol">The protocol, which has no connection yet.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="logger">Where to log; null for the loop's <see cref="EventLoopOptions.LoggerFactory"/>.</param>
    /// <exception cref="ArgumentNullException">The protocol is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public TrafficLoggingLayer(StreamProtocol protocol, TrafficLoggingOptions? options = null, ILogger? logger = null)
        : base(protocol)
    {
        _options = options ?? TrafficLoggingOptions.Default;
        _options.Validate();
        _logger = logger;
    }

    /// <inheritdoc/>
    private protected override bool IsOn
        => _options.Level != LogLevel.None && (_logger ??= Loop.Host.CreateLogger(LogCategory)).IsEnabled(_options.Level);

    /// <inheritdoc/>
    private protected override void Note(string what)
    {
        if (IsOn)
        {
            string escaped = LogText.Escape(what);
            Happened(_logger!, _options.Level, Transport.Id, escaped);
        }
    }

    /// <inheritdoc/>
    private protected override void NoteBytes(char direction, ReadOnlySpan<byte> data)
    {
        if (IsOn)
        {
            Passed(
                _logger!,
                _options.Level,
                Transport.Id,
                direction,
                data.Length,
                _options.Format == TrafficFormat.Hex ? Dump(data, _options.ByteLimit) : Quote(data, _options.ByteLimit));
        }
    }

    private static string Dump(ReadOnlySpan<byte> data, int limit)
    {
        ReadOnlySpan<byte> shown = data[..Math.Min(limit, data.Length)];
        var text = new StringBuilder((shown.Length * 2) + (shown.Length / BytesPerGroup) + 3);
        for (int i = 0; i < shown.Length; i += BytesPerGroup)
        {
            text.Append(i == 0 ? "" : " ");
            text.Append(Convert.ToHexString(shown[i..Math.Min(i + BytesPerGroup, shown.Length)]));
        }

        return text.Append(shown.Length < data.Length ? "..." : "").ToString();
    }

    [LoggerMessage(EventId = 1, EventName = "ConnectionEvent", Message = "#{ConnectionId} {What}", SkipEnabledCheck = true)]
    private static partial void Happened(ILogger logger, LogLevel level, long connectionId, string what);

    [LoggerMessage(
        EventId = 2,
        EventName = "Traffic",
        Message = "#{ConnectionId} {Direction} {Count} {Bytes}",
        SkipEnabledCheck = true)]
    private static partial void Passed(
        ILogger logger, LogLevel level, long connectionId, char direction, int count, string bytes);
}
