namespace Toolkit.Simulation;

/// <summary>
/// A protocol for tests: it records what it is told, has a task for the first callback of each kind, does what its hooks say,
/// and checks the order of its callbacks (<see cref="CallbackGrammar"/>). As the other end of a protocol under test it needs no
/// class of its own.
/// </summary>
/// <remarks>
/// <para>
/// A callback is recorded, then its task ends, then its hook is called. Who awaits a task of this object goes on later, and
/// never within the callback. What a hook throws ends the connection, as out of any protocol.
/// </para>
/// <para>The members belong to the loop's thread; once the loop is gone, to any one.</para>
/// </remarks>
/// <example>
/// <code>
/// var client = new RecordingProtocol { OnMade = p => p.Transport.Write("hello"u8), OnData = (p, _) => p.Transport.Close() };
/// await MemoryConnection.CreateAsync(loop, client, new Echo());
/// await client.Lost;
/// Assert.Equal("hello", client.ReceivedText);
/// client.Grammar.ThrowIfViolated();
/// </code>
/// </example>
public class RecordingProtocol : Protocol
{
    /// <summary>The default <see cref="CallbackLimit"/>.</summary>
    public const int DefaultCallbackLimit = 10_000;

    private readonly CallbackRecord _record = new();

    /// <summary>The checker of this protocol's callbacks.</summary>
    public CallbackGrammar Grammar => _record.Grammar;

    /// <summary>
    /// The callbacks so far, by their names, without <see cref="BufferedProtocol.GetBuffer"/>; the first
    /// <see cref="CallbackLimit"/> of them.
    /// </summary>
    public IReadOnlyList<string> Callbacks => _record.Callbacks;

    /// <summary>
    /// The same, with data that came in several pieces as one callback: how a stream is cut says nothing. Made anew each time.
    /// </summary>
    public IReadOnlyList<string> Outline => _record.Outline;

    /// <summary>How many callbacks are kept; later ones are only checked. 10,000 by default.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int CallbackLimit
    {
        get => _record.CallbackLimit;
        set => _record.CallbackLimit = value;
    }

    /// <summary>Whether received bytes are kept, as they are by default, or only counted.</summary>
    public bool KeepsData
    {
        get => _record.KeepsData;
        set => _record.KeepsData = value;
    }

    /// <summary>A copy of the bytes that were received while they were kept.</summary>
    public byte[] Received => _record.Received;

    /// <summary>The same as text in UTF-8.</summary>
    public string ReceivedText => _record.ReceivedText;

    /// <summary>How many bytes were received, kept or not.</summary>
    public long ReceivedLength => _record.ReceivedLength;

    /// <summary>Ends with <see cref="ConnectionMade"/>.</summary>
    public Task Made => _record.Made;

    /// <summary>Ends with the first data; fails when the connection is lost before that.</summary>
    public Task FirstData => _record.FirstData;

    /// <summary>Ends with <see cref="EofReceived"/>; fails when the connection is lost before that.</summary>
    public Task Eof => _record.Eof;

    /// <summary>Ends with the first <see cref="PauseWriting"/>; fails when the connection is lost before that.</summary>
    public Task Paused => _record.Paused;

    /// <summary>Ends with the first <see cref="ResumeWriting"/>; fails when the connection is lost before that.</summary>
    public Task Resumed => _record.Resumed;

    /// <summary>Ends with <see cref="ConnectionLost"/>, and has its reason for a result.</summary>
    public Task<Exception?> Lost => _record.Lost;

    /// <summary>Called in <see cref="ConnectionMade"/>.</summary>
    public Action<RecordingProtocol>? OnMade { get; set; }

    /// <summary>Called in <see cref="DataReceived"/>, with the bytes, which are lent.</summary>
    public Action<RecordingProtocol, ReadOnlySpan<byte>>? OnData { get; set; }

    /// <summary>Called in <see cref="EofReceived"/>, and says what it returns; false without it.</summary>
    public Func<RecordingProtocol, bool>? OnEof { get; set; }

    /// <summary>Called in <see cref="PauseWriting"/>.</summary>
    public Action<RecordingProtocol>? OnPause { get; set; }

    /// <summary>Called in <see cref="ResumeWriting"/>.</summary>
    public Action<RecordingProtocol>? OnResume { get; set; }

    /// <summary>Called in <see cref="ConnectionLost"/>, with its reason.</summary>
    public Action<RecordingProtocol, Exception?>? OnLost { get; set; }

    /// <inheritdoc/>
    public override void ConnectionMade()
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.ConnectionMade, Transport);
        OnMade?.Invoke(this);
    }

    /// <inheritdoc/>
    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        using CallbackEntry entry = _record.Enter(ProtocolCallback.DataReceived, Transport, data.Length);
        _record.Receive(data);
        OnData?.Invoke(this, data);
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
