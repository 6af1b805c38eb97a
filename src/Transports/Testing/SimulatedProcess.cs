using System.Diagnostics;

namespace Toolkit.Simulation;

/// <summary>
/// A child of a simulation, as its program sees it. The program is a coroutine on the loop of whoever has started it, and what it
/// returns is its exit code.
/// </summary>
/// <remarks>
/// A signal ends it at once, as it does with a program that has not asked for it: the coroutine is cancelled, and what it still
/// does is felt by nobody. <see cref="Ignore"/> and <see cref="OnSignal"/> are for programs that know better; number 9 cannot be
/// ignored. The pipes close with its end, unless it has handed one to a grandchild (<see cref="Share"/>).
/// </remarks>
[DebuggerDisplay("{FileName}, process {Pid}")]
public sealed class SimulatedProcess
{
    private readonly Dictionary<int, Action?> _handlers = [];
    private int _outputHolders = 1;

    internal SimulatedProcess(int pid, SpawnOptions options)
    {
        Pid = pid;
        FileName = options.FileName;
        Arguments = options.Arguments;
        Environment = options.Environment;
    }

    /// <summary>Its number, which no other child of the world has.</summary>
    public int Pid { get; }

    /// <summary>What it was started as.</summary>
    public string FileName { get; }

    /// <summary>What it was handed after its name.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>What its environment has more, as the options of its start say; a simulation has no other.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; }

    /// <summary>Its standard input, to be read; null when it is nobody's.</summary>
    public StreamConnection? Input { get; internal set; }

    /// <summary>Its standard output, to be written to; null when it is nobody's.</summary>
    public StreamConnection? Output { get; internal set; }

    /// <summary>Its standard error, to be written to; null when it is nobody's.</summary>
    public StreamConnection? Error { get; internal set; }

    /// <summary>Has a signal do nothing.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is number 9, which cannot be ignored, or no signal.</exception>
    public void Ignore(int signal) => OnSignal(signal, () => { });

    /// <summary>Has a signal call something, on the loop, instead of ending the program.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is number 9, which cannot be handled, or no signal.</exception>
    public void OnSignal(int signal, Action handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(signal);
        ArgumentOutOfRangeException.ThrowIfEqual(signal, SimulatedChild.SignalKill);
        _handlers[signal] = handler;
    }

    /// <summary>
    /// Somebody else, a grandchild, holds the output and the errors as well, so that they do not end with the program. Disposing
    /// the result lets go of them.
    /// </summary>
    public IDisposable Share()
    {
        _outputHolders++;
        return new SharedOutput(this);
    }

    internal Action? HandlerOf(int signal) => _handlers.GetValueOrDefault(signal);

    // The program ends.
    internal void ClosePipes(bool isKilled)
    {
        if (isKilled)
        {
            Input?.Abort();
        }
        else
        {
            Input?.Close();
        }

        LetGo();
    }

    private void LetGo()
    {
        if (--_outputHolders == 0)
        {
            Output?.Close();
            Error?.Close();
        }
    }

    private sealed class SharedOutput(SimulatedProcess process) : IDisposable
    {
        private bool _isOver;

        public void Dispose()
        {
            if (!_isOver)
            {
                _isOver = true;
                process.LetGo();
            }
        }
    }
}
