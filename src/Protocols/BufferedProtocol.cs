namespace Toolkit;

/// <summary>
/// A protocol that hands out the buffer which bytes are received into: for messages of known size, which then need no
/// copy.
/// </summary>
public abstract class BufferedProtocol : StreamProtocol
{
    /// <summary>
    /// Asks for the buffer to receive into, just before something is written into it. It may turn out that nothing was there,
    /// and then no <see cref="BufferUpdated"/> follows.
    /// </summary>
    /// <param name="sizeHint">How many bytes would be welcome; -1 when that is not known.</param>
    /// <returns>
    /// A buffer of any size but zero, which aborts the connection. The transport writes to it until the next callback, and
    /// not afterwards.
    /// </returns>
    public abstract Memory<byte> GetBuffer(int sizeHint);

    /// <summary>Bytes have arrived at the start of the buffer that <see cref="GetBuffer"/> returned last.</summary>
    /// <param name="count">How many; at least one.</param>
    public abstract void BufferUpdated(int count);

    internal sealed override Memory<byte> AskForBuffer(int sizeHint) => GetBuffer(sizeHint);

    internal sealed override void TellFilled(int count) => BufferUpdated(count);
}
