using System.Globalization;
using Toolkit.Backends;

namespace Toolkit.Simulation;

/// <summary>
/// Writes what passes a connection as text, for a human who looks for the reason of a failure. It stands between a transport
/// and the user's protocol, and neither of them notices.
/// </summary>
/// <remarks>
/// <para>
/// Give it to the connection instead of the protocol: <c>() =&gt; new WireTap(new Echo(), Console.Error)</c>. The protocol
/// gets a <see cref="StreamProtocol.Transport"/> that notes each call and passes it on. What is called on the transport behind
/// it, which is the one that <see cref="Connection{TProtocol}"/> names, goes past the tap. A line is written when a callback or
/// a call begins:
/// </para>
/// <code>
/// 12.000345 #7 made 127.0.0.1:8888 to 127.0.0.1:50123
/// 12.000391 #7 &lt; 5 "hello"
/// 12.000402 #7 &gt; 70000 "HELLO HELLO HELL"...
/// 12.000410 #7 paused
/// 12.010955 #7 resumed
/// 12.011020 #7 &lt; eof
/// 12.011031 #7 close
/// 12.011044 #7 lost LocalClose
/// </code>
/// <para>
/// That is the loop's time in seconds (<see cref="EventLoop.Time"/>), the transport's number, and what happens: bytes received
/// (&lt;), written (&gt;) and given back (-) with their count, and callbacks and calls by a word. Bytes that are no printable
/// ASCII are escaped as in C, so that a peer cannot forge lines. What a callback throws is noted, and goes on to the transport.
/// </para>
/// <para>
/// The contract is kept, as by every layer. <see cref="TrafficLoggingLayer"/> writes the same to a log.
/// </para>
/// </remarks>
public sealed class WireTap : TrafficLayer
{
    private TextWriter? _output;

    /// <summary>Makes a tap for one connection.</summary>
    /// <param name="protocol">The protocol, which has no connection yet.</param>
    /// <param name="output">
    /// Where lines are written, on the loop's thread, one call of <see cref="TextWriter.WriteLine(string)"/> for each. Neither
    /// flushed nor disposed. Taps of several loops need a synchronized one. When it throws, the loop's exception handler is
    /// told, and the tap is silent from there on.
    /// </param>
    public WireTap(StreamProtocol protocol, TextWriter output)
        : base(protocol)
    {
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
    }

    /// <summary>How many bytes of a piece of data are shown; 64 by default. The count before them is of all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int ByteLimit
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = 64;

    /// <summary>
    /// Whose time is written, by its <see cref="System.TimeProvider.GetTimestamp"/>; the loop's when null, the default.
    /// </summary>
    public TimeProvider? TimeProvider { get; init; }

    /// <inheritdoc/>
    private protected override bool IsOn => _output is not null;

    /// <inheritdoc/>
    private protected override void NoteBytes(char direction, ReadOnlySpan<byte> data)
    {
        if (IsOn)
        {
            Note(string.Create(CultureInfo.InvariantCulture, $"{direction} {data.Length} {Quote(data, ByteLimit)}"));
        }
    }

    /// <inheritdoc/>
    private protected override void Note(string what)
    {
        if (_output is null)
        {
            return;
        }

        TimeSpan time = (TimeProvider ?? Loop.TimeProvider).GetElapsedTime(0);
        string line = string.Create(
            CultureInfo.InvariantCulture, $"{time.TotalSeconds:F6} #{Transport.Id} {LogText.Escape(what)}");
        try
        {
            _output.WriteLine(line);
        }
        catch (Exception exception)
        {
            _output = null; // the connection must not end because nobody can write it down
            Loop.ReportError(new LoopError("A wire tap cannot write, and is silent from here on.", exception));
        }
    }
}
