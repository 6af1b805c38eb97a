using System.Text;

namespace Toolkit.Tests;

/// <summary>What the protocols of the tests have in common: every callback is recorded, and checked for its place.</summary>
public interface ITestProtocol
{
    /// <summary>The checker.</summary>
    CallbackGrammar Grammar { get; }

    /// <summary>The callbacks so far, as words.</summary>
    IReadOnlyList<string> Callbacks { get; }
}

/// <summary>A protocol made of delegates. It keeps what it receives, unless told not to.</summary>
public class TestProtocol : Protocol, ITestProtocol
{
    private readonly List<string> _callbacks = [];
    private readonly MemoryStream _received = new();

    public CallbackGrammar Grammar { get; } = new();

    public IReadOnlyList<string> Callbacks => _callbacks;

    public Action<TestProtocol>? OnMade { get; set; }

    public DataAction? OnData { get; set; }

    public Func<TestProtocol, bool>? OnEof { get; set; }

    public Action<TestProtocol>? OnPause { get; set; }

    public Action<TestProtocol>? OnResume { get; set; }

    public Action<TestProtocol, Exception?>? OnLost { get; set; }

    public bool KeepsData { get; set; } = true;

    /// <summary>Completes within ConnectionMade.</summary>
    public TaskCompletionSource Made { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the bytes so far within the first DataReceived.</summary>
    public TaskCompletionSource FirstData { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Eof { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Paused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Resumed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the reason within ConnectionLost.</summary>
    public TaskCompletionSource<Exception?> Lost { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public byte[] Received => _received.ToArray();

    public long ReceivedLength { get; private set; }

    public string ReceivedText => Encoding.UTF8.GetString(Received);

    public override void ConnectionMade()
    {
        using IDisposable callback = Enter(nameof(ConnectionMade));
        Made.TrySetResult();
        OnMade?.Invoke(this);
    }

    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        using IDisposable callback = Enter(nameof(DataReceived), data.Length);
        ReceivedLength += data.Length;
        if (KeepsData)
        {
            _received.Write(data);
        }

        FirstData.TrySetResult();
        OnData?.Invoke(this, data);
    }

    public override bool EofReceived()
    {
        using IDisposable callback = Enter(nameof(EofReceived));
        Eof.TrySetResult();
        return OnEof?.Invoke(this) ?? false;
    }

    public override void PauseWriting()
    {
        using IDisposable callback = Enter(nameof(PauseWriting));
        Paused.TrySetResult();
        OnPause?.Invoke(this);
    }

    public override void ResumeWriting()
    {
        using IDisposable callback = Enter(nameof(ResumeWriting));
        Resumed.TrySetResult();
        OnResume?.Invoke(this);
    }

    public override void ConnectionLost(Exception? reason)
    {
        using IDisposable callback = Enter(nameof(ConnectionLost));
        Lost.TrySetResult(reason);
        OnLost?.Invoke(this, reason);
    }

    private IDisposable Enter(string callback, int length = 0)
    {
        if (_callbacks.Count < 1000)
        {
            _callbacks.Add(callback);
        }

        return Grammar.Enter(callback, Transport, length);
    }
}

/// <summary>What a test does with bytes that are lent.</summary>
public delegate void DataAction(TestProtocol protocol, ReadOnlySpan<byte> data);

/// <summary>The same with a buffer of the protocol's own, of a chosen size.</summary>
public class BufferedTestProtocol(int bufferSize = 1024) : BufferedProtocol, ITestProtocol
{
    private readonly List<string> _callbacks = [];
    private readonly MemoryStream _received = new();
    private readonly byte[] _buffer = new byte[bufferSize];

    public CallbackGrammar Grammar { get; } = new();

    public IReadOnlyList<string> Callbacks => _callbacks;

    public Action<BufferedTestProtocol>? OnMade { get; set; }

    public Func<BufferedTestProtocol, Memory<byte>>? OnGetBuffer { get; set; }

    public Action<BufferedTestProtocol, int>? OnUpdated { get; set; }

    public Func<BufferedTestProtocol, bool>? OnEof { get; set; }

    public Action<BufferedTestProtocol>? OnPause { get; set; }

    public Action<BufferedTestProtocol>? OnResume { get; set; }

    public Action<BufferedTestProtocol, Exception?>? OnLost { get; set; }

    public TaskCompletionSource Made { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource FirstData { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource Eof { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource<Exception?> Lost { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public byte[] Received => _received.ToArray();

    public string ReceivedText => Encoding.UTF8.GetString(Received);

    public Memory<byte> Buffer => _buffer;

    public override void ConnectionMade()
    {
        using IDisposable callback = Enter(nameof(ConnectionMade));
        Made.TrySetResult();
        OnMade?.Invoke(this);
    }

    public override Memory<byte> GetBuffer(int sizeHint)
    {
        using IDisposable callback = Grammar.Enter(nameof(GetBuffer), Transport);
        return OnGetBuffer?.Invoke(this) ?? _buffer;
    }

    public override void BufferUpdated(int count)
    {
        using IDisposable callback = Enter(nameof(Protocol.DataReceived), count);
        _received.Write(_buffer.AsSpan(0, Math.Min(count, _buffer.Length)));
        FirstData.TrySetResult();
        OnUpdated?.Invoke(this, count);
    }

    public override bool EofReceived()
    {
        using IDisposable callback = Enter(nameof(EofReceived));
        Eof.TrySetResult();
        return OnEof?.Invoke(this) ?? false;
    }

    public override void PauseWriting()
    {
        using IDisposable callback = Enter(nameof(PauseWriting));
        OnPause?.Invoke(this);
    }

    public override void ResumeWriting()
    {
        using IDisposable callback = Enter(nameof(ResumeWriting));
        OnResume?.Invoke(this);
    }

    public override void ConnectionLost(Exception? reason)
    {
        using IDisposable callback = Enter(nameof(ConnectionLost));
        Lost.TrySetResult(reason);
        OnLost?.Invoke(this, reason);
    }

    private IDisposable Enter(string callback, int length = 0)
    {
        if (_callbacks.Count < 1000)
        {
            _callbacks.Add(callback);
        }

        return Grammar.Enter(callback, Transport, length);
    }
}
