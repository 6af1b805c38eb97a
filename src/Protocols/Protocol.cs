namespace Toolkit;

/// <summary>A protocol that is handed the bytes that arrive. The usual base class.</summary>
/// <example>
/// <code>
/// sealed class Echo : Protocol
/// {
///     public override void DataReceived(ReadOnlySpan&lt;byte&gt; data) => Transport.Write(data);
/// }
/// </code>
/// </example>
public abstract class Protocol : StreamProtocol
{
    /// <summary>
    /// Bytes have arrived, at least one, in order, cut wherever the network cut them. Not called while reading is paused,
    /// nor after <see cref="StreamProtocol.EofReceived"/>, nor once the transport is closing.
    /// </summary>
    /// <param name="data">Lent for the length of the call: copy what is to be kept.</param>
    public abstract void DataReceived(ReadOnlySpan<byte> data);

    internal sealed override void TellData(ReadOnlySpan<byte> data) => DataReceived(data);
}
