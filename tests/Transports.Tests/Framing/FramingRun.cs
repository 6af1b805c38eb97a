using System.Globalization;
using System.Text;
using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Framing;

/// <summary>What a protocol of frames makes of a stream of bytes: the ground of the tests of framing.</summary>
internal static class FramingRun
{
    /// <summary>
    /// Sends a stream through a connection, and its end, and waits for the end of the connection.
    /// </summary>
    /// <returns>What the protocol has recorded.</returns>
    public static async Task<List<string>> SendAsync(
        EventLoop loop, Framed framed, ReadOnlyMemory<byte> stream, Chunking? chunking = null)
    {
        var peer = new RecordingProtocol { OnMade = p => Send(p, stream), OnEof = _ => false };
        var options = new MemoryConnectionOptions { Chunking = chunking ?? Chunking.Whole };
        await MemoryConnection.CreateAsync(loop, peer, framed.Protocol, options);
        await framed.Lost;
        await peer.Lost;
        await MemoryLoop.UntilAsync(loop, () => loop.Host.ResidentCount == 0);
        peer.Grammar.Finish();
        peer.Grammar.ThrowIfViolated();
        return framed.Events;
    }

    /// <summary>The same stream with every cut, byte by byte, and at random: always the same.</summary>
    public static async Task RequireSameHoweverCutAsync(
        EventLoop loop, Func<Framed> factory, ReadOnlyMemory<byte> stream, IReadOnlyList<string> expected, ulong seed)
    {
        List<Chunking> cuts = [Chunking.Whole, Chunking.OneByte];
        cuts.AddRange(Enumerable.Range(0, 20).Select(i => Chunking.Random(seed + (ulong)i)));
        cuts.AddRange(Enumerable.Range(1, Math.Max(0, stream.Length - 1)).Select(place => Chunking.At(place)));
        foreach (Chunking cut in cuts)
        {
            List<string> events = await SendAsync(loop, factory(), stream, cut);
            Assert.True(
                expected.SequenceEqual(events),
                $"Cut {cut}: expected {string.Join(" | ", expected)}, got {string.Join(" | ", events)}");
        }
    }

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Describe(ReadOnlySpan<byte> frame)
        => frame.Length <= 40 ? Text(frame) : string.Create(CultureInfo.InvariantCulture, $"{frame.Length} bytes");

    private static void Send(RecordingProtocol peer, ReadOnlyMemory<byte> stream)
    {
        peer.Transport.WriteLimits = new WriteLimits(int.MaxValue, hardCap: null);
        peer.Transport.Write(stream.Span);
        peer.Transport.WriteEof();
    }
}

/// <summary>What is recorded of a protocol of frames, and what its callbacks do.</summary>
internal sealed class Framed
{
    private readonly TaskCompletionSource<Exception?> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Framed(Func<Framed, FramedProtocol> factory) => Protocol = factory(this);

    public FramedProtocol Protocol { get; }

    public Transport Transport => Protocol.Transport;

    public List<string> Events { get; } = [];

    /// <summary>Called with each frame, after it was recorded.</summary>
    public Action<Framed, string>? OnFrame { get; set; }

    public Task<Exception?> Lost => _lost.Task;

    public void Frame(ReadOnlySpan<byte> frame)
    {
        string text = FramingRun.Describe(frame);
        Events.Add(text);
        OnFrame?.Invoke(this, text);
    }

    public void End(Exception? reason)
    {
        Events.Add(reason switch
        {
            null => $"({Transport.CloseReason})",
            FramingException error => $"({error.Error})",
            _ => $"({reason.GetType().Name})",
        });
        _lost.SetResult(reason);
    }
}

internal sealed class Lines(Framed record, LineDelimiter? delimiter = null) : LineProtocol(delimiter ?? LineDelimiter.Newline)
{
    /// <summary>Whether a line that is too long is skipped.</summary>
    public bool Skips { get; init; }

    /// <summary>Called in raw mode.</summary>
    public RawAction? OnRaw { get; set; }

    public delegate void RawAction(Lines self, ReadOnlySpan<byte> data);

    public int UnfinishedLength => Unfinished.Length;

    public void GoRaw() => SetRawMode();

    public void GoLines(ReadOnlySpan<byte> rest = default) => SetLineMode(rest);

    public override void ConnectionLost(Exception? reason)
    {
        base.ConnectionLost(reason);
        record.End(reason);
    }

    protected override void LineReceived(ReadOnlySpan<byte> line) => record.Frame(line);

    protected override void RawDataReceived(ReadOnlySpan<byte> data)
    {
        if (OnRaw is null)
        {
            base.RawDataReceived(data);
        }

        OnRaw!(this, data);
    }

    protected override void LineTooLong(FramingException error)
    {
        if (Skips)
        {
            record.Events.Add("too long");
        }
        else
        {
            base.LineTooLong(error);
        }
    }
}

internal sealed class Prefixed(Framed record, LengthPrefix prefix = LengthPrefix.FourBytesBigEndian)
    : LengthPrefixedProtocol(prefix)
{
    public int UnfinishedLength => Unfinished.Length;

    public override void ConnectionLost(Exception? reason)
    {
        base.ConnectionLost(reason);
        record.End(reason);
    }

    protected override void FrameReceived(ReadOnlySpan<byte> frame) => record.Frame(frame);
}

internal sealed class Netstrings(Framed record) : NetstringProtocol
{
    public override void ConnectionLost(Exception? reason)
    {
        base.ConnectionLost(reason);
        record.End(reason);
    }

    protected override void FrameReceived(ReadOnlySpan<byte> frame) => record.Frame(frame);
}
