namespace Toolkit.Tests;

/// <summary>A protocol of the tests, of either kind.</summary>
public interface ITestProtocol
{
    CallbackGrammar Grammar { get; }

    IReadOnlyList<string> Callbacks { get; }
}

/// <summary>The toolkit's recording protocol as the suites speak of it: its hooks know what they are handed.</summary>
public class TestProtocol : RecordingProtocol, ITestProtocol
{
    public new Moment Made => new(base.Made);

    public new Moment FirstData => new(base.FirstData);

    public new Moment Eof => new(base.Eof);

    public new Moment Paused => new(base.Paused);

    public new Moment Resumed => new(base.Resumed);

    public new Moment<Exception?> Lost => new(base.Lost);

    public new Action<TestProtocol>? OnMade
    {
        set => base.OnMade = Typed(value);
    }

    public new Action<TestProtocol, ReadOnlySpan<byte>>? OnData
    {
        set => base.OnData = value is null ? null : (p, data) => value((TestProtocol)p, data);
    }

    public new Func<TestProtocol, bool>? OnEof
    {
        set => base.OnEof = value is null ? null : p => value((TestProtocol)p);
    }

    public new Action<TestProtocol>? OnPause
    {
        set => base.OnPause = Typed(value);
    }

    public new Action<TestProtocol>? OnResume
    {
        set => base.OnResume = Typed(value);
    }

    public new Action<TestProtocol, Exception?>? OnLost
    {
        set => base.OnLost = value is null ? null : (p, reason) => value((TestProtocol)p, reason);
    }

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

    private static Action<RecordingProtocol>? Typed(Action<TestProtocol>? hook)
        => hook is null ? null : p => hook((TestProtocol)p);
}

/// <summary>The same with a buffer of the protocol's own, of a chosen size.</summary>
public class BufferedTestProtocol(int bufferSize = 1024) : RecordingBufferedProtocol(bufferSize), ITestProtocol
{
    public new Moment Made => new(base.Made);

    public new Moment FirstData => new(base.FirstData);

    public new Moment Eof => new(base.Eof);

    public new Moment Paused => new(base.Paused);

    public new Moment Resumed => new(base.Resumed);

    public new Moment<Exception?> Lost => new(base.Lost);
}

/// <summary>A task that ends with a callback.</summary>
public readonly record struct Moment(Task Task);

/// <summary>A task that ends with a callback, and has a result.</summary>
public readonly record struct Moment<T>(Task<T> Task);
