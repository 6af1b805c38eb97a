using System.Text;

namespace Toolkit.Tests;

/// <summary>Writes down what a child tells, and holds it to the order of callbacks.</summary>
public sealed class ChildProtocol : SubprocessProtocol
{
    private readonly MemoryStream[] _output = [new(), new(), new()];
    private readonly HashSet<int> _lost = [];

    /// <summary>The names of the callbacks with their descriptors, without those of data.</summary>
    public List<string> Events { get; } = [];

    public List<string> Violations { get; } = [];

    public TaskCompletionSource Exited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource<Exception?> Lost { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Dictionary<int, Exception?> PipeLosses { get; } = [];

    public Action<ChildProtocol>? OnMade { get; set; }

    public Action<ChildProtocol, int, byte[]>? OnData { get; set; }

    public Action<ChildProtocol>? OnExited { get; set; }

    public long ReceivedLength { get; private set; }

    /// <summary>Whether the bytes are kept; otherwise only their number is.</summary>
    public bool KeepsOutput { get; init; } = true;

    public string Output => Encoding.UTF8.GetString(_output[1].ToArray());

    public string Error => Encoding.UTF8.GetString(_output[2].ToArray());

    public override void ConnectionMade()
    {
        Require(Events.Count == 0, "made twice, or not first");
        Events.Add("made");
        OnMade?.Invoke(this);
    }

    public override void PipeDataReceived(int fd, ReadOnlySpan<byte> data)
    {
        Require(Events.Count > 0, "data before made");
        Require(!_lost.Contains(fd), $"data of {fd} after its end");
        Require(data.Length > 0, "no data");
        ReceivedLength += data.Length;
        if (KeepsOutput)
        {
            _output[fd].Write(data);
        }

        OnData?.Invoke(this, fd, data.ToArray());
    }

    public override void PipeConnectionLost(int fd, Exception? reason)
    {
        Require(_lost.Add(fd), $"{fd} lost twice");
        PipeLosses[fd] = reason;
        Events.Add($"lost {fd}");
    }

    public override void PauseWriting(int fd) => Events.Add($"pause {fd}");

    public override void ResumeWriting(int fd) => Events.Add($"resume {fd}");

    public override void ProcessExited()
    {
        Require(!Events.Contains("exited"), "exited twice");
        Events.Add("exited");
        Exited.SetResult();
        OnExited?.Invoke(this);
    }

    public override void ConnectionLost(Exception? reason)
    {
        Require(Events.Contains("exited"), "the end before the exit");
        Events.Add("end");
        Lost.SetResult(reason);
    }

    private void Require(bool condition, string what)
    {
        if (!condition || Events.Contains("end"))
        {
            Violations.Add(what);
        }
    }
}
