using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Toolkit.Signals;

namespace Toolkit;

/// <content>Signals as callbacks and as a sequence.</content>
public sealed partial class EventLoop
{
    private readonly LoopSignals _signals;

    /// <summary>
    /// Has a callback called on the loop when the process is sent a signal. While anybody is registered for it, on whatever loop,
    /// its default action does not happen: SIGTERM does not end the process. Loop thread only.
    /// </summary>
    /// <param name="signal">
    /// The signal: a name, of which Windows knows SIGINT, SIGQUIT, SIGTERM and SIGHUP; or on Unix the system's own number, cast,
    /// as <c>(PosixSignal)10</c> for Linux's SIGUSR1. The number of a signal that has a name is that name.
    /// </param>
    /// <param name="callback">
    /// Called with the signal, in the execution context of this call, as a callback of its own that belongs to no task. What it
    /// throws is reported to <see cref="ExceptionHandler"/>, and the others are called all the same.
    /// </param>
    /// <returns>
    /// The registration, which is disposed of on the loop's thread, from the callback as well; it ends with the loop. The
    /// callback is not called after that, and after the last registration the default action is back.
    /// </returns>
    /// <remarks>
    /// <para>
    /// Callbacks for one signal are called in the order in which they were registered, on every loop that has any; those that are
    /// registered meanwhile wait for the next. Signals are not counted, here as little as in the system: however often one has
    /// come before its callbacks run, they run once; one that comes while they run has them run again. Between two runs of the
    /// loop a signal waits.
    /// </para>
    /// <para>
    /// Where the loop takes interrupts (<see cref="EventLoopOptions.HandleInterrupts"/>), the main coroutine is cancelled first
    /// and then callbacks for SIGINT and SIGTERM are called; the third signal does not end the process while there are any.
    /// <see cref="EventLoopOptions.TaskDumpOnQuit"/> writes its tasks beside callbacks for SIGQUIT, before or after them.
    /// </para>
    /// <para>
    /// A simulated loop is never told of the signals of the process, but of those that its host is sent
    /// (<see cref="Simulation.SimulatedHost.RaiseSignal"/>).
    /// </para>
    /// </remarks>
    /// <exception cref="ArgumentException">
    /// It is no signal, or one that cannot be taken: SIGKILL, SIGSTOP, faults such as SIGSEGV, and what the runtime needs itself.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">The system does not have it.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public IDisposable OnSignal(PosixSignal signal, Action<PosixSignal> callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        signal = SignalNumber.Checked(signal, nameof(signal));
        VerifyAccess();
        ThrowIfClosing();
        return _signals.Add(signal, callback);
    }

    /// <summary>
    /// A signal each time it has come, as <see cref="OnSignal"/> has its callbacks called: at least once after it has come,
    /// however often that was. None is lost while an iteration of yours runs. Each wait is one of the current scope. Loop thread
    /// only.
    /// </summary>
    /// <param name="signal">The signal.</param>
    /// <param name="cancellationToken">Ends the sequence by an <see cref="OperationCanceledException"/>; so does the
    /// scope.</param>
    /// <returns>A sequence without end. The signal is taken from its first step until it is left, in whatever way.</returns>
    /// <inheritdoc cref="OnSignal" path="/exception"/>
    public IAsyncEnumerable<PosixSignal> SignalsAsync(PosixSignal signal, CancellationToken cancellationToken = default)
        => SignalsAsync([signal], cancellationToken);

    /// <summary>Several signals, in the order in which they have come; otherwise as the overload for one.</summary>
    /// <param name="signals">The signals, at least one.</param>
    /// <param name="cancellationToken">Ends the sequence by an <see cref="OperationCanceledException"/>; so does the
    /// scope.</param>
    /// <returns>A sequence without end. The signals are taken from its first step until it is left, in whatever way.</returns>
    /// <inheritdoc cref="OnSignal" path="/exception"/>
    public IAsyncEnumerable<PosixSignal> SignalsAsync(
        IEnumerable<PosixSignal> signals, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(signals);
        PosixSignal[] taken = [.. signals.Select(signal => SignalNumber.Checked(signal, nameof(signals))).Distinct()];
        if (taken.Length == 0)
        {
            throw new ArgumentException("Without a signal to wait for, the wait would never end.", nameof(signals));
        }

        VerifyAccess();
        ThrowIfClosing();
        return ReadSignalsAsync(taken, CancellationToken.None, cancellationToken);
    }

    /// <summary>The signals that the loop is told of; loop thread only.</summary>
    internal LoopSignals Signals => _signals;

    private async IAsyncEnumerable<PosixSignal> ReadSignalsAsync(
        PosixSignal[] signals, [EnumeratorCancellation] CancellationToken ofEnumerator, CancellationToken ofCall)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ofEnumerator, ofCall);
        CancellationToken token = !ofCall.CanBeCanceled ? ofEnumerator : !ofEnumerator.CanBeCanceled ? ofCall : either.Token;
        var come = new AsyncQueue<PosixSignal>();
        var waiting = new HashSet<PosixSignal>(); // which bounds the queue: each is in it once
        var registrations = new List<IDisposable>();
        try
        {
            foreach (PosixSignal signal in signals)
            {
                registrations.Add(OnSignal(signal, OnCome));
            }

            while (true)
            {
                PosixSignal next = await come.GetAsync(token);
                waiting.Remove(next);
                yield return next;
            }
        }
        finally
        {
            registrations.ForEach(static registration => registration.Dispose());
        }

        void OnCome(PosixSignal signal)
        {
            if (waiting.Add(signal))
            {
                come.TryPut(signal);
            }
        }
    }
}
