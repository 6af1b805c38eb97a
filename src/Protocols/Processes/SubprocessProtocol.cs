namespace Toolkit;

/// <summary>What a child process calls: subclass it, and hand a factory for it to <c>loop.SpawnAsync</c>.</summary>
/// <remarks>
/// <para>
/// All callbacks are made on the loop's thread. <see cref="ConnectionMade"/> comes first. Then, for each pipe,
/// <see cref="PipeDataReceived"/> any number of times and <see cref="PipeConnectionLost"/> once; <see cref="ProcessExited"/>
/// comes once, before, between or after those, as the system tells it: a child may close its output and live on, and a grandchild
/// may hold a pipe for long after. <see cref="ConnectionLost"/> is last, when the child has exited and all pipes are lost.
/// </para>
/// <para>
/// An exception out of any of them is reported to the loop's exception handler and closes the transport, so that
/// <see cref="ConnectionLost"/> is told that exception; out of <see cref="ConnectionLost"/> it is only reported.
/// </para>
/// </remarks>
public abstract class SubprocessProtocol
{
    private SubprocessTransport? _transport;

    /// <summary>The transport that calls this protocol; from <see cref="ConnectionMade"/> on, and after the end too.</summary>
    /// <exception cref="InvalidOperationException">There is none yet.</exception>
    public SubprocessTransport Transport => _transport ?? throw new InvalidOperationException(
        $"{GetType().Name} has no child: its transport is set just before ConnectionMade is called.");

    /// <summary>The child runs, and its pipes are there. Nothing else is called before this has returned.</summary>
    public virtual void ConnectionMade()
    {
    }

    /// <summary>
    /// The child, or one of its own, has written something. Not called while reading of that pipe is paused
    /// (<see cref="SubprocessTransport.GetPipeTransport"/>), nor once the transport is closing.
    /// </summary>
    /// <param name="fd">The child's descriptor: 1 for its output, 2 for its errors. A terminal's is 1.</param>
    /// <param name="data">At least one byte, lent for the length of the call.</param>
    public virtual void PipeDataReceived(int fd, ReadOnlySpan<byte> data)
    {
    }

    /// <summary>A pipe has ended, once for each.</summary>
    /// <param name="fd">The child's descriptor. A terminal's is 1, for both directions.</param>
    /// <param name="reason">
    /// What broke it, such as a child that has closed its input while bytes were on their way to it; null for an end in good
    /// order.
    /// </param>
    public virtual void PipeConnectionLost(int fd, Exception? reason)
    {
    }

    /// <summary>More is unsent on a pipe than its high-water mark allows: write no more to it until it resumes.</summary>
    /// <param name="fd">The child's descriptor: 0, or 1 for a terminal.</param>
    public virtual void PauseWriting(int fd)
    {
    }

    /// <summary>What is unsent on a pipe has fallen to the low-water mark.</summary>
    /// <param name="fd">The child's descriptor: 0, or 1 for a terminal.</param>
    public virtual void ResumeWriting(int fd)
    {
    }

    /// <summary>The child has ended, and <see cref="SubprocessTransport.ExitStatus"/> says how. Its pipes may not have.</summary>
    public virtual void ProcessExited()
    {
    }

    /// <summary>The child has ended and so have all its pipes. Nothing is called after this.</summary>
    /// <param name="reason">
    /// What a callback threw, or that the loop was shut down (<see cref="ConnectionException"/>); null for an end in good order,
    /// whatever the exit status is.
    /// </param>
    public virtual void ConnectionLost(Exception? reason)
    {
    }

    internal void BindTo(SubprocessTransport transport) => _transport = transport;
}
