namespace Toolkit.Samples.Echo;

/// <summary>How the server is written: as a protocol of either kind, or as a coroutine.</summary>
internal enum EchoStyle
{
    Protocol,
    Buffered,
    Stream,
}

/// <summary>How the server echoes.</summary>
internal sealed record EchoSettings
{
    public EchoStyle Style { get; init; }

    /// <summary>Line by line; of streams alone.</summary>
    public bool Lines { get; init; }

    public int? FrameSize { get; init; }

    public bool IgnoreBackpressure { get; init; }

    public TimeSpan? IdleTimeout { get; init; }
}

/// <summary>Echoes what it is handed. Its idle timer is one object, moved on by each arrival.</summary>
internal sealed class EchoProtocol(EventLoop loop, EchoSettings settings) : Protocol
{
    private readonly Echoer _echoer = new(loop, settings);

    public static StreamProtocol Create(EventLoop loop, EchoSettings settings)
        => settings.Style == EchoStyle.Buffered ? new BufferedEchoProtocol(loop, settings) : new EchoProtocol(loop, settings);

    public override void ConnectionMade() => _echoer.Begin(Transport);

    public override void DataReceived(ReadOnlySpan<byte> data) => _echoer.Echo(data);

    public override void PauseWriting() => _echoer.PauseWriting();

    public override void ResumeWriting() => _echoer.ResumeWriting();

    public override void ConnectionLost(Exception? reason) => _echoer.End();
}

/// <summary>Echoes from a buffer of its own, which the bytes are received into.</summary>
internal sealed class BufferedEchoProtocol(EventLoop loop, EchoSettings settings) : BufferedProtocol
{
    private const int BufferSize = 16 * 1024;

    private readonly Echoer _echoer = new(loop, settings);
    private readonly byte[] _buffer = new byte[BufferSize];

    public override void ConnectionMade() => _echoer.Begin(Transport);

    public override Memory<byte> GetBuffer(int sizeHint) => _buffer;

    public override void BufferUpdated(int count) => _echoer.Echo(_buffer.AsSpan(0, count));

    public override void PauseWriting() => _echoer.PauseWriting();

    public override void ResumeWriting() => _echoer.ResumeWriting();

    public override void ConnectionLost(Exception? reason) => _echoer.End();
}

/// <summary>What both styles do with the bytes.</summary>
internal sealed class Echoer(EventLoop loop, EchoSettings settings)
{
    private readonly byte[] _frame = new byte[settings.FrameSize ?? 0];
    private Transport _transport = null!;
    private TimerHandle? _idle;
    private int _framed;

    public void Begin(Transport transport)
    {
        _transport = transport;
        if (settings.IdleTimeout is { } timeout)
        {
            _idle = loop.CallLater(timeout, transport.Close);
        }
    }

    public void Echo(ReadOnlySpan<byte> data)
    {
        _idle?.Reschedule(settings.IdleTimeout!.Value);
        if (_frame.Length == 0)
        {
            _transport.Write(data);
            return;
        }

        while (!data.IsEmpty)
        {
            // A whole frame in what has arrived needs no copy.
            if (_framed == 0 && data.Length >= _frame.Length)
            {
                _transport.Write(data[.._frame.Length]);
                data = data[_frame.Length..];
                continue;
            }

            int taken = Math.Min(_frame.Length - _framed, data.Length);
            data[..taken].CopyTo(_frame.AsSpan(_framed));
            data = data[taken..];
            _framed += taken;
            if (_framed == _frame.Length)
            {
                _transport.Write(_frame);
                _framed = 0;
            }
        }
    }

    public void PauseWriting()
    {
        if (!settings.IgnoreBackpressure)
        {
            _transport.PauseReading();
        }
    }

    public void ResumeWriting()
    {
        if (!settings.IgnoreBackpressure)
        {
            _transport.ResumeReading();
        }
    }

    public void End() => _idle?.Cancel();
}
