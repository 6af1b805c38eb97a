namespace Toolkit.Transports;

/// <summary>What came of a step of a <see cref="TlsEngine"/>.</summary>
internal enum TlsStatus
{
    /// <summary>The step is done: the handshake has ended, or there is plaintext.</summary>
    Complete,

    /// <summary>All that was given is taken, and more is needed.</summary>
    NeedMoreData,

    /// <summary>The peer has said that it sends no more (close_notify).</summary>
    Closed,
}

/// <summary>Who has room for plaintext.</summary>
internal interface IPlaintextTaker
{
    /// <summary>The buffer to put plaintext into, which is there; empty when it is not wanted now. May call user code.</summary>
    Memory<byte> GetPlaintextBuffer();
}

/// <summary>
/// TLS from buffer to buffer: ciphertext goes in, and what comes out is plaintext and ciphertext to be sent. It knows of no
/// network, waits for nothing, and calls nobody but the user's certificate callbacks.
/// </summary>
/// <remarks>
/// It has the shape of the engine that .NET is to get, of which <see cref="SslStreamEngine"/> is a stand-in. What is to be sent
/// is appended to <see cref="Output"/> by whatever step makes it, also by one that throws: that is the alert which tells the
/// peer why. A step that throws is the last one. Loop thread only.
/// </remarks>
internal abstract class TlsEngine : IDisposable
{
    /// <summary>Where ciphertext to be sent is appended; never null while a step runs.</summary>
    public CipherBuffer Output { get; set; } = null!;

    /// <summary>Whether the handshake has ended well.</summary>
    public abstract bool IsAuthenticated { get; }

    /// <summary>What was agreed on; after the handshake.</summary>
    public abstract TlsConnectionInfo Describe();

    /// <summary>Goes on with the handshake. The first call of a client has no input.</summary>
    /// <param name="input">Ciphertext; what is not consumed is to be given again, before what comes later.</param>
    /// <param name="consumed">How much of it was taken.</param>
    /// <returns><see cref="TlsStatus.Complete"/> or <see cref="TlsStatus.NeedMoreData"/>.</returns>
    /// <exception cref="Exception">The handshake has failed.</exception>
    public abstract TlsStatus Handshake(ReadOnlyMemory<byte> input, out int consumed);

    /// <summary>Decrypts.</summary>
    /// <param name="input">
    /// Ciphertext, as for <see cref="Handshake"/>. May be empty, for what was taken and is not decrypted.
    /// </param>
    /// <param name="taker">Asked for a buffer once there is something to be put into it; an empty one puts it off.</param>
    /// <param name="consumed">How much of the input was taken.</param>
    /// <param name="produced">How many bytes of plaintext there are.</param>
    /// <exception cref="Exception">It is no TLS, or was tampered with, or the peer sent an alert.</exception>
    public abstract TlsStatus Decrypt(
        ReadOnlyMemory<byte> input, IPlaintextTaker taker, out int consumed, out int produced);

    /// <summary>Encrypts all of it.</summary>
    public abstract void Encrypt(ReadOnlySpan<byte> plaintext);

    /// <summary>Says to the peer that nothing more is sent (close_notify). Decrypting goes on.</summary>
    public abstract void Shutdown();

    /// <summary>Gives back what it holds; also in the middle of a handshake, and within a callback of the user's.</summary>
    public abstract void Dispose();
}
