using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Layers;

public sealed class TrafficLoggingLayerTests
{
    [Fact]
    public void Lines_OfAConnection_TellItsStory() => MemoryLoop.Run(async loop =>
    {
        using var log = new MemoryLoggerFactory();
        var options = new TrafficLoggingOptions { Level = LogLevel.Trace, ByteLimit = 8 };
        var protocol = new RecordingProtocol { OnMade = p => p.Transport.Write("one\r\ntwo\u202e"u8) };
        protocol.OnData = (p, _) => p.Transport.Close(new ConnectionException(CloseReason.InvalidData, "a\nb"));
        var peer = new RecordingProtocol { OnData = (p, _) => p.Transport.Write("x"u8) };
        MemoryConnection connection = await MemoryConnection.CreateAsync(
            loop, new TrafficLoggingLayer(protocol, options, log.CreateLogger("mine")), peer);
        await protocol.Lost;
        await peer.Lost;

        string id = $"#{connection.First.Id} ";
        Assert.Equal(
            [
                id + "made 192.0.2.1:50000 to 192.0.2.2:80",
                id + @"> 11 ""one\r\ntwo""...",
                id + @"< 1 ""x""",
                id + @"close: a\nb",
                id + @"lost InvalidData: a\nb",
            ],
            log.Lines.Select(line => line.Text));
        Assert.All(log.Lines, line => Assert.Equal((LogLevel.Trace, "mine"), (line.Level, line.Category)));
    });

    [Fact]
    public void Bytes_InHexadecimal_AreInGroups() => MemoryLoop.Run(async loop =>
    {
        using var log = new MemoryLoggerFactory();
        var options = new TrafficLoggingOptions { Format = TrafficFormat.Hex, ByteLimit = 20 };
        var protocol = new RecordingProtocol();
        await MemoryConnection.CreateAsync(
            loop, new TrafficLoggingLayer(protocol, options, log.CreateLogger("mine")), new RecordingProtocol());
        protocol.Transport.Write([.. Enumerable.Range(0, 21).Select(i => (byte)i)]);
        protocol.Transport.WriteVectored([new byte[] { 0xAB }, new byte[] { 0xCD }]);

        Assert.EndsWith(
            "> 21 000102030405060708090A0B0C0D0E0F 10111213...", log.Lines.ElementAt(1).Text, StringComparison.Ordinal);
        Assert.EndsWith("> 2 ABCD", log.Lines.ElementAt(2).Text, StringComparison.Ordinal);
        Assert.Equal(LogLevel.Debug, log.Lines.ElementAt(1).Level);
    });

    [Fact]
    public void LevelThatIsOff_NothingIsFormatted() => MemoryLoop.Run(async loop =>
    {
        using var log = new MemoryLoggerFactory();
        var off = new TrafficLoggingOptions { Level = LogLevel.None };
        StreamProtocol[] layers =
        [
            new TrafficLoggingLayer(new RecordingProtocol(), off, log.CreateLogger("mine")),
            new TrafficLoggingLayer(new RecordingProtocol(), logger: NullLogger.Instance),
            new TrafficLoggingLayer(new RecordingProtocol()), // a loop that logs nothing
        ];
        foreach (StreamProtocol layer in layers)
        {
            var peer = new RecordingProtocol { OnMade = p => p.Transport.Write("hello"u8) };
            await MemoryConnection.CreateAsync(loop, layer, peer);
            peer.Transport.Close();
            await peer.Lost;
        }

        Assert.Empty(log.Lines);
    });

    [Fact]
    public void Create_MistakesOfTheCaller_AreNamed()
    {
        Assert.Throws<ArgumentNullException>("protocol", () => new TrafficLoggingLayer(null!));
        RequireRange("ByteLimit", new TrafficLoggingOptions { ByteLimit = -1 });
        RequireRange("Format", new TrafficLoggingOptions { Format = (TrafficFormat)9 });
        RequireRange("Level", new TrafficLoggingOptions { Level = (LogLevel)9 });

        static void RequireRange(string name, TrafficLoggingOptions options) => Assert.Throws<ArgumentOutOfRangeException>(
            name, () => new TrafficLoggingLayer(new RecordingProtocol(), options));
    }
}
