using System.Diagnostics;

namespace Toolkit;

/// <summary>
/// What a connection calls: the base of <see cref="Protocol"/>, which is handed the bytes, and
/// <see cref="BufferedProtocol"/>, which hands out the buffer for them. Subclass one of those.
/// </summary>
/// <remarks>
/// <para>
/// All callbacks are made on the loop's thread, in this order: <see cref="ConnectionMade"/>, then data any number of
/// times, then perhaps <see cref="EofReceived"/>, then <see cref="ConnectionLost"/>, once. In between
/// <see cref="PauseWriting"/> and <see cref="ResumeWriting"/> alternate, beginning with a pause. They run with the loop's
/// synchronization context and the execution context in which the server or connection was created.
/// </para>
/// <para>
/// An exception out of any of them is reported to the loop's exception handler and aborts the connection, so that
/// <see cref="ConnectionLost"/> is told that exception; out of <see cref="ConnectionLost"/> it is only reported.
/// </para>
/// </remarks>
public abstract class StreamProtocol
{
    private Transport? _transport;

    /// <summary>The transport that calls this protocol; from <see cref="ConnectionMade"/> on, and after the end too.</summary>
    /// <exception cref="InvalidOperationException">There is none yet.</exception>
    public Transport Transport => _transport ?? throw new InvalidOperationException(
        $"{GetType().Name} is not connected: its transport is set just before ConnectionMade is called.");

    /// <summary>The connection is there. No data arrives before this has returned.</summary>
    public virtual void ConnectionMade()
    {
    }

    /// <summary>
    /// The peer has ended its side: nothing more will be received. Never follows a reset, and waits while reading is
    /// paused.
    /// </summary>
    /// <returns>
    /// True to keep the sending side open until <see cref="Transport.WriteEof"/> or <see cref="Transport.Close()"/>; false,
    /// the default, to close when what was written has left.
    /// </returns>
    public virtual bool EofReceived() => false;

    /// <summary>
    /// More is unsent than the high-water mark allows: write no more until <see cref="ResumeWriting"/>. A protocol that
    /// answers what it reads should pause reading meanwhile. This is the one callback that is made from within a call of the
    /// user's own, the write that passed the mark.
    /// </summary>
    public virtual void PauseWriting()
    {
    }

    /// <summary>
    /// What is unsent has fallen to the low-water mark. May write, and so be paused again. Not called when the connection
    /// is lost, or closed, while it is paused: <see cref="ConnectionLost"/> ends the pause.
    /// </summary>
    public virtual void ResumeWriting()
    {
    }

    /// <summary>
    /// The connection is gone. Nothing is called after this.
    /// </summary>
    /// <param name="reason">
    /// What broke it, a <see cref="ConnectionException"/> or what a callback threw; null for an end in good order or a local
    /// abort. <see cref="Transport.CloseReason"/> says which.
    /// </param>
    public virtual void ConnectionLost(Exception? reason)
    {
    }

    /// <summary>
    /// Whose kind decides how bytes arrive: this protocol, or the one behind it, when it is a layer that passes them on as they
    /// come.
    /// </summary>
    internal virtual StreamProtocol Recipient => this;

    /// <summary>The protocol that the user has written: this one, or what stands behind the layers.</summary>
    internal virtual StreamProtocol Innermost => this;

    internal bool IsBoundTo(Transport transport) => _transport == transport;

    internal virtual void BindTo(Transport transport) => _transport = transport;

    /// <summary>Another protocol is called from here on.</summary>
    internal virtual void OnReplaced()
    {
    }

    // The three ways in which bytes arrive. Of each kind of protocol, those are called that it has.
    internal virtual void TellData(ReadOnlySpan<byte> data) => throw NotOfItsKind();

    internal virtual Memory<byte> AskForBuffer(int sizeHint) => throw NotOfItsKind();

    internal virtual void TellFilled(int count) => throw NotOfItsKind();

    // Which of the two it is decides how bytes arrive; the third kind is a layer, which knows how to be either.
    private protected StreamProtocol()
    {
    }

    private UnreachableException NotOfItsKind() => new($"{GetType().Name} is told of bytes in another way.");
}
