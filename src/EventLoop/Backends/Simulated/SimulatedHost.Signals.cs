using System.Runtime.InteropServices;
using Toolkit.Signals;

namespace Toolkit.Simulation;

/// <content>Signals of the simulated machine.</content>
public sealed partial class SimulatedHost
{
    private readonly List<SignalSource> _signalSources = [];

    /// <summary>
    /// Sends a signal to the host's programs: each of its loops that has registered for it (<see cref="EventLoop.OnSignal"/>,
    /// <see cref="EventLoop.SignalsAsync(PosixSignal, CancellationToken)"/>, <see cref="EventLoopOptions.HandleInterrupts"/>) is
    /// told when it next runs, at this moment of virtual time, in the order in which they have registered. On a host that is
    /// paused that is when it goes on.
    /// </summary>
    /// <param name="signal">The signal, as those who registered have named it, or the number of the same.</param>
    /// <returns>
    /// Whether anybody has taken it. Nothing happens by default: to end a host in no good order there is <see cref="Crash"/>.
    /// </returns>
    /// <exception cref="ArgumentException">It is no signal, or one that nobody can take, such as SIGKILL.</exception>
    /// <exception cref="InvalidOperationException">The host has crashed.</exception>
#pragma warning disable CA1030 // Those who listen are told by their loops; this is what makes it happen.
    public bool RaiseSignal(PosixSignal signal)
#pragma warning restore CA1030
    {
        signal = SignalNumber.Checked(signal, nameof(signal));
        if (IsDown)
        {
            throw new InvalidOperationException($"The host {Name} has crashed. Restart it first.");
        }

        World.Note($"{Name} is sent {SignalNumber.Describe(signal)}");
        bool isTaken = false;
        foreach (SignalSource source in _signalSources.ToArray())
        {
            isTaken |= source.Signal == signal && source.OnSignal();
        }

        return isTaken;
    }

    internal IDisposable WatchSignal(PosixSignal signal, Func<bool> onSignal)
    {
        var source = new SignalSource(this, signal, onSignal);
        _signalSources.Add(source);
        return source;
    }

    private sealed class SignalSource(SimulatedHost host, PosixSignal signal, Func<bool> onSignal) : IDisposable
    {
        public PosixSignal Signal => signal;

        public bool OnSignal() => onSignal();

        public void Dispose() => host._signalSources.Remove(this);
    }
}
