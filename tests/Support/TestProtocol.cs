namespace Toolkit.Tests;

/// <summary>A protocol made of delegates. It keeps what it receives, unless told not to.</summary>
public class TestProtocol : Protocol, ITestProtocol
{
    public CallbackRecord Record { get; } = new();

    public Action<TestProtocol>? OnMade { get; set; }

    public DataAction? OnData { get; set; }

    public Func<TestProtocol, bool>? OnEof { get; set; }

    public Action<TestProtocol>? OnPause { get; set; }

    public Action<TestProtocol>? OnResume { get; set; }

    public Action<TestProtocol, Exception?>? OnLost { get; set; }

    public bool KeepsData { get; set; } = true;

    /// <summary>Has the action called in every callback, with its name.</summary>
    public void OnEvery(Action<string> action)
    {
        OnMade = _ => action(nameof(ConnectionMade));
        OnData = (_, _) => action(nameof(DataReceived));
        OnPause = _ => action(nameof(PauseWriting));
        OnResume = _ => action(nameof(ResumeWriting));
        OnLost = (_, _) => action(nameof(ConnectionLost));
        OnEof = _ =>
        {
            action(nameof(EofReceived));
            return false;
        };
    }

    public override void ConnectionMade()
    {
        using IDisposable callback = Record.Enter(nameof(ConnectionMade), Transport, first: Record.Made);
        OnMade?.Invoke(this);
    }

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        using IDisposable callback = Record.Enter(nameof(DataReceived), Transport, data.Length);
        Record.Receive(data, KeepsData);
        OnData?.Invoke(this, data);
    }

    public override bool EofReceived()
    {
        using IDisposable callback = Record.Enter(nameof(EofReceived), Transport, first: Record.Eof);
        return OnEof?.Invoke(this) ?? false;
    }

    public override void PauseWriting()
    {
        using IDisposable callback = Record.Enter(nameof(PauseWriting), Transport, first: Record.Paused);
        OnPause?.Invoke(this);
    }

    public override void ResumeWriting()
    {
        using IDisposable callback = Record.Enter(nameof(ResumeWriting), Transport, first: Record.Resumed);
        OnResume?.Invoke(this);
    }

    public override void ConnectionLost(Exception? reason)
    {
        using IDisposable callback = Record.Enter(nameof(ConnectionLost), Transport);
        Record.Lost.TrySetResult(reason);
        OnLost?.Invoke(this, reason);
    }
}

/// <summary>What a test does with bytes that are lent.</summary>
public delegate void DataAction(TestProtocol protocol, ReadOnlySpan<byte> data);

/// <summary>The same with a buffer of the protocol's own, of a chosen size.</summary>
public class BufferedTestProtocol(int bufferSize = 1024) : BufferedProtocol, ITestProtocol
{
    private readonly byte[] _buffer = new byte[bufferSize];

    public CallbackRecord Record { get; } = new();

    public Action<BufferedTestProtocol>? OnMade { get; set; }

    public Func<BufferedTestProtocol, Memory<byte>>? OnGetBuffer { get; set; }

    public Action<BufferedTestProtocol, int>? OnUpdated { get; set; }

    public Func<BufferedTestProtocol, bool>? OnEof { get; set; }

    public Action<BufferedTestProtocol>? OnPause { get; set; }

    public Action<BufferedTestProtocol>? OnResume { get; set; }

    public Action<BufferedTestProtocol, Exception?>? OnLost { get; set; }

    public Memory<byte> Buffer => _buffer;

    public override void ConnectionMade()
    {
        using IDisposable callback = Record.Enter(nameof(ConnectionMade), Transport, first: Record.Made);
        OnMade?.Invoke(this);
    }

    public override Memory<byte> GetBuffer(int sizeHint)
    {
        using IDisposable callback = Record.Grammar.Enter(nameof(GetBuffer), Transport);
        return OnGetBuffer?.Invoke(this) ?? _buffer;
    }

    public override void BufferUpdated(int count)
    {
        using IDisposable callback = Record.Enter(nameof(Protocol.DataReceived), Transport, count);
        Record.Receive(_buffer.AsSpan(0, Math.Min(count, _buffer.Length)), keep: true);
        OnUpdated?.Invoke(this, count);
    }

    public override bool EofReceived()
    {
        using IDisposable callback = Record.Enter(nameof(EofReceived), Transport, first: Record.Eof);
        return OnEof?.Invoke(this) ?? false;
    }

    public override void PauseWriting()
    {
        using IDisposable callback = Record.Enter(nameof(PauseWriting), Transport, first: Record.Paused);
        OnPause?.Invoke(this);
    }

    public override void ResumeWriting()
    {
        using IDisposable callback = Record.Enter(nameof(ResumeWriting), Transport, first: Record.Resumed);
        OnResume?.Invoke(this);
    }

    public override void ConnectionLost(Exception? reason)
    {
        using IDisposable callback = Record.Enter(nameof(ConnectionLost), Transport);
        Record.Lost.TrySetResult(reason);
        OnLost?.Invoke(this, reason);
    }
}
