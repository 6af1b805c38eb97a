namespace Toolkit.Simulation;

/// <summary>
/// <see cref="RecordingProtocol"/> as a <see cref="BufferedProtocol"/>, with a buffer of a chosen size: a small one has what
/// arrives told in small pieces.
/// </summary>
/// <inheritdoc cref="RecordingProtocol" path="/remarks"/>
public class RecordingBufferedProtocol : BufferedProtocol
{
    private readonly CallbackRecord _record = new();
    private readonly byte[] _buffer;
    private Memory<byte> _given;

    /// <summary>Makes the protocol and its buffer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is not positive.</exception>
    public RecordingBufferedProtocol(int bufferSize = 1024)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bufferSize);
        _buffer = new byte[bufferSize];
    }

#pragma warning disable CA1721 // It is the one that GetBuffer returns, and has no better name.
    /// <summary>The buffer that is handed out unless <see cref="OnGetBuffer"/> says otherwise.</summary>
    public Memory<byte> Buffer => _buffer;
#pragma warning restore CA1721

    /// <inheritdoc cref="RecordingProtocol.Grammar"/>
    public CallbackGrammar Grammar => _record.Grammar;

    /// <inheritdoc cref="RecordingProtocol.Callbacks"/>
    public IReadOnlyList<string> Callbacks => _record.Callbacks;

    /// <inheritdoc cref="RecordingProtocol.Outline"/>
    public IReadOnlyList<string> Outline => _record.Outline;

    /// <inheritdoc cref="RecordingProtocol.CallbackLimit"/>
    public int CallbackLimit
    {
        get => _record.CallbackLimit;
        set => _record.CallbackLimit = value;
    }

    /// <inheritdoc cref="RecordingProtocol.KeepsData"/>
    public bool KeepsData
    {
        get => _record.KeepsData;
        set => _record.KeepsData = value;
    }

    /// <inheritdoc cref="RecordingProtocol.Received"/>
    public byte[] Received => _record.Received;

    /// <inheritdoc cref="RecordingProtocol.ReceivedText"/>
    public string ReceivedText => _record.ReceivedText;

    /// <inheritdoc cref="RecordingProtocol.ReceivedLength"/>
    public long ReceivedLength => _record.ReceivedLength;

    /// <inheritdoc cref="RecordingProtocol.Made"/>
    public Task Made => _record.Made;

    /// <inheritdoc cref="RecordingProtocol.FirstData"/>
    public Task FirstData => _record.FirstData;

    /// <inheritdoc cref="RecordingProtocol.Eof"/>
    public Task Eof => _record.Eof;

    /// <inheritdoc cref="RecordingProtocol.Paused"/>
    public Task Paused => _record.Paused;

    /// <inheritdoc cref="RecordingProtocol.Resumed"/>
    public Task Resumed => _record.Resumed;

    /// <inheritdoc cref="RecordingProtocol.Lost"/>
    public Task<Exception?> Lost => _record.Lost;

    /// <inheritdoc cref="RecordingProtocol.OnMade"/>
    public Action<RecordingBufferedProtocol>? OnMade { get; set; }

    /// <summary>Called in <see cref="GetBuffer"/>, and says what it returns; <see cref="Buffer"/> without it.</summary>
    public Func<RecordingBufferedProtocol, Memory<byte>>? OnGetBuffer { get; set; }

    /// <summary>Called in <see cref="BufferUpdated"/>, with the number of bytes.</summary>
    public Action<RecordingBufferedProtocol, int>? OnUpdated { get; set; }

    /// <inheritdoc cref="RecordingProtocol.OnEof"/>
    public Func<RecordingBufferedProtocol, bool>? OnEof { get; set; }

    /// <inheritdoc cref="RecordingProtocol.OnPause"/>
    public Action<RecordingBufferedProtocol>? OnPause { get; set; }

    /// <inheritdoc cref="RecordingProtocol.OnResume"/>
    public Action<RecordingBufferedProtocol>? OnResume { get; set; }

    /// <inheritdoc cref="RecordingProtocol.OnLost"/>
    public Action<RecordingBufferedProtocol, Exception?>? OnLost { get; set; }

    /// <inheritdoc/>
    public override void ConnectionMade()
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.ConnectionMade, Transport);
        OnMade?.Invoke(this);
    }

    /// <inheritdoc/>
    public override Memory<byte> GetBuffer(int sizeHint)
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.GetBuffer, Transport);
        _given = OnGetBuffer?.Invoke(this) ?? _buffer;
        return _given;
    }

    /// <inheritdoc/>
    public override void BufferUpdated(int count)
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.BufferUpdated, Transport, count);
        _record.Receive(_given.Span[..Math.Min(count, _given.Length)]);
        OnUpdated?.Invoke(this, count);
    }

    /// <inheritdoc/>
    public override bool EofReceived()
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.EofReceived, Transport);
        return OnEof?.Invoke(this) ?? false;
    }

    /// <inheritdoc/>
    public override void PauseWriting()
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.PauseWriting, Transport);
        OnPause?.Invoke(this);
    }

    /// <inheritdoc/>
    public override void ResumeWriting()
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.ResumeWriting, Transport);
        OnResume?.Invoke(this);
    }

    /// <inheritdoc/>
    public override void ConnectionLost(Exception? reason)
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.ConnectionLost, Transport);
        _record.Lose(reason, Transport.CloseReason);
        OnLost?.Invoke(this, reason);
    }
}
