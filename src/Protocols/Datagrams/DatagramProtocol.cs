namespace Toolkit;

/// <summary>What a datagram end point calls. Subclass it.</summary>
/// <remarks>
/// <para>
/// All callbacks are made on the loop's thread, in this order: <see cref="ConnectionMade"/>, then
/// <see cref="DatagramReceived"/> and <see cref="ErrorReceived"/> any number of times in any order, then
/// <see cref="ConnectionLost"/>, once. In between <see cref="PauseWriting"/> and <see cref="ResumeWriting"/> alternate, beginning
/// with a pause. They run with the loop's synchronization context and the execution context in which the end point was created.
/// </para>
/// <para>
/// An exception out of any of them is reported to the loop's exception handler, and the end point goes on: many peers share it,
/// and a datagram of one of them that finds a flaw in the protocol must not end it for the others. Out of
/// <see cref="ConnectionMade"/> it ends the end point, and whoever creates it is thrown the exception.
/// </para>
/// </remarks>
public abstract class DatagramProtocol
{
    private DatagramTransport? _transport;

    /// <summary>The transport that calls this protocol; from <see cref="ConnectionMade"/> on, and after the end too.</summary>
    /// <exception cref="InvalidOperationException">There is none yet.</exception>
    public DatagramTransport Transport => _transport ?? throw new InvalidOperationException(
        $"{GetType().Name} has no end point: its transport is set just before ConnectionMade is called.");

    /// <summary>The end point is there. No datagram arrives before this has returned.</summary>
    public virtual void ConnectionMade()
    {
    }

    /// <summary>A datagram has arrived: all of it, unless the flags say that its end is missing.</summary>
    /// <param name="data">Its bytes, of which there may be none. The span dies when the call returns.</param>
    /// <param name="from">
    /// Who has sent it, as far as can be believed: anybody can write any address there. No address when a Unix socket without a
    /// path has sent it.
    /// </param>
    /// <param name="flags">Whether it was truncated.</param>
    public virtual void DatagramReceived(ReadOnlySpan<byte> data, in DatagramAddress from, DatagramFlags flags)
    {
    }

    /// <summary>
    /// Something is wrong with a datagram that was sent, and with nothing else: the end point goes on. Always comes from the
    /// loop, never within a send.
    /// </summary>
    /// <param name="exception">A <see cref="DatagramException"/>.</param>
    public virtual void ErrorReceived(Exception exception)
    {
    }

    /// <summary>
    /// More is unsent than the high-water mark allows: send no more until <see cref="ResumeWriting"/>. This is the one callback
    /// that is made from within a call of the user's own, the send that passed the mark.
    /// </summary>
    public virtual void PauseWriting()
    {
    }

    /// <summary>
    /// What is unsent has fallen to the low-water mark. May send, and so be paused again. Not called when the end point is closed
    /// or lost while it is paused.
    /// </summary>
    public virtual void ResumeWriting()
    {
    }

    /// <summary>The end point is gone. Nothing is called after this.</summary>
    /// <param name="reason">
    /// What has ended it, such as what a callback threw; null for a close or a local abort.
    /// <see cref="DatagramTransport.CloseReason"/> says which.
    /// </param>
    public virtual void ConnectionLost(Exception? reason)
    {
    }

    internal void BindTo(DatagramTransport transport) => _transport = transport;
}
