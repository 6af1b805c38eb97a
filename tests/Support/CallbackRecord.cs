using System.Text;

namespace Toolkit.Tests;

/// <summary>
/// What a protocol of the tests was told: the callbacks as words, each checked for its place, the bytes, and a task for the
/// first of each kind. The tasks end within the callback.
/// </summary>
public sealed class CallbackRecord
{
    private const int MaxCallbacks = 1000; // enough for every test that looks at them

    private readonly List<string> _callbacks = [];
    private readonly MemoryStream _received = new();

    /// <summary>The checker.</summary>
    public CallbackGrammar Grammar { get; } = new();

    /// <summary>The callbacks so far.</summary>
    public IReadOnlyList<string> Callbacks => _callbacks;

    /// <summary>The same, with bytes that came in several pieces as one: a stream has no messages.</summary>
    public IReadOnlyList<string> Outline
        => [.. _callbacks.Where((name, i) => i == 0 || name != nameof(Protocol.DataReceived) || _callbacks[i - 1] != name)];

    public TaskCompletionSource Made { get; } = NewSource();

    public TaskCompletionSource FirstData { get; } = NewSource();

    public TaskCompletionSource Eof { get; } = NewSource();

    public TaskCompletionSource Paused { get; } = NewSource();

    public TaskCompletionSource Resumed { get; } = NewSource();

    /// <summary>Ends with the reason.</summary>
    public TaskCompletionSource<Exception?> Lost { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public byte[] Received => _received.ToArray();

    public long ReceivedLength { get; private set; }

    /// <summary>A callback begins; it ends when the result is disposed.</summary>
    public IDisposable Enter(string callback, Transport transport, int length = 0, TaskCompletionSource? first = null)
    {
        if (_callbacks.Count < MaxCallbacks)
        {
            _callbacks.Add(callback);
        }

        IDisposable scope = Grammar.Enter(callback, transport, length);
        first?.TrySetResult();
        return scope;
    }

    /// <summary>Data has come, and is kept or only counted.</summary>
    public void Receive(ReadOnlySpan<byte> data, bool keep)
    {
        ReceivedLength += data.Length;
        if (keep)
        {
            _received.Write(data);
        }

        FirstData.TrySetResult();
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>A protocol of the tests.</summary>
public interface ITestProtocol
{
    /// <summary>What it was told.</summary>
    CallbackRecord Record { get; }
}

/// <summary>The parts of the record, which tests speak of as the protocol's own.</summary>
public static class TestProtocols
{
    extension(ITestProtocol protocol)
    {
        public CallbackGrammar Grammar => protocol.Record.Grammar;

        public IReadOnlyList<string> Callbacks => protocol.Record.Callbacks;

        public IReadOnlyList<string> Outline => protocol.Record.Outline;

        public TaskCompletionSource Made => protocol.Record.Made;

        public TaskCompletionSource FirstData => protocol.Record.FirstData;

        public TaskCompletionSource Eof => protocol.Record.Eof;

        public TaskCompletionSource Paused => protocol.Record.Paused;

        public TaskCompletionSource Resumed => protocol.Record.Resumed;

        public TaskCompletionSource<Exception?> Lost => protocol.Record.Lost;

        public byte[] Received => protocol.Record.Received;

        public long ReceivedLength => protocol.Record.ReceivedLength;

        public string ReceivedText => Encoding.UTF8.GetString(protocol.Record.Received);
    }
}
