using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Told how a handshake has ended, from the loop. Never within a call of its own.</summary>
internal interface ITlsOwner
{
    /// <summary>The handshake has ended.</summary>
    /// <param name="failure">Why it failed; null when plaintext may flow.</param>
    void OnHandshakeEnded(TlsException? failure);
}

/// <summary>
/// A connection that carries TLS, as a handle: plaintext on this side, ciphertext on the other, which is the handle of the
/// connection itself. It holds the state; what is done with it stands in <see cref="TlsBackend"/>.
/// </summary>
internal sealed class TlsHandle : IoHandle, IReceiver, ISender, IHangUpWatcher, IPlaintextTaker, ILoopResident
{
    private readonly TlsBackend _backend;

    // Ciphertext that was received and not consumed. Empty, as at nearly every moment, it is no array.
    private byte[] _held = [];
    private int _heldStart;
    private int _heldEnd;

    private int _batchPlaintext;
    private int _batchCiphertext = 1;

    public TlsHandle(
        TlsBackend backend, IoHandle inner, ReceiveOperation? receive, TlsOptions options, TlsUserCode user, ITlsOwner owner)
        : base(backend)
    {
        _backend = backend;
        Inner = inner;
        Options = options;
        User = user;
        Owner = owner;
        InnerReceive = receive ?? new ReceiveOperation(inner, this);
        InnerReceive.Receiver = this;
    }

    /// <summary>Where a handle is; in this order.</summary>
    public enum Stage : byte
    {
        /// <summary>What was written before the upgrade is still to leave.</summary>
        Waiting,

        /// <summary>The handshake is under way.</summary>
        Handshaking,

        /// <summary>Plaintext may flow.</summary>
        Open,

        /// <summary>TLS has failed: nothing is sent but an alert, and nothing that arrives has a meaning.</summary>
        Failed,
    }

    public override EndPoint? LocalEndPoint => Inner.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => Inner.RemoteEndPoint;

    public override PeerIdentity? PeerIdentity => Inner.PeerIdentity;

    /// <summary>The connection's own handle.</summary>
    public IoHandle Inner { get; }

    public TlsOptions Options { get; }

    public TlsUserCode User { get; }

    /// <summary>Who is told of the end of the handshake; null when it was told.</summary>
    public ITlsOwner? Owner { get; set; }

    public Stage Current { get; set; }

    /// <summary>Made with the first step of the handshake, and gone with the release.</summary>
    public TlsEngine? Engine { get; set; }

    /// <summary>What was agreed on.</summary>
    public TlsConnectionInfo? Info { get; set; }

    /// <summary>What went wrong with TLS, when an operation ends with <see cref="SocketError.SocketError"/>.</summary>
    public TlsException? Fault { get; set; }

    /// <summary>Whether the handshake may begin as soon as <see cref="PlainLeft"/> is zero.</summary>
    public bool MayBegin { get; set; }

    /// <summary>How many of the bytes to be sent next were written before the upgrade, and leave as they are.</summary>
    public long PlainLeft { get; set; }

    public ReceiveOperation InnerReceive { get; }

    public SendOperation? InnerSend { get; set; }

    public HangUpOperation? InnerHangUp { get; set; }

    /// <summary>What the watch on the inner handle has told while nobody asked.</summary>
    public SocketError? HungUp { get; set; }

    /// <summary>How the stream of ciphertext has ended; it stands behind what is held.</summary>
    public SocketError? InputEnd { get; set; }

    /// <summary>Whether the peer has ended TLS (close_notify).</summary>
    public bool IsPeerClosed { get; set; }

    /// <summary>Whether the engine may have plaintext without being given more.</summary>
    public bool MayHavePlaintext { get; set; }

    /// <summary>What was received and not consumed, where the backend has it for the length of a call.</summary>
    public ReadOnlyMemory<byte> Lent { get; set; }

    /// <summary>Ciphertext that the operating system has not taken.</summary>
    public OutputBuffer Output;

    /// <summary>How many bytes of plaintext were encrypted and not yet reported as sent.</summary>
    public long Credit { get; set; }

    /// <summary>
    /// How many of them can be reported: those whose ciphertext has left, taking it that plaintext is spread evenly over it. So
    /// what a transport counts as unsent is unsent, and a peer that takes a few bytes is seen to take them.
    /// </summary>
    public long TakeableCredit
        => Credit - Math.Min(Credit, ((Output.Length * _batchPlaintext) + _batchCiphertext - 1) / _batchCiphertext);

    /// <summary>Whether the inner send in flight is of the transport's own bytes, from before the upgrade.</summary>
    public bool IsSendingPlain { get; set; }

    /// <summary>Whether the sending side is to end when the output has left.</summary>
    public bool EndsSending { get; set; }

    /// <summary>Why nothing can be sent any more.</summary>
    public SocketError SendFault { get; set; }

    /// <summary>Whether the inner handle is somebody else's by now.</summary>
    public bool IsSurrendered { get; set; }

    /// <summary>Whether the next turn looks at this handle; the backend's own.</summary>
    public bool IsQueued { get; set; }

    /// <summary>Whether a step of the handshake waits for its turn; the backend's own.</summary>
    public bool IsStepQueued { get; set; }

    /// <summary>The bound of a release that waits for the output to leave.</summary>
    public TimerHandle? ReleaseLimit { get; set; }

    public bool HasHeld => _heldEnd > _heldStart;

    /// <summary>Ciphertext to be consumed next.</summary>
    public ReadOnlyMemory<byte> Input => HasHeld ? _held.AsMemory(_heldStart, _heldEnd - _heldStart) : Lent;

    public bool IsInnerSending => InnerSend is { IsArmed: true };

    int ILoopResident.ResidentIndex { get; set; }

    bool IReceiver.ProvidesBuffer => true;

    /// <summary>
    /// The connection ends, and its inner handle is taken over by whoever waits for the peer's end. Call
    /// <see cref="IoBackend.ShutdownSend"/> before.
    /// </summary>
    /// <returns>The operation to go on with; null when the peer has ended already, and the handle was only released.</returns>
    public ReceiveOperation? Surrender()
    {
        IsSurrendered = InputEnd is null;
        _backend.Release(this, reset: false);
        return IsSurrendered ? InnerReceive : null;
    }

    /// <summary>So much plaintext was encrypted, while nothing else was on its way.</summary>
    public void BeginBatch(int plaintext, int ciphertext)
    {
        Credit = plaintext;
        _batchPlaintext = plaintext;
        _batchCiphertext = ciphertext;
    }

    /// <summary>Keeps ciphertext for later, behind what is kept already.</summary>
    public void Hold(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        int length = _heldEnd - _heldStart;
        byte[] joined = ArrayPool<byte>.Shared.Rent(length + data.Length);
        _held.AsSpan(_heldStart, length).CopyTo(joined);
        data.CopyTo(joined.AsSpan(length));
        DropHeld();
        _held = joined;
        _heldEnd = length + data.Length;
    }

    /// <summary>Some of <see cref="Input"/> was consumed.</summary>
    public void Consume(int count)
    {
        if (!HasHeld)
        {
            Lent = Lent[count..];
            return;
        }

        _heldStart += count;
        if (_heldStart == _heldEnd)
        {
            DropHeld();
        }
    }

    public void DropHeld()
    {
        if (_held.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_held);
        }

        _held = [];
        _heldStart = _heldEnd = 0;
    }

    Memory<byte> IReceiver.GetBuffer() => _backend.ReceiveBuffer;

    bool IReceiver.OnBufferFilled(int count) => _backend.OnCiphertext(this, count);

    // Told by an operation that was armed for another when it was taken over.
    bool IReceiver.OnReceived(ReadOnlySpan<byte> data)
    {
        data.CopyTo(_backend.ReceiveBuffer.Span);
        return _backend.OnCiphertext(this, data.Length);
    }

    void IReceiver.OnReceiveEnded(SocketError error) => _backend.OnInnerReceiveEnded(this, error);

    void ISender.OnSent(int count, SocketError error) => _backend.OnInnerSent(this, count, error);

    void IHangUpWatcher.OnHungUp(SocketError error) => TlsBackend.OnInnerHungUp(this, error);

    Memory<byte> IPlaintextTaker.GetPlaintextBuffer() => _backend.GetPlaintextBuffer(this);

    // Released, and waiting for its last record to leave.
    void ILoopResident.OnLoopShutdown()
    {
    }

    void ILoopResident.OnLoopShutdownExpired() => _backend.GiveUpRelease(this);
}
