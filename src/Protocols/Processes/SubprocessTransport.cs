using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>
/// A child process, as its <see cref="SubprocessProtocol"/> sees it. All members belong to the loop's thread and throw
/// <see cref="InvalidOperationException"/> elsewhere, except where they say otherwise. Every method may be called from every
/// callback.
/// </summary>
/// <remarks>
/// The child is reaped by the loop as soon as it has ended, so there are no zombies, and nothing else of this process may wait
/// for it. Signals go to the process that was started and to no other that has its number later.
/// </remarks>
[DebuggerDisplay("process {Pid}, {ExitStatus}")]
public abstract class SubprocessTransport
{
    /// <summary>Creates a transport that will call the given protocol.</summary>
    protected SubprocessTransport(SubprocessProtocol protocol)
    {
        ArgumentNullException.ThrowIfNull(protocol);
        Protocol = protocol;
    }

    /// <summary>The protocol that is called. Any thread.</summary>
    public SubprocessProtocol Protocol { get; }

    /// <summary>The number of the process, which the system may give to another once this one has ended. Any thread.</summary>
    public abstract int Pid { get; }

    /// <summary>How the child has ended; null while it runs, as far as the loop knows.</summary>
    public abstract ExitStatus? ExitStatus { get; }

    /// <summary>Whether <see cref="Close"/> was called, or the end has come.</summary>
    public abstract bool IsClosing { get; }

    /// <summary>A place for whatever the user wants to find again with the transport.</summary>
    public object? UserState { get; set; }

    /// <summary>
    /// The transport of one of the child's pipes: to write to its input, to pause its output, to give one of them a protocol of
    /// its own. Readable after its end too.
    /// </summary>
    /// <param name="fd">The child's descriptor: 0, 1 or 2. With a terminal all that are not redirected are one.</param>
    /// <returns>The transport, or null when that stream is no pipe.</returns>
    public abstract Transport? GetPipeTransport(int fd);

    /// <summary>Sends a signal.</summary>
    /// <param name="signal">One of the enumeration's, or the positive number that the system has for another.</param>
    /// <param name="entireGroup">Whether all processes of the child's group get it, also when the child itself has ended: for one
    /// that was given a group or a session of its own.</param>
    /// <returns>False when nobody is left to get it, which is no mistake: a child may end at any moment.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such signal.</exception>
    /// <exception cref="InvalidOperationException">The child has no group of its own; or this is not the loop's
    /// thread.</exception>
    /// <exception cref="UnauthorizedAccessException">The child has become another user's.</exception>
    /// <exception cref="PlatformNotSupportedException">The system has no signals but the end of a process.</exception>
    public abstract bool SendSignal(PosixSignal signal, bool entireGroup = false);

    /// <summary>Asks the child to end (SIGTERM), which it may ignore.</summary>
    /// <inheritdoc cref="SendSignal"/>
    public abstract bool Terminate(bool entireGroup = false);

    /// <summary>Ends the child at once (SIGKILL). What it was doing is lost; its end is told like any other.</summary>
    /// <inheritdoc cref="SendSignal"/>
    public abstract bool Kill(bool entireGroup = false);

    /// <summary>
    /// Asks the child to end, and kills it when it has not after a time; with its group, if it has one of its own. A wait of the
    /// current scope: when that is cancelled the child is killed all the same when the time is over.
    /// </summary>
    /// <param name="grace">How long it may take.</param>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>How it has ended.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or too long for a timer.</exception>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public abstract ValueTask<ExitStatus> TerminateAsync(TimeSpan grace, CancellationToken cancellationToken = default);

    /// <summary>
    /// Waits until the child has ended, however long others hold its pipes. A wait of the current scope, which leaves the child
    /// alone when it is cancelled. Any number may wait, also after the end.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>How it has ended.</returns>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public abstract ValueTask<ExitStatus> WaitExitedAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Waits until the child has ended and all its pipes have as well, so that all it has written was told. A grandchild that
    /// holds a pipe delays this. Otherwise as <see cref="WaitExitedAsync"/>.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait; from any thread.</param>
    /// <returns>How it has ended.</returns>
    /// <exception cref="OperationCanceledException">In the task: a scope or the token was cancelled.</exception>
    public abstract ValueTask<ExitStatus> WaitCompletedAsync(CancellationToken cancellationToken = default);

    /// <summary>Sets the size of the child's terminal, and has it told by SIGWINCH.</summary>
    /// <param name="columns">How many characters a line has.</param>
    /// <param name="rows">How many lines there are.</param>
    /// <exception cref="InvalidOperationException">The child has no terminal, or it is gone.</exception>
    public abstract void ResizeTerminal(ushort columns, ushort rows);

    /// <summary>
    /// Ends it all: closes the pipes, drops what is unsent, kills the child if it runs, with its group if it has one of its own,
    /// and reaps it. <see cref="SubprocessProtocol.ProcessExited"/> and <see cref="SubprocessProtocol.ConnectionLost"/> still
    /// come, later, from the loop. Any number of calls count as one.
    /// </summary>
    public abstract void Close();

    /// <summary>Makes the transport known to its protocol. Before <see cref="SubprocessProtocol.ConnectionMade"/>.</summary>
    protected void BindProtocol() => Protocol.BindTo(this);
}
