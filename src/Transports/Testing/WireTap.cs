using System.Globalization;
using System.Net;
using System.Text;
using Toolkit.Backends;
using Toolkit.Transports;

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
/// The contract is kept: order, threads, back-pressure, buffers of the protocol's own, and a protocol that is replaced, also by
/// one of the other kind. But a message of the loop's that names a protocol, such as that of a callback which threw, names the
/// tap.
/// </para>
/// </remarks>
public sealed class WireTap : BufferedProtocol
{
    private const int OwnBufferSize = 64 * 1024;

    private readonly StreamProtocol _protocol;
    private TextWriter? _output;
    private TappedTransport? _tapped;
    private byte[]? _ownBuffer;
    private Memory<byte> _lent;

    /// <summary>Makes a tap for one connection.</summary>
    /// <param name="protocol">The protocol, which has no connection yet.</param>
    /// <param name="output">
    /// Where lines are written, on the loop's thread, one call of <see cref="TextWriter.WriteLine(string)"/> for each. Neither
    /// flushed nor disposed. Taps of several loops need a synchronized one. When it throws, the loop's exception handler is
    /// told, and the tap is silent from there on.
    /// </param>
    public WireTap(StreamProtocol protocol, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        ArgumentNullException.ThrowIfNull(output);
        _protocol = protocol;
        _output = output;
    }

    /// <summary>The protocol behind the tap: the one it was made with, or what replaced it.</summary>
    public StreamProtocol Protocol => _tapped?.Protocol ?? _protocol;

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

    // Made with the first callback, which need not be ConnectionMade: a tap may replace another protocol.
    private TappedTransport Tapped => _tapped ??= new TappedTransport(this, Transport, _protocol);

    /// <inheritdoc/>
    public override void ConnectionMade()
    {
        Note($"made {Name(Tapped.LocalEndPoint)} to {Name(Tapped.RemoteEndPoint)}");
        Tell(static protocol => protocol.ConnectionMade(), nameof(ConnectionMade));
    }

    /// <inheritdoc/>
    public override Memory<byte> GetBuffer(int sizeHint)
    {
        StreamProtocol asked;
        do
        {
            asked = Tapped.Protocol;
            if (asked is BufferedProtocol)
            {
                Tell(protocol => _lent = ((BufferedProtocol)protocol).GetBuffer(sizeHint), nameof(GetBuffer));
            }
            else
            {
                _lent = _ownBuffer ??= new byte[OwnBufferSize];
            }
        }
        while (asked != Tapped.Protocol && Tapped.IsReading); // replaced within the call: what arrives is its successor's

        return _lent;
    }

    /// <inheritdoc/>
    public override void BufferUpdated(int count)
    {
        Memory<byte> data = _lent[..count];
        NoteBytes('<', data.Span);
        if (Tapped.Protocol is BufferedProtocol)
        {
            Tell(protocol => ((BufferedProtocol)protocol).BufferUpdated(count), nameof(BufferUpdated));
        }
        else
        {
            Tell(protocol => ((Toolkit.Protocol)protocol).DataReceived(data.Span), nameof(Toolkit.Protocol.DataReceived));
        }
    }

    /// <inheritdoc/>
    public override bool EofReceived()
    {
        Note("< eof");
        bool keepOpen = false;
        Tell(protocol => keepOpen = protocol.EofReceived(), nameof(EofReceived));
        return keepOpen;
    }

    /// <inheritdoc/>
    public override void PauseWriting()
    {
        Note("paused");
        Tell(static protocol => protocol.PauseWriting(), nameof(PauseWriting));
    }

    /// <inheritdoc/>
    public override void ResumeWriting()
    {
        Note("resumed");
        Tell(static protocol => protocol.ResumeWriting(), nameof(ResumeWriting));
    }

    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason)
    {
        string what = reason is null ? "" : $": {reason.Message}";
        Note($"lost {Tapped.CloseReason}{what}");
        Tell(protocol => protocol.ConnectionLost(reason), nameof(ConnectionLost));
    }

    private static string Name(EndPoint? endPoint) => endPoint?.ToString() ?? "nowhere";

    private static void AppendEscaped(StringBuilder line, ReadOnlySpan<byte> data)
    {
        foreach (byte value in data)
        {
            _ = value switch
            {
                (byte)'\r' => line.Append(@"\r"),
                (byte)'\n' => line.Append(@"\n"),
                (byte)'\t' => line.Append(@"\t"),
                (byte)'"' => line.Append(@"\"""),
                (byte)'\\' => line.Append(@"\\"),
                >= (byte)' ' and <= (byte)'~' => line.Append((char)value),
                _ => line.Append(CultureInfo.InvariantCulture, $@"\x{value:x2}"),
            };
        }
    }

    private void Tell(Action<StreamProtocol> call, string member)
    {
        try
        {
            call(Tapped.Protocol);
        }
        catch (Exception exception)
        {
            NoteThrown(member, exception);
            throw;
        }
    }

    private void NoteThrown(string member, Exception exception)
        => Note($"{member} threw {exception.GetType().Name}: {exception.Message}");

    private void NoteBytes(char direction, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<byte> shown = data[..Math.Min(ByteLimit, data.Length)];
        var line = new StringBuilder(shown.Length + 16);
        line.Append(CultureInfo.InvariantCulture, $"{direction} {data.Length} \"");
        AppendEscaped(line, shown);
        line.Append(shown.Length < data.Length ? "\"..." : "\"");
        Note(line.ToString());
    }

    // What is written as it stands came from elsewhere in part: a message, an address.
    private void Note(string what)
    {
        if (_output is null)
        {
            return;
        }

        TimeSpan time = (TimeProvider ?? Tapped.Loop.TimeProvider).GetElapsedTime(0);
        string line = string.Create(
            CultureInfo.InvariantCulture, $"{time.TotalSeconds:F6} #{Transport.Id} {LogText.Escape(what)}");
        try
        {
            _output.WriteLine(line);
        }
        catch (Exception exception)
        {
            _output = null; // the connection must not end because nobody can write it down
            Tapped.Loop.ReportError(new LoopError("A wire tap cannot write, and is silent from here on.", exception));
        }
    }

    /// <summary>The transport that the tapped protocol sees: it notes what it is asked for, and has the other do it.</summary>
    private sealed class TappedTransport : Transport, ITlsTransport, IClosingTransport
    {
        private readonly WireTap _tap;
        private readonly Transport _transport;

        public TappedTransport(WireTap tap, Transport transport, StreamProtocol protocol)
            : base(protocol)
        {
            _tap = tap;
            _transport = transport;
            BindProtocol();
        }

        public EventLoop Loop { get; } = EventLoop.Current;

        public override long Id => _transport.Id;

        public override DateTimeOffset StartTime => _transport.StartTime;

        public override EndPoint? LocalEndPoint => _transport.LocalEndPoint;

        public override EndPoint? RemoteEndPoint => _transport.RemoteEndPoint;

        public override long BytesReceived => _transport.BytesReceived;

        public override long BytesSent => _transport.BytesSent;

        public override long UnsentBytes => _transport.UnsentBytes;

        public override object? UserState
        {
            get => _transport.UserState;
            set => _transport.UserState = value;
        }

        public override bool IsClosing => _transport.IsClosing;

        public override CloseReason CloseReason => _transport.CloseReason;

        public override bool IsReading => _transport.IsReading;

        public override bool CanWriteEof => _transport.CanWriteEof;

        public override WriteLimits WriteLimits
        {
            get => _transport.WriteLimits;
            set => _transport.WriteLimits = value;
        }

        public override WriteStatus Write(ReadOnlySpan<byte> data)
        {
            VerifyAccess();
            _tap.NoteBytes('>', data);
            try
            {
                return Noted(_transport.Write(data));
            }
            catch (Exception exception)
            {
                _tap.NoteThrown(nameof(Write), exception);
                throw;
            }
        }

        public override WriteStatus WriteVectored(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
        {
            VerifyAccess();
            _tap.NoteBytes('>', Joined(buffers));
            try
            {
                return Noted(_transport.WriteVectored(buffers));
            }
            catch (Exception exception)
            {
                _tap.NoteThrown(nameof(WriteVectored), exception);
                throw;
            }
        }

        public override void WriteEof() => Pass("> eof", static transport => transport.WriteEof(), nameof(WriteEof));

        TlsConnectionInfo? ITlsTransport.Tls => _transport.Tls;

        ValueTask<Exception?> IClosingTransport.WaitClosedAsync(CancellationToken cancellationToken)
            => _transport.WaitClosedAsync(cancellationToken);

        public Task StartTlsAsync(TlsOptions options, CancellationToken cancellationToken)
        {
            VerifyAccess();
            _tap.Note("start tls");
            ITlsTransport upgradable = _transport as ITlsTransport
                ?? throw new NotSupportedException($"{_transport.GetType().Name} is no transport that can go on with TLS.");
            return upgradable.StartTlsAsync(options, cancellationToken);
        }

        public override void PauseReading()
            => Pass("pause reading", static transport => transport.PauseReading(), nameof(PauseReading));

        public override void ResumeReading()
            => Pass("resume reading", static transport => transport.ResumeReading(), nameof(ResumeReading));

        public override void Unread(ReadOnlySpan<byte> data)
        {
            VerifyAccess();
            _tap.NoteBytes('-', data);
            try
            {
                _transport.Unread(data);
            }
            catch (Exception exception)
            {
                _tap.NoteThrown(nameof(Unread), exception);
                throw;
            }
        }

        public override void Close() => Pass("close", static transport => transport.Close(), nameof(Close));

        public override void Close(ConnectionException reason)
            => Pass($"close: {reason?.Message}", transport => transport.Close(reason!), nameof(Close));

        public override void Abort() => Pass("abort", static transport => transport.Abort(), nameof(Abort));

        public override void Abort(ConnectionException reason)
            => Pass($"abort: {reason?.Message}", transport => transport.Abort(reason!), nameof(Abort));

        protected override void VerifyAccess() => Loop.VerifyAccess();

        private static byte[] Joined(ReadOnlySpan<ReadOnlyMemory<byte>> buffers)
        {
            using var joined = new MemoryStream();
            foreach (ReadOnlyMemory<byte> buffer in buffers)
            {
                joined.Write(buffer.Span);
            }

            return joined.ToArray();
        }

        private void Pass(string word, Action<Transport> call, string member)
        {
            VerifyAccess();
            _tap.Note(word);
            try
            {
                call(_transport);
            }
            catch (Exception exception)
            {
                _tap.NoteThrown(member, exception);
                throw;
            }
        }

        private WriteStatus Noted(WriteStatus status)
        {
            if (status == WriteStatus.Closed)
            {
                _tap.Note("> refused, it is closing");
            }

            return status;
        }
    }
}
