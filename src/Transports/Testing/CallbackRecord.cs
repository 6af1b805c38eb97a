using System.Buffers;
using System.Text;

namespace Toolkit.Simulation;

/// <summary>What a recording protocol was told; the two kinds of them share it.</summary>
internal sealed class CallbackRecord
{
    private readonly List<string> _callbacks = [];
    private readonly ArrayBufferWriter<byte> _received = new();
    private readonly TaskCompletionSource _made = NewMoment();
    private readonly TaskCompletionSource _firstData = NewMoment();
    private readonly TaskCompletionSource _eof = NewMoment();
    private readonly TaskCompletionSource _paused = NewMoment();
    private readonly TaskCompletionSource _resumed = NewMoment();
    private readonly TaskCompletionSource<Exception?> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CallbackGrammar Grammar { get; } = new();

    public IReadOnlyList<string> Callbacks => _callbacks;

    public IReadOnlyList<string> Outline
        => [.. _callbacks.Where((name, i) => i == 0 || !IsData(name) || !IsData(_callbacks[i - 1]))];

    public int CallbackLimit
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = RecordingProtocol.DefaultCallbackLimit;

    public bool KeepsData { get; set; } = true;

    public byte[] Received => _received.WrittenSpan.ToArray();

    public string ReceivedText => Encoding.UTF8.GetString(_received.WrittenSpan);

    public long ReceivedLength { get; private set; }

    public Task Made => _made.Task;

    public Task FirstData => _firstData.Task;

    public Task Eof => _eof.Task;

    public Task Paused => _paused.Task;

    public Task Resumed => _resumed.Task;

    public Task<Exception?> Lost => _lost.Task;

    /// <summary>A callback begins; it ends when the result is disposed.</summary>
    public CallbackEntry Enter(ProtocolCallback callback, Transport transport, int length = 0)
    {
        // That a buffer was asked for says nothing: it may be asked for any number of times.
        if (callback != ProtocolCallback.GetBuffer && _callbacks.Count < CallbackLimit)
        {
            _callbacks.Add(callback.ToString());
        }

        CallbackEntry entry = Grammar.Enter(callback, transport, length);
        switch (callback)
        {
            case ProtocolCallback.ConnectionMade:
                _made.TrySetResult();
                break;
            case ProtocolCallback.EofReceived:
                _eof.TrySetResult();
                break;
            case ProtocolCallback.PauseWriting:
                _paused.TrySetResult();
                break;
            case ProtocolCallback.ResumeWriting:
                _resumed.TrySetResult();
                break;
        }

        return entry;
    }

    /// <summary>Data has come.</summary>
    public void Receive(ReadOnlySpan<byte> data)
    {
        ReceivedLength += data.Length;
        if (KeepsData)
        {
            _received.Write(data);
        }

        _firstData.TrySetResult();
    }

    /// <summary>The connection is lost: what has not come will not, and nobody shall wait for it for ever.</summary>
    public void Lose(Exception? reason, CloseReason closeReason)
    {
        _lost.TrySetResult(reason);
        GiveUp(_made, "ConnectionMade", closeReason);
        GiveUp(_firstData, "Data", closeReason);
        GiveUp(_eof, "EofReceived", closeReason);
        GiveUp(_paused, "PauseWriting", closeReason);
        GiveUp(_resumed, "ResumeWriting", closeReason);
    }

    private static bool IsData(string name)
        => name is nameof(ProtocolCallback.DataReceived) or nameof(ProtocolCallback.BufferUpdated);

    private static void GiveUp(TaskCompletionSource moment, string what, CloseReason closeReason)
    {
        if (moment.TrySetException(new InvalidOperationException(
            $"{what} did not come before the connection was lost ({closeReason}).")))
        {
            _ = moment.Task.Exception; // seen, if nobody waits for it: it is no unobserved one
        }
    }

    private static TaskCompletionSource NewMoment() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
